"""Every value that flows through the agent. Times are session seconds unless a name says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.int16]

EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Frame:
    """One camera picture: ``image`` is H×W×3 uint8, BGR, C-contiguous and read-only."""

    t: float
    seq: int
    image: Image


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Consecutive mono samples starting at ``t``; ``gap`` is the number of seconds lost just before."""

    t: float
    seq: int
    samples: Samples
    rate: int
    gap: float = 0.0

    @property
    def end(self) -> float:
        return self.t + len(self.samples) / self.rate


@dataclass(frozen=True, slots=True)
class Marker:
    """A neutral milestone: ``question.shown``, ``break.start``, ``device.lost`` …"""

    t: float
    kind: str
    data: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in fractions of the picture (0…1), origin at the top left."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Observation:
    """What one detector says about one kind at one moment.

    ``score`` is 0.0 for "looked, saw nothing", up to 1.0; ``None`` means *unknown*: the detector
    could not tell, and ``reason`` says why in a few words ("too dark", "no face in view").
    For a known score ``reason`` may carry numbers that explain it ("head turned 42° right").
    ``quality`` is 0…1, how far the sample was fit to be judged.
    """

    t: float
    kind: str
    score: float | None
    source: str
    box: Box | None = None
    quality: float = 1.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """A moment put before a person. ``end`` is ``None`` while it is still going on.

    ``box`` is where it was seen at ``peak_t``, the moment of the highest score ``peak``.
    """

    id: str
    kind: str
    rule: str
    start: float
    end: float | None
    peak: float
    why: str
    observations: int = 0
    box: Box | None = None
    peak_t: float | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """Plaintext media of one flagged interval. Lives in memory only; never written to a disk.

    ``sensors`` are those whose samples are in it, ``camera``, ``microphone`` or both, and every other
    purpose (``identity``) that its flag was found with: it goes when one of them is taken back.
    """

    flag_id: str
    start: float
    end: float
    mime: str
    data: bytes = field(repr=False)
    sha256: str
    sensors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A clip that only its recipients can open. ``sha256`` and ``length`` are of the ciphertext."""

    flag_id: str
    start: float
    end: float
    mime: str
    ciphertext: bytes = field(repr=False)
    sha256: str
    length: int
    recipients: tuple[str, ...]
    plaintext_sha256: str
    sensors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """The tombstone that stays when something is erased."""

    what: str
    when: str
    why: str
    rule: str
