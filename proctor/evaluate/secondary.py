"""What is looked at besides: single events, segments, thresholds and what scores mean, kind by kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from proctor.evaluate import curves, resampling
from proctor.evaluate.calibration import Reliability, reliability
from proctor.evaluate.matching import (
    TIOUS,
    EventCounts,
    Pair,
    Ranked,
    average_precision,
    onset_counts,
    ranked,
    segments,
)
from proctor.evaluate.statistics import LEVEL, Answer, Unsaid
from proctor.evaluate.tallies import unmeasured
from proctor.evaluate.truths import Judged, judge
from proctor.evaluate.values import Scores, Session

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
# Drawing flags anew is slow; the ends of the interval move by about a hundredth between two seeds.
DRAWS = 300


@dataclass(frozen=True, slots=True)
class Secondary:
    """One kind. ``events`` counts with the onset collar and ``f1`` of them; ``instances`` share of events
    with a flag; ``precision`` average precision by tIoU; ``curve`` of segments, with ``detection`` at
    each false alarm rate of :data:`curves.FARS`, ``eer``, ``fnmr`` at FMR 1e-3 and ``auc``."""

    kind: str
    sessions: int
    events: EventCounts
    f1: Answer
    instances: Answer
    precision: Mapping[float, Answer]
    curve: curves.Curve | None
    detection: Mapping[float, Answer]
    eer: Answer
    fnmr: Answer
    auc: Answer
    reliability: Reliability | Unsaid
    segments: int
    left_out: int


def secondary(
    sessions: Sequence[Session], kind: str, scores: Scores | None, level: float = LEVEL
) -> Secondary:
    """The secondary metrics of one kind, over every session whose truth speaks of it."""
    mine = [session for session in sessions if session.covers(kind)]
    people: dict[str, list[Judged]] = {}
    for session in mine:
        people.setdefault(session.person, []).append(judge(session, kind))
    counts = [_sum([_counted(one) for one in many]) for many in people.values()]
    whole = _sum(counts)
    found = [sum(sum(one.found) for one in many) for many in people.values()]
    events = [sum(len(one.found) for one in many) for many in people.values()]
    made, left_out = _segments(mine, kind, scores)
    curve = curves.curve(made)
    return Secondary(
        kind,
        len(mine),
        whole,
        _share(
            [2.0 * one.hits for one in counts],
            [2.0 * one.hits + one.missed + one.extra for one in counts],
            "there is neither event nor flag",
            level,
        ),
        _share(found, events, "no event of it is labelled", level),
        {least: _precision(list(people.values()), least, level) for least in TIOUS},
        curve,
        {far: curves.answer(curve, _at(far), level) for far in curves.FARS},
        curves.answer(curve, curves.equal_error, level),
        curves.misses_at_fmr(curve, level=level),
        curves.answer(curve, curves.area, level),
        reliability(made, level),
        sum(len(scores) for _, scores in made),
        left_out,
    )


def _at(far: float) -> Callable[[Floats, Floats], float]:
    return lambda false, hits: curves.detection_at(false, hits, far)


def spans(judged: Judged) -> list[Pair]:
    """Flags of one session about which the truth tells, in order of time."""
    return sorted((f.start, f.end) for f in (*judged.right, *judged.false))


def _counted(one: Judged) -> EventCounts:
    return onset_counts(one.agreed.events, spans(one))


def _sum(counts: Sequence[EventCounts]) -> EventCounts:
    whole = EventCounts(0, 0, 0)
    for one in counts:
        whole = whole + one
    return whole


def _share(above: Sequence[float], below: Sequence[float], nothing: str, level: float) -> Answer:
    """A share counted more than once a person."""
    if not sum(below):
        return Unsaid(nothing, 0, "events")
    return resampling.share(above, below, "persons", level)


def _precision(people: Sequence[Sequence[Judged]], least: float, level: float) -> Answer:
    lists: list[list[Ranked]] = [
        [
            ranked(
                one.agreed.events,
                [(f.start, f.end, f.peak) for f in (*one.right, *one.false)],
                least,
            )
            for one in many
        ]
        for many in people
    ]
    if not any(one.events for many in lists for one in many):
        return Unsaid("no event of it is labelled", 0, "events")

    def of_persons(chosen: resampling.Ints) -> float:
        return average_precision([one for i in chosen for one in lists[i]])

    found = resampling.statistic(len(lists), of_persons, "persons", None, level, draws=DRAWS)
    if isinstance(found, Unsaid):
        return replace(found, here=of_persons(np.arange(len(lists))))
    return found


def mean_precision(made: Sequence[Secondary], least: float) -> float:
    """The mean of average precision over the kinds that have events (mAP); NaN without any."""
    values = [_plain(one.precision[least]) for one in made]
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _plain(answer: Answer) -> float:
    value = answer.here if isinstance(answer, Unsaid) else answer.value
    return math.nan if value is None else value


def _segments(
    sessions: Sequence[Session], kind: str, scores: Scores | None
) -> tuple[list[tuple[Bools, Floats]], int]:
    """Labels and scores of segments, one pair of arrays a person, and how many were left out."""
    if scores is None:
        return [], 0
    people: dict[str, list[tuple[Bools, Floats]]] = {}
    left_out = 0
    for session in sessions:
        series = scores.series(session.id, kind)
        if series is None:
            continue
        judged = judge(session, kind)
        doubtful = list(judged.agreed.doubtful)
        made = segments(
            judged.agreed.events,
            series.times,
            series.scores,
            [*unmeasured(session, kind), *doubtful],
            session.duration_s,
        )
        left_out += made.left_out
        people.setdefault(session.person, []).append((made.positive, made.scores))
    return [
        (np.concatenate([a for a, _ in many]), np.concatenate([b for _, b in many]))
        for many in people.values()
    ], left_out
