"""The consent engine: what stands after any sequence of answers, withdrawals and breaks; receipts."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import load
from policies.consent import Answers, accept_all, ask, from_file, issue
from policies.engine import (
    PURPOSES,
    ConsentState,
    break_ends_at,
    lawful,
    planned_break_due,
    why_no_break,
    why_no_grant,
)
from policies.errors import PolicyError
from policies.receipts import receipts
from policies.schema import Breaks, Policy
from policies.texts import LANGUAGES

STANDARD = load.read("standard")[0]
SOURCE = "urn:proctor:attempt:" + "a" * 32


def policy(**changes) -> Policy:
    return Policy.model_validate({**dict(STANDARD), **changes})


def with_basis(purpose: str, basis: str, **changes) -> Policy:
    purposes = dict(STANDARD.purposes)
    purposes[purpose] = purposes[purpose].model_copy(update={"basis": basis})
    return policy(purposes=purposes, **changes)


def minors(**changes) -> Policy:
    purposes = dict(STANDARD.purposes)
    purposes["identity"] = purposes["camera"]
    return policy(min_age=16, purposes=purposes, **changes)


def record(number: int, kind: str, /, **data) -> dict:
    time = f"2026-03-01T09:00:{number:02d}.000Z"
    return {"id": str(number), "type": kind, "source": SOURCE, "time": time, "data": data}


def opened(**granted) -> dict:
    return record(1, "consent.recorded", granted=granted)


def state_of(*records: dict) -> ConsentState:
    return ConsentState.from_records(records)


# C1, C2


def test_C1_one_purpose_is_one_question_and_none_is_answered_in_advance():
    asked: list[str] = []
    answers = ask(STANDARD, lambda text: bool(asked.append(text)))
    assert len(asked) == len(STANDARD.purposes) == 3
    assert set(answers.granted.values()) == {False}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_C1_where_the_basis_is_not_consent_a_notice_with_a_right_to_object_is_put(lang):
    public = with_basis("camera", "public_task")
    asked: list[str] = []
    answers = ask(public, lambda text: asked.append(text) is None, lang)
    consented: list[str] = []
    ask(STANDARD, lambda text: consented.append(text) is None, lang)
    assert asked[0] != consented[0]
    assert "?" not in asked[0].split("\n")[0]
    assert "?" in asked[1]
    assert public.purposes["camera"].alternative in asked[0]
    assert answers.text_sha256(public) != answers.text_sha256(STANDARD)


def test_C1_a_notice_that_is_not_objected_to_gives_a_grant_and_an_objection_none():
    told = record(1, "consent.recorded", granted={"camera": True}, basis={"camera": "public_task"})
    assert state_of(told).purposes["camera"].status == "notified"
    assert state_of(told).live("camera")
    later = state_of(told, record(2, "consent.objected", t=5.0, purpose="camera"))
    assert later.purposes["camera"].status == "objected"
    assert not later.live("camera")
    at_once = record(
        1, "consent.recorded", granted={"camera": False}, basis={"camera": "public_task"}
    )
    assert state_of(at_once).purposes["camera"].status == "objected"


def test_C2_every_question_names_the_alternative():
    for name in load.preset_names():
        preset = load.read(name)[0]
        asked: list[str] = []
        ask(preset, lambda text, asked=asked: asked.append(text) is None)
        for text, purpose in zip(asked, preset.purposes.values(), strict=False):
            assert purpose.alternative in text


# C3: only the first record opens consent, and only a plain yes is one.


@pytest.mark.parametrize("answer", [False, None, 1, "true", "yes", [True], {"camera": True}])
def test_C3_only_a_plain_yes_is_a_yes(answer):
    assert not state_of(opened(camera=answer)).live("camera")


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"type": "consent.recorded"},
        {"type": "consent.recorded", "data": {"granted": [True]}},
        {"type": "consent.recorded", "data": {"granted": {"everything": True}}},
        {"type": 7, "data": {"granted": {"camera": True}}},
    ],
)
def test_C3_what_cannot_be_understood_gives_nothing(damaged):
    state = state_of(damaged)
    assert not any(state.live(purpose) for purpose in PURPOSES)
    assert state.grants(SOURCE) == {}


def test_C3_a_second_consent_record_opens_nothing():
    state = state_of(opened(camera=False), {**opened(camera=True), "id": "2"})
    assert not state.live("camera")


def test_C3_a_purpose_that_record_1_does_not_have_cannot_come_later():
    state = state_of(opened(camera=True), record(2, "consent.granted", t=1.0, purpose="research"))
    assert not state.live("research")


def test_C3_a_grant_names_the_record_it_stands_on():
    state = state_of(
        opened(camera=True, clips=True),
        record(2, "consent.withdrawn", t=1.0, purpose="clips"),
        record(3, "consent.granted", t=2.0, purpose="clips"),
    )
    grants = state.grants(SOURCE)
    assert (grants["camera"].record, grants["clips"].record) == (f"{SOURCE}#1", f"{SOURCE}#3")


# C4


def test_C4_a_withdrawal_stands_until_the_student_agrees_anew():
    told = [opened(camera=True), record(2, "consent.withdrawn", t=9.0, purpose="camera")]
    assert not state_of(*told).live("camera")
    assert state_of(*told).purposes["camera"].since == 9.0
    told += [record(3, "scores", t0=0.0), record(4, "marker", t=10.0, kind="x", data={})]
    assert not state_of(*told).live("camera")
    assert state_of(*told, record(5, "consent.granted", t=11.0, purpose="camera")).live("camera")


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["consent.granted", "consent.refused", "consent.withdrawn", "consent.objected",
             "break.started", "break.ended", "flag", "consent.recorded"]
        ),
        st.sampled_from([*PURPOSES, "everything", None, 3]),
    ),
    max_size=25,
)  # fmt: skip


@given(st.fixed_dictionaries({name: st.booleans() for name in PURPOSES}), EVENTS)
def test_C4_the_state_follows_from_the_journal_alone_in_one_go_or_record_by_record(granted, events):
    told = [opened(**granted)]
    told += [
        record(n, kind, t=float(n), purpose=purpose, granted={"camera": True})
        for n, (kind, purpose) in enumerate(events, start=2)
    ]
    state = ConsentState()
    for line in told:
        state = state.after(json.loads(json.dumps(line)))
    assert state == ConsentState.from_records(told)
    for purpose in PURPOSES:
        said = [k for k, p in events if p == purpose and k.startswith("consent.")]
        said = [k for k in said if k != "consent.recorded"]
        last = said[-1] if said else ""
        first_yes = granted[purpose] and purpose != "room_scan"
        assert state.live(purpose) == (last == "consent.granted" if last else first_yes)
        assert state.capturing(purpose) == (state.live(purpose) and not state.on_break)
    assert set(state.grants(SOURCE)) == {p for p in PURPOSES if state.live(p)}


# C5


def test_C5_a_receipt_has_the_fields_of_ts_27560_in_terms_of_dpv():
    raw = load.read("standard")[1]
    told = [
        record(
            1,
            "consent.recorded",
            policy={"id": "standard", "version": 1, "sha256": "f" * 64},
            granted={"camera": True, "microphone": False, "clips": True},
            language="de",
            text_sha256="e" * 64,
            recipients=["age1x"],
        ),
        record(2, "flag", id="f"),
        record(3, "consent.withdrawn", t=5.0, purpose="camera"),
    ]
    first, second = (json.loads(r) for r in receipts(STANDARD, told))
    assert raw
    assert first["@type"] == "dpv:ConsentReceipt"
    assert first["@context"]["dpv"] == "https://w3id.org/dpv#"
    assert first["dct:conformsTo"].startswith("https://w3id.org/dpv/schema/dpv-27560#")
    said = first["dpv:hasRecordOfActivity"]
    assert said["@type"] == "dpv:ConsentRecord"
    assert said["@id"] == f"{SOURCE}#1"
    notice = said["dpv:hasNotice"]
    assert notice["proctor:textSha256"] == "e" * 64
    assert notice["proctor:policySha256"] == "f" * 64
    assert notice["dct:language"] == "de"
    assert notice["dct:hasVersion"] == STANDARD.version
    controller = said["dpv:hasDataController"]
    assert controller["dpv:hasName"] == STANDARD.institution
    assert controller["dpv:hasContact"] == STANDARD.contact
    assert said["dpv:hasJurisdiction"] == list(STANDARD.jurisdictions)
    assert first["dct:created"] == told[0]["time"]
    status = {p["dpv:hasPurpose"]["@id"]: p for p in said["dpv:hasProcess"]}
    assert status["proctor:camera"]["dpv:hasConsentStatus"] == "dpv:ConsentGiven"
    assert status["proctor:microphone"]["dpv:hasConsentStatus"] == "dpv:ConsentRefused"
    assert status["proctor:clips"]["dpv:hasRecipient"] == ["age1x"]
    assert status["proctor:clips"]["dpv:hasStorageCondition"]["dpv:hasDuration"] == "P30D"
    later = {
        p["dpv:hasPurpose"]["@id"]: p for p in second["dpv:hasRecordOfActivity"]["dpv:hasProcess"]
    }
    assert later["proctor:camera"]["dpv:hasConsentStatus"] == "dpv:ConsentWithdrawn"
    assert later["proctor:camera"]["dpv:isIndicatedAtTime"] == told[2]["time"]
    assert later["proctor:clips"]["dpv:isIndicatedAtTime"] == told[0]["time"]


def test_C5_a_receipt_is_the_same_every_time_it_is_made():
    told = [opened(camera=True), record(2, "consent.withdrawn", t=1.0, purpose="camera")]
    assert receipts(STANDARD, told) == receipts(STANDARD, json.loads(json.dumps(told)))
    assert len(receipts(STANDARD, told)) == 2


def test_C5_a_notice_is_no_consent_in_the_receipt():
    public = with_basis("camera", "public_task")
    told = record(1, "consent.recorded", granted={"camera": True}, basis={"camera": "public_task"})
    (made,) = receipts(public, [told])
    (process,) = json.loads(made)["dpv:hasRecordOfActivity"]["dpv:hasProcess"]
    assert process["dpv:hasLegalBasis"] == "dpv:PublicInterest"
    assert "dpv:hasConsentStatus" not in process
    assert process["proctor:status"] == "notified"


# C6


def test_C6_under_18_biometrics_are_refused_whatever_was_answered():
    young = minors()
    answers = lawful(young, accept_all(young))
    assert answers.granted["camera"] is True
    assert answers.granted["identity"] is False
    assert "identity" not in issue(answers, "r")
    assert "refused to everybody" in why_no_grant(
        young, state_of(opened(identity=False)), "identity"
    )
    adult = minors().model_copy(update={"min_age": 18})
    assert lawful(adult, accept_all(adult)).granted["identity"] is True


@pytest.mark.parametrize("guardian", [None, False])
def test_C6_under_18_consent_needs_a_guardian(guardian):
    young = minors()
    answers = lawful(young, Answers(dict.fromkeys(young.purposes, True), "file", guardian=guardian))
    assert set(answers.granted.values()) == {False}
    state = state_of(record(1, "consent.recorded", granted={"camera": False}, guardian=guardian))
    assert "guardian" in why_no_grant(young, state, "camera")


def test_C6_a_guardian_is_asked_and_their_answer_counts():
    young = minors()
    asked: list[str] = []
    answers = ask(young, lambda text: asked.append(text) is None)
    assert "guardian" in asked[-1]
    assert answers.guardian is True
    assert lawful(young, answers).granted["camera"] is True
    assert ask(STANDARD, lambda text: True).guardian is None
    assert answers.text_sha256(young) != Answers(answers.granted, "x").text_sha256(young)


def test_C6_where_the_law_gives_the_task_no_guardian_consents_but_biometrics_stay_refused():
    purposes = dict(minors().purposes)
    for name in ("camera", "identity"):
        purposes[name] = purposes[name].model_copy(update={"basis": "public_task"})
    young = policy(min_age=16, purposes=purposes)
    answers = lawful(young, Answers(dict.fromkeys(young.purposes, True), "file", guardian=False))
    assert answers.granted["camera"] is True
    assert answers.granted["identity"] is False
    assert answers.granted["microphone"] is False


def test_C6_a_consent_file_says_what_the_guardian_said(tmp_path):
    young, path = minors(), tmp_path / "consent.toml"
    lines = "[consent]\n" + "".join(f"{name} = true\n" for name in young.purposes)
    path.write_text(f"{lines}[guardian]\nagrees = true\n")
    assert from_file(young, path).guardian is True
    for wrong in ("", "[guardian]\nagrees = 1\n", "[guardian]\nname = 'x'\nagrees = true\n"):
        path.write_text(lines + wrong)
        with pytest.raises(PolicyError, match="guardian"):
            from_file(young, path)


def test_nothing_outside_the_policy_is_granted():
    answers = Answers({"camera": True, "research": True}, "file")
    assert lawful(STANDARD, answers).granted == {
        "camera": True, "microphone": False, "clips": False,
    }  # fmt: skip
    assert "does not ask about 'research'" in why_no_grant(STANDARD, state_of(), "research")


# A2


def broken(*times: float) -> ConsentState:
    told = [opened(camera=True)]
    for number, t in enumerate(times, start=2):
        told.append(record(number, "break.started" if number % 2 == 0 else "break.ended", t=t))
    return state_of(*told)


def test_A2_breaks_are_counted_and_their_seconds_added_up():
    state = broken(10.0, 40.0, 100.0)
    assert (state.breaks, state.on_break, state.break_since) == (2, True, 100.0)
    assert state.break_seconds(130.0) == 60.0
    assert not state.capturing("camera")
    assert broken(10.0, 40.0).capturing("camera")


def test_A2_a_record_out_of_turn_changes_nothing():
    twice = state_of(
        opened(camera=True),
        record(2, "break.ended", t=1.0),
        record(3, "break.started", t=5.0),
        record(4, "break.started", t=9.0),
        record(5, "break.ended", t=10.0),
    )
    assert (twice.breaks, twice.break_s, twice.on_break) == (1, 5.0, False)


def test_A2_limits_hold_and_an_arrangement_lifts_them():
    one = Breaks(max_count=1, max_minutes=2.0)
    assert why_no_break(one, broken(), 10.0) == ""
    assert "All breaks" in why_no_break(one, broken(1.0, 2.0), 10.0)
    assert why_no_break(one, broken(1.0, 2.0), 10.0, unlimited=True) == ""
    assert "There is a break already" in why_no_break(one, broken(1.0), 10.0, unlimited=True)
    assert break_ends_at(one, broken(7.0)) == 127.0
    assert break_ends_at(one, broken(7.0), unlimited=True) is None
    assert break_ends_at(one, broken()) is None


def test_A2_planned_breaks_come_at_their_time_and_once():
    planned = Breaks(mode="planned", planned_at_minutes=(10.0, 20.0), max_count=2)
    assert not planned_break_due(planned, broken(), 599.0)
    assert planned_break_due(planned, broken(), 600.0)
    assert not planned_break_due(planned, broken(600.0), 650.0)
    assert not planned_break_due(planned, broken(600.0, 700.0), 1100.0)
    assert planned_break_due(planned, broken(600.0, 700.0), 1200.0)
    assert not planned_break_due(planned, broken(600.0, 700.0, 1200.0, 1300.0), 9000.0)
    assert "minute 20" in why_no_break(planned, broken(600.0, 700.0), 800.0)
