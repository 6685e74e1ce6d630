"""Which flag belongs to which labelled event, and the scores of events and segments that follow.

Events and flags are (start, end) in seconds of one session and one kind. docs/statistics.md tells the
sources; sed_eval, pyannote.metrics and scikit-learn judge the results in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Pair = tuple[float, float]
# Seconds by which the beginning of a flag may miss that of an event (our own choice, stated; DCASE
# takes 0.2 s for sounds, but rules wait for seconds on purpose).
ONSET_COLLAR_S = 2.0
# Segments in which time is judged piece by piece.
SEGMENT_S = 3.0
TIOUS = (0.3, 0.5, 0.7)


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Events that a flag belongs to (``hits``), that none does, and flags that belong to no event."""

    hits: int
    missed: int
    extra: int

    def __add__(self, other: EventCounts) -> EventCounts:
        return EventCounts(
            self.hits + other.hits, self.missed + other.missed, self.extra + other.extra
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN where there is neither event nor flag."""
        whole = 2 * self.hits + self.missed + self.extra
        return 2 * self.hits / whole if whole else math.nan


def onset_counts(
    events: Sequence[Pair], flags: Sequence[Pair], collar: float = ONSET_COLLAR_S
) -> EventCounts:
    """One flag to one event, as many pairs as can be, where beginnings differ by ``collar`` s at most.

    sed_eval's event-based metric with onset only (Mesaros, Heittola & Virtanen 2016).
    """
    hits = 0
    if events and flags:
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import maximum_bipartite_matching

        begins = np.array([start for start, _ in events])[:, None]
        raised = np.array([start for start, _ in flags])[None, :]
        near = csr_array(np.abs(begins - raised) <= collar)
        hits = int(np.count_nonzero(maximum_bipartite_matching(near, "column") >= 0))
    return EventCounts(hits, len(events) - hits, len(flags) - hits)


def touches(event: Pair, flag: Pair) -> bool:
    """Whether the two have a moment in common; an event or flag of no length has that moment."""
    return flag[0] <= event[1] and event[0] <= flag[1]


def iou(one: Pair, other: Pair) -> float:
    """Shared time over the time of either; 0.0 where neither lasts."""
    shared = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    either = (one[1] - one[0]) + (other[1] - other[0]) - shared
    return shared / either if either > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """Flags of one session with their scores, and whether each took an event of its own."""

    scores: tuple[float, ...]
    right: tuple[bool, ...]
    events: int


def ranked(
    events: Sequence[Pair], flags: Sequence[tuple[float, float, float]], least: float
) -> Ranked:
    """Flags (start, end, score) from the highest score on: each takes the free event it overlaps most.

    It must overlap by ``least`` (tIoU; Caba Heilbron et al. 2015, ActivityNet).
    """
    order = sorted(range(len(flags)), key=lambda i: -flags[i][2])
    free = list(range(len(events)))
    right = []
    for i in order:
        overlaps = [(iou(events[j], flags[i][:2]), -j) for j in free]
        best, j = max(overlaps, default=(0.0, 0))
        right.append(best >= least and best > 0)
        if right[-1]:
            free.remove(-j)
    return Ranked(tuple(flags[i][2] for i in order), tuple(right), len(events))


def average_precision(sessions: Sequence[Ranked]) -> float:
    """Area under precision over recall, without interpolation, over the sessions together.

    NaN where there is no event. An interpolated area, as ActivityNet prints, is never lower.
    """
    events = sum(one.events for one in sessions)
    if not events:
        return math.nan
    right = np.array([r for one in sessions for r in one.right], np.float64)
    scores = np.array([s for one in sessions for s in one.scores])
    if not right.any():
        return 0.0
    falling = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[falling])
    # Flags of the same score come together.
    ends = np.append(np.flatnonzero(np.diff(scores[falling])), len(scores) - 1)
    gained = np.diff(hits[ends], prepend=0.0)
    return float((gained * hits[ends] / (ends + 1)).sum()) / events


@dataclass(frozen=True, slots=True)
class Segments:
    """Pieces of one session: which hold an event, and the highest score in each. Shapes [n]."""

    positive: npt.NDArray[np.bool_]
    scores: Floats
    left_out: int


def segments(
    events: Sequence[Pair],
    times: Floats,
    scores: Floats,
    unmeasured: Sequence[Pair],
    duration_s: float,
    length: float = SEGMENT_S,
) -> Segments:
    """Pieces of ``length`` s (Atoum et al. 2017 judge so): positive where events fill half or more.

    Pieces measured for less than half, or without a known score, and a rest shorter than half a piece
    are left out and counted.
    """
    whole = int(duration_s / length + 0.5)
    edges: Floats = np.arange(whole + 1, dtype=np.float64) * length
    ends: Floats = np.minimum(edges[1:], duration_s)
    filled = _cover(events, edges[:-1], ends)
    unseen = _cover(unmeasured, edges[:-1], ends)
    best = np.full(whole, np.nan)
    known = np.isfinite(scores)
    place = np.floor(times[known] / length).astype(np.intp)
    inside = (place >= 0) & (place < whole)
    np.fmax.at(best, place[inside], scores[known][inside])
    lengths = ends - edges[:-1]
    keep = np.isfinite(best) & (unseen <= lengths / 2)
    return Segments((filled >= lengths / 2)[keep], best[keep], int(whole - np.count_nonzero(keep)))


def joined(spans: Sequence[Pair]) -> list[Pair]:
    """The same time without overlaps, in order."""
    made: list[Pair] = []
    for start, end in sorted(spans):
        if made and start <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], end))
        else:
            made.append((start, end))
    return made


def covered_s(spans: Sequence[Pair]) -> float:
    """Seconds that at least one of ``spans`` covers."""
    return sum(end - start for start, end in joined(spans))


def _cover(spans: Sequence[Pair], starts: Floats, ends: Floats) -> Floats:
    filled = np.zeros(len(starts))
    for start, end in joined(spans):
        filled += np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0.0, None)
    return filled
