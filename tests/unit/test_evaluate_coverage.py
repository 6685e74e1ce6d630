"""Intervals hold the truth as often as they say: 2,000 studies drawn from known numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from proctor.evaluate import resampling
from proctor.evaluate.statistics import Answer, Estimate, rate, share

STUDIES = 2000
# The design asks that 95 % intervals hold the truth in 93 to 97 % of 2,000 draws.
LEAST, MOST = 0.93, 0.97


def held(made: Callable[[np.random.Generator], Answer], truth: float, seed: int = 1) -> float:
    """Share of studies whose interval holds ``truth``, of those that gave one."""
    rng = np.random.default_rng(seed)
    inside = given = 0
    for _ in range(STUDIES):
        answer = made(rng)
        if isinstance(answer, Estimate):
            given += 1
            inside += answer.low <= truth <= answer.high
    assert given > 0.9 * STUDIES, f"only {given} studies gave an interval"
    return inside / given


@pytest.mark.parametrize(
    ("p", "n", "most"),
    [
        (0.5, 1000, MOST),
        (0.2, 500, MOST),
        (0.5, 200, MOST),
        # Few possible counts: the exact interval may then hold the truth more often, never less.
        (0.1, 60, 1.0),
        (0.01, 100, 1.0),
        (0.5, 8, 1.0),
    ],
)
def test_clopper_pearson_never_holds_less_than_it_says(p: float, n: int, most: float) -> None:
    found = held(lambda rng: share(int(rng.binomial(n, p)), n), p)
    # Three standard errors of 2,000 draws below the promised 95 % would be 0.935.
    assert 0.935 <= found <= most


@pytest.mark.parametrize(
    ("per_hour", "hours", "most"),
    [(2.0, 200.0, MOST), (1.0, 100.0, MOST), (0.05, 60.0, 1.0), (0.005, 600.0, 1.0)],
)
def test_exact_poisson_never_holds_less_than_it_says(
    per_hour: float, hours: float, most: float
) -> None:
    found = held(lambda rng: rate(int(rng.poisson(per_hour * hours)), hours), per_hour)
    assert 0.935 <= found <= most


def clumped(rng: np.random.Generator, persons: int, clumps: float) -> tuple[np.ndarray, np.ndarray]:
    """False flags and hours of persons who differ: two an hour on the whole (negative binomial)."""
    hours = rng.uniform(1.0, 3.0, persons)
    return rng.poisson(rng.gamma(clumps, 1 / clumps, persons) * 2.0 * hours), hours


@pytest.mark.parametrize("persons", [20, 40, 80])
@pytest.mark.parametrize("clumps", [1.0, 20.0])
def test_persons_drawn_anew_hold_the_truth_where_flags_come_in_clumps(
    persons: int, clumps: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "DRAWS", 600)
    seed = iter(range(10**6))

    def made(rng: np.random.Generator) -> Answer:
        return resampling.ratio(*clumped(rng, persons, clumps), "persons", seed=next(seed))

    assert LEAST <= held(made, 2.0) <= MOST


def test_exact_poisson_is_too_narrow_where_flags_come_in_clumps() -> None:
    """Why the report prints both: counted as if they came singly, clumps look surer than they are."""

    def made(rng: np.random.Generator) -> Answer:
        flags, hours = clumped(rng, 40, 1.0)
        return rate(int(flags.sum()), float(hours.sum()))

    assert held(made, 2.0) < 0.8


def test_paired_differences_hold_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "DRAWS", 600)
    seed = iter(range(10**6))

    def made(rng: np.random.Generator) -> Answer:
        hours = rng.uniform(1.0, 3.0, 40)
        own = rng.gamma(2.0, 0.5, 40) * hours
        # Both systems share the person's part; the first has half as many of the rest.
        first, second = rng.poisson(own), rng.poisson(own) + rng.poisson(0.5 * hours)
        return resampling.paired_difference(
            (first, hours), (second, hours), "persons", seed=next(seed)
        )

    assert LEAST <= held(made, -0.5) <= MOST
