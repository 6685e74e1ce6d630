"""Faces: nobody in view, somebody else in view, or the face hidden.

The student's own face comes from MediaPipe's landmarker (shared with gaze); YuNet is the second
opinion before a face is called absent, and the one that finds small and second faces.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
from pydantic import Field

from detectors._cover import Cover, CoverGauge
from detectors._nets import (
    FINDER_SIDE,
    MIN_SIDE,
    FaceFinder,
    FaceMesh,
    FaceView,
    Found,
    lift,
    shrink,
)
from detectors._others import MAYBE, SURE, Others, overlaps, without_prints
from proctor.pipeline.detector import Context, Kind, Plugin
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import Box, Frame, Image, Observation

NAME = "faces"
ABSENT = "face.absent"
SEVERAL = "face.several"
COVERED = "face.covered"

# YuNet looks this often while the landmarker holds the face, and this often while another face is
# being followed. Without a face it looks at every frame: that costs less than a landmark inference.
CALM_S = 0.5
ALERT_S = 0.2
# Covering is slow: it is measured this often, and the last answer stands in between.
COVER_S = 0.25
# YuNet's score from which a face is there (people seen sideways or bent reach it, chairs do not).
FACE_SCORE = 0.5
# A picture whose grey values spread less than this shows nothing: a covered lens, a blank feed.
MIN_SPREAD = 6.0
# After this long without a face the look of a bare face is learned anew.
FORGET_S = 5.0


class Settings(BaseSettings):
    """What an institution may set."""

    smallest_face: float = Field(
        0.03,
        ge=0.01,
        le=0.3,
        description="Width of the smallest second face that counts, as a share of the picture.",
    )
    dark_below: float = Field(
        25.0,
        ge=0.0,
        le=128.0,
        description="Mean brightness (0-255) below which a face that is not found is unknown.",
    )


class Faces:
    """The detector. Feed it frames in time order."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._mesh = context.share(
            "face_mesh", lambda: FaceMesh(context.models["face_landmarker"])
        ).acquire()
        self._finder = FaceFinder(context.models["yunet"])
        self._others = Others(self._finder, settings.smallest_face)
        self._cover = CoverGauge()
        self._forget()

    def _forget(self) -> None:
        self._looked = float("-inf")
        self._seen = float("-inf")
        self._several: tuple[float, str, Box | None] = (0.0, "", None)
        self._covering: tuple[float, Cover] | None = None

    def reset(self) -> None:
        """Forget all history."""
        self._mesh.reset()
        self._others.reset()
        self._cover.reset()
        self._forget()

    def close(self) -> None:
        """Free the networks."""
        self._mesh.release()
        self._finder.close()

    def update(self, sample: Frame) -> Sequence[Observation]:
        """One observation each of ``face.absent``, ``face.several`` and ``face.covered``."""
        t, image = sample.t, sample.image
        if min(image.shape[:2]) < MIN_SIDE:
            return self._unknown(t, f"picture too small ({image.shape[1]}×{image.shape[0]})", 0.0)
        small = shrink(image, FINDER_SIDE)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        view = self._mesh.look(sample)
        found = self._find(t, image, small, grey, view)
        if view is not None and found and _contradicted(view.box, found):
            self._mesh.doubt(t, view.box)
            view = None
        best = max((face.score for face in found or ()), default=0.0)
        if view is None and best < FACE_SCORE:
            blind = self._blind(grey)
            if blind:
                return self._unknown(t, blind, 0.0)
        self._remember(t, view is not None or best >= FACE_SCORE)
        return [
            _absent(t, view, found or []),
            Observation(
                t, SEVERAL, self._several[0], NAME, self._several[2], 1.0, self._several[1]
            ),
            self._covered(t, image, view, found or []),
        ]

    def _find(
        self, t: float, image: Image, small: Image, grey: Image, view: FaceView | None
    ) -> list[Found] | None:
        """What YuNet finds, when it is time to ask it; brings ``face.several`` up to date."""
        wait = ALERT_S if self._others.waiting else CALM_S
        # Half a period of slack, so that a camera's jitter does not skip a whole look.
        if view is not None and 0.0 <= t - self._looked < wait - 0.05:
            return None
        self._looked = t
        found = self._finder.find(small, MAYBE)
        if view is None and max((face.score for face in found), default=0.0) < FACE_SCORE:
            found = self._finder.find(lift(small), MAYBE)
        found = without_prints(found)
        seen = view is not None and not _contradicted(view.box, found)
        own = view.box if view is not None and seen else _largest(found)
        other = self._others.look(t, image, grey, found, own)
        self._several = (other.score, other.reason, other.box) if other else (0.0, "", None)
        return found

    def _remember(self, t: float, seen: bool) -> None:
        """Whoever comes back after a while may be someone else, or look different."""
        if seen:
            if t - self._seen > FORGET_S:
                self._cover.reset()
            self._seen = t

    def _covered(
        self, t: float, image: Image, view: FaceView | None, found: list[Found]
    ) -> Observation:
        if view is None:
            self._covering = None
            reason = "no face in view" if not found else "face too small or turned too far"
            return Observation(t, COVERED, None, NAME, None, 0.0, reason)
        if self._covering is None or not 0.0 <= t - self._covering[0] < COVER_S - 0.05:
            self._covering = t, self._cover.measure(image, view)
        cover = self._covering[1]
        quality = 0.0 if cover.score is None else 1.0
        return Observation(t, COVERED, cover.score, NAME, view.box, quality, cover.reason)

    def _blind(self, grey: Image) -> str:
        """Why the picture cannot show a face at all, or nothing."""
        mean, spread = float(grey.mean()), float(grey.std())
        if mean < self._settings.dark_below:
            return f"too dark to see a face (brightness {mean:.0f} of 255)"
        if spread < MIN_SPREAD:
            return f"the picture shows nothing (contrast {spread:.0f} of 255)"
        return ""

    def _unknown(self, t: float, reason: str, quality: float) -> list[Observation]:
        return [
            Observation(t, kind, None, NAME, None, quality, reason)
            for kind in (ABSENT, SEVERAL, COVERED)
        ]


