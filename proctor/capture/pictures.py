"""What camera and recording share: the frame grid, and the size pictures come in."""

from __future__ import annotations

import math

from proctor.types import Image

# The size that detectors and the clip ring are made for (docs/decisions/0005).
LONG_SIDE = 640
FRAMES_PER_SECOND = 10.0
# A frame may come this part of a grid step early, so that timestamps rounded to a millisecond
# (Matroska) or a camera's jitter do not cost a frame.
EARLY = 0.1


class FrameGrid:
    """Chooses frames: the first at or after each multiple of ``1 / fps``, none twice."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._step: int | None = None

    def wants(self, t: float) -> bool:
        """True when the frame at second ``t`` is the first of its grid step."""
        step = math.floor(t * self._fps + EARLY)
        if self._step is not None and step <= self._step:
            return False
        self._step = step
        return True


def fit(width: float, height: float, long_side: int) -> tuple[int, int]:
    """Even width and height with the same shape, the longer at most ``long_side``, never enlarged."""
    scale = min(1.0, long_side / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def sealed(image: Image) -> Image:
    """The same array, marked read-only: every detector and the ring share it."""
    image.flags.writeable = False
    return image
