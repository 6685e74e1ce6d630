"""Identity: is it still the person who sat down at the beginning? Only with the student's consent.

The first good looks of a session make a template, 256 numbers in memory that are neither stored nor
sent, never follow the face, and are wiped when the exam ends or the consent is taken back. From then
on the face is compared with it about once a second. What cannot be seen well is *unknown*, not alike
and not different.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from detectors._landmarks import Floats
from detectors._likeness import Cut, FaceNumbers, cut_out, mean, why_not
from detectors._nets import FINDER_SIDE, MIN_SIDE, FaceFinder, FaceMesh, FaceView, shrink
from detectors._others import SURE, overlaps
from proctor.pipeline.detector import Context, Kind, Plugin
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import Frame, Observation

NAME = "identity"
OTHER = "face.other"

PERIOD_S = 1.0
# Good looks that make the template; each must be this like the mean of the others, or two people
# took turns while it was made.
ENROL = 5
ENROL_LIKENESS = 0.6
# While enrolling the face must be nearer to frontal: the template is what all else is measured by.
ENROL_YAW = 20.0
# Looks that are averaged before they are compared, and the fewest that are judged.
WINDOW = 3
FEWEST = 2
# Without a good look for this long, looks from before say nothing about who is there now.
FORGET_S = 4.0
# Likeness from which somebody is surely the same, and the width of the doubt below: the score rises
# from 0 to 1 across it. With the rule's 0.6 that is a likeness of 0.44 and less: 1 in 1000 pairs of
# different people reach 0.432 (FairFace, 10,296 pairs; docs/detectors/identity.md).
SAME = 0.56
DOUBT = 0.20
# A second face this wide, as a share of the first one's width, could be the one that the landmarker
# took. Smaller ones are people far behind and pictures on the wall.
RIVAL = 0.5
# YuNet's score in an enlarged cut-out from which the landmarker's face is one: a print on a shirt
# and patterns stay below.
PLAIN = 0.8


class Settings(BaseSettings):
    """What an institution may set."""

    same_from: float = Field(
        SAME,
        ge=0.4,
        le=0.8,
        description="Likeness (-1 to 1) from which a face is surely the same; lower flags less.",
    )


class Identity:
    """The detector. Feed it frames in time order.

    A reset keeps the template on purpose: whoever comes back from a break is compared with who sat
    down at the beginning.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self._same = settings.same_from
        self._mesh = context.share(
            "face_mesh", lambda: FaceMesh(context.models["face_landmarker"])
        ).acquire()
        self._finder = FaceFinder(context.models["yunet"])
        self._numbers = FaceNumbers(context.models["face_reid"])
        self._template: Floats | None = None
        self._enrolling: deque[Floats] = deque()
        self._recent: deque[tuple[float, Floats]] = deque()

    def reset(self) -> None:
        """Forget recent looks. The template stays: a gap is no reason to trust somebody new."""
        self._mesh.reset()
        self._wipe(self._enrolling)
        self._forget_recent()

    def close(self) -> None:
        """Wipe every number of the face, and free the networks."""
        self._wipe(self._enrolling)
        self._forget_recent()
        if self._template is not None:
            self._template.fill(0.0)
            self._template = None
        self._mesh.release()
        self._finder.close()
        self._numbers.close()

    def update(self, sample: Frame) -> Sequence[Observation]:
        """One observation of ``face.other``."""
        if min(sample.image.shape[:2]) < MIN_SIDE:
            height, width = sample.image.shape[:2]
            return [self._unknown(sample, None, f"picture too small ({width}×{height})")]
        view = self._mesh.look(sample)
        if view is None:
            return [self._unknown(sample, None, "no face seen well enough to compare")]
        cut = cut_out(sample.image, view)
        reason = why_not(cut, view) or self._not_alone(sample, view)
        if reason:
            return [self._unknown(sample, view, reason)]
        if self._template is None:
            return [self._unknown(sample, view, self._enrol(cut, view))]
        return [self._compare(sample, view, cut, self._template)]

    def _not_alone(self, sample: Frame, view: FaceView) -> str:
        """Why it is not certain that the landmarker's face is the one face to compare, or nothing."""
        found = self._finder.find(shrink(sample.image, FINDER_SIDE), SURE)
        least = RIVAL * view.box.width
        if any(f.box.width >= least and not overlaps(f.box, view.box) for f in found):
            return "more than one face in view"
        if self._finder.look_closer(sample.image, view.box) < PLAIN:
            return "face not plainly seen"
        return ""

    def _enrol(self, cut: Cut, view: FaceView) -> str:
        """One more look for the template; returns how far it is."""
        if abs(view.yaw) > ENROL_YAW:
            return f"learning the face: turned {abs(view.yaw):.0f}° to the side"
        if len(self._enrolling) == ENROL:
            self._enrolling.popleft().fill(0.0)
        self._enrolling.append(self._numbers.of(cut))
        looks = list(self._enrolling)
        if len(looks) < ENROL:
            return f"learning the face ({len(looks)} of {ENROL} looks)"
        others = [mean(looks[:i] + looks[i + 1 :]) for i in range(ENROL)]
        least = min(float(one @ rest) for one, rest in zip(looks, others, strict=True))
        if least < ENROL_LIKENESS:
            return f"learning the face: the looks differ (likeness {least:.2f})"
        self._template = mean(looks)
        self._wipe(self._enrolling)
        return "the face is learned"

    def _compare(self, sample: Frame, view: FaceView, cut: Cut, template: Floats) -> Observation:
        if self._recent and not 0.0 <= sample.t - self._recent[-1][0] <= FORGET_S:
            self._forget_recent()
        if len(self._recent) == WINDOW:
            self._recent.popleft()[1].fill(0.0)
        self._recent.append((sample.t, self._numbers.of(cut)))
        if len(self._recent) < FEWEST:
            return self._unknown(sample, view, "one look is not enough")
        likeness = float(mean([numbers for _, numbers in self._recent]) @ template)
        score = float(np.clip((self._same - likeness) / DOUBT, 0.0, 1.0))
        reason = f"likeness {likeness:.2f} to the face at the beginning, the same person has about "
        reason += f"{self._same:.2f} and more"
        return Observation(
            sample.t, OTHER, score, NAME, view.box, 1.0, reason if score > 0.0 else ""
        )

    def _unknown(self, sample: Frame, view: FaceView | None, reason: str) -> Observation:
        box = view.box if view is not None else None
        return Observation(sample.t, OTHER, None, NAME, box, 0.0, reason)

    def _forget_recent(self) -> None:
        for _, numbers in self._recent:
            numbers.fill(0.0)
        self._recent.clear()

    @staticmethod
    def _wipe(looks: deque[Floats]) -> None:
        for numbers in looks:
            numbers.fill(0.0)
        looks.clear()


PLUGIN = Plugin(
    name=NAME,
    takes="frame",
    period=PERIOD_S,
    kinds=(
        Kind(
            OTHER,
            "Another face than at the beginning",
            "Another face than at the beginning was before the camera for {seconds} s ({reason}).",
        ),
    ),
    models=("face_landmarker", "yunet", "face_reid"),
    Settings=Settings,
    create=Identity,
    needs=("identity",),
)
