"""Too dark, blinded, or lit from behind: from the brightness of the whole picture, never a face's.

Skin is no measure of light. What counts is the room: the brighter half of the picture for *dim*,
burnt-out area for *glare*, and for *backlit* a contrast that no skin, hair or cloth makes by itself.
Each is judged against a fixed limit and, once the first seconds are known, against the student's
own room; after a calibration the room counts for more. docs/detectors/lighting.md says what was
measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from math import log2
from statistics import median

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors._luma import HEIGHT, WIDTH, ramp, small, unfit
from proctor.pipeline.detector import CALIBRATED, Context, Detector, Kind, Plugin, Said
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import Frame, Image, Marker, Observation

NAME = "lighting"
PERIOD_S = 0.5

KINDS = (
    Kind("light.dim", "Too dark", "The picture was too dark for {seconds} s ({reason})."),
    Kind("light.glare", "Blinding light", "Light blinded the camera for {seconds} s ({reason})."),
    Kind(
        "light.backlit",
        "Light from behind",
        "Light from behind left the person in the dark for {seconds} s ({reason}).",
    ),
)

# Cameras encode light with about this exponent (sRGB, IEC 61966-2-1, is close to a plain 2.2).
GAMMA = 2.2
LINEAR = (np.arange(256) / 255.0) ** GAMMA
# A well exposed picture averages 18 % grey (ISO 2720); everything below is counted in stops.
MIDDLE_GREY = 0.18
# No camera shows less than this apart from its own noise.
DARKEST = 1e-4

# Each pair is (score 0, score 1); the standard preset's threshold of 0.6 lies between.
# Dim: the brighter half lies 2.5 stops under middle grey (luma below about 49 of 255) ...
DIM_STOPS = (1.3, 3.3)
# ... or 2.2 stops under the student's own room, if it is at all dark (luma below about 93).
DIM_DROP = (1.0, 3.0)
DIM_RELATIVE_FROM = (0.5, 1.1)
# Once the room was calibrated, dim is a matter of that room: two stops darker than it (0.8 more than a
# cloud before the sun makes) and a little under middle grey, or so dark that little is seen.
ROOM_DIM_STOPS = (2.3, 4.3)
ROOM_DIM_DROP = (0.8, 2.8)
ROOM_DIM_FROM = (0.2, 0.8)
# Glare: 0.38 of the picture burnt out, or 0.11 burnt out that in the student's own room lay at least
# 0.7 stops lower. (A camera that opens its exposure burns a white wall: that is no glare.)
BURNT = 250
GLARE_SHARE = (0.2, 0.5)
GLARE_GROWTH = (0.04, 0.16)
NOT_NEARLY_BURNT = 200
# Backlit: 3.7 stops between background and the person's brightest band. White wall (85 %) to the
# darkest skin (about 9 %) are 3.2; against the student's own room, 2 stops more than usual and at
# least 2.1 in all.
BACKLIT_STOPS = (2.2, 4.7)
BACKLIT_RISE = (0.8, 2.8)
BACKLIT_RELATIVE_FROM = (1.5, 2.5)
# The background of a backlit picture is itself bright: one stop above middle grey.
BACKGROUND_FROM = 2 * MIDDLE_GREY

# A calibration needs this many looks (two seconds), most of them fit to be judged, and light that
# keeps within a stop; and no light that a flag would be made of.
LEAST_LOOKS = 4
FIT_SHARE = 0.7
STEADY_STOPS = 1.0
TOO_POOR = 0.6
LONGEST_S = 60.0

# Where a person in front of a laptop is: a column a sixth of the picture wide, in bands.
COLUMN = slice(int(0.42 * WIDTH), int(0.58 * WIDTH))
BANDS = 12
# The background is seen beside and above: the outer fifths and the top tenth of the upper half.
SIDE = WIDTH // 5
TOP = HEIGHT // 10


@dataclass(frozen=True, slots=True)
class Light:
    """One picture's measures: linear light 0…1 of its brighter half and of its background, share
    burnt out 0…1, stops from background to person."""

    level: float
    background: float
    burnt: float
    contrast: float


class Settings(BaseSettings):
    """How long the student's own room is learned."""

    room_s: float = Field(
        5.0,
        ge=0.0,
        le=30.0,
        description="First seconds taken as the usual light of the room; 0 uses fixed limits only.",
    )


