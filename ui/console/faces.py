"""Faces in the pictures of a clip, found here and now: to blur other people, and to mark a face.

The network is the project's YuNet (``models/manifest.toml``), read by OpenCV's own
``FaceDetectorYN``: box and five points (eyes, tip of the nose, corners of the mouth) of each face.
What it finds stays in memory with the clip and says nothing about the flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from models import registry
from proctor.types import Box, Image

NETWORK = "yunet"
# Below the 0.6 to 0.9 that detectors use: a face too many is blurred for nothing, one too few is seen.
SURE, SAME, MOST = 0.4, 0.3, 50
# The long side that a picture is made smaller to: 11 ms a picture on one thread.
SIDE = 640
# A face is blurred with its hair and chin, and so coarsely that nobody is known by it: in so many blocks.
WIDER, BLOCKS = 0.35, 6


@dataclass(frozen=True, slots=True)
class Face:
    """A face: its box and five points, in fractions of the picture."""

    box: Box
    points: tuple[tuple[float, float], ...]

    @property
    def size(self) -> float:
        return self.box.width * self.box.height


class Finder:
    """Finds faces. Raises :class:`models.registry.ModelError` where the network is not installed."""

    def __init__(self) -> None:
        path = registry.find(NETWORK) or registry.install(NETWORK)
        self._net: Any = cv2.FaceDetectorYN.create(str(path), "", (SIDE, SIDE), SURE, SAME, MOST)

    def find(self, image: Image) -> tuple[Face, ...]:
        """Every face in a BGR picture, the largest first."""
        height, width = image.shape[:2]
        scale = SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
        across, down = small.shape[1], small.shape[0]
        self._net.setInputSize((across, down))
        _, rows = self._net.detect(small)
        faces = [] if rows is None else [_face(row, across, down) for row in rows]
        return tuple(sorted(faces, key=lambda face: -face.size))


def _face(row: Sequence[float], across: int, down: int) -> Face:
    x, y, width, height = (float(v) for v in row[:4])
    points = tuple((float(row[4 + 2 * i]) / across, float(row[5 + 2 * i]) / down) for i in range(5))
    return Face(Box(x / across, y / down, width / across, height / down), points)


def blurred(image: Image, faces: Sequence[Face] | None) -> Image:
    """The picture with every face but the largest made unknowable; all of it while nobody looked for faces.

    Whose face is the largest is taken to be the student: they sit nearest to their camera.
    """
    shown = np.array(image)
    height, width = shown.shape[:2]
    if faces is None:
        _coarsen(shown, 0, 0, width, height)
        return shown
    for face in faces[1:]:
        box = face.box
        left, right = box.x - WIDER * box.width, box.x + (1 + WIDER) * box.width
        top, bottom = box.y - WIDER * box.height, box.y + (1 + WIDER) * box.height
        _coarsen(
            shown,
            max(0, int(left * width)),
            max(0, int(top * height)),
            min(width, int(right * width) + 1),
            min(height, int(bottom * height) + 1),
        )
    return shown


def _coarsen(image: Image, left: int, top: int, right: int, bottom: int) -> None:
    part = image[top:bottom, left:right]
    if not part.size:
        return
    few = cv2.resize(part, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
    size = (right - left, bottom - top)
    image[top:bottom, left:right] = cv2.resize(few, size, interpolation=cv2.INTER_NEAREST)
