"""What camera and recording share: the frame grid, and the size pictures come in."""

from __future__ import annotations

import cv2
import numpy as np

from proctor.types import Image

# The size that detectors and the clip ring are made for (docs/decisions/0005).
LONG_SIDE = 640
FRAMES_PER_SECOND = 10.0
# A frame may come this part of a step early, so that timestamps rounded to a millisecond
# (Matroska) or a camera's jitter do not cost a frame.
EARLY = 0.1


class FrameGrid:
    """Chooses frames: the first at or after each step of ``1 / fps``, none twice.

    A source slower than the grid gives all of its frames; after a pause the steps start anew.
    """

    def __init__(self, fps: float) -> None:
        self._step = 1 / fps
        self._due: float | None = None

    def wants(self, t: float) -> bool:
        """True when the frame at second ``t`` is to be taken. Ask in order of time."""
        due = t if self._due is None else self._due
        if t < due - EARLY * self._step:
            return False
        self._due = due + self._step if due + self._step > t else t + self._step
        return True


def fit(width: float, height: float, long_side: int) -> tuple[int, int]:
    """Even width and height with the same shape, the longer at most ``long_side``, never enlarged."""
    scale = min(1.0, long_side / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def sealed(image: Image) -> Image:
    """The same array, marked read-only: every detector and the ring share it."""
    image.flags.writeable = False
    return image


def letterbox(image: Image, width: int, height: int) -> Image:
    """``image`` in the middle of a black picture of the given size, which must not be smaller."""
    inner_height, inner_width = image.shape[:2]
    if (inner_width, inner_height) == (width, height):
        return image
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    canvas[top : top + inner_height, left : left + inner_width] = image
    return canvas


def fit_into(width: float, height: float, box: tuple[int, int]) -> tuple[int, int]:
    """Even width and height of the largest picture of this shape that fits in ``box``."""
    scale = min(box[0] / width, box[1] / height)
    inner = [max(2, round(side * scale / 2) * 2) for side in (width, height)]
    return min(inner[0], box[0]), min(inner[1], box[1])


def to_bgr(raw: object) -> Image | None:
    """A picture as a device gives it (grey, BGR or BGRA, 8 or 16 bit) as BGR; ``None`` if it is none."""
    if not isinstance(raw, np.ndarray) or raw.ndim not in (2, 3) or 0 in raw.shape:
        return None
    if raw.dtype == np.uint16:
        raw = (raw >> 8).astype(np.uint8)
    if raw.dtype != np.uint8:
        return None
    channels = 1 if raw.ndim == 2 else raw.shape[2]
    if channels == 3:
        return raw
    code = {1: cv2.COLOR_GRAY2BGR, 4: cv2.COLOR_BGRA2BGR}.get(channels)
    return None if code is None else np.asarray(cv2.cvtColor(raw, code), dtype=np.uint8)
