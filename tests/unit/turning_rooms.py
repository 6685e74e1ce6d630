"""Rooms that never were: a pinhole camera turns inside a cylinder papered with real pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
from skimage import data

from proctor.types import Frame, Image

WIDTH, HEIGHT = 400, 300
# The wall's picture: columns for 360°, rows for this many radii of height.
COLUMNS, ROWS, TALL = 3600, 1200, 2.4
PICTURES = ("coffee", "astronaut", "chelsea", "rocket", "retina", "immunohistochemistry")


@cache
def papered(seed: int = 1, pictures: tuple[str, ...] = PICTURES) -> Image:
    """A wall round the whole room, hung with the pictures of scikit-image in a drawn order."""
    rng = np.random.default_rng(seed)
    wall = np.full((ROWS, COLUMNS, 3), 180, np.uint8)
    at = 0
    while at < COLUMNS:
        picture = getattr(data, pictures[rng.integers(len(pictures))])()
        wide = int(rng.integers(200, 420))
        tall = int(rng.integers(ROWS // 2, ROWS))
        top, wide = int(rng.integers(0, ROWS - tall + 1)), min(wide, COLUMNS - at)
        wall[top : top + tall, at : at + wide] = cv2.resize(picture, (wide, tall))
        at += wide + int(rng.integers(10, 60))
    return wall


@cache
def bare() -> Image:
    """A wall of one colour, a little lighter on one side."""
    shade = 170 + 12 * np.sin(np.linspace(0, 2 * math.pi, COLUMNS))
    return np.repeat(np.tile(shade[None, :, None], (ROWS, 1, 1)), 3, axis=2).astype(np.uint8)


def look(
    wall: Image,
    yaw: float,
    fov: float,
    pitch: float = 0.0,
    roll: float = 0.0,
    where: tuple[float, float] = (0.0, 0.0),
) -> Image:
    """What the camera sees; degrees, ``yaw`` to the right. ``where`` it stands (radii of the room)."""
    focal = 0.5 * WIDTH / math.tan(math.radians(fov) / 2)
    x, y = np.meshgrid(
        (np.arange(WIDTH) + 0.5 - WIDTH / 2) / focal, (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / focal
    )
    a, b, c = (math.radians(v) for v in (yaw, pitch, roll))
    x, y = x * math.cos(c) - y * math.sin(c), x * math.sin(c) + y * math.cos(c)
    y, z = y * math.cos(b) - math.sin(b), y * math.sin(b) + math.cos(b)
    x, z = x * math.cos(a) + z * math.sin(a), -x * math.sin(a) + z * math.cos(a)
    # Where the ray from ``where`` meets the cylinder of radius 1.
    flat = np.hypot(x, z)
    x, y, z = x / flat, y / flat, z / flat
    along = x * where[0] + z * where[1]
    far = -along + np.sqrt(along**2 + 1 - where[0] ** 2 - where[1] ** 2)
    px, py, pz = where[0] + far * x, far * y, where[1] + far * z
    column = (np.degrees(np.arctan2(px, pz)) % 360) * COLUMNS / 360
    row = (py / TALL + 0.5) * ROWS
    wide = np.concatenate((wall, wall[:, :8]), axis=1)
    return np.asarray(
        cv2.remap(
            wide,
            column.astype(np.float32),
            row.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )


def film(
    wall: Image,
    yaws: npt.ArrayLike,
    fov: float,
    *,
    fps: float = 10.0,
    noise: float = 3.0,
    pitch: float = 0.0,
    wobble: float = 1.5,
    arm: float = 0.0,
    seed: int = 0,
    after: Callable[[int, Image], Image] = lambda i, picture: picture,
) -> Iterator[Frame]:
    """Frames at ``yaws`` (degrees), with sensor noise (grey levels), a nod and a sway (``wobble``
    degrees), and a camera held ``arm`` radii of the room in front of the axis it turns about."""
    rng = np.random.default_rng(seed)
    for i, yaw in enumerate(np.asarray(yaws, dtype=float)):
        nod = pitch + wobble * math.sin(i / 3.1)
        sway = 0.7 * wobble * math.sin(i / 4.3 + 1)
        angle = math.radians(yaw)
        where = (arm * math.sin(angle), arm * math.cos(angle))
        picture = look(wall, yaw, fov, nod, sway, where)
        noisy = picture + noise * rng.standard_normal(picture.shape, dtype=np.float32)
        yield Frame(i / fps, i, after(i, np.clip(noisy, 0, 255).astype(np.uint8)))


def steady(degrees: float, speed: float, fps: float = 10.0) -> npt.NDArray[np.float64]:
    """Yaws of a turn by ``degrees`` at ``speed`` degrees a second, standing still at both ends."""
    moving = np.arange(0.0, abs(degrees), speed / fps)
    return np.concatenate((np.zeros(3), moving, np.full(4, abs(degrees)))) * np.sign(degrees)
