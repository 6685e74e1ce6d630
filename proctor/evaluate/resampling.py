"""Intervals for what is counted more than once a person: persons are drawn anew, never their moments.

A ratio of sums gets the studentised bootstrap (bootstrap-t, Efron & Tibshirani 1993, ch. 12), because
its intervals hold the truth as often as they say from 15 persons on, where percentile and BCa intervals
are too narrow; any other number gets scipy's BCa interval. Where drawing anew cannot tell, no number
is given. tests/unit/test_evaluate_coverage.py measures both.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from proctor.evaluate.statistics import LEVEL, Answer, Estimate, Unsaid

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
# Enough for the ends of a 95 % interval to hold still in the second digit.
DRAWS = 2000
# Fewer persons, or fewer among them with anything to count, give intervals that are too narrow
# (simulated: with 10 persons 95 % intervals held the truth in 93 % of draws, with 15 in 94-98 %).
LEAST_PERSONS = 15
LEAST_WITH = 5
# BCa intervals of a number that is no ratio of sums are right only with more persons.
LEAST_FOR_OTHERS = 30
SEED = 20170801
STUDENTISED = "bootstrap of persons (studentised)"
BCA = "bootstrap of persons (BCa)"


def ratio(
    above: Sequence[float] | Floats,
    below: Sequence[float] | Floats,
    of: str,
    level: float = LEVEL,
    seed: int = SEED,
) -> Answer:
    """Sum of ``above`` over sum of ``below``, one value ≥ 0 a person in each: false flags an hour, say."""
    top, bottom = np.asarray(above, np.float64), np.asarray(below, np.float64)
    if top.shape != bottom.shape or top.ndim != 1:
        raise ValueError("one value a person is needed above and below the line")
    few = _too_few(len(top), int(np.count_nonzero(top)), of)
    if few is not None:
        return few
    if bottom.sum() <= 0:
        return Unsaid("nothing was measured that one could divide by", len(top), of)
    value, spread = _linear(top, bottom)
    low, high = _studentised([(top, bottom)], float(value), float(spread), level, seed)
    return Estimate(
        float(value), max(0.0, low), high, float(top.sum()), len(top), of, STUDENTISED, level
    )


def paired_difference(
    first: tuple[Sequence[float] | Floats, Sequence[float] | Floats],
    second: tuple[Sequence[float] | Floats, Sequence[float] | Floats],
    of: str,
    level: float = LEVEL,
    seed: int = SEED,
) -> Answer:
    """Ratio of the first system less that of the second, on the same persons in the same order."""
    a, b = (np.asarray(x, np.float64) for x in first)
    c, d = (np.asarray(x, np.float64) for x in second)
    if not a.shape == b.shape == c.shape == d.shape:
        raise ValueError("both systems need the same persons in the same order")
    if b.size and (b.sum() <= 0 or d.sum() <= 0):
        return Unsaid("nothing was measured that one could divide by", len(a), of)
    apart = _residuals(a, b) - _residuals(c, d) if a.size else a
    few = _too_few(len(a), int(np.count_nonzero(np.abs(apart) > 1e-12)), of, "differ")
    if few is not None:
        return few
    value = a.sum() / b.sum() - c.sum() / d.sum()
    spread = _spread(apart)
    low, high = _studentised([(a, b), (c, d)], float(value), float(spread), level, seed)
    return Estimate(float(value), low, high, None, len(a), of, STUDENTISED, level)


def apart(
    first: tuple[Floats, Floats],
    second: tuple[Floats, Floats],
    of: str,
    level: float = LEVEL,
    seed: int = SEED,
) -> tuple[Answer, Answer]:
    """Ratio of sums of one group less that of another, and over it: two groups of different persons.

    As in :func:`ratio`, each group is drawn anew by itself; the quotient on the scale of logarithms.
    """
    for top, _ in (first, second):
        few = _too_few(len(top), int(np.count_nonzero(top)), of)
        if few is not None:
            return few, few
    rng = np.random.default_rng(seed)
    (a, b), (c, d) = _drawn(*first, rng), _drawn(*second, rng)
    (one, one_spread), (other, other_spread) = _linear(*first), _linear(*second)
    n = len(first[0]) + len(second[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        gap, wide = float(one - other), float(np.hypot(one_spread, other_spread))
        low, high = _ends((a - c - gap) / np.hypot(b, d), a - c - gap, gap, wide, level)
        difference = Estimate(gap, low, high, None, n, of, STUDENTISED, level)
        log, wide = (
            float(np.log(one / other)),
            float(np.hypot(one_spread / one, other_spread / other)),
        )
        moved = np.log(a / c) - log
        low, high = _ends(moved / np.hypot(b / a, d / c), moved, log, wide, level)
    ends = float(np.exp(low)), float(np.exp(high))
    return difference, Estimate(float(one / other), *ends, None, n, of, STUDENTISED, level)


def exchanged(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats], seed: int = SEED
) -> float:
    """Two-sided p that two groups' ratios of sums are one: how often persons dealt into groups of these
    sizes by chance lie as far apart (permutation test; Good 2005). Never below 1 in :data:`DRAWS` + 1."""
    top, bottom = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    n, own = len(top), len(first[0])
    dealt = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (DRAWS, 1)), axis=1)
    mine, theirs = dealt[:, :own], dealt[:, own:]
    gaps = top[mine].sum(-1) / bottom[mine].sum(-1) - top[theirs].sum(-1) / bottom[theirs].sum(-1)
    here = abs(first[0].sum() / first[1].sum() - second[0].sum() / second[1].sum())
    return float((1 + np.count_nonzero(np.abs(gaps) >= here - 1e-12)) / (DRAWS + 1))


def statistic(
    persons: int,
    of_persons: Callable[[Ints], float],
    of: str,
    count: float | None = None,
    level: float = LEVEL,
    seed: int = SEED,
    draws: int = DRAWS,
) -> Answer:
    """Any number that ``of_persons`` makes of a list of person numbers, in which some come twice.

    It returns NaN for persons of whom it cannot tell.
    """
    if persons < LEAST_FOR_OTHERS:
        return _fewer(persons, LEAST_FOR_OTHERS, of)
    value = of_persons(np.arange(persons))
    if not np.isfinite(value):
        return Unsaid("these persons give nothing to compute it from", persons, of)
    from scipy.stats import DegenerateDataWarning, bootstrap

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            (np.arange(persons),),
            of_persons,
            n_resamples=draws,
            vectorized=False,
            confidence_level=level,
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    low, high = float(found.confidence_interval.low), float(found.confidence_interval.high)
    if not (np.isfinite(low) and np.isfinite(high)):
        return Unsaid("the persons are too much alike, or some draws leave nothing", persons, of)
    return Estimate(value, low, high, count, persons, of, BCA, level)


def share(
    above: Sequence[float] | Floats,
    below: Sequence[float] | Floats,
    of: str,
    level: float = LEVEL,
    seed: int = SEED,
) -> Answer:
    """A :func:`ratio` between 0 and 1: also enough persons must fall short of 1, and it ends there.

    Where the interval lacks, the reason carries the share of these recordings alone.
    """
    top, bottom = np.asarray(above, np.float64), np.asarray(below, np.float64)
    found = ratio(top, bottom, of, level, seed)
    short = int(np.count_nonzero(bottom - top > 1e-9))
    if isinstance(found, Estimate) and short < LEAST_WITH:
        found = Unsaid(
            f"all but {short} of {len(top)} {of} are alike here, too few differ to draw persons anew "
            f"(at least {LEAST_WITH})",
            len(top),
            of,
        )
    if isinstance(found, Unsaid):
        whole = float(bottom.sum())
        return replace(found, here=float(top.sum()) / whole) if whole > 0 else found
    return replace(found, high=min(1.0, found.high))


def _too_few(
    persons: int, counting: int, of: str, how: str = "have anything to count"
) -> Unsaid | None:
    if persons < LEAST_PERSONS:
        return _fewer(persons, LEAST_PERSONS, of)
    if counting < LEAST_WITH:
        return Unsaid(
            f"only {counting} of {persons} {of} {how} here, too few to draw persons anew "
            f"(at least {LEAST_WITH})",
            persons,
            of,
        )
    return None


def _fewer(persons: int, least: int, of: str) -> Unsaid:
    if persons == 0:
        return Unsaid(f"there are no {of}", 0, of)
    return Unsaid(
        f"{persons} {of} are too few to draw persons anew (at least {least})", persons, of
    )


def _linear(top: Floats, bottom: Floats) -> tuple[Floats, Floats]:
    """Ratio of sums along the last axis, and its standard error by linearisation (Cochran 1977)."""
    quotient: Floats = np.asarray(top.sum(axis=-1) / bottom.sum(axis=-1))
    return quotient, _spread(_residuals(top, bottom))


def _residuals(top: Floats, bottom: Floats) -> Floats:
    """What each person adds to the ratio's error, shape of ``top``."""
    below = bottom.sum(axis=-1, keepdims=True)
    quotient = top.sum(axis=-1, keepdims=True) / below
    error: Floats = (top - quotient * bottom) / below
    return error


