"""Every rule of the linter strikes where it should, and nowhere near it."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from policies import load
from policies.lint import lint
from policies.lint_rules import RULES
from policies.lint_rules.base import BUILT_IN, SENSOR_OF_KIND
from policies.schema import Jurisdiction, Policy
from proctor.pipeline import plugins
from proctor.session.arrangement import SENSOR

FOLDER = Path(__file__).parents[1] / "lint_examples"
NOW = datetime(2027, 1, 10, tzinfo=UTC)
KEYS = {
    "@anna": "age1f7m78jtqzx6jfkuyasf3uer7sa23lypw5l7yjgd7sr64xmec0ejs83d5s4",
    "@ben": "age14mxgnn9f8fj8nztlq6mu4fdzn7vrd60mcfvw94yxk65adhzpg9yss5lscc",
    "@cleo": "age1zr574sltw0fc670vlgzphyj074l4k69lz70q5s26a5u05pwcq9uq9zjv3w",
    "@dora": "age1w68cw6lavzmq3h3ztzmy5jpr8lldwu9gkwjclczd0qcqax4audeqjx8wz4",
    "@emil": "age1h4zw3uujm7tan92jtpz9dcn9mp552n4xk7j9p5zsycgrjwkzfe9qwxt8rc",
    "@spare": "age1yeadjq3r96ruzcnawg2r2c44l805qxsztrnpe9wzsd2qhdaq5gtsxa7a5m",
}
ELSEWHERE = "You sit the exam in our library, or at home with a live human and no scan."
# What `scan = {…}` in an example stands for: a scan that is offered as it should be.
SCAN: dict[str, Any] = {
    "stakes": "high",
    "purposes": {"room_scan": {"alternative": ELSEWHERE}},
    "room_scan": {
        "mode": "offered",
        "reason": "Books are not allowed in this exam.",
        "alternative": ELSEWHERE,
        "notice_hours": 48,
        "recipients": ["@cleo"],
    },
}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


BASE = _read("base.toml")
EXAMPLES = {**_read("general.toml"), **_read("places.toml")}


def _over(under: Any, over: Any) -> Any:
    if isinstance(under, dict) and isinstance(over, dict):
        keys = [*under, *(key for key in over if key not in under)]
        return {k: _over(under.get(k), over[k]) if k in over else under[k] for k in keys}
    return over


def _keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _keys(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(KEYS.get(v, v) for v in value)
    return KEYS.get(value, value) if isinstance(value, str) else value


def _policy(change: dict[str, Any]) -> Policy:
    document = BASE
    if "scan" in change:
        document = _over(_over(document, SCAN), {"room_scan": change["scan"]})
    rest = {key: value for key, value in change.items() if key not in ("scan", "without")}
    document = _over(document, rest)
    for path in change.get("without", []):
        table, _, name = path.partition(".")
        if name:
            document = {
                **document,
                table: {k: v for k, v in document[table].items() if k != name},
            }
            assert name in BASE[table], path
        else:
            assert table in BASE, path
            document = {k: v for k, v in document.items() if k != table}
    return Policy.model_validate(_keys(document))


def _struck(change: dict[str, Any]) -> set[str]:
    return {finding.rule for finding in lint(_policy(change), now=NOW)}


def test_P4_there_are_enough_rules_and_each_has_its_examples():
    assert len(RULES) >= 40
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert set(EXAMPLES) == {rule.id for rule in RULES}
    assert all(set(example) == {"fail", "pass"} for example in EXAMPLES.values())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_P4_each_rule_strikes_its_failing_example_and_no_other(rule):
    found = lint(_policy(EXAMPLES[rule.id]["fail"]), now=NOW)
    assert {finding.rule for finding in found} == {rule.id}
    for finding in found:
        assert finding.severity == rule.severity
        assert finding.source == rule.source
        assert finding.mend == rule.mend
        assert "\n" not in finding.sentence()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_P4_each_rule_is_silent_about_its_passing_example(rule):
    assert rule.id not in _struck(EXAMPLES[rule.id]["pass"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_P4_each_rule_says_why_whence_and_how_to_mend_it(rule):
    for words in (rule.title, rule.source):
        assert words
        assert not words.endswith(".")
    for sentence in (rule.why, rule.mend):
        assert sentence.endswith(".")
    assert len(rule.why.split()) >= 6


@pytest.mark.parametrize("place", get_args(Jurisdiction))
def test_P4_a_careful_policy_passes_in_every_place(place):
    assert _struck({"jurisdictions": [place]}) == set()


@pytest.mark.parametrize("place", get_args(Jurisdiction))
def test_P4_every_place_has_a_pack_of_its_own(place):
    assert [rule for rule in RULES if place in rule.places]


def test_P4_the_linter_knows_every_built_in_detector():
    found = plugins.discover()
    for name, plugin in found.items():
        if name in BUILT_IN:
            sensor, kinds = BUILT_IN[name]
            assert sensor == SENSOR[plugin.takes]
            assert {kind.name for kind in plugin.kinds} <= kinds
        for kind in plugin.kinds:
            assert SENSOR_OF_KIND[kind.name.split(".")[0]] == SENSOR[plugin.takes]
    built_in = {n for n, p in found.items() if p.create.__module__.startswith("detectors.")}
    assert built_in <= set(BUILT_IN)


def test_P4_two_places_with_opposite_wishes_get_the_stricter_and_are_told():
    kept = {
        "retention": {"research_days": 90},
        "purposes": {"research": {"alternative": "Nothing is kept for research."}},
    }
    assert _struck({"jurisdictions": ["EU"], **kept}) == set()
    (finding,) = lint(_policy({"jurisdictions": ["EU", "US-CA"], **kept}), now=NOW)[:1]
    assert finding.rule == "L-USCA-01"
    assert "EU" in finding.why
    assert "the stricter place wins" in finding.why


def test_P4_a_place_named_beside_the_policy_is_looked_at_as_well():
    policy = _policy({"jurisdictions": ["EU"], "languages": ["nl"]})
    assert lint(policy, now=NOW) == []
    assert {f.rule for f in lint(policy, now=NOW, also=["CA"])} == {"L-CAN-03"}
    assert {f.rule for f in lint(policy, now=NOW, also=["CA", "GB"])} == {"L-CAN-03", "L-GEN-07"}


def test_P4_a_state_is_under_federal_law_too():
    change = EXAMPLES["L-US-01"]["fail"]
    assert "L-US-01" in _struck({**change, "jurisdictions": ["US-CA"]})


def test_C6_minors_give_no_biometrics_whoever_consents():
    change = EXAMPLES["L-CON-03"]["fail"]
    (finding,) = lint(_policy(change), now=NOW)
    assert (finding.rule, finding.severity) == ("L-CON-03", "error")
    assert "C6" in finding.source


def test_C6_under_18_there_is_something_for_a_guardian_to_consent_to():
    found = lint(_policy(EXAMPLES["L-CON-04"]["fail"]), now=NOW)
    assert {finding.severity for finding in found} == {"error"}
    assert "guardian" in found[0].why


def test_R1_a_room_scan_is_off_unless_somebody_writes_why_instead_and_when():
    assert load.read("minimal")[0].room_scan.mode == "off"
    assert "L-ROOM-01" in _struck({"scan": {"notice_hours": 1}})
    assert "L-ROOM-05" in _struck({"scan": {}, "retention": {"room_scan_days": 30}})
    assert _struck({"scan": {}}) == set()


def test_R2_a_public_institution_in_the_us_needs_a_reasonable_alternative_to_a_scan():
    (finding, *_) = lint(_policy(EXAMPLES["L-US-01"]["fail"]), now=NOW)
    assert finding.severity == "error"
    assert "Ogletree v. Cleveland State Univ." in finding.source
    assert _struck({"scan": {}, "institution_kind": "public"}) == set()


def test_T1_logs_are_kept_for_six_months_where_the_ai_act_applies():
    short = {"retention": {"journal_days": 100, "decisions_days": 90}}
    assert _struck(short) == set()
    (finding,) = lint(_policy({"jurisdictions": ["EU"], **short}), now=NOW)
    assert (finding.rule, finding.severity) == ("L-EU-02", "error")
    assert "AI Act" in finding.source


def test_T1_each_class_of_data_is_looked_at_by_its_own_clock():
    for name in ("L-REV-01", "L-REV-09", "L-REV-11", "L-REV-12", "L-REV-13", "L-ROOM-05"):
        (finding, *_) = lint(_policy(EXAMPLES[name]["fail"]), now=NOW)
        assert finding.key[0] == "retention"
