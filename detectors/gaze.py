"""Gaze: is the person looking away from the screen, or down at the desk?

The head's rotation (landmarker) and the direction of the eyes in it (look blendshapes) make one
line of sight. It is compared with the person's own usual one, learned as they go, since the camera
sits above one screen and beside another, and faces differ. Limits are wide: the corner of a large
screen is not away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from pydantic import Field

from detectors._nets import FaceMesh, FaceView
from proctor.pipeline.detector import Context, Kind, Plugin
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import Frame, Image, Observation

NAME = "gaze"
AWAY = "gaze.away"
DOWN = "gaze.down"

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
# A face that turns until the landmarker loses it keeps its last score this long.
HOLD_S = 1.0
# The usual line of sight: median of the last frames at the screen, at most so far from the camera's.
USUAL_FRAMES = 600
USUAL_LEAST = 15
USUAL_EVERY = 10
USUAL_MAX_YAW = 12.0
USUAL_MAX_PITCH = 20.0
# Until it is known, limits are this much wider.
STRANGER_DEGREES = 5.0
# Scores rise from 0 to 1 over this many degrees around the limit (0.5 at the limit itself).
RAMP_DEGREES = 20.0
# Quality gate. Narrower faces have eyes of under 8 px; in darker ones noise hides the iris. The limit
# is low on purpose: dark skin in a dim room must not be left out before light skin is.
# Checked this often: light and size change slowly.
QUALITY_S = 0.3
MIN_WIDTH_PX = 40.0
MIN_FACE_LUMA = 18.0
# Variance of the Laplacian of the face scaled to SHARP_SIDE px; below it the eyes are smeared.
MIN_SHARPNESS = 8.0
SHARP_SIDE = 96


class Settings(BaseSettings):
    """What an institution may set."""

    away_degrees: float = Field(
        20.0,
        ge=8.0,
        le=60.0,
        description="Degrees to the side of the usual line of sight that count half as away.",
    )
    up_degrees: float = Field(
        30.0, ge=8.0, le=60.0, description="Degrees above the usual line of sight, likewise."
    )
    down_degrees: float = Field(
        25.0, ge=8.0, le=60.0, description="Degrees below the usual line of sight, for gaze.down."
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """A line of sight in degrees (right and up of the lens, as the picture shows it)."""

    right: float
    up: float
    head_right: float
    head_up: float
    eyes_right: float
    eyes_seen: bool


class Usual:
    """The person's usual line of sight: a running median of frames that look at the screen."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque(maxlen=USUAL_FRAMES)
        self._count = 0
        self.right = 0.0
        self.up = 0.0

    @property
    def known(self) -> bool:
        return self._count >= USUAL_LEAST

    def add(self, sight: Sight) -> None:
        """One more frame at the screen."""
        self._recent.append((sight.right, sight.up))
        self._count += 1
        if self._count >= USUAL_LEAST and self._count % USUAL_EVERY in (
            0,
            USUAL_LEAST % USUAL_EVERY,
        ):
            right, up = np.median(np.array(self._recent), axis=0)
            self.right = float(np.clip(right, -USUAL_MAX_YAW, USUAL_MAX_YAW))
            self.up = float(np.clip(up, -USUAL_MAX_PITCH, USUAL_MAX_PITCH))


