"""A head turned so far aside that the landmarker finds no face in it: YuNet still does.

YuNet gives five points of a face. In units of the distance from eyes to mouth, a face that looks
here has its eyes 1.0 apart and its nose in the middle; as it turns, the nose wanders and the eyes
close up. docs/detectors/gaze.md has the figures by yaw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors._landmarks import Floats
from detectors._luma import ramp
from detectors._nets import MIN_SIDE, FaceFinder, iou
from proctor.types import Box, Image

# Each pair is (not turned, turned for sure). Of 126 FairFace heads within 15 degrees of the front none
# passes one half, of 76 up to 30 degrees 2, of 15 from 40 to 50 degrees 8, of 12 beyond them 11.
NOSE_ASIDE = (0.2, 0.36)
EYES_APART = (0.8, 0.5)
# YuNet's profiles score 0.83-0.92 in full light.
SURE = 0.7
SMALLEST_PX = 30.0
# What is half turned by these measures is turned by about this much: it is away only for limits below.
DEGREES = 45.0
# The face must be where one was a moment ago: a picture of a profile on the wall is nobody.
SAME_PLACE_S = 2.0
SAME_PLACE_IOU = 0.1


@dataclass(frozen=True, slots=True)
class Turned:
    """A head that is turned far aside: how sure (0.5…1), and to the picture's right or left."""

    score: float
    to_right: bool
    box: Box


class Profile:
    """Follows the student's face from the last landmarks on."""

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self.forget()

    def forget(self) -> None:
        """The next face is a new one."""
        self._last: tuple[float, Box] | None = None

    def seen(self, t: float, box: Box) -> None:
        """The landmarker sees the face at ``box``."""
        self._last = t, box

    def look(self, t: float, image: Image) -> Turned | None:
        """The face that was here a moment ago, if it is turned far aside now."""
        if self._last is None or not 0.0 <= t - self._last[0] <= SAME_PLACE_S:
            return None
        if min(image.shape[:2]) < MIN_SIDE:
            return None
        found = self._finder.surest(image)
        if found is None or found[0].score < SURE:
            return None
        box = found[0].box
        if iou(box, self._last[1]) < SAME_PLACE_IOU or box.width * image.shape[1] < SMALLEST_PX:
            return None
        self._last = t, box
        score, to_right = turned(found[1])
        return Turned(score, to_right, box) if score >= 0.5 else None


def turned(points: Floats) -> tuple[float, bool]:
    """How surely five points (:meth:`FaceFinder.surest`) are those of a head turned far aside, 0…1,
    and whether its nose points to the picture's right."""
    left_eye, right_eye, nose = points[0], points[1], points[2]
    eyes, mouth = (left_eye + right_eye) / 2, (points[3] + points[4]) / 2
    up = eyes - mouth
    length = float(np.hypot(*up))
    if length <= 0.0:
        return 0.0, False
    # Across the face, towards the picture's right of an upright one.
    across = np.array([-up[1], up[0]]) / length
    aside = float((nose - (eyes + mouth) / 2) @ across) / length
    apart = float((right_eye - left_eye) @ across) / length
    return min(ramp(abs(aside), *NOSE_ASIDE), ramp(apart, *EYES_APART)), aside > 0
