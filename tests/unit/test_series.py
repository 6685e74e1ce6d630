"""A series fed with its idle stretches left out ends in the very flags of one fed whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.schema import RuleSettings
from proctor.pipeline.detector import Kind
from proctor.pipeline.rules import Rule
from proctor.pipeline.series import flags_of, unmeasured
from proctor.types import Box, Observation

KIND = Kind("object.phone", "A phone", "A phone was in view for {seconds} s ({reason}).")

scores = st.one_of(st.none(), st.sampled_from([0.0, 0.3, 0.4, 0.5, 0.6, 1.0]), st.floats(0, 1))
steps = st.one_of(st.just(0.1), st.just(0.0), st.floats(0.0, 4.0), st.floats(-1.0, 0.0))
looks = st.lists(st.tuples(steps, scores), max_size=120)


@st.composite
def rules(draw):
    on = draw(st.sampled_from([0.3, 0.5, 0.6]))
    return RuleSettings(
        on=on,
        off=draw(st.sampled_from([0.1, 0.3, on])) if on > 0.3 else 0.3,
        min_s=draw(st.sampled_from([0.0, 0.5, 2.0])),
        gap_s=draw(st.sampled_from([0.0, 0.3, 1.0])),
        cooldown_s=draw(st.sampled_from([0.0, 5.0])),
        stale_after_s=draw(st.sampled_from([0.5, 2.0])),
    )


def observations(told):
    t, found = 0.0, []
    for step, score in told:
        t = max(0.0, t + step)
        box = Box(0.1, 0.2, 0.3, 0.4) if score else None
        found.append(Observation(t, KIND.name, score, "test", box, 1.0, f"at {t}"))
    return found


def arrays(told):
    values = [math.nan if o.score is None else o.score for o in told]
    return np.array([o.t for o in told], float), np.array(values, float)


@settings(max_examples=400, deadline=None)
@given(looks, rules())
@example([(0.1, 0.6)] * 60 + [(0.1, None)] * 5 + [(0.1, 0.6)] * 60, RuleSettings())
def test_what_is_passed_over_changes_no_flag(told, rule_settings):
    told = observations(told)
    end = max((o.t for o in told), default=0.0) + 1.0
    whole = Rule(KIND, rule_settings)
    whole.begin(0.0)
    expected = [event for o in told for event in whole.feed(o)] + whole.finish(end)
    asked = []

    def observation(i):
        asked.append(i)
        return told[i]

    times, values = arrays(told)
    assert flags_of(Rule(KIND, rule_settings), times, values, observation, end) == expected
    assert len(asked) == len(set(asked))


@settings(max_examples=300, deadline=None)
@given(looks, rules())
def test_unmeasured_time_is_what_the_rule_counts(told, rule_settings):
    told = observations(told)
    end = max((o.t for o in told), default=0.0) + 1.0
    rule = Rule(KIND, rule_settings)
    rule.begin(0.0)
    for o in told:
        rule.feed(o)
    rule.finish(end)
    starts, ends, after = unmeasured(*arrays(told), rule_settings.stale_after_s, end)
    assert sum(ends - starts) == pytest.approx(sum(rule.unknown_s.values()))
    assert (starts < ends).all()
    assert (ends[:-1] <= starts[1:]).all()
    assert ((after >= -1) & (after < len(told))).all()


def test_quiet_hours_are_not_walked_through():
    n = 36_000
    times = np.arange(n) / 10
    values = np.zeros(n)
    values[5000:5050] = 0.9
    asked = []

    def observation(i):
        asked.append(i)
        return Observation(float(times[i]), KIND.name, float(values[i]), "test")

    events = flags_of(Rule(KIND, RuleSettings()), times, values, observation, 3600.0)
    assert [(e.what, e.flag.start) for e in events] == [("opened", 500.0), ("closed", 500.0)]
    assert len(asked) < 100