class Gaze:
    """The detector. Feed it frames in time order."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._mesh = context.share(
            "face_mesh", lambda: FaceMesh(context.models["face_landmarker"])
        ).acquire()
        self._forget()

    def _forget(self) -> None:
        self._usual = Usual()
        self._eyes: tuple[float, float, float] | None = None
        self._last: tuple[float, list[Observation]] | None = None
        self._quality: tuple[float, str] | None = None

    def reset(self) -> None:
        """Forget all history, the usual line of sight too."""
        self._mesh.reset()
        self._forget()

    def close(self) -> None:
        """Free the network."""
        self._mesh.release()

    def update(self, sample: Frame) -> Sequence[Observation]:
        """One observation each of ``gaze.away`` and ``gaze.down``."""
        t = sample.t
        view = self._mesh.look(sample)
        if view is None:
            self._quality = None
            return self._held(t) or _unknown(t, "no face in view")
        if self._quality is None or not 0.0 <= t - self._quality[0] < QUALITY_S - 0.05:
            self._quality = t, _poor(sample.image, view)
        if self._quality[1]:
            return _unknown(t, self._quality[1])
        sight = self._sight(t, view)
        observations = self._judge(t, view, sight)
        self._last = (t, observations)
        return observations

    def _judge(self, t: float, view: FaceView, sight: Sight) -> list[Observation]:
        settings, usual = self._settings, self._usual
        wider = 0.0 if usual.known else STRANGER_DEGREES
        right, up = sight.right - usual.right, sight.up - usual.up
        aside = _score(abs(right), settings.away_degrees + wider)
        above = _score(up, settings.up_degrees + wider)
        down = _score(-up, settings.down_degrees + wider)
        if max(aside, above, down) < 0.5 and sight.eyes_seen:
            usual.add(sight)
        away = Observation(t, AWAY, max(aside, above), NAME, view.box, 1.0, _words(sight))
        if not sight.eyes_seen and down < 0.5:
            # Lowered lids: the eyes may be shut, or on the desk.
            lowered = Observation(t, DOWN, None, NAME, view.box, 0.0, "eyes closed or lowered")
            return [away, lowered]
        return [away, Observation(t, DOWN, down, NAME, view.box, 1.0, _words_down(sight))]

    def _sight(self, t: float, view: FaceView) -> Sight:
        """Head and eyes in one direction; through a blink the eyes stay where they were."""
        eyes_right, eyes_up = view.eyes_right * EYE_DEGREES, view.eyes_up * EYE_DEGREES_UP
        seen = view.lids < LIDS_SHUT
        if seen:
            self._eyes = (t, eyes_right, eyes_up)
        elif self._eyes is not None and 0.0 <= t - self._eyes[0] <= BLINK_S:
            _, eyes_right, eyes_up = self._eyes
            seen = True
        else:
            eyes_right, eyes_up = 0.0, 0.0
        if view.yaw * eyes_right < 0 and abs(view.yaw) > MAX_CANCEL:
            eyes_right = float(np.clip(eyes_right, -MAX_CANCEL, MAX_CANCEL))
        right, up = _turn(view, eyes_right, eyes_up)
        return Sight(right, up, view.yaw, view.pitch, eyes_right, seen)

    def _held(self, t: float) -> list[Observation]:
        """The last answer, for a moment, if the face was turning away when it was lost."""
        if self._last is None or not 0.0 <= t - self._last[0] <= HOLD_S:
            return []
        last = self._last[1]
        if not any(o.score is not None and o.score >= 0.5 for o in last):
            return []
        return [Observation(t, o.kind, o.score, NAME, None, 0.5, o.reason) for o in last]


def _turn(view: FaceView, eyes_right: float, eyes_up: float) -> tuple[float, float]:
    """The eyes' direction in the head, rotated with the head: degrees right and up."""
    x, y = np.radians(eyes_right), np.radians(eyes_up)
    in_head = np.array([np.sin(x) * np.cos(y), np.sin(y), np.cos(x) * np.cos(y)])
    right, up, forward = view.rotation @ in_head
    return float(np.degrees(np.arctan2(right, forward))), float(
        np.degrees(np.arcsin(np.clip(up, -1.0, 1.0)))
    )


def _score(degrees: float, limit: float) -> float:
    return float(np.clip(0.5 + (degrees - limit) / RAMP_DEGREES, 0.0, 1.0))


def _poor(image: Image, view: FaceView) -> str:
    """Why the eyes of this face cannot be judged, or nothing."""
    if view.width_px < MIN_WIDTH_PX:
        return f"face too small ({view.width_px:.0f} px wide)"
    height, width = image.shape[:2]
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


def _words(sight: Sight) -> str:
    eyes = _side(sight.eyes_right) if sight.eyes_seen else "closed"
    return f"head {_side(sight.head_right)}, eyes {eyes} in the picture"


def _words_down(sight: Sight) -> str:
    head = "down" if sight.head_up < 0 else "up"
    return f"head {abs(sight.head_up):.0f}° {head}, line of sight {abs(sight.up):.0f}° " + (
        "down" if sight.up < 0 else "up"
    )


def _unknown(t: float, reason: str) -> list[Observation]:
    return [Observation(t, kind, None, NAME, None, 0.0, reason) for kind in (AWAY, DOWN)]


PLUGIN = Plugin(
    name=NAME,
    takes="frame",
    period=0.1,
    kinds=(
        Kind(
            AWAY,
            "Looking away",
            "The face was turned or looking away from the screen for {seconds} s ({reason}).",
        ),
        Kind(
            DOWN,
            "Looking down",
            "The person was looking down, below the screen, for {seconds} s ({reason}).",
        ),
    ),
    models=("face_landmarker",),
    Settings=Settings,
    create=Gaze,
)
