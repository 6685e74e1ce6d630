"""What an evaluation computes with. Values only: the standard library and numpy, nothing else of ours.

Times are seconds of the recording, as session seconds are when it is replayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Arm = Literal["honest", "nervous", "instructed", "real", "unknown"]
# "unknown" is a recording about whose person nothing was said (a folder of bare videos).
ARMS: tuple[Arm, ...] = ("honest", "nervous", "instructed", "real", "unknown")
# In these arms nobody was asked to do anything that a rule looks for: a flag is a false flag.
HONEST_ARMS: frozenset[Arm] = frozenset({"honest", "nervous"})

Floats = npt.NDArray[np.float64]

EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """What one annotator says was there. ``certain=False``: one may argue about it."""

    session: str
    start: float
    end: float
    kind: str
    annotator: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """One flag. ``raised`` is when it was put before a person: ``start`` plus the rule's minimum duration or more."""

    session: str
    kind: str
    start: float
    end: float
    peak: float
    rule: str
    raised: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Time in which a kind was not measured, and why in a few words."""

    start: float
    end: float
    reason: str


@dataclass(frozen=True, slots=True)
class Session:
    """One recording of one person: what was said about it, and what the agent made of it.

    ``labelled``: the kinds about which the truth speaks; ``None`` is every kind, so that a kind without
    an event was not there. A flag of a kind that is not labelled is neither right nor false.
    ``groups``: opt-in groups by name (``"skin_tone": "7"``), only those that were stated.
    ``split``: "development", "test" or "" where the dataset makes no such difference.
    ``unmeasured``: for every kind that the policy has a rule for; a kind of a detector that did not
    run at all has one span of the whole duration.
    ``duration_s`` is what was played (the later end of pictures and sound), not what a header says.
    ``frames`` were given to the detectors, ``audio_s`` seconds of sound were.
    """

    id: str
    person: str
    arm: Arm
    media: str
    groups: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    duration_s: float = 0.0
    truth: tuple[TruthEvent, ...] = ()
    found: tuple[Found, ...] = ()
    unmeasured: Mapping[str, tuple[Span, ...]] = field(default_factory=lambda: EMPTY)
    frames: int = 0
    audio_s: float = 0.0
    problems: tuple[str, ...] = ()
    labelled: frozenset[str] | None = None
    split: str = ""
    media_sha256: str = ""
    # Thresholds that hold for this session only, as its row says: ("gaze.away.on=0.8", "gaze.down=off").
    overrides: tuple[str, ...] = ()

    def covers(self, kind: str) -> bool:
        """Whether the truth says something about ``kind``, be it that it was never there."""
        return self.labelled is None or kind in self.labelled

    def unmeasured_s(self, kind: str) -> float:
        return sum((span.end - span.start for span in self.unmeasured.get(kind, ())), 0.0)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The rule of one kind: as in a policy, ``rules.KIND``."""

    on: float
    off: float
    min_s: float
    gap_s: float
    cooldown_s: float
    stale_after_s: float


@dataclass(frozen=True, slots=True)
class Skipped:
    """A session of the dataset that this run says nothing about, and why in one sentence."""

    session: str
    person: str
    arm: Arm
    why: str


@dataclass(frozen=True, slots=True)
class Speed:
    """What scoring cost. ``scored_s`` seconds of recordings were computed, ``cached_s`` were there already."""

    scored_s: float
    cached_s: float
    wall_s: float
    cpu_s: float
    rules_s: float
    workers: int
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Run:
    """A dataset under a policy: everything a report prints, and where it comes from.

    ``thresholds`` are the policy's rules by kind, ``titles`` the kinds as a person reads them,
    ``models`` SHA-256 by manifest name, ``detectors`` what identifies the code of each, ``not_measured``
    one sentence a detector that did not run, ``machine`` facts about the computers that scored,
    ``began`` when the oldest of its scores was kept, or this run began if there was none.
    """

    dataset: str
    dataset_sha256: str
    policy_id: str
    policy_sha256: str
    sessions: tuple[Session, ...]
    skipped: tuple[Skipped, ...]
    thresholds: Mapping[str, Thresholds]
    titles: Mapping[str, str]
    models: Mapping[str, str]
    detectors: Mapping[str, str]
    not_measured: tuple[str, ...]
    code_version: str
    machine: Mapping[str, str]
    speed: Speed
    began: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """What a detector said of one kind in one session, in the order in which the rule heard it.

    ``times`` (s), ``scores`` (0…1; NaN: it could not tell), ``quality`` (0…1), each of shape [n].
    Times do not always rise: a detector may date what it heard back to where it began.
    """

    session: str
    kind: str
    times: Floats
    scores: Floats
    quality: Floats
    duration_s: float


class Scores(Protocol):
    """The cached scores of a run. Reading is cheap; nothing is kept in memory between two calls."""

    def series(self, session: str, kind: str) -> Series | None:
        """The scores of one kind; ``None`` where its detector did not run in that session."""
        ...

    def flags(self, session: str, kind: str, rule: Thresholds) -> tuple[Found, ...]:
        """What the agent's own rule code flags with these thresholds instead of the policy's."""
        ...


def persons(sessions: Sequence[Session]) -> dict[str, list[Session]]:
    """Sessions by person, who is the unit of independence, in order of first appearance."""
    found: dict[str, list[Session]] = {}
    for session in sessions:
        found.setdefault(session.person, []).append(session)
    return found
