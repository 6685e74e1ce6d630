"""For whom it is worse, in false flags an hour: rates by group, compared with everybody else.

Flags of one person come in clumps, so persons are what is drawn anew and exchanged between groups. Where hours
or persons do not suffice, the words are "too few hours to say".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from proctor.evaluate import resampling
from proctor.evaluate.fairness import LEAST_GROUP, Slice, natural, persons
from proctor.evaluate.statistics import (
    FAIR_POWER,
    LEVEL,
    Answer,
    Contrast,
    Unsaid,
    holm,
    rate,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
PERSONS, HOURS = "honest persons", "honest measured hours"
# Standard deviation of the root of a Poisson count (Bartlett 1936).
ROOT_SPREAD = 0.5


def rates(
    groups: Sequence[Mapping[str, str]],
    false: Sequence[int],
    hours: Sequence[float],
    level: float = LEVEL,
) -> list[Slice]:
    """Every group of every attribute, then of every two together; one entry a person in each sequence.

    ``share`` of a slice is its rate an hour, ``needed`` of its contrast the hours that each of two
    groups takes. Who was not measured is left out. Raises ValueError for lists of different lengths.
    """
    if not len(groups) == len(false) == len(hours):
        raise ValueError("one set of groups, one count and its hours a person are needed")
    counts, measured = np.asarray(false, np.float64), np.asarray(hours, np.float64)
    attributes = sorted({name for one in groups for name in one})
    wanted: list[tuple[str, ...]] = [(name,) for name in attributes]
    wanted += combinations(attributes, 2)
    found: list[tuple[str, str, Bools, Bools]] = []
    for names in wanted:
        labels = [
            " and ".join(one[name] for name in names) if all(n in one for n in names) else None
            for one in groups
        ]
        stated = np.array([told is not None for told in labels]) & (measured > 0)
        for group in sorted(
            {x for x, own in zip(labels, stated, strict=True) if x and own}, key=natural
        ):
            own = stated & np.array([told == group for told in labels])
            found.append((" and ".join(names), group, own, stated & ~own))
    contrasts = [_contrast(counts, measured, own, rest, level) for _, _, own, rest in found]
    tested = [i for i, made in enumerate(contrasts) if made.p is not None]
    corrected = dict(
        zip(tested, holm([p for made in contrasts if (p := made.p) is not None]), strict=True)
    )
    return [
        Slice(
            attribute,
            group,
            _rate(counts[own], measured[own], level),
            contrasts[i],
            corrected.get(i),
            _verdict(counts, measured, own, rest, contrasts[i], corrected.get(i), level),
        )
        for i, (attribute, group, own, rest) in enumerate(found)
    ]


def _rate(false: Floats, hours: Floats, level: float) -> Answer:
    """Persons drawn anew; where nobody has a false flag, the exact Poisson interval, which needs no draws."""
    if not false.any():
        return rate(0, float(hours.sum()), HOURS, level)
    answer = resampling.ratio(false, hours, PERSONS, level)
    if isinstance(answer, Unsaid):
        return replace(answer, here=float(false.sum() / hours.sum()))
    return answer


def _contrast(false: Floats, hours: Floats, own: Bools, rest: Bools, level: float) -> Contrast:
    if not rest.any():
        none = Unsaid("one of the two groups has no persons", 0, PERSONS)
        return Contrast(none, none, None, None, None)
    first, second = (false[own], hours[own]), (false[rest], hours[rest])
    difference, ratio = resampling.apart(first, second, PERSONS, level)
    both = own | rest
    whole, time = float(false[both].sum()), float(hours[both].sum())
    if whole == 0 or min(own.sum(), rest.sum()) < LEAST_GROUP:
        return Contrast(difference, ratio, None, None, None)
    expected = whole / time * hours[both]
    # More than 1 where flags come in clumps: as many independent ones fewer are there to tell by.
    clumped = max(1.0, float(np.sum((false[both] - expected) ** 2 / expected) / (both.sum() - 1)))
    sides = float(hours[own].sum()), float(hours[rest].sum())
    return Contrast(
        difference,
        ratio,
        resampling.exchanged(first, second),
        _power(whole / time / clumped, sides, level),
        _needed(whole / time / clumped, level),
    )


def _step(per_hour: float) -> float:
    """How far the roots of two rates lie apart, one ``per_hour`` and the other twice that, in
    standard deviations of the root of what is counted in one hour."""
    return (math.sqrt(2 * per_hour) - math.sqrt(per_hour)) / ROOT_SPREAD


def _power(per_hour: float, hours: tuple[float, float], level: float) -> float:
    """The chance that so many hours show that one side has twice the flags (two-sided, normal)."""
    from scipy.stats import norm

    far = float(norm.isf((1 - level) / 2))
    return float(norm.sf(far - _step(per_hour) / math.sqrt(1 / hours[0] + 1 / hours[1])))


def _needed(per_hour: float, level: float) -> int:
    """Hours in each of two groups for a fair chance of it."""
    from scipy.stats import norm

    far = float(norm.isf((1 - level) / 2) + norm.ppf(FAIR_POWER))
    return math.ceil(2 * (far / _step(per_hour)) ** 2)


def _verdict(
    false: Floats,
    hours: Floats,
    own: Bools,
    rest: Bools,
    made: Contrast,
    p_holm: float | None,
    level: float,
) -> str:
    """What can be said about a group, in a sentence."""
    if not rest.any():
        return "everybody who stated it is in this group, so there is nobody to compare with"
    fewest = min(int(own.sum()), int(rest.sum()))
    if fewest < LEAST_GROUP:
        least = min(float(hours[own].sum()), float(hours[rest].sum()))
        return f"too few hours to say ({least:.3g} h of {persons(fewest)} on one side)"
    if made.p is None or made.power is None:
        return "no false flag in any group, so no difference could show"
    if p_holm is not None and p_holm <= 1 - level:
        more = false[own].sum() / hours[own].sum() > false[rest].sum() / hours[rest].sum()
        return f"{'higher' if more else 'lower'} than among the others (p = {p_holm:.3g}, Holm)"
    if made.power < FAIR_POWER:
        return (
            f"no difference shown, and twice as many would be seen with a chance of only "
            f"{made.power:.0%}: too few hours to say (about {made.needed} h a group)"
        )
    return f"no difference shown; twice as many would be seen with a chance of {made.power:.0%}"