class Lighting:
    """Three observations a frame; remembers the room's usual light."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._calibrated = False
        self._calibrating: _Room | None = None
        self._forget()

    def reset(self) -> None:
        """Forget all history, but not a room that was calibrated: after a break it is the same."""
        if self._calibrated:
            self._calibrating = None
        else:
            self._forget()

    def _forget(self) -> None:
        self._calibrated = False
        self._calibrating = None
        self._began: float | None = None
        self._first: list[tuple[Light, Image]] = []
        self._usual: Light | None = None
        self._room: Image | None = None

    def close(self) -> None:
        self._forget()

    def mark(self, marker: Marker) -> Sequence[Said]:
        """A calibration begins or ends; another camera has another picture of the room."""
        t, data = marker.t, marker.data
        match marker.kind:
            case "calibration.begin" if data.get("what") == "light":
                self._calibrating = _Room(t)
            case "calibration.end" if data.get("what") == "light":
                return [self._end_calibration(t)]
            case "device.lost" if data.get("device") == "camera" and self._calibrated:
                self._forget()
                return [_told(t, "the camera was lost")]
        return []

    def _end_calibration(self, t: float) -> Marker:
        room, self._calibrating = self._calibrating, None
        if room is None:
            return _told(t, "it was not begun")
        why = room.problem(t)
        if why:
            if self._calibrated:
                self._forget()
            return _told(t, why)
        self._usual, self._room = room.usual()
        self._calibrated = True
        return Marker(
            t,
            CALIBRATED,
            {
                "what": "light",
                "done": True,
                "sentence": "The light of your room has been learned.",
                "brightness": _luma(self._usual.level),
                "burnt_share": round(self._usual.burnt, 3),
                "stops_from_behind": round(self._usual.contrast, 2),
            },
        )

    def update(self, frame: Frame) -> Sequence[Observation]:
        grey = small(frame.image)
        reason = unfit(frame.image, grey)
        if self._calibrating is not None:
            self._calibrating.add(None if reason else (measure(grey), grey), reason)
        if reason:
            return [
                Observation(frame.t, kind.name, None, NAME, quality=0.0, reason=reason)
                for kind in KINDS
            ]
        light = measure(grey)
        self._learn(frame.t, light, grey)
        usual = self._usual
        verdicts = (
            dim(light, usual, calibrated=self._calibrated),
            glare(light, usual, self._freshly_burnt(grey)),
            backlit(light, usual),
        )
        return [
            Observation(frame.t, kind.name, score, NAME, reason=why)
            for kind, (score, why) in zip(KINDS, verdicts, strict=True)
        ]

    def _learn(self, t: float, light: Light, grey: Image) -> None:
        """Take the first seconds as the room's usual light."""
        if self._began is None:
            self._began = t
        if self._usual is not None:
            return
        if t - self._began < self._settings.room_s:
            self._first.append((light, grey))
        elif self._first:
            self._usual, self._room = _usual(self._first)
            self._first = []

    def _freshly_burnt(self, grey: Image) -> float:
        if self._room is None:
            return 0.0
        return float(((grey >= BURNT) & (self._room < NOT_NEARLY_BURNT)).mean())


class _Room:
    """Looks at a room whose light is being learned."""

    def __init__(self, t: float) -> None:
        self._began = t
        self._looks: list[tuple[Light, Image]] = []
        self._unfit: list[str] = []

    def add(self, look: tuple[Light, Image] | None, why: str) -> None:
        """One look, or why there was nothing to see; what comes after a minute is not kept."""
        if look is None:
            self._unfit.append(why)
        elif len(self._looks) < LONGEST_S / PERIOD_S:
            self._looks.append(look)

    def problem(self, t: float) -> str:
        """Why the room cannot be learned from these looks; empty when it can."""
        count = len(self._looks)
        if t - self._began > LONGEST_S:
            return "it took too long"
        if self._unfit and count < FIT_SHARE * (count + len(self._unfit)):
            return self._unfit[-1]
        if count < LEAST_LOOKS:
            return f"only {count} pictures came"
        light, _ = self.usual()
        found = (dim(light, None), glare(light, None, 0.0), backlit(light, None))
        for kind, (score, why) in zip(KINDS, found, strict=True):
            if score >= TOO_POOR:
                return f"{kind.title.lower()} ({why})"
        levels = np.array([max(each.level, DARKEST) for each, _ in self._looks])
        low, high = np.quantile(np.log2(levels), (0.1, 0.9))
        if high - low > STEADY_STOPS:
            return f"the light changed by {high - low:.1f} stops"
        return ""

    def usual(self) -> tuple[Light, Image]:
        return _usual(self._looks)


def _usual(looks: Sequence[tuple[Light, Image]]) -> tuple[Light, Image]:
    """The median light and the median picture."""
    lights = [astuple(each) for each, _ in looks]
    pictures = np.stack([picture for _, picture in looks])
    return (
        Light(*(median(column) for column in zip(*lights, strict=True))),
        np.median(pictures, axis=0).astype(np.uint8),
    )


