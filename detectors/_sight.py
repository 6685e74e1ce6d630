"""One face's line of sight: head and eyes in one direction, in words too, and whether it can be told.

The head's rotation comes from the landmarker's matrix, the eyes' direction in it from its look
blendshapes (docs/detectors/gaze.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectors._nets import FaceView
from proctor.types import Image

# Degrees of eye rotation at a look blendshape of 1. From the iris: on clips of eyes turned fully
# aside the iris is off the middle by 0.25 eye widths at 0.95; with a fissure of 30 mm and the pupil
# 10.5 mm from the eye's centre of rotation (anatomical means) that is 40-45°, and 25° at 0.83.
EYE_DEGREES = 35.0
# Vertical look blendshapes follow the lids more than the eye: they get less weight.
EYE_DEGREES_UP = 25.0
# A head turned far aside is rarely made up for by the eyes; they cancel at most this much of it.
MAX_CANCEL = 20.0
# Lids closed further than this say nothing about the eyes (blinks reach 0.5-0.75).
LIDS_SHUT = 0.5
# The last direction of the eyes stands in for a blink this long (blinks take 0.1-0.4 s).
BLINK_S = 0.5
# Quality gate. Narrower faces have eyes of under 8 px; in darker ones noise hides the iris. The limit
# is low on purpose: dark skin in a dim room must not be left out before light skin is.
# Checked this often: light and size change slowly.
QUALITY_S = 0.3
MIN_WIDTH_PX = 40.0
MIN_FACE_LUMA = 18.0
# Variance of the Laplacian of the face scaled to SHARP_SIDE px; below it the eyes are smeared.
MIN_SHARPNESS = 8.0
SHARP_SIDE = 96


@dataclass(frozen=True, slots=True)
class Sight:
    """A line of sight in degrees (right and up of the lens, as the picture shows it)."""

    right: float
    up: float
    head_right: float
    head_up: float
    eyes_right: float
    eyes_seen: bool


class Eyes:
    """Turns faces into lines of sight; remembers the eyes through a blink."""

    def __init__(self) -> None:
        self._last: tuple[float, float, float] | None = None

    def sight(self, t: float, view: FaceView) -> Sight:
        """Head and eyes in one direction; through a blink the eyes stay where they were."""
        eyes_right, eyes_up = view.eyes_right * EYE_DEGREES, view.eyes_up * EYE_DEGREES_UP
        seen = view.lids < LIDS_SHUT
        if seen:
            self._last = (t, eyes_right, eyes_up)
        elif self._last is not None and 0.0 <= t - self._last[0] <= BLINK_S:
            _, eyes_right, eyes_up = self._last
            seen = True
        else:
            eyes_right, eyes_up = 0.0, 0.0
        if view.yaw * eyes_right < 0 and abs(view.yaw) > MAX_CANCEL:
            eyes_right = float(np.clip(eyes_right, -MAX_CANCEL, MAX_CANCEL))
        right, up = turn(view, eyes_right, eyes_up)
        return Sight(right, up, view.yaw, view.pitch, eyes_right, seen)


def turn(view: FaceView, eyes_right: float, eyes_up: float) -> tuple[float, float]:
    """The eyes' direction in the head, rotated with the head: degrees right and up."""
    x, y = np.radians(eyes_right), np.radians(eyes_up)
    in_head = np.array([np.sin(x) * np.cos(y), np.sin(y), np.cos(x) * np.cos(y)])
    right, up, forward = view.rotation @ in_head
    return float(np.degrees(np.arctan2(right, forward))), float(
        np.degrees(np.arcsin(np.clip(up, -1.0, 1.0)))
    )


def poor(image: Image, view: FaceView) -> str:
    """Why the eyes of this face cannot be judged, or nothing."""
    height, width = image.shape[:2]
    # From ear to ear in depth too: a head turned aside is narrower in the picture, but no smaller.
    across = float(np.linalg.norm((view.points[454] - view.points[234]) * (width, height, width)))
    if across < MIN_WIDTH_PX:
        return f"face too small ({across:.0f} px wide)"
    box = view.box
    left, top = max(0, int(box.x * width)), max(0, int(box.y * height))
    right, bottom = int((box.x + box.width) * width), int((box.y + box.height) * height)
    cut = image[top:bottom, left:right]
    if cut.size == 0:
        return "face out of the picture"
    face = cv2.resize(cut, (SHARP_SIDE, SHARP_SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)
    luma = float(grey.mean())
    if luma < MIN_FACE_LUMA:
        return f"face too dark (brightness {luma:.0f} of 255)"
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    if sharpness < MIN_SHARPNESS:
        return f"face too blurred (sharpness {sharpness:.0f})"
    return ""


def _side(degrees: float) -> str:
    if abs(degrees) < 3:
        return "straight"
    return f"{abs(degrees):.0f}° to the {'right' if degrees > 0 else 'left'}"


def words(sight: Sight) -> str:
    eyes = _side(sight.eyes_right) if sight.eyes_seen else "closed"
    return f"head {_side(sight.head_right)}, eyes {eyes} in the picture"


def words_down(sight: Sight) -> str:
    head = "down" if sight.head_up < 0 else "up"
    return f"head {abs(sight.head_up):.0f}° {head}, line of sight {abs(sight.up):.0f}° " + (
        "down" if sight.up < 0 else "up"
    )
