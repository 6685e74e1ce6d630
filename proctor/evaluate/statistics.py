"""Numbers of a study: each with its count, what it rests on, an interval, or the reason why there is none.

The arithmetic is scipy's and statsmodels'; docs/statistics.md tells definition, source and judge of each.
A person is the unit of independence: what is counted more than once a person belongs to
:mod:`proctor.evaluate.resampling`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
# Chance of seeing a difference that is there, from which one speaks of a fair chance (Cohen 1988).
FAIR_POWER = 0.8


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that may be printed.

    ``count`` is what was counted (``None`` where the number is no count), ``n`` how many it rests on
    and ``of`` what those are ("honest persons"). ``low`` to ``high`` is the interval of ``level``
    that ``method`` made.
    """

    value: float
    low: float
    high: float
    count: float | None
    n: float
    of: str
    method: str
    level: float = LEVEL


@dataclass(frozen=True, slots=True)
class Unsaid:
    """What stands where a number would mislead: "cannot be said, because ``why``".

    ``here`` is the number of these recordings alone where it is only the interval that lacks.
    """

    why: str
    n: float = 0
    of: str = ""
    here: float | None = None


Answer = Estimate | Unsaid


def share(count: int, n: int, of: str = "persons", level: float = LEVEL) -> Answer:
    """``count`` of ``n`` independent things, with the exact interval of Clopper and Pearson (1934).

    Raises ValueError where ``count`` is not within 0…``n``.
    """
    if not 0 <= count <= n:
        raise ValueError(f"{count} of {n} is no share")
    if n == 0:
        return Unsaid(f"there are no {of}", 0, of)
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return Estimate(count / n, low, high, count, n, of, "Clopper-Pearson", level)


def rate(count: int, hours: float, of: str = "hours", level: float = LEVEL) -> Answer:
    """Events an hour with the exact Poisson interval (Garwood 1936): right where events come singly.

    Raises ValueError for a negative ``count`` or ``hours``.
    """
    if count < 0 or hours < 0:
        raise ValueError(f"{count} events in {hours} h is no rate")
    if hours == 0:
        return Unsaid(f"there are no {of}", 0, of)
    from scipy.stats import chi2

    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(chi2.ppf(tail, 2 * count)) / 2
    high = float(chi2.isf(tail, 2 * count + 2)) / 2
    return Estimate(
        count / hours, low / hours, high / hours, count, hours, of, "exact Poisson", level
    )


def at_most_when_none(n: float, level: float = LEVEL) -> float:
    """The rule of three: with none seen in ``n`` trials or hours, at most this share or rate.

    One-sided; -ln(1 - level) / n, which is 3.00 / n at 95 % (Hanley & Lippman-Hand 1983).
    Infinite for ``n`` = 0.
    """
    return math.inf if n <= 0 else -math.log(1 - level) / n


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two groups of different persons compared.

    ``difference`` is first less second, ``ratio`` first over second, ``p`` Fisher's exact test,
    ``power`` the chance that groups of these sizes show that one share is twice the other, and
    ``needed`` how many persons each group takes for a fair chance of it.
    """

    difference: Answer
    ratio: Answer
    p: float | None
    power: float | None
    needed: int | None


def contrast(
    first: tuple[int, int], second: tuple[int, int], of: str = "persons", level: float = LEVEL
) -> Contrast:
    """Shares (count, n) of two groups: Newcombe's difference (1998) and Koopman's ratio (1984)."""
    (a, m), (b, n) = first, second
    if m == 0 or n == 0:
        none = Unsaid(f"one of the two groups has no {of}", 0, of)
        return Contrast(none, none, None, None, None)
    from scipy.stats import fisher_exact
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(
        a, m, b, n, method="newcomb", compare="diff", alpha=1 - level
    )
    gap = Estimate(a / m - b / n, float(low), float(high), None, m + n, of, "Newcombe", level)
    p = float(fisher_exact([[a, m - a], [b, n - b]]).pvalue)
    common = (a + b) / (m + n)
    known = 0 < common < 0.5
    return Contrast(
        gap,
        _ratio(a, m, b, n, of, level),
        p,
        power(common, 2 * common, m, n, level) if known else None,
        needed(common, 2 * common, level=level) if known else None,
    )


def _ratio(a: int, m: int, b: int, n: int, of: str, level: float) -> Answer:
    if b == 0:
        return Unsaid("nobody of the second group was counted, so nothing divides", m + n, of)
    from scipy.optimize import brentq
    from scipy.stats import norm

    far = float(norm.isf((1 - level) / 2))
    value = (a / m) / (b / n)

    def above(log_ratio: float) -> float:
        return _score(a, m, b, n, math.exp(log_ratio)) + far

    def below(log_ratio: float) -> float:
        return _score(a, m, b, n, math.exp(log_ratio)) - far

    # The score falls as the ratio grows; e^±30 is beyond what any two counts can tell apart.
    high = math.exp(float(brentq(above, -30.0, 30.0)))
    low = 0.0 if a == 0 else math.exp(float(brentq(below, -30.0, 30.0)))
    return Estimate(value, low, high, None, m + n, of, "score (Koopman)", level)


def _score(a: int, m: int, b: int, n: int, ratio: float) -> float:
    """How many standard errors the counts lie above ``ratio`` (Miettinen & Nurminen 1985, eq. 10)."""
    square = (m + n) * ratio
    linear = -(m * ratio + a + n + b * ratio)
    root = math.sqrt(max(0.0, linear * linear - 4 * square * (a + b)))
    # The shares that fit best where one is ``ratio`` times the other.
    q = min(1.0, 2 * (a + b) / (-linear + root))
    p = min(1.0, ratio * q)
    variance = p * (1 - p) / m + ratio * ratio * q * (1 - q) / n
    gap = a / m - ratio * b / n
    if variance <= 0:
        return 0.0 if gap == 0 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def power(p: float, q: float, m: int, n: int, level: float = LEVEL) -> float:
    """The chance that ``m`` and ``n`` persons tell shares ``p`` and ``q`` apart (two-sided, arcsine)."""
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    return float(
        NormalIndPower().power(
            proportion_effectsize(q, p), m, 1 - level, ratio=n / m, alternative="two-sided"
        )
    )


def needed(p: float, q: float, chance: float = FAIR_POWER, level: float = LEVEL) -> int:
    """Persons in each of two groups for ``chance`` to tell ``p`` and ``q`` apart (Cohen's h)."""
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    solved = NormalIndPower().solve_power(
        abs(proportion_effectsize(q, p)), None, 1 - level, chance, 1.0, "two-sided"
    )
    return math.ceil(float(solved))


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p of McNemar's test, from persons whom only one of two systems flagged.

    1.0 where the systems differ on nobody.
    """
    if only_first + only_second == 0:
        return 1.0
    from statsmodels.stats.contingency_tables import mcnemar as test

    return float(test([[0, only_first], [only_second, 0]], exact=True).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, made larger so that many tests together err as seldom as one (Holm 1979)."""
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(list(p_values), method="holm")[1]]
