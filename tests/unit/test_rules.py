"""Observations over time become flags: hysteresis, duration, gaps, cool-down, and time not measured."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.schema import RuleSettings
from proctor.pipeline.detector import Kind
from proctor.pipeline.rules import FlagEvent, Rule
from proctor.types import Flag, Observation

KIND = Kind("object.phone", "Phone", "A phone was in view for {seconds} s{reason}.")
SETTINGS = RuleSettings(on=0.6, off=0.4, min_s=2.0, gap_s=1.0, cooldown_s=5.0, stale_after_s=1.5)


def see(rule: Rule, scores: list[float | None], step: float = 0.5, start: float = 0.0):
    events: list[FlagEvent] = []
    for i, score in enumerate(scores):
        reason = "too dark" if score is None else ""
        events += rule.feed(
            Observation(start + i * step, KIND.name, score, "objects", reason=reason)
        )
    return events


def play(scores: list[float | None], settings: RuleSettings = SETTINGS, step: float = 0.5):
    rule = Rule(KIND, settings)
    rule.begin(0.0)
    events = see(rule, scores, step) + rule.finish(len(scores) * step)
    return [e.flag for e in events if e.what == "closed"], rule


def spans(flags: list[Flag]) -> list[tuple[float, float | None]]:
    return [(f.start, f.end) for f in flags]


def test_an_act_that_lasts_long_enough_is_one_flag_with_its_true_times():
    flags, _ = play([0] * 4 + [0.9] * 6 + [0] * 8)
    assert spans(flags) == [(2.0, 5.0)]
    assert flags[0].why == "A phone was in view for 3.0 s."
    assert flags[0].peak == 0.9
    assert flags[0].observations == 6


def test_the_best_moment_is_the_first_of_the_highest_scores():
    flags, _ = play([0, 0, 0.7, 0.8, 0.9, 0.9, 0.9, 0.7] + [0] * 6)
    assert flags[0].peak == 0.9
    assert flags[0].peak_t == 2.0


def test_a_short_act_is_no_flag():
    assert play([0, 0.9, 0.9, 0.9, 0, 0, 0, 0])[0] == []


def test_a_flag_opens_before_it_closes_and_keeps_its_id():
    rule = Rule(KIND, SETTINGS)
    events = see(rule, [0.9] * 6 + [0] * 6)
    assert [e.what for e in events] == ["opened", "closed"]
    assert events[0].flag.end is None
    assert events[0].t == 2.0
    assert events[0].flag.id == events[1].flag.id


def test_a_score_between_off_and_on_holds_an_act_but_does_not_begin_one():
    assert spans(play([0.9, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0])[0]) == [(0.0, 2.5)]
    assert play([0.5] * 20)[0] == []


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    bridged, _ = play([0.9] * 4 + [0, 0] + [0.9] * 4 + [0] * 6)
    assert spans(bridged) == [(0.0, 5.0)]
    split, _ = play([0.9] * 5 + [0] * 4 + [0.9] * 3 + [0] * 6)
    assert spans(split) == [(0.0, 2.5)]


def test_cool_down_delays_a_second_flag_but_does_not_lose_a_long_act():
    short_again, _ = play([0.9] * 5 + [0] * 4 + [0.9] * 5 + [0] * 20)
    assert spans(short_again) == [(0.0, 2.5)]
    long_again, _ = play([0.9] * 5 + [0] * 4 + [0.9] * 20 + [0] * 6)
    assert spans(long_again) == [(0.0, 2.5), (4.5, 14.5)]


def test_unknown_neither_opens_nor_closes_a_flag():
    flags, rule = play([0.9] * 5 + [None] * 40 + [0.9] * 2 + [0] * 6)
    assert spans(flags) == [(0.0, 23.5)]
    assert rule.unknown_s == {"too dark": 20.0}
    never, rule = play([0.9, None, 0.9, None, 0.9, None, 0, 0, 0, 0])
    assert never == []  # only 1.5 s were really seen
    assert rule.measured_s == pytest.approx(3.5)


def test_silence_is_not_all_clear():
    rule = Rule(KIND, SETTINGS)
    rule.begin(0.0)
    see(rule, [0.9, 0.9], start=10.0)
    rule.finish(60.0)
    assert rule.unknown_s == {"nothing reported": pytest.approx(10.0 + 60.0 - 10.5 - 1.5)}
    assert rule.measured_s == pytest.approx(0.5 + 1.5)


def test_a_moment_without_duration_flags_at_once():
    rule = Rule(KIND, RuleSettings(on=0.5, off=0.5, min_s=0.0, gap_s=2.0, cooldown_s=0.0))
    events = see(rule, [0, 0.8, 0])
    assert [(e.what, e.t) for e in events] == [("opened", 0.5)]
    assert events[0].flag.start == 0.5


def test_what_is_open_at_the_end_closes_at_the_end():
    flags, _ = play([0.9] * 10)
    assert spans(flags) == [(0.0, 5.0)]


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=80),
    st.floats(0, 4),
    st.floats(0, 3),
)
def test_every_second_is_measured_or_not_and_flags_never_overlap(scores, min_s, gap_s):
    settings = SETTINGS.model_copy(update={"min_s": min_s, "gap_s": gap_s})
    flags, rule = play(scores, settings)
    total = len(scores) * 0.5
    assert rule.measured_s + sum(rule.unknown_s.values()) == pytest.approx(total)
    for flag in flags:
        assert flag.end is not None
        assert 0 <= flag.start <= flag.end <= total
        assert flag.end - flag.start >= min_s - 1e-6
        assert flag.peak >= settings.on
    for before, after in itertools.pairwise(flags):
        assert before.end is not None
        assert before.end <= after.start


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=60))
def test_no_flag_without_a_score_that_reaches_on(scores):
    flags, _ = play([None if s is None else min(s, 0.59) for s in scores])
    assert flags == []
