"""Gaze: is the person looking away from the screen, or down at the desk; and before an answer?

The head's rotation (landmarker) and the direction of the eyes in it (look blendshapes) make one
line of sight. It is compared with the screen as a calibration found it, or else with the person's
own usual line of sight, learned as they go, since the camera sits above one screen and beside
another, and faces differ. Limits are wide then: the corner of a large screen is not away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from detectors._glances import Answers, BeforeAnswer, Glances
from detectors._nets import FaceFinder, FaceMesh, FaceView
from detectors._profile import DEGREES, Profile, Turned
from detectors._screen import (
    LONGEST_S,
    MOST_VERTICAL,
    SIDE_LIMITS,
    Screen,
    ScreenCalibration,
)
from detectors._sight import QUALITY_S, Eyes, Sight, poor, words, words_down
from proctor.pipeline.detector import CALIBRATED, Context, Kind, Plugin, Said
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import Frame, Marker, Observation

NAME = "gaze"
AWAY = "gaze.away"
DOWN = "gaze.down"
BEFORE_ANSWER = "gaze.away_before_answer"

# A face that turns until the landmarker loses it keeps its last score this long.
HOLD_S = 1.0
# The usual line of sight: median of the last frames at the screen, at most so far from the camera's,
# or from the middle of a screen that was calibrated (a person shifts on the chair, no more).
USUAL_FRAMES = 600
USUAL_LEAST = 15
USUAL_EVERY = 10
USUAL_MAX_YAW = 12.0
USUAL_MAX_PITCH = 20.0
DRIFT_MAX = 6.0
# Until it is known, limits are this much wider.
STRANGER_DEGREES = 5.0
# Scores rise from 0 to 1 over this many degrees around the limit (0.5 at the limit itself).
RAMP_DEGREES = 20.0
# Between two of many glances the score stays here: just enough to count (standard preset: 0.6).
OFTEN_SCORE = 0.6


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
    edge_degrees: float = Field(
        10.0,
        ge=4.0,
        le=40.0,
        description="Degrees beyond the screen's edge that count half as away, once the screen was "
        "calibrated.",
    )
    left_screen_degrees: float = Field(
        0.0,
        ge=0.0,
        le=90.0,
        description="How far to the student's left a look is allowed, because a second screen "
        "stands there; 0: there is none.",
    )
    right_screen_degrees: float = Field(
        0.0, ge=0.0, le=90.0, description="How far to the student's right, likewise."
    )
    upper_screen_degrees: float = Field(
        0.0, ge=0.0, le=90.0, description="How far above the middle of the screen, likewise."
    )
    answer_s: float = Field(
        10.0,
        ge=2.0,
        le=14.0,
        description="Seconds before an answer that are looked back at, at most.",
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """Degrees from the middle to each side at which a look counts half as away."""

    right: float
    left: float
    up: float
    down: float


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
    """The detector. Feed it frames and milestones in time order."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._mesh = context.share(
            "face_mesh", lambda: FaceMesh(context.models["face_landmarker"])
        ).acquire()
        self._finder = FaceFinder(context.models["yunet"])
        self._profile = Profile(self._finder)
        self._screen: Screen | None = None
        self._forget()

    def _forget(self) -> None:
        self._usual = Usual()
        self._eyes = Eyes()
        self._last: tuple[float, list[Observation]] | None = None
        self._quality: tuple[float, str] | None = None
        self._calibration: ScreenCalibration | None = None
        self._profile.forget()
        self._glances = Glances()
        self._answers = Answers(self._glances, self._settings.answer_s)

    def reset(self) -> None:
        """Forget all history, but not where the screen is: after a break it still stands there."""
        self._mesh.reset()
        self._forget()

    def close(self) -> None:
        """Free the network."""
        self._mesh.release()
        self._finder.close()

    def update(self, sample: Frame) -> Sequence[Observation]:
        """One observation of every kind; ``gaze.away_before_answer`` speaks up in :meth:`mark`."""
        away, down = self._look(sample)
        self._glances.add(away.t, away.score)
        if away.score is not None and away.score < OFTEN_SCORE:
            often = self._glances.often(away.t)
            if often:
                away = Observation(away.t, AWAY, OFTEN_SCORE, NAME, away.box, 1.0, often)
        # No answer at this moment; but was there anything to judge one by?
        seen = None if away.score is None else 0.0
        why = away.reason if away.score is None else ""
        return [
            away,
            down,
            Observation(away.t, BEFORE_ANSWER, seen, NAME, None, away.quality, why),
        ]

    def mark(self, marker: Marker) -> Sequence[Said]:
        """Milestones of the exam page and of a calibration; every other is passed over."""
        t, data = marker.t, marker.data
        match marker.kind:
            case "question.shown":
                self._answers.question(t, data)
            case "answer.submitted":
                return self._before(t, self._answers.answer(t, data))
            case "calibration.begin" if data.get("what") == NAME:
                self._calibration = ScreenCalibration(t)
                self._screen = None
            case "calibration.point" if self._calibration is not None:
                self._calibration.point(t, data)
            case "calibration.end" if data.get("what") == NAME:
                return [self._calibrated(t)]
            case "device.lost" if data.get("device") == "camera" and self._screen is not None:
                # Another camera, or this one in another place.
                self._screen = None
                return [_told(t, "the camera was lost")]
        return []

    def _before(self, t: float, found: BeforeAnswer) -> list[Observation]:
        """The answer's moment; what was seen is dated back to where it began, so that a clip has it."""
        box = self._last[1][0].box if self._last is not None else None
        known = found.score is not None
        times = {min(found.since, t), t} if known and found.score else {t}
        return [
            Observation(
                each, BEFORE_ANSWER, found.score, NAME, box if known else None, 1.0 if known else 0.0,
                found.reason,
            )
            for each in sorted(times)
        ]  # fmt: skip

    def _calibrated(self, t: float) -> Marker:
        calibration, self._calibration = self._calibration, None
        if calibration is None:
            return _told(t, "it was not begun")
        if t - calibration.began > LONGEST_S:
            return _told(t, "it took too long")
        self._screen, why = calibration.result()
        if self._screen is None:
            return _told(t, why)
        self._usual = Usual()
        limits = self._limits()
        return Marker(
            t,
            CALIBRATED,
            {
                "what": NAME,
                "done": True,
                "sentence": "Where your screen is has been learned.",
                "right_degrees": round(limits.right, 1),
                "left_degrees": round(limits.left, 1),
                "up_degrees": round(limits.up, 1),
                "down_degrees": round(limits.down, 1),
            },
        )

    def _limits(self) -> Limits:
        """The limits that hold now, of the picture's right and left."""
        settings, screen = self._settings, self._screen
        second_left, second_right = settings.left_screen_degrees, settings.right_screen_degrees
        # The person's left is the picture's right, unless the camera mirrors.
        if screen is None or not screen.mirrored:
            second_left, second_right = second_right, second_left
        if screen is None:
            wider = 0.0 if self._usual.known else STRANGER_DEGREES
            right = left = settings.away_degrees + wider
            up, down = settings.up_degrees + wider, settings.down_degrees + wider
        else:
            edge = settings.edge_degrees
            right, left = (
                float(np.clip(extent + edge, *SIDE_LIMITS))
                for extent in (screen.to_right, screen.to_left)
            )
            # Up and down the eyes are seen too poorly to make limits narrower, only wider.
            up = min(max(settings.up_degrees, screen.to_up + edge), MOST_VERTICAL)
            down = min(max(settings.down_degrees, screen.to_down + edge), MOST_VERTICAL)
        return Limits(
            max(right, second_right),
            max(left, second_left),
            max(up, settings.upper_screen_degrees),
            down,
        )

    def _look(self, sample: Frame) -> list[Observation]:
        """``gaze.away`` and ``gaze.down`` as this frame shows them."""
        t = sample.t
        view = self._mesh.look(sample)
        if view is None:
            self._quality = None
            if self._collect(t, None, "no face in view"):
                return _unknown(t, "the screen is being calibrated")
            profile = self._profile.look(t, sample.image)
            if profile is not None:
                return self._from_the_side(t, profile)
            return self._held(t) or _unknown(t, "no face in view")
        self._profile.seen(t, view.box)
        if self._quality is None or not 0.0 <= t - self._quality[0] < QUALITY_S - 0.05:
            self._quality = t, poor(sample.image, view)
        if self._quality[1]:
            self._collect(t, None, self._quality[1])
            return _unknown(t, self._quality[1])
        sight = self._eyes.sight(t, view)
        if self._collect(t, sight, "eyes closed"):
            return _unknown(t, "the screen is being calibrated")
        observations = self._judge(t, view, sight)
        self._last = (t, observations)
        return observations

    def _from_the_side(self, t: float, profile: Turned) -> list[Observation]:
        """A head turned so far that no landmarks are found: away, unless so much is allowed there."""
        limits = self._limits()
        if (limits.right if profile.to_right else limits.left) > DEGREES:
            return _unknown(t, "head turned too far to measure")
        side = "right" if profile.to_right else "left"
        reason = f"head turned far to the {side} in the picture"
        away = Observation(t, AWAY, profile.score, NAME, profile.box, 0.5, reason)
        self._last = (t, [away, *_unknown(t, reason)[1:]])
        return self._last[1]

    def _collect(self, t: float, sight: Sight | None, why: str) -> bool:
        """Whether a calibration is under way; it takes the line of sight then."""
        calibration = self._calibration
        if calibration is None or not 0.0 <= t - calibration.began <= LONGEST_S:
            return False
        seen = (sight.right, sight.up) if sight is not None and sight.eyes_seen else None
        calibration.look(t, seen, why)
        return True

    def _judge(self, t: float, view: FaceView, sight: Sight) -> list[Observation]:
        limits = self._limits()
        middle_right, middle_up = self._middle()
        right, up = sight.right - middle_right, sight.up - middle_up
        aside = max(_score(right, limits.right), _score(-right, limits.left))
        above = _score(up, limits.up)
        down = _score(-up, limits.down)
        # What is usual is learned at the one screen, not at a second one that is allowed.
        near = abs(right) < self._settings.away_degrees
        if near and max(aside, above, down) < 0.5 and sight.eyes_seen:
            self._usual.add(sight)
        away = Observation(t, AWAY, max(aside, above), NAME, view.box, 1.0, words(sight))
        if not sight.eyes_seen and down < 0.5:
            # Lowered lids: the eyes may be shut, or on the desk.
            lowered = Observation(t, DOWN, None, NAME, view.box, 0.0, "eyes closed or lowered")
            return [away, lowered]
        return [away, Observation(t, DOWN, down, NAME, view.box, 1.0, words_down(sight))]

    def _middle(self) -> tuple[float, float]:
        """The line of sight to the middle of the screen (degrees right and up)."""
        usual, screen = self._usual, self._screen
        if screen is None:
            return usual.right, usual.up
        if not usual.known:
            return screen.right, screen.up
        return (
            float(np.clip(usual.right, screen.right - DRIFT_MAX, screen.right + DRIFT_MAX)),
            float(np.clip(usual.up, screen.up - DRIFT_MAX, screen.up + DRIFT_MAX)),
        )

    def _held(self, t: float) -> list[Observation]:
        """The last answer, for a moment, if the face was turning away when it was lost."""
        if self._last is None or not 0.0 <= t - self._last[0] <= HOLD_S:
            return []
        last = self._last[1]
        if not any(o.score is not None and o.score >= 0.5 for o in last):
            return []
        return [Observation(t, o.kind, o.score, NAME, None, 0.5, o.reason) for o in last]


def _score(degrees: float, limit: float) -> float:
    return float(np.clip(0.5 + (degrees - limit) / RAMP_DEGREES, 0.0, 1.0))


def _told(t: float, why: str) -> Marker:
    """A calibration that did not succeed, and what follows."""
    sentence = f"Where your screen is could not be learned: {why}. Wider limits hold."
    return Marker(
        t, CALIBRATED, {"what": NAME, "done": False, "why": why[:200], "sentence": sentence[:300]}
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
        Kind(
            BEFORE_ANSWER,
            "Looking away before an answer",
            "Just before an answer, the person looked away from the screen for {reason}.",
        ),
    ),
    models=("face_landmarker", "yunet"),
    Settings=Settings,
    create=Gaze,
)
