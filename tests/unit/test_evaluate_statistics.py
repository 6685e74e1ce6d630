"""Shares, rates and comparisons: against other libraries, against published numbers, and where none can be given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.rates import confint_poisson

from proctor.evaluate import base_rates, resampling
from proctor.evaluate.statistics import (
    Estimate,
    Unsaid,
    at_most_when_none,
    contrast,
    holm,
    mcnemar,
    needed,
    power,
    rate,
    share,
)


@settings(max_examples=40)
@given(st.integers(0, 400), st.integers(1, 400), st.sampled_from([0.9, 0.95, 0.99]))
def test_a_share_has_the_interval_of_statsmodels(count: int, n: int, level: float) -> None:
    count = min(count, n)
    made = share(count, n, level=level)
    assert isinstance(made, Estimate)
    low, high = proportion_confint(count, n, alpha=1 - level, method="beta")
    exact = stats.binomtest(count, n).proportion_ci(level)
    assert (made.low, made.high) == pytest.approx((exact.low, exact.high), abs=1e-6)
    assert made.low == pytest.approx(0.0 if count == 0 else low, abs=1e-9)
    assert made.high == pytest.approx(1.0 if count == n else high, abs=1e-9)
    assert made.low <= made.value <= made.high
    assert (made.count, made.n, made.level) == (count, n, level)


@given(st.integers(0, 300), st.floats(0.01, 1000))
def test_a_rate_has_the_interval_of_statsmodels(count: int, hours: float) -> None:
    made = rate(count, hours)
    assert isinstance(made, Estimate)
    low, high = confint_poisson(count, hours, method="exact-c")
    assert made.low == pytest.approx(0.0 if count == 0 else low)
    assert made.high == pytest.approx(high)


def test_nobody_and_no_hours_give_a_reason_instead_of_a_number() -> None:
    assert share(0, 0, "honest persons") == Unsaid(
        "there are no honest persons", 0, "honest persons"
    )
    assert rate(0, 0.0, "honest hours") == Unsaid("there are no honest hours", 0, "honest hours")
    nobody = contrast((0, 0), (1, 5))
    assert isinstance(nobody.difference, Unsaid)
    assert isinstance(nobody.ratio, Unsaid)
    assert nobody.p is None


@pytest.mark.parametrize(("count", "n"), [(-1, 5), (6, 5)])
def test_an_impossible_share_is_a_mistake_of_the_caller(count: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        share(count, n)


def test_the_anchors_interval_is_the_published_one() -> None:
    made = share(0, 6)
    assert isinstance(made, Estimate)
    assert made.high == pytest.approx(0.459, abs=0.0005)


@given(st.integers(1, 5000))
def test_the_rule_of_three_is_about_three(n: int) -> None:
    assert at_most_when_none(n) * n == pytest.approx(3.0, abs=0.005)
    assert at_most_when_none(n) == pytest.approx(stats.chi2.isf(0.05, 2) / 2 / n)
    assert math.isinf(at_most_when_none(0))


@settings(max_examples=40)
@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.integers(1, 30))
def test_two_groups_compared(a: int, m: int, b: int, n: int) -> None:
    a, b = min(a, m), min(b, n)
    made = contrast((a, m), (b, n))
    assert isinstance(made.difference, Estimate)
    assert -1 <= made.difference.low <= a / m - b / n <= made.difference.high <= 1
    assert made.p == pytest.approx(stats.fisher_exact([[a, m - a], [b, n - b]])[1])
    if b == 0:
        assert isinstance(made.ratio, Unsaid)
    else:
        assert isinstance(made.ratio, Estimate)
        assert made.ratio.low <= made.ratio.value * (1 + 1e-6)
        assert made.ratio.value <= made.ratio.high * (1 + 1e-6)


@pytest.mark.parametrize(
    ("first", "second"), [((10, 40), (5, 50)), ((3, 30), (3, 30)), ((40, 200), (18, 220))]
)
def test_the_ratio_has_the_score_interval_of_statsmodels(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    made = contrast(first, second).ratio
    assert isinstance(made, Estimate)
    low, high = confint_proportions_2indep(
        *first, *second, method="score", compare="ratio", correction=False
    )
    assert (made.low, made.high) == pytest.approx((low, high), rel=0.002)


def test_a_ratio_where_everybody_or_nobody_of_a_group_was_counted() -> None:
    everybody = contrast((20, 20), (30, 30)).ratio
    assert isinstance(everybody, Estimate)
    assert everybody.low < 0.9 < 1.0 < 1.1 < everybody.high
    nobody = contrast((0, 20), (15, 30)).ratio
    assert isinstance(nobody, Estimate)
    assert (nobody.value, nobody.low) == (0.0, 0.0)
    assert 0.1 < nobody.high < 0.7


def test_newcombes_own_example() -> None:
    # Newcombe 1998, table II: 56/70 less 48/80 is 0.2 (0.0524 to 0.3339).
    made = contrast((56, 70), (48, 80)).difference
    assert isinstance(made, Estimate)
    assert (made.value, made.low, made.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-4)


def test_power_against_simulation() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.binomial(200, 0.1, 4000) / 200, rng.binomial(300, 0.2, 4000) / 300
    pooled = (a * 200 + b * 300) / 500
    z = np.abs(a - b) / np.sqrt(pooled * (1 - pooled) * (1 / 200 + 1 / 300))
    assert power(0.1, 0.2, 200, 300) == pytest.approx(float((z > 1.959964).mean()), abs=0.03)


def test_persons_needed_for_a_fair_chance() -> None:
    n = needed(0.01, 0.02)
    assert n == pytest.approx(2250, abs=15)
    assert power(0.01, 0.02, n, n) >= 0.8
    assert power(0.01, 0.02, n - 10, n - 10) < 0.8


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_sign_test(only_first: int, only_second: int) -> None:
    both = only_first + only_second
    expected = stats.binomtest(only_first, both).pvalue if both else 1.0
    assert mcnemar(only_first, only_second) == pytest.approx(min(1.0, expected))


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_steps_down(p_values: list[float]) -> None:
    made = holm(p_values)
    worst = 0.0
    for place, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, p_values[i] * (len(p_values) - place)))
        assert made[i] == pytest.approx(worst)


# --- base rates -----------------------------------------------------------------------------------


def test_the_numbers_that_every_report_prints() -> None:
    text = " ".join(base_rates.beside_its_own())
    for number in ("100 of 10,000", "18 %", "0.005 an hour", "600 honest hours", "0.64", "2,250"):
        assert number in text, number


@given(st.floats(0.01, 1), st.floats(0.001, 0.99), st.floats(0.001, 0.5))
def test_predictive_values_of_counted_students(se: float, false: float, prevalence: float) -> None:
    acting, honest = 1e6 * prevalence, 1e6 * (1 - prevalence)
    ppv = se * acting / (se * acting + false * honest)
    npv = (1 - false) * honest / ((1 - false) * honest + (1 - se) * acting)
    assert base_rates.ppv(se, false, prevalence) == pytest.approx(ppv)
    assert base_rates.npv(se, false, prevalence) == pytest.approx(npv)


def test_prediction_carries_its_intervals_and_its_reasons() -> None:
    made = base_rates.predict(share(18, 20), share(1, 100), 0.02)
    assert isinstance(made.ppv, Estimate)
    assert made.ppv.low < made.ppv.value < made.ppv.high
    assert isinstance(made.flagged_honest, Estimate)
    assert made.flagged_honest.value == pytest.approx(100)
    none = base_rates.predict(share(0, 0, "instructed persons"), share(1, 100), 0.02)
    assert none.ppv == Unsaid("there are no instructed persons", 0, "instructed persons")
    assert isinstance(none.flagged_honest, Estimate)
    silent = base_rates.predict(share(0, 20), share(0, 100), 0.02)
    assert isinstance(silent.ppv, Unsaid)


# --- persons drawn anew ---------------------------------------------------------------------------


def test_too_few_persons_give_a_reason() -> None:
    assert isinstance(resampling.ratio([1.0], [2.0], "persons"), Unsaid)
    assert isinstance(resampling.ratio([], [], "persons"), Unsaid)
    rare = resampling.ratio([1.0] + [0.0] * 39, [1.0] * 40, "persons")
    assert isinstance(rare, Unsaid)
    assert "only 1 of 40" in rare.why
    assert isinstance(resampling.statistic(5, lambda chosen: 1.0, "persons"), Unsaid)


def test_the_studentised_interval_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    hours = rng.uniform(1, 3, 25)
    flags = rng.poisson(2 * hours).astype(float)
    made = resampling.ratio(flags, hours, "persons", seed=9)
    assert isinstance(made, Estimate)

    def fit(y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
        quotient = y.sum() / x.sum()
        parts = (y - quotient * x) / x.sum()
        return quotient, math.sqrt(len(y) / (len(y) - 1) * float((parts**2).sum()))

    value, spread = fit(flags, hours)
    moved = []
    for chosen in np.random.default_rng(9).integers(0, 25, (resampling.DRAWS, 25)):
        again, wide = fit(flags[chosen], hours[chosen])
        moved.append((again - value) / wide)
    moved.sort()
    assert made.low == pytest.approx(value - moved[math.ceil(0.975 * len(moved)) - 1] * spread)
    assert made.high == pytest.approx(value - moved[math.ceil(0.025 * len(moved)) - 1] * spread)


def test_a_system_beside_itself_differs_by_nothing() -> None:
    rng = np.random.default_rng(4)
    hours = rng.uniform(1, 3, 30)
    flags = rng.poisson(2 * hours).astype(float)
    assert isinstance(
        resampling.paired_difference((flags, hours), (flags, hours), "persons"), Unsaid
    )
    better = np.maximum(flags - 1, 0)
    made = resampling.paired_difference((better, hours), (flags, hours), "persons")
    assert isinstance(made, Estimate)
    assert made.high < 0
    # Pairing helps: the persons' own differences are smaller than those between persons.
    alone = resampling.ratio(flags, hours, "persons")
    assert isinstance(alone, Estimate)
    assert made.high - made.low < alone.high - alone.low
