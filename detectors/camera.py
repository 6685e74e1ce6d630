"""A covered lens, a frozen picture, and pictures that no camera gives, from the picture alone.

*Covered*: nothing but slow shading and noise anywhere. *Frozen*: a real sensor never gives the same
picture twice, so one that does not differ at all from the last look comes from elsewhere. *Virtual*:
pictures or movements that come again, or show no noise; never a flag (docs/attestation.md).
docs/detectors/camera.md says what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from detectors._luma import SMALLEST_SIDE, noise, ramp, small, structured_share
from detectors._repeats import Repeats
from proctor.pipeline.detector import Context, Detector, Kind, Plugin
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import Frame, Image, Observation

NAME = "camera"
PERIOD_S = 0.5

KINDS = (
    Kind(
        "camera.covered",
        "Camera covered",
        "The camera was covered, or saw nothing, for {seconds} s ({reason}).",
    ),
    Kind("camera.frozen", "Picture frozen", "The camera picture stood still for {seconds} s."),
    Kind(
        "camera.virtual",
        "Pictures that no camera gives",
        "For {seconds} s the pictures were such as no camera gives ({reason}).",
    ),
)

# Share of 64 blocks that show structure: (score 0, score 1). The standard threshold of 0.6 lies at
# three blocks. Honest recordings have 0.37 and more, fingers, tape and caps have none.
STRUCTURE = (0.12, 0.0)
# Two looks count as one picture when they differ by no more than this on average and anywhere (of
# 255). It is not exactly nothing because a recording of a standing picture, re-encoded with H.264 or
# VP8, still changes by 0.09 and 8. A real sensor's noise makes 0.5 and 15 at the very least; the
# stillest honest recordings (an empty room, heavily compressed) have 0.06 to 0.13, but 16 and more
# somewhere.
SAME_MEAN = 0.1
SAME_MAX = 8
# Some cameras repeat a picture in low light to keep up their rate (15 from 7.5 a second); looks
# closer together than this prove nothing.
SOONEST_S = 0.3


class Settings(BaseSettings):
    """Nothing to set: the limits belong to sensors, not to exams."""


class Camera:
    """Three observations a frame; remembers the last picture it compared, and what moved before."""

    def __init__(self) -> None:
        self._repeats = Repeats()
        self.reset()

    def reset(self) -> None:
        self._repeats.reset()
        self._forget_last()

    def _forget_last(self) -> None:
        self._image: Image | None = None
        self._t = 0.0
        self._frozen: float | None = None

    def close(self) -> None:
        self.reset()

    def update(self, frame: Frame) -> Sequence[Observation]:
        image = frame.image
        if min(image.shape[:2]) < SMALLEST_SIDE:
            self._forget_last()
            return _unknown(frame.t, KINDS, "picture too small")
        grey = small(image)
        share = structured_share(grey, noise(image), image.shape[1])
        covered = ramp(share, *STRUCTURE)
        said = [
            Observation(
                frame.t,
                KINDS[0].name,
                covered,
                NAME,
                reason=f"{share:.0%} of the picture showed any detail",
            )
        ]
        if covered > 0.5:
            # Black is black: a covered camera may well repeat itself.
            self._forget_last()
            return [*said, *_unknown(frame.t, KINDS[1:], "camera covered")]
        virtual, why = self._repeats.look(frame.t, image, grey)
        return [
            *said,
            self._compare(frame),
            Observation(frame.t, KINDS[2].name, virtual, NAME, reason=why),
        ]

    def _compare(self, frame: Frame) -> Observation:
        """Whether this picture is the last one again."""
        last, last_t = self._image, self._t
        if last is None or last.shape != frame.image.shape:
            self._image, self._t, self._frozen = frame.image, frame.t, None
        elif frame.t - last_t >= SOONEST_S:
            self._frozen = 1.0 if same_picture(last, frame.image) else 0.0
            self._image, self._t = frame.image, frame.t
        reason = "first picture" if self._frozen is None else ""
        return Observation(frame.t, KINDS[1].name, self._frozen, NAME, reason=reason)


def same_picture(a: Image, b: Image) -> bool:
    """Whether two pictures of one shape are the same up to re-encoding."""
    # Every eighth line first: a live camera is told apart without touching the rest.
    if cv2.absdiff(a[::8], b[::8]).max() > SAME_MAX:
        return False
    difference = cv2.absdiff(a, b)
    return bool(difference.max() <= SAME_MAX and np.mean(difference) <= SAME_MEAN)


def _unknown(t: float, kinds: Sequence[Kind], reason: str) -> list[Observation]:
    return [Observation(t, kind.name, None, NAME, quality=0.0, reason=reason) for kind in kinds]


def create(settings: Settings, context: Context) -> Detector:
    """The detector; it needs no network."""
    return Camera()


PLUGIN = Plugin(
    name=NAME,
    takes="frame",
    period=PERIOD_S,
    kinds=KINDS,
    models=(),
    Settings=Settings,
    create=create,
)
