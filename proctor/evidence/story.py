"""What a case tells: the values that the page and the terminal table show, checked and in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policies.schema import Policy, RuleSettings
from proctor.evidence.curve import Span
from proctor.evidence.untrusted import text
from proctor.types import Box


@dataclass(frozen=True, slots=True)
class ClipStory:
    """One sealed clip. ``file`` is its name below the case folder."""

    file: str
    start: float
    end: float
    length: int
    sha256: str
    mime: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagStory:
    """One flag. ``end`` is ``None`` when the journal never closed it; times are session seconds.

    ``box`` is where it was seen at ``peak_t``, the moment of the highest score.
    """

    number: int
    id: str
    kind: str
    title: str
    start: float
    end: float | None
    peak: float | None
    peak_t: float | None
    why: str
    observations: int | None
    box: Box | None
    rule: RuleSettings | None
    clip: ClipStory | None = None
    no_clip: str = ""
    # What the student says to it.
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind over the whole session. ``unmeasured`` are the spans in which nobody could tell."""

    kind: str
    title: str
    rule: RuleSettings | None
    columns: tuple[float | None, ...]
    unmeasured: tuple[Span, ...]
    unmeasured_s: float
    flags: tuple[FlagStory, ...]
    why_not: str = ""

    @property
    def threshold(self) -> float | None:
        return self.rule.on if self.rule else None


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one detector. ``period`` is in seconds; 0 means that it hears every sample."""

    name: str
    period: float | None
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """A detector that did not run: what it would have measured, why not, and the command that mends it."""

    detector: str
    titles: tuple[str, ...]
    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class Event:
    """A marker (``end`` is ``None``) or a time in which the agent did not run.

    ``sentence`` is what the agent had to say about it, if anything.
    """

    start: float
    end: float | None
    title: str
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class SeenThing:
    """One thing that a room scan shows. ``yaw`` is in degrees to the right of its first view, ``None``
    where the direction could not be told; ``looks`` is in how many pictures it was found."""

    title: str
    t: float
    yaw: float | None
    looks: int


@dataclass(frozen=True, slots=True)
class ScanStory:
    """One sealed room scan, for the people who review it: why it was made, how much of the circle it
    shows (a share, ``None`` where that could not be told), and what stands in the room."""

    name: str
    reason: str
    asked_by: str
    coverage: float | None
    why_not: str
    clip: ClipStory | None
    things: tuple[SeenThing, ...]
    not_listed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything a page about one case says, apart from its pictures and its verification."""

    policy: Policy | None
    policy_id: str
    policy_version: str
    policy_sha256: str
    attempt: str
    began: datetime | None
    source: str
    seconds: float
    ended: bool
    recipients: tuple[str, ...]
    groups: tuple[Group, ...]
    flags: tuple[FlagStory, ...]
    flags_left_out: int
    absent: tuple[Absent, ...]
    gaps: tuple[Event, ...]
    losses: tuple[Event, ...]
    markers: tuple[Event, ...]
    breaks: tuple[Span, ...]
    scans: tuple[ScanStory, ...]
    totals: tuple[tuple[str, float], ...]
    records: int
    unreadable: int

    @property
    def exam(self) -> str:
        return text(self.policy.exam) if self.policy else "Exam"

    @property
    def institution(self) -> str:
        return text(self.policy.institution) if self.policy else ""

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for group in self.groups for row in group.rows)
