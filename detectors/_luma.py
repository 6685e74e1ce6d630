"""Brightness and structure of a whole picture, cheaply: what lighting and camera both look at."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from proctor.types import Image

Floats = npt.NDArray[np.float64]

# All measures are taken on this size, whatever the camera gives: area averaging keeps brightness
# and drops sensor noise, and 19,200 pixels cost a tenth of a millisecond.
WIDTH, HEIGHT = 160, 120
# Below this side there is no picture to speak of.
SMALLEST_SIDE = 32
# Pictures beyond twice this height are thinned first; averaging 33 million pixels would cost 30 ms.
THIN_ABOVE = 720

# Blocks of 20×15 small pixels; in each, detail is what a blur of this many small pixels removes.
# In good light edges must be fairly crisp, else a translucent tape passes; in the dark, where noise
# swallows the fine, coarse shapes are proof enough that the camera sees a room.
BLOCKS_X, BLOCKS_Y = 8, 8
BLUR_LIGHT, BLUR_DARK = 2.0, 4.0
DARK_MEAN = 40.0
# The least detail (standard deviation, of 255) that counts as structure: above what 8-bit rounding
# and JPEG leave in an evenly grey area.
DETAIL = 1.2
STRETCHES = 64
# A picture with fewer structured blocks than this (3 of 64) shows nothing: honest recordings have
# at least 0.37, a hundredth of their light still leaves 0.12.
COVERED_BELOW = 0.05
# ... and above what the sensor's own noise leaves after averaging, in standard deviations.
NOISE_SIGMAS = 2.5


def small(image: Image) -> Image:
    """Luma of a BGR picture as ``HEIGHT``×``WIDTH`` uint8."""
    step = max(1, min(image.shape[:2]) // THIN_ABOVE)
    if step > 1:
        image = np.ascontiguousarray(image[::step, ::step])
    shrunk = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    grey: Image = cv2.cvtColor(shrunk, cv2.COLOR_BGR2GRAY)
    return grey


def noise(image: Image) -> float:
    """Sensor noise of the full picture, standard deviation of 255.

    From differences of neighbouring pixels in every sixteenth line: where the picture is smooth,
    they are noise only, so the quietest quarter of 64 stretches is taken.
    """
    lines = np.ascontiguousarray(image[::16, :, 1]).astype(np.float32)
    steps = np.diff(lines, axis=1).ravel()
    length = steps.size // STRETCHES
    if length == 0:
        return 0.0
    spread = steps[: STRETCHES * length].reshape(STRETCHES, length).std(axis=1)
    return float(np.quantile(spread, 0.25) / np.sqrt(2.0))


def structured_share(grey: Image, sensor_noise: float, width: int) -> float:
    """Share of the picture's 64 blocks that show structure, 0…1.

    ``grey`` is :func:`small`'s picture, ``sensor_noise`` :func:`noise`'s, ``width`` the full
    picture's width in pixels. A finger, tape or a lens cap leaves only slow shading.
    """
    floats = grey.astype(np.float32)
    sigma = BLUR_DARK if floats.mean() < DARK_MEAN else BLUR_LIGHT
    detail = floats - cv2.GaussianBlur(floats, (0, 0), sigma)
    blocks = detail.reshape(BLOCKS_Y, HEIGHT // BLOCKS_Y, BLOCKS_X, WIDTH // BLOCKS_X)
    spread = blocks.std(axis=(1, 3))
    # Averaging n×n pixels divides white noise by n.
    left_over = sensor_noise * WIDTH / max(width, WIDTH)
    return float((spread > max(DETAIL, NOISE_SIGMAS * left_over)).mean())


def unfit(image: Image, grey: Image) -> str:
    """Why a picture cannot be judged at all, or an empty string: nothing is seen in it."""
    if min(image.shape[:2]) < SMALLEST_SIDE:
        return "picture too small"
    if structured_share(grey, noise(image), image.shape[1]) <= COVERED_BELOW:
        return "camera covered"
    return ""


def ramp(value: float, nothing: float, everything: float) -> float:
    """0 at ``nothing``, 1 at ``everything``, linear between, clipped outside."""
    return float(np.clip((value - nothing) / (everything - nothing), 0.0, 1.0))