def _told(t: float, why: str) -> Marker:
    """A calibration that did not succeed, and what follows."""
    sentence = f"The light of your room could not be learned: {why}. Wider limits hold."
    return Marker(t, CALIBRATED, {"what": "light", "done": False, "why": why, "sentence": sentence})


def measure(grey: Image) -> Light:
    """The measures of a small luma picture (:func:`detectors._luma.small`)."""
    counts = np.bincount(grey.ravel(), minlength=256)
    upto = np.cumsum(counts) / grey.size
    background = _background(grey)
    return Light(
        level=_brighter_half(upto),
        background=background,
        burnt=float(counts[BURNT:].sum() / grey.size),
        contrast=_contrast(grey, background),
    )


def _brighter_half(upto: npt.NDArray[np.float64]) -> float:
    """Mean linear light between the 50th and the 98th percentile: the lit part of the room, without
    a lamp in the picture and without dark hair or clothes. ``upto`` is the cumulative histogram."""
    above = np.clip(np.minimum(upto, 0.98) - 0.5, 0.0, None)
    share = np.diff(above, prepend=0.0)
    return float((share * LINEAR).sum() / share.sum())


def _background(grey: Image) -> float:
    """Linear light of what lies beside and above the person: the third quartile there."""
    upper = grey[: HEIGHT // 2]
    around = np.concatenate(
        [upper[:, :SIDE].ravel(), upper[:, -SIDE:].ravel(), upper[:TOP].ravel()]
    )
    return float(LINEAR[int(np.percentile(around, 75))])


def _contrast(grey: Image, background: float) -> float:
    """Stops from the background down to the person in the middle; 0.0 where there is none.

    Walks down the middle column: what is as bright as the background above the head is skipped, and
    of everything from the hair down the brightest band counts, so that black hair or a black jumper
    beside a lit face is no backlight.
    """
    bands = np.median(grey[:, COLUMN].reshape(BANDS, -1), axis=1)
    person = [float(LINEAR[int(band)]) for band in bands]
    while person and person[0] > background / 2:
        person.pop(0)
    if len(person) < BANDS // 3:
        return 0.0
    return log2(max(background, DARKEST) / max(max(person), DARKEST))


def dim(light: Light, usual: Light | None, *, calibrated: bool = False) -> tuple[float, str]:
    """Score and reason for a picture that is too dark."""
    under = log2(MIDDLE_GREY / max(light.level, DARKEST))
    score = ramp(under, *(ROOM_DIM_STOPS if calibrated else DIM_STOPS))
    fallen, dark = (ROOM_DIM_DROP, ROOM_DIM_FROM) if calibrated else (DIM_DROP, DIM_RELATIVE_FROM)
    why = f"brightness {_luma(light.level)} of 255"
    if usual is not None:
        drop = log2(max(usual.level, DARKEST) / max(light.level, DARKEST))
        score = max(score, min(ramp(drop, *fallen), ramp(under, *dark)))
        why += f", usual here {_luma(usual.level)}"
    return score, why


def glare(light: Light, usual: Light | None, fresh: float) -> tuple[float, str]:
    """Score and reason for a picture that is burnt out; ``fresh`` is the share of the picture that is
    burnt out now and was not nearly so in the student's own room."""
    score = ramp(light.burnt, *GLARE_SHARE)
    why = f"{light.burnt:.0%} of the picture burnt out"
    if usual is not None:
        why += f", usual here {usual.burnt:.0%}"
    return max(score, ramp(fresh, *GLARE_GROWTH)), why


def backlit(light: Light, usual: Light | None) -> tuple[float, str]:
    """Score and reason for a person who is a silhouette."""
    if light.background < BACKGROUND_FROM:
        return 0.0, ""
    score = ramp(light.contrast, *BACKLIT_STOPS)
    why = f"background {2**light.contrast:.0f} times as bright as the person"
    if usual is not None:
        rise = ramp(light.contrast - usual.contrast, *BACKLIT_RISE)
        score = max(score, min(rise, ramp(light.contrast, *BACKLIT_RELATIVE_FROM)))
    return score, why


def _luma(linear: float) -> int:
    return round(255.0 * float(linear ** (1 / GAMMA)))


def create(settings: Settings, context: Context) -> Detector:
    """The detector; it needs no network."""
    return Lighting(settings)


PLUGIN = Plugin(
    name=NAME,
    takes="frame",
    period=PERIOD_S,
    kinds=KINDS,
    models=(),
    Settings=Settings,
    create=create,
)