def _spread(errors: Floats) -> Floats:
    n = errors.shape[-1]
    spread: Floats = np.sqrt(n / (n - 1) * np.square(errors).sum(axis=-1))
    return spread


def _studentised(
    systems: Sequence[tuple[Floats, Floats]], value: float, spread: float, level: float, seed: int
) -> tuple[float, float]:
    """Interval of the first ratio, less the second where there is one, all of the same persons."""
    n = len(systems[0][0])
    chosen = np.random.default_rng(seed).integers(0, n, (DRAWS, n))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [top[chosen].sum(-1) / bottom[chosen].sum(-1) for top, bottom in systems]
        errors = [_residuals(top[chosen], bottom[chosen]) for top, bottom in systems]
        drawn = values[0] - values[1] if len(systems) > 1 else values[0]
        wide = _spread(errors[0] - errors[1] if len(systems) > 1 else errors[0])
        moved = (drawn - value) / wide
    return _ends(moved, drawn - value, value, spread, level)


def _ends(
    moved: Floats, by: Floats, value: float, spread: float, level: float
) -> tuple[float, float]:
    """The interval around ``value``, from draws that ``moved`` so many standard errors, ``by`` so much."""
    # A draw of nobody with anything to count lies as far below as can be.
    moved = np.where(np.isfinite(moved), moved, np.copysign(np.inf, by))
    moved = np.where(by == 0, 0.0, moved)
    tail = round((1 - level) / 2, 12)
    far, near = np.quantile(moved, [1 - tail, tail], method="inverted_cdf")
    return value - float(far) * spread, value - float(near) * spread


def _drawn(top: Floats, bottom: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The ratio, and its standard error, of persons drawn anew :data:`DRAWS` times."""
    chosen = rng.integers(0, len(top), (DRAWS, len(top)))
    return _linear(top[chosen], bottom[chosen])
