"""`policy diff` says in sentences what changes for a student, the most important first (rule P4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policies import diff, load
from policies.schema import Policy
from policies.texts import LANGUAGES
from policies.texts.notice import Part
from proctor.cli.main import main

FULL = Path(__file__).with_name("policy_full.toml")
KEY = "age1" + "r" * 58


@pytest.fixture(scope="module")
def full() -> Policy:
    return load.parse(FULL.read_bytes(), "full")


def changed(policy: Policy, **values: Any) -> Policy:
    """The policy with some values replaced; a dotted name (``review__window_days``) goes deeper."""
    document = policy.model_dump()
    for name, value in values.items():
        *tables, key = name.split("__")
        place = document
        for table in tables:
            place = place[table]
        place[key] = value
    return Policy.model_validate(document)


def said(old: Policy, new: Policy, lang: str = "en") -> list[str]:
    return [change.text for change in diff.changes(old, new, lang, {})]


def test_P4_equal_policies_change_nothing_in_any_language(full):  # noqa: N802
    sentences = {diff.as_text(diff.changes(full, full, lang, {}), lang) for lang in LANGUAGES}
    assert len(sentences) == len(LANGUAGES)
    assert "Nothing changes for a student.\n" in sentences


def test_P4_a_new_version_number_alone_changes_nothing(full):  # noqa: N802
    assert said(full, changed(full, version=4, id="fuller")) == []


@pytest.mark.parametrize(
    ("name", "value", "sentence", "effect"),
    [
        ("retention__clips_days", 60, "Clips are kept longer: 60 days. Before: 31.", "more"),
        ("retention__clips_days", 1, "Clips are kept less long: 1 day. Before: 31.", "less"),
        (
            "retention__identity_days",
            0,
            "The data of the identity check now goes when the exam is closed.",
            "less",
        ),
        ("rules__gaze.away__on", 0.5, "“Looking away” is noted more easily: from 50 points. Before: 70.", "more"),
        ("rules__gaze.away__on", 0.9, "“Looking away” is noted less easily: from 90 points. Before: 70.", "less"),
        ("rules__gaze.away__min_s", 1.0, "“Looking away” is noted sooner: after 1 second. Before: 1.5.", "more"),
        ("recipients", (KEY,), "One more key can open your clips: age1rrrrrrrr…rrrrrr.", "more"),
        (
            "escrow__recipient",
            KEY,
            "There is now a spare key to your clips, for people who act together: age1rrrrrrrr…rrrrrr.",
            "more",
        ),
        ("student_copy", False, "You can no longer have a key of your own to your clips.", "more"),
        ("escrow", {}, "This spare key to your clips is gone: age1yyyyyyyy…yyyyyy.", "less"),
        ("room_scan__notice_hours", 1, "You hear of the room scan later: 1 hour before. Until now: 48.", "more"),
        ("review__comment_days", 9, "You have longer to tell your side: 9 days. Before: 1.", "less"),
        ("review__second_reviewer", True, "A decision against you now needs a second person.", "less"),
        ("breaks__mode", "off", "There are no breaks any more.", "more"),
        ("show_flags", "live", "You now see each note as soon as it is made.", "less"),
        ("purposes__camera__basis", "consent", "It changes whether you are asked about “Camera”.", "less"),
    ],
)  # fmt: skip
def test_P4_a_change_is_a_sentence_with_old_and_new(full, name, value, sentence, effect):  # noqa: N802
    found = diff.changes(full, changed(full, **{name: value}), "en", {})
    assert (sentence, effect) in [(change.text, change.effect) for change in found]


# One other value for every field of a policy; what is left out says nothing to a student.
OTHER: dict[str, Any] = {
    "institution": "Hill University", "institution_kind": "private", "exam": "Physics 2",
    "contact": "other@lake.example", "stakes": "low", "jurisdictions": ("EU",),
    "languages": ("en", "de"), "min_age": 18, "dpia": "", "evaluation": "Report 9", "not_before": None, "expires": None,
    "recipients": (), "student_copy": False, "show_flags": "live", "hub": "",
    "escrow__recipient": KEY, "escrow__threshold": 3,
    "escrow__holders": ("age1" + "j" * 58, "age1" + "k" * 58),
    "purposes__clips__basis": "contract", "purposes__clips__alternative": "Something else then.",
    "detectors__gaze__required": True, "detectors__gaze__settings": {},
    "rules__face.absent__on": 0.7, "rules__face.absent__off": 0.3, "rules__face.absent__min_s": 6.0,
    "rules__face.absent__gap_s": 2.0, "rules__face.absent__cooldown_s": 6.0,
    "rules__face.absent__stale_after_s": 3.0,
    "clips__pre_roll_s": 2.0, "clips__post_roll_s": 2.0, "clips__max_s": 21.0,
    "room_scan__reason": "Another reason then.", "room_scan__alternative": "Another way then.",
    "room_scan__notice_hours": 49, "room_scan__max_s": 46.0, "room_scan__recipients": (),
    "exam_page__origin": "",
    "breaks__mode": "on_demand", "breaks__max_count": 3, "breaks__max_minutes": 9.0,
    "breaks__planned_at_minutes": (30.0,),
    "review__window_days": 22, "review__second_reviewer": True, "review__comment_days": 2,
    "retention__clips_days": 32, "retention__room_scan_days": 4, "retention__identity_days": 10,
    "retention__journal_days": 201, "retention__decisions_days": 401, "retention__research_days": 501,
}  # fmt: skip
# Told by the tests below: a whole purpose, detector, rule or room scan that comes or goes.
ELSEWHERE = {"version", "id", "room_scan__mode"}


def leaves(model: type, prefix: str = "") -> set[str]:
    """Every field of the model that is no table, by its dotted name."""
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            found |= leaves(inner, f"{prefix}{name}__")
        else:
            found.add(f"{prefix}{name}")
    return found


def test_P4_no_field_of_a_policy_is_forgotten():  # noqa: N802
    from policies.schema import DetectorChoice, Purpose, RuleSettings

    tables = {"purposes", "detectors", "rules"}
    wanted = leaves(Policy) - tables - ELSEWHERE
    wanted |= leaves(Purpose, "purposes__clips__") | leaves(DetectorChoice, "detectors__gaze__")
    wanted |= leaves(RuleSettings, "rules__face.absent__")
    assert OTHER.keys() == wanted


@pytest.mark.parametrize("name", OTHER)
def test_P4_every_field_that_changes_is_told_in_every_language(full, name):  # noqa: N802
    new = changed(full, **{name: OTHER[name]})
    for lang in LANGUAGES:
        found = diff.changes(full, new, lang, {})
        back = diff.changes(new, full, lang, {})
        assert len(found) >= 1, lang
        assert len(back) >= 1, lang
        assert [c.text for c in found] != [c.text for c in back] or found[0].was == back[0].now
        assert "{" not in diff.as_text(found, lang)


def test_P4_what_comes_and_goes_is_told(full):  # noqa: N802
    standard, _ = load.read("standard")
    minimal, _ = load.read("minimal")
    less = said(standard, minimal)
    assert "No longer done: “Microphone”." in less
    assert "No note is made any more of “Talking”." in less
    assert "This part no longer measures: “Where you look”." in less
    more = said(minimal, standard)
    assert "New: you are asked about “Microphone”." in more
    assert "New: a note can be made of “Talking”." in more
    assert "New part of the program that measures: “Where you look”." in more
    assert "You may now be asked to film your room. You can say no." in said(standard, full)
    assert "Your room is no longer filmed." in said(full, standard)
    assert "New, and you are not asked first: “Camera”." in said(
        changed(full, purposes={k: v for k, v in full.model_dump()["purposes"].items() if k != "camera"}),
        full,
    )  # fmt: skip


def test_P4_the_important_comes_first_and_more_before_less(full):  # noqa: N802
    new = changed(
        full,
        contact="other@lake.example",
        breaks__max_count=2,
        retention__clips_days=10,
        retention__journal_days=300,
        recipients=(*full.recipients, KEY),
        purposes__microphone__basis="public_task",
    )
    assert said(full, new) == [
        "It changes whether you are asked about “Microphone”.",
        "One more key can open your clips: age1rrrrrrrr…rrrrrr.",
        "The log is kept longer: 300 days. Before: 200.",
        "Clips are kept less long: 10 days. Before: 31.",
        "You can take more breaks: 2 breaks. Before: 1.",
        "The person to ask changes.",
    ]


def test_P4_a_clock_of_data_that_never_exists_changes_nothing():  # noqa: N802
    minimal, _ = load.read("minimal")
    assert said(minimal, changed(minimal, retention__clips_days=9, clips__max_s=44.0)) == []
    assert said(minimal, changed(minimal, retention__room_scan_days=9, recipients=(KEY,))) == []


def test_a_kind_that_is_not_ours_is_told_in_its_own_words(full):
    new = changed(full, rules={**full.model_dump()["rules"], "door.bell": {"min_s": 3.0}})
    part = Part("microphone", {"door.bell": "Es klingelt"})
    texts = [change.text for change in diff.changes(full, new, "fr", {"doorbell": part})]
    assert texts == ["Nouveau\u00a0: il peut y avoir une remarque sur «\u00a0Es klingelt\u00a0»."]


def test_the_command_prints_sentences_or_json(capsys, tmp_path):
    path = tmp_path / "new.toml"
    path.write_text(FULL.read_text("utf-8").replace("clips_days = 31", "clips_days = 40"), "utf-8")
    assert main(["policy", "diff", str(FULL), str(path), "--lang", "nl"]) == 0
    assert capsys.readouterr().out == "- Clips worden langer bewaard: 40 dagen. Eerst: 31.\n"
    assert main(["policy", "diff", str(FULL), str(path), "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"effect": "more", "text": "Clips are kept longer: 40 days. Before: 31."}
    ]
    assert main(["policy", "diff", str(FULL), str(FULL)]) == 0
    assert capsys.readouterr().out == "Nothing changes for a student.\n"
    assert main(["policy", "diff", str(FULL), str(tmp_path / "none.toml")]) == 2
    assert capsys.readouterr().err.startswith("proctor: There is no policy")
