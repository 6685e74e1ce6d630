"""Every count of a study, by person: what all of its numbers are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proctor.evaluate.matching import Pair, covered_s, joined
from proctor.evaluate.truths import Judged, judge
from proctor.evaluate.values import HONEST_ARMS, Run, Session

# All kinds together.
ALL = "all"
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Tally:
    """One person and kind: hours recorded and measured, flags and events.

    ``false`` are flags that belong to no event, ``open`` those of which the truth does not tell,
    ``found`` events with a flag; ``first_s`` is the time from the first event's beginning to the first
    flag that belongs to any, ``None`` without one. ``covered``: whether the truth speaks of the kind,
    and ``judged_h`` the hours measured in sessions of which it does: only there can a flag be false.
    """

    recorded_h: float
    measured_h: float
    judged_h: float
    flags: int
    right: int
    false: int
    open: int
    events: int
    found: int
    first_s: float | None
    covered: bool


@dataclass(frozen=True, slots=True)
class Person:
    """What one person did on one side of the study: ``honest``, ``instructed``, ``real``, ``unknown``.

    A person who sat both an honest and an instructed exam is there twice, once a side.
    """

    id: str
    side: str
    arms: tuple[str, ...]
    groups: Mapping[str, str]
    sessions: tuple[str, ...]
    kinds: Mapping[str, Tally]

    def flagged(self, kind: str = ALL) -> bool:
        return self.kinds[kind].flags > 0


def side(session: Session) -> str:
    """On which side of the study a session stands."""
    return "honest" if session.arm in HONEST_ARMS else session.arm


def unmeasured(session: Session, kind: str) -> list[Pair]:
    """Time of a session in which ``kind``, or with :data:`ALL` nothing at all, was measured."""
    if kind != ALL:
        return joined([(span.start, span.end) for span in session.unmeasured.get(kind, ())])
    spans = [unmeasured(session, name) for name in session.unmeasured]
    if not spans:
        return []
    common = spans[0]
    for other in spans[1:]:
        common = [
            (max(a, c), min(b, d)) for a, b in common for c, d in other if max(a, c) < min(b, d)
        ]
    return common


def count(run: Run, kinds: Sequence[str]) -> list[Person]:
    """Every person of a run with all counts, in order of first appearance."""
    together: dict[tuple[str, str], list[Session]] = {}
    for session in run.sessions:
        together.setdefault((session.person, side(session)), []).append(session)
    return [_person(name, where, mine, kinds) for (name, where), mine in together.items()]


def _person(name: str, where: str, mine: Sequence[Session], kinds: Sequence[str]) -> Person:
    judged = {kind: [judge(session, kind) for session in mine] for kind in kinds}
    tallies = {kind: _tally(mine, kind, judged[kind]) for kind in kinds}
    tallies[ALL] = _together(mine, [one for many in judged.values() for one in many])
    groups: dict[str, str] = {}
    for session in mine:
        groups.update(session.groups)
    return Person(
        name,
        where,
        tuple(sorted({session.arm for session in mine})),
        groups,
        tuple(session.id for session in mine),
        tallies,
    )


def _tally(mine: Sequence[Session], kind: str, judged: Sequence[Judged]) -> Tally:
    covered = [session for session in mine if session.covers(kind)]
    if any(kind not in session.unmeasured for session in mine):
        # No rule of the policy looks for it.
        hours = (0.0, 0.0)
    else:
        hours = (_measured(mine, kind), _measured(covered, kind))
    return _made(_recorded(mine), hours, judged, bool(covered))


def _together(mine: Sequence[Session], judged: Sequence[Judged]) -> Tally:
    covered = [session for session in mine if session.labelled is None or session.labelled]
    hours = (_measured(mine, ALL), _measured(covered, ALL))
    return _made(_recorded(mine), hours, judged, bool(covered))


def _recorded(sessions: Sequence[Session]) -> float:
    return sum((session.duration_s for session in sessions), 0.0)


def _measured(sessions: Sequence[Session], kind: str) -> float:
    unseen = sum(covered_s(unmeasured(session, kind)) for session in sessions)
    return max(0.0, _recorded(sessions) - unseen)


def _made(
    recorded: float, measured: tuple[float, float], judged: Sequence[Judged], covered: bool
) -> Tally:
    delays = [delay for one in judged if (delay := _delay(one)) is not None]
    right, false, doubtful = (
        (
            sum(len(flags) for flags in lists)
            for lists in zip(*((one.right, one.false, one.open) for one in judged), strict=True)
        )
        if judged
        else (0, 0, 0)
    )
    return Tally(
        recorded / HOUR_S,
        measured[0] / HOUR_S,
        measured[1] / HOUR_S,
        right + false + doubtful,
        right,
        false,
        doubtful,
        sum(len(one.found) for one in judged),
        sum(sum(one.found) for one in judged),
        min(delays) if delays else None,
        covered,
    )


def _delay(one: Judged) -> float | None:
    """Seconds from the beginning of the first event of a session to the first flag of any event."""
    if not one.right or not one.agreed.events:
        return None
    return max(0.0, min(f.raised for f in one.right) - one.agreed.events[0][0])


def median_delay(delays: Sequence[float | None]) -> tuple[float, float, float]:
    """Median and its exact 95 % interval by order statistics; never (``None``) is later than any time.

    Infinite where the middle, or an end, lies among those never flagged. Source: Conover 1999.
    """
    from scipy.stats import binom

    ordered = sorted(math.inf if one is None else one for one in delays)
    n = len(ordered)
    half = [ordered[(n - 1) // 2], ordered[n // 2]]
    # The largest rank whose tail is small enough; with very few there is none.
    rank = int(binom.ppf(0.025, n, 0.5))
    while rank > 0 and binom.cdf(rank - 1, n, 0.5) > 0.025:
        rank -= 1
    low = ordered[rank - 1] if rank > 0 else -math.inf
    high = ordered[n - rank] if rank > 0 else math.inf
    return sum(half) / 2, low, high
