"""The whole interface of a detector plug-in. A plug-in module needs nothing else of ours but ``proctor.types``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from proctor.types import AudioChunk, Frame, Marker, Observation

Sample = Frame | AudioChunk
# What a detector may answer to a marker: observations, and how a calibration went.
Said = Observation | Marker
# The one kind of marker that a detector may answer with. Its data are texts and plain numbers:
# ``what`` was calibrated, whether it was ``done``, in a sentence ``why`` not, and what was measured.
CALIBRATED = "calibration.done"
T = TypeVar("T")


class Settings(BaseModel):
    """Base of a plug-in's settings: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing a plug-in can observe.

    ``sentence`` is the flag's reason as a student reads it, with ``{seconds}`` (for instance
    ``"A phone was in view for {seconds} s."``) and optionally ``{reason}``, the reason text of the
    observation with the highest score.
    """

    name: str
    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a plug-in gets from the session: its model files, and a place to share networks.

    ``models`` maps manifest names to verified local paths (only those the plug-in declared).
    """

    models: Mapping[str, Path]
    _shared: dict[str, Any] = field(default_factory=dict)

    def share(self, key: str, make: Callable[[], T]) -> T:
        """The one object under ``key`` in this session, made on first use.

        Plug-ins that declare a model in common run on the same worker thread, so what they share
        needs no lock.
        """
        if key not in self._shared:
            self._shared[key] = make()
        shared: T = self._shared[key]
        return shared


class Detector(Protocol):
    """A pure, timed filter: samples in, observations out. No thread, clock, file, network or Qt inside."""

    def update(self, sample: Any) -> Sequence[Observation]:
        """Look at one :class:`Frame` or :class:`AudioChunk` and say what was seen of every kind."""
        ...

    def reset(self) -> None:
        """Forget all history: the next sample comes after a gap."""
        ...

    def close(self) -> None:
        """Free native resources. Nothing is called afterwards."""
        ...


@runtime_checkable
class HearsMarkers(Protocol):
    """What a detector has besides when it wants to hear of milestones; without it, it hears none."""

    def mark(self, marker: Marker) -> Sequence[Said]:
        """Hear of ``question.shown``, ``answer.submitted``, ``calibration.begin`` …

        Comes in order of time between the samples, and for every kind of marker, also those of later
        versions: what is not known is passed over with no answer.
        """
        ...


def _none_wanted(_settings: Any) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an entry point in the group ``proctor.detectors`` names.

    ``period`` is the wanted seconds between two looks (0.0: every sample, as audio detectors need).
    ``models`` are manifest names; when one is missing the plug-in's kinds are *not measured*, or
    the exam refuses to start where its policy requires them. ``optional_models`` are handed over
    where they are found; ``create`` raises ``ValueError`` with a sentence when the settings ask for
    something that only a missing one can do. ``wanted(settings)`` names those of them without which
    these settings cannot be followed; they then count as ``models``. ``needs`` are purposes of the
    consent, besides that of the sensor, without which nothing may be computed: ``("identity",)`` for
    what is measured of a person's body. A policy must ask for them; where one is declined the
    plug-in is never made, and when one is taken back its detector is closed at once and let go of.
    """

    name: str
    takes: Literal["frame", "audio"]
    period: float
    kinds: tuple[Kind, ...]
    models: tuple[str, ...]
    Settings: type[Settings]
    create: Callable[[Any, Context], Detector]
    optional_models: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    wanted: Callable[[Any], Sequence[str]] = _none_wanted
