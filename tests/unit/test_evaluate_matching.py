"""Flags and events: sed_eval, pyannote.metrics and scikit-learn judge the same random lists."""

from __future__ import annotations

import math
import warnings
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

from proctor.evaluate import agreement, calibration, curves, fairness, resampling
from proctor.evaluate.matching import (
    EventCounts,
    Ranked,
    average_precision,
    covered_s,
    iou,
    onset_counts,
    ranked,
    segments,
)
from proctor.evaluate.statistics import Estimate, Unsaid

# Whole hundredths, so that no judge's rounding matters.
times = st.integers(0, 6000).map(lambda n: n / 100)
spans = st.lists(
    st.tuples(times, st.integers(10, 900)).map(lambda p: (p[0], round(p[0] + p[1] / 100, 2))),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(spans, spans)
def test_onsets_are_matched_as_sed_eval_matches_them(
    events: list[tuple[float, float]], flags: list[tuple[float, float]]
) -> None:
    with warnings.catch_warnings():
        # The judge asks the old package index of setuptools for its version.
        warnings.simplefilter("ignore")
        import dcase_util
        import sed_eval

        judge = sed_eval.sound_event.EventBasedMetrics(
            ["x"], evaluate_onset=True, evaluate_offset=False, t_collar=2.005,
            event_matching_type="optimal",
        )  # fmt: skip
        lists = [
            dcase_util.containers.MetaDataContainer(
                [
                    {"file": "a", "event_label": "x", "onset": start, "offset": end}
                    for start, end in one
                ]
            )
            for one in (events, flags)
        ]
        judge.evaluate(*lists)
    mine = onset_counts(events, flags, 2.005)
    theirs = judge.overall
    assert (mine.hits, mine.missed, mine.extra) == (
        theirs["Ntp"],
        theirs["Nref"] - theirs["Ntp"],
        theirs["Nsys"] - theirs["Ntp"],
    )


def test_f1_of_nothing_is_no_number() -> None:
    assert math.isnan(EventCounts(0, 0, 0).f1)
    assert EventCounts(3, 1, 0).f1 == pytest.approx(6 / 7)
    assert (EventCounts(1, 2, 3) + EventCounts(1, 0, 0)) == EventCounts(2, 2, 3)


@settings(max_examples=60, deadline=None)
@given(spans, spans)
def test_shared_time_is_that_of_pyannote(
    events: list[tuple[float, float]], flags: list[tuple[float, float]]
) -> None:
    from pyannote.core import Segment, Timeline

    one, other = (Timeline([Segment(*span) for span in many]).support() for many in (events, flags))
    assert covered_s(events) == pytest.approx(one.duration())
    for a in events:
        for b in flags:
            shared = Segment(*a) & Segment(*b)
            either = (a[1] - a[0]) + (b[1] - b[0]) - (shared.duration if shared else 0.0)
            assert iou(a, b) == pytest.approx((shared.duration if shared else 0.0) / either)
    assert covered_s([*events, *flags]) == pytest.approx(
        one.duration() + other.duration() - one.crop(other).duration()
    )


@settings(max_examples=40, deadline=None)
@given(spans, spans)
def test_missed_and_false_time_is_pyannotes_detection_error(
    events: list[tuple[float, float]], flags: list[tuple[float, float]]
) -> None:
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.detection import DetectionErrorRate

    marks = []
    for many in (events, flags):
        mark = Annotation()
        for number, span in enumerate(many):
            mark[Segment(*span), number] = "x"
        marks.append(mark)
    theirs = DetectionErrorRate()(*marks, uem=Segment(0, 80), detailed=True)
    both = covered_s(events) + covered_s(flags) - covered_s([*events, *flags])
    assert theirs["miss"] == pytest.approx(covered_s(events) - both, abs=1e-6)
    assert theirs["false alarm"] == pytest.approx(covered_s(flags) - both, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(spans, spans, st.sampled_from([0.3, 0.5, 0.7]), st.randoms(use_true_random=False))
def test_average_precision_is_scikit_learns(
    events: list[tuple[float, float]],
    flags: list[tuple[float, float]],
    least: float,
    random: object,
) -> None:
    scored = [(a, b, 1.0 - n / 100) for n, (a, b) in enumerate(flags)]
    made = ranked(events, scored, least)
    assert made.events == len(events)
    # Step by step, as the definition says: precision at each right flag, over all events.
    right, area = 0, 0.0
    for place, is_right in enumerate(made.right, 1):
        right += is_right
        area += right / place if is_right else 0.0
    found = average_precision([made])
    if events:
        assert found == pytest.approx(area / len(events))
    else:
        assert math.isnan(found)
    if right and right == len(events):
        assert found == pytest.approx(average_precision_score(made.right, made.scores))


def test_a_flag_takes_the_event_it_overlaps_most_and_only_one_takes_it() -> None:
    events = [(0.0, 10.0), (10.0, 20.0)]
    made = ranked(events, [(8.0, 20.0, 0.9), (9.0, 20.0, 0.8), (0.0, 9.0, 0.7)], 0.5)
    assert made == Ranked((0.9, 0.8, 0.7), (True, False, True), 2)


# --- segments -------------------------------------------------------------------------------------


def test_segments_hold_the_highest_score_and_leave_out_what_was_not_measured() -> None:
    at = np.arange(0.0, 12.0, 0.5)
    scores = np.where((at >= 3) & (at < 5), 0.9, 0.1)
    scores[at >= 9] = np.nan
    made = segments([(3.4, 6.0)], at, scores, [(6.0, 8.0)], 12.0, 3.0)
    assert made.positive.tolist() == [False, True]
    assert made.scores.tolist() == [0.1, 0.9]
    assert made.left_out == 2


def test_a_rest_shorter_than_half_a_segment_is_no_segment() -> None:
    at = np.arange(0.0, 7.0, 0.5)
    made = segments([], at, np.zeros(len(at)), [], 7.0, 3.0)
    assert len(made.scores) == 2
    longer = segments([], at, np.zeros(len(at)), [], 7.6, 3.0)
    assert len(longer.scores) == 3


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([5, 30]))
def test_rates_are_scikit_learns(seed: int, persons: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    made = [(rng.random(40) < 0.3, rng.integers(0, steps + 1, 40) / steps) for _ in range(persons)]
    labels, scores = (np.concatenate(x) for x in zip(*made, strict=True))
    curve = curves.curve(made)
    assert curve is not None
    false, hits, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    mine = curve.rates()
    assert curve.thresholds == pytest.approx(thresholds)
    assert mine[0] == pytest.approx(false)
    assert mine[1] == pytest.approx(hits)
    assert curves.area(*mine) == pytest.approx(roc_auc_score(labels, scores))
    for far in curves.FARS:
        assert curves.detection_at(*mine, far) == pytest.approx(max(hits[false <= far]))
    error = curves.equal_error(*mine)
    # Interpolated on the line between neighbours: misses and false alarms are alike there.
    assert np.interp(error, false, 1 - hits) == pytest.approx(error, abs=0.35)
    twice = curve.rates(np.array([0, 0, *range(1, persons)]))
    again = roc_curve(np.concatenate([labels, made[0][0]]), np.concatenate([scores, made[0][1]]),
                      drop_intermediate=False)  # fmt: skip
    assert twice[0] == pytest.approx(again[0])
    assert twice[1] == pytest.approx(again[1])


@pytest.mark.parametrize(
    ("false", "hits", "expected"),
    [
        ([0, 0.1, 0.2, 1], [0, 0.7, 0.9, 1], 0.2 * 2 / 3 + 0.1 / 3),
        ([0, 0, 1], [0, 1, 1], 0.0),
        ([0, 0.25, 1], [0, 0.75, 1], 0.25),
        ([0, 1], [0, 1], 0.5),
    ],
)
def test_equal_error_by_hand(false: list[float], hits: list[float], expected: float) -> None:
    assert curves.equal_error(np.array(false), np.array(hits)) == pytest.approx(expected)


def test_many_scores_are_thinned_out_and_change_little() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(20_000) < 0.2
    scores = np.clip(rng.normal(0.3 + 0.3 * labels, 0.15), 0, 1)
    made = curves.curve([(labels, scores)])
    assert made is not None
    assert len(made.thresholds) == curves.MOST + 1
    assert curves.area(*made.rates()) == pytest.approx(roc_auc_score(labels, scores), abs=1e-3)


def test_curves_say_why_they_say_nothing() -> None:
    none, some = np.zeros(10, bool), np.arange(10) > 5
    flat = np.linspace(0, 1, 10)
    assert curves.curve([]) is None
    assert isinstance(curves.answer(None, curves.equal_error), Unsaid)
    no_event = curves.answer(curves.curve([(none, flat)]), curves.equal_error)
    assert isinstance(no_event, Unsaid)
    assert "no measured segment" in no_event.why
    assert isinstance(curves.answer(curves.curve([(~none, flat)]), curves.equal_error), Unsaid)
    one_person = curves.answer(curves.curve([(some, flat)]), curves.equal_error)
    assert isinstance(one_person, Unsaid)
    few = curves.misses_at_fmr(curves.curve([(some, flat)]))
    assert isinstance(few, Unsaid)
    assert "3000" in few.why


def test_a_curve_of_many_persons_has_an_interval() -> None:
    rng = np.random.default_rng(1)
    made = []
    for _ in range(40):
        labels = rng.random(50) < 0.2
        made.append((labels, np.clip(rng.normal(0.3 + 0.4 * labels, 0.2), 0, 1)))
    found = curves.answer(curves.curve(made), curves.equal_error)
    assert isinstance(found, Estimate)
    assert found.low < found.value < found.high
    assert (found.n, found.method) == (40, resampling.BCA)


# --- calibration, agreement, fairness -------------------------------------------------------------


def test_brier_is_scikit_learns_and_bins_hold_every_segment() -> None:
    rng = np.random.default_rng(2)
    made = []
    for _ in range(30):
        scores = rng.random(40)
        made.append((rng.random(40) < scores, scores))
    labels, scores = (np.concatenate(x) for x in zip(*made, strict=True))
    found = calibration.reliability(made)
    assert isinstance(found, calibration.Reliability)
    assert isinstance(found.brier, Estimate)
    assert found.brier.value == pytest.approx(brier_score_loss(labels, scores))
    assert sum(one.segments for one in found.bins) == len(labels)
    for one in found.bins:
        assert isinstance(one.share, Estimate)
        # These scores mean what they say.
        assert one.share.low - 0.05 <= one.mean <= one.share.high + 0.05
    assert isinstance(calibration.reliability([(np.zeros(5, bool), np.zeros(5))]), Unsaid)
    assert isinstance(calibration.reliability([]), Unsaid)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_agreement_is_that_of_krippendorff_and_scikit_learn(seed: int) -> None:
    import krippendorff
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, 90)
    said = {
        rater: {
            f"{i:02d}": "abc"[truth[i] if rng.random() < 0.8 else rng.integers(3)]
            for i in range(90)
            if rng.random() < 0.9
        }
        for rater in ("A", "B", "C")
    }
    made = agreement.alpha(said, {f"{i:02d}": f"person {i % 45}" for i in range(90)})
    grid = [
        ["abc".index(one[f"{i:02d}"]) if f"{i:02d}" in one else np.nan for i in range(90)]
        for one in said.values()
    ]
    assert isinstance(made, Estimate)
    expected = krippendorff.alpha(reliability_data=grid, level_of_measurement="nominal")
    assert made.value == pytest.approx(expected)
    for (one, other), kappa in agreement.kappas(said).items():
        both = sorted(said[one].keys() & said[other].keys())
        assert isinstance(kappa, Estimate)
        assert kappa.value == pytest.approx(
            cohen_kappa_score([said[one][t] for t in both], [said[other][t] for t in both])
        )
        assert kappa.low <= kappa.value <= kappa.high


def test_agreement_that_cannot_be_told() -> None:
    of = {"1": "p", "2": "q"}
    alone = agreement.alpha({"A": {"1": "x", "2": "y"}}, of)
    assert isinstance(alone, Unsaid)
    assert "no two people" in alone.why
    same = agreement.alpha({"A": {"1": "x"}, "B": {"1": "x"}}, of)
    assert isinstance(same, Unsaid)
    assert "throughout" in same.why
    few = agreement.alpha({"A": {"1": "x", "2": "y"}, "B": {"1": "x", "2": "x"}}, of)
    assert isinstance(few, Unsaid)
    assert few.here is not None
    assert all(
        isinstance(one, Unsaid)
        for one in agreement.kappas({"A": {"1": "x"}, "B": {"2": "x"}, "C": {"1": "x"}}).values()
    )


def test_a_group_that_is_flagged_more_is_found_and_a_small_one_is_too_few_to_say() -> None:
    groups = [{"tone": "10", "sex": "f"}] * 100 + [{"tone": "2", "sex": "m"}] * 100
    groups += [{"tone": "7", "sex": "f"}] * 4 + [{"sex": "m"}] * 20
    flagged = [i < 30 for i in range(100)] + [i < 5 for i in range(100)]
    flagged += [True] * 4 + [False] * 20
    found = {(one.attribute, one.group): one for one in fairness.slices(groups, flagged)}
    dark = found["tone", "10"]
    assert isinstance(dark.share, Estimate)
    assert (dark.share.count, dark.share.n) == (30, 100)
    assert dark.verdict.startswith("higher")
    assert dark.p_holm is not None
    assert dark.against.p is not None
    assert dark.p_holm >= dark.against.p
    assert found["tone", "7"].verdict.startswith("too few to say")
    assert ("sex and tone", "f and 10") in found
    assert [g for a, g in found if a == "tone"] == ["2", "7", "10"]
    assert isinstance(found["sex", "m"].share, Estimate)
    assert found["sex", "m"].share.n == 120
    shares = [found["tone", tone].share for tone in ("2", "10")]
    assert [one.value for one in shares if isinstance(one, Estimate)] == [0.05, 0.3]


def test_two_alike_small_groups_are_not_called_alike() -> None:
    found = fairness.slices([{"g": "a"}] * 15 + [{"g": "b"}] * 15, [True, *[False] * 14] * 2)
    assert all("too few to say" in one.verdict for one in found)
    alone = fairness.slices([{"g": "a"}] * 15, [False] * 15)
    assert "nobody to compare with" in alone[0].verdict
    assert fairness.slices([{}] * 5, [False] * 5) == []


def test_orders_of_the_same_flags_give_the_same_counts() -> None:
    events, flags = [(0.0, 5.0), (3.0, 8.0), (9.0, 12.0)], [(1.0, 4.0), (4.5, 6.0), (20.0, 21.0)]
    assert {onset_counts(events, list(order)) for order in permutations(flags)} == {
        EventCounts(2, 1, 1)
    }
