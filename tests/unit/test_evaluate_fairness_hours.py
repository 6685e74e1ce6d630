"""False flags an hour by group: intervals and tests that hold in simulation, and words where hours are few."""

from __future__ import annotations

import numpy as np
import pytest

from proctor.evaluate import fairness_hours, resampling
from proctor.evaluate.statistics import Answer, Estimate, Unsaid

STUDIES = 2000


def persons(rng: np.random.Generator, n: int, per_hour: float) -> tuple[np.ndarray, np.ndarray]:
    """False flags and hours of persons who differ (negative binomial)."""
    hours = rng.uniform(1.0, 3.0, n)
    return rng.poisson(rng.gamma(2.0, 0.5, n) * per_hour * hours), hours


def test_intervals_of_two_groups_hold_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "DRAWS", 500)
    rng, truths = np.random.default_rng(3), (1.0, 2.0)
    inside, given = [0, 0], 0
    for study in range(STUDIES):
        answers = resampling.apart(
            persons(rng, 40, 2.0), persons(rng, 60, 1.0), "persons", seed=study
        )
        given += 1
        for i, (answer, truth) in enumerate(zip(answers, truths, strict=True)):
            assert isinstance(answer, Estimate)
            inside[i] += answer.low <= truth <= answer.high
    # The design asks that 95 % intervals hold the truth in 93 to 97 % of 2,000 draws.
    assert [0.93 <= count / given <= 0.97 for count in inside] == [True, True]


def test_the_exchange_of_persons_errs_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "DRAWS", 300)
    rng = np.random.default_rng(4)
    p = [
        resampling.exchanged(persons(rng, 12, 1.0), persons(rng, 40, 1.0), seed=study)
        for study in range(1000)
    ]
    assert 0.03 <= np.mean(np.array(p) <= 0.05) <= 0.07
    told = [
        resampling.exchanged(persons(rng, 40, 3.0), persons(rng, 40, 1.0), seed=study)
        for study in range(100)
    ]
    assert np.mean(np.array(told) <= 0.05) > 0.9


def test_its_power_is_the_share_of_studies_that_see_twice_as_many() -> None:
    """The formula against a simulation of flags that come singly."""
    rng = np.random.default_rng(5)
    hours = (30.0, 60.0)
    counts = [rng.poisson(rate * h, 20_000) for rate, h in zip((2.0, 1.0), hours, strict=True)]
    roots = 2 * (np.sqrt(counts[0] / hours[0]) - np.sqrt(counts[1] / hours[1]))
    seen = float(np.mean(roots / np.sqrt(1 / hours[0] + 1 / hours[1]) > 1.96))
    assert fairness_hours._power(1.0, hours, 0.95) == pytest.approx(seen, abs=0.02)
    needed = fairness_hours._needed(1.0, 0.95)
    assert fairness_hours._power(1.0, (needed, needed), 0.95) == pytest.approx(0.8, abs=0.02)


def made(
    *sides: tuple[str, int, float, float], seed: int = 6
) -> dict[tuple[str, str], fairness_hours.Slice]:
    """Slices of groups of (name, persons, hours each, false flags an hour)."""
    rng = np.random.default_rng(seed)
    groups: list[dict[str, str]] = []
    false: list[int] = []
    hours: list[float] = []
    for name, n, each, per_hour in sides:
        groups += [{"tone": name}] * n
        hours += [each] * n
        false += rng.poisson(per_hour * each, n).tolist()
    return {(one.attribute, one.group): one for one in fairness_hours.rates(groups, false, hours)}


def value(answer: Answer) -> float:
    assert isinstance(answer, Estimate)
    return answer.value


def test_a_group_with_more_false_flags_an_hour_is_found() -> None:
    found = made(("2", 60, 2.0, 0.5), ("10", 40, 2.0, 2.0))
    dark = found["tone", "10"]
    assert dark.verdict.startswith("higher than among the others")
    assert found["tone", "2"].verdict.startswith("lower")
    assert value(dark.share) == pytest.approx(2.0, abs=0.4)
    assert value(dark.against.difference) == pytest.approx(
        value(dark.share) - value(found["tone", "2"].share)
    )
    assert value(dark.against.ratio) > 2.5
    assert [group for _, group in found] == ["2", "10"]


def test_few_hours_are_said_to_be_few() -> None:
    found = made(("a", 12, 0.1, 3.0), ("b", 12, 0.1, 3.0))
    assert all("too few hours to say (about" in one.verdict for one in found.values())
    # The number of these recordings is there, its interval is not.
    assert all(isinstance(one.share, Unsaid) and one.share.here for one in found.values())
    small = made(("a", 4, 2.0, 1.0), ("b", 60, 2.0, 1.0))["tone", "a"]
    assert small.verdict == "too few hours to say (8 h of 4 persons on one side)"
    assert small.against.p is None


def test_no_false_flag_at_all_leaves_an_upper_end_and_no_difference() -> None:
    found = made(("a", 20, 2.0, 0.0), ("b", 20, 2.0, 0.0))
    for one in found.values():
        assert isinstance(one.share, Estimate)
        assert (one.share.value, one.share.low) == (0.0, 0.0)
        assert one.share.high == pytest.approx(3.689 / 40, abs=1e-3)
        assert one.verdict == "no false flag in any group, so no difference could show"


def test_enough_hours_that_are_alike_say_so() -> None:
    found = made(("a", 80, 3.0, 1.0), ("b", 80, 3.0, 1.0))
    assert all("would be seen with a chance of 100%" in one.verdict for one in found.values())


def test_who_was_not_measured_or_states_nothing_is_left_out() -> None:
    groups = [{"g": "a"}] * 12 + [{"g": "b"}] * 12 + [{}] * 3
    hours = [1.0] * 12 + [0.0] * 12 + [1.0] * 3
    found = fairness_hours.rates(groups, [1] * 27, hours)
    assert [(one.group, "nobody to compare with" in one.verdict) for one in found] == [("a", True)]
    with pytest.raises(ValueError, match="a person are needed"):
        fairness_hours.rates(groups, [1], hours)
