"""The metrics that were fixed before looking: who is flagged wrongly, who is missed, what was not measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from proctor.evaluate import resampling
from proctor.evaluate.statistics import LEVEL, Answer, Estimate, Unsaid, rate, share
from proctor.evaluate.tallies import ALL, Person, median_delay

# An interval of the median needs six at least (2 · 0.5^6 < 0.05).
LEAST_DELAYS = 6


@dataclass(frozen=True, slots=True)
class Primary:
    """One kind, or all together (:data:`ALL`).

    ``hfr`` share of honest persons with a flag; ``fa_hour`` false flags an honest measured hour with
    the exact Poisson interval, ``fa_hour_persons`` the same with persons drawn anew; ``clumped``
    variance over mean of false flags a person (1: they come singly); ``sensitivity`` share of
    instructed persons with a flag that belongs to an event; ``first_s`` median seconds to it;
    ``not_measured`` share of recorded time, all persons.
    """

    kind: str
    hfr: Answer
    fa_hour: Answer
    fa_hour_persons: Answer
    clumped: float | None
    sensitivity: Answer
    never_measured: int
    first_s: Answer
    not_measured: Answer
    not_measured_h: float
    recorded_h: float


def primary(people: Sequence[Person], kind: str = ALL, level: float = LEVEL) -> Primary:
    """The primary metrics of one kind."""
    all_honest = [p for p in people if p.side == "honest" and p.kinds[kind].covered]
    honest = [p for p in all_honest if p.kinds[kind].judged_h > 0]
    asked = [p for p in people if p.side == "instructed" and p.kinds[kind].events > 0]
    false = [p.kinds[kind].false for p in honest]
    hours = [p.kinds[kind].judged_h for p in honest]
    recorded = [p.kinds[kind].recorded_h for p in people]
    missing = [max(0.0, p.kinds[kind].recorded_h - p.kinds[kind].measured_h) for p in people]
    return Primary(
        kind,
        _hfr(all_honest, honest, kind, level),
        rate(sum(false), sum(hours), "honest measured hours", level)
        if honest
        else _nobody(all_honest),
        resampling.ratio(false, hours, "honest persons", level) if honest else _nobody(all_honest),
        _clumped(false),
        share(
            sum(p.kinds[kind].found > 0 for p in asked),
            len(asked),
            "instructed persons with such an event",
            level,
        ),
        sum(p.kinds[kind].measured_h == 0 for p in asked),
        _first(asked, kind, level),
        not_measured(missing, recorded, level),
        sum(missing),
        sum(recorded),
    )


def _hfr(
    everybody: Sequence[Person], measured: Sequence[Person], kind: str, level: float
) -> Answer:
    if not measured:
        return _nobody(everybody)
    flagged = sum(p.flagged(kind) for p in measured)
    return share(flagged, len(measured), "honest persons", level)


def _nobody(everybody: Sequence[Person]) -> Unsaid:
    if everybody:
        return Unsaid(
            "it was never measured with an honest person", len(everybody), "honest persons"
        )
    return Unsaid("no honest person's truth speaks of it", 0, "honest persons")


def _clumped(false: Sequence[int]) -> float | None:
    """Variance over mean; ``None`` where nothing was counted or there is one person only."""
    n = len(false)
    mean = sum(false) / n if n else 0.0
    if n < 2 or mean == 0:
        return None
    return sum((x - mean) ** 2 for x in false) / (n - 1) / mean


def _first(asked: Sequence[Person], kind: str, level: float) -> Answer:
    of = "instructed persons with such an event"
    if len(asked) < LEAST_DELAYS:
        return Unsaid(
            f"{len(asked)} {of} are too few for a median with an interval (at least {LEAST_DELAYS})"
            if asked
            else f"there are no {of}",
            len(asked),
            of,
        )
    value, low, high = median_delay([p.kinds[kind].first_s for p in asked])
    if math.isinf(value):
        return Unsaid("half of them or more were never flagged for it", len(asked), of)
    return Estimate(value, low, high, None, len(asked), of, "order statistics", level)


def not_measured(missing: Sequence[float], recorded: Sequence[float], level: float) -> Answer:
    """Share of recorded time without a measurement."""
    lost = sum(missing)
    if sum(recorded) <= 0:
        return Unsaid("nothing was recorded", 0, "persons")
    if lost == 0:
        return Unsaid("it happened to nobody here", len(recorded), "persons", 0.0)
    found = resampling.share(missing, recorded, "persons", level)
    return found if isinstance(found, Unsaid) else replace(found, count=lost)