def _absent(t: float, view: FaceView | None, found: list[Found]) -> Observation:
    if view is not None:
        return Observation(t, ABSENT, 0.0, NAME, view.box)
    best = max(found, key=lambda face: face.score, default=None)
    if best is None:
        return Observation(t, ABSENT, 1.0, NAME, reason="no face found by either network")
    # Half certain is not absent: profiles, bowed heads and faces half out of view score 0.3-0.6.
    score = 1.0 - min(1.0, best.score / FACE_SCORE)
    return Observation(t, ABSENT, score, NAME, best.box, reason=f"a face at {best.score:.2f}")


def _contradicted(box: Box, found: list[Found]) -> bool:
    """Whether YuNet sees nothing where the landmarker sees a face, but surely one elsewhere.

    The landmarker can take a printed face or a pattern for one, above all in poor light.
    """
    here = any(overlaps(face.box, box) for face in found)
    return not here and any(face.score >= SURE for face in found)


def _largest(found: list[Found]) -> Box | None:
    """The student's own face when only YuNet sees it: without one, nobody is *another*."""
    return max(found, key=lambda face: face.box.width * face.score).box if found else None


PLUGIN = Plugin(
    name=NAME,
    takes="frame",
    period=0.1,
    kinds=(
        Kind(ABSENT, "No face in view", "No face was in view for {seconds} s."),
        Kind(SEVERAL, "Another face", "Another face was in view for {seconds} s ({reason})."),
        Kind(COVERED, "Face covered", "A part of the face was hidden for {seconds} s ({reason})."),
    ),
    models=("face_landmarker", "yunet"),
    Settings=Settings,
    create=Faces,
)
