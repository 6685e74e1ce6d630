"""Rules P1 to P3 of the policy layer, one test or more for each sentence of them."""

# ruff: noqa: N802 (a test is named after its rule)

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import edit, load, reference, root, sign, trust
from policies.errors import PolicyError, Refused
from policies.schema import Policy
from policies.trust import Seen
from proctor.cli.main import main
from proctor.errors import InputError
from proctor.session.plan import make_plan

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
STANDARD = load.read("standard")[1].decode()


def refusal(text: str) -> str:
    with pytest.raises(PolicyError) as refused:
        load.parse(text.encode(), "exam.toml")
    return str(refused.value)


# P1: strict TOML, and sentences with file, key, line and what is allowed.


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "[detectors.gaze]\nrequired = true",
            "[detectors.gaze]\nneeded = true",
            ["line 33: detectors.gaze.needed", "no such key", "allowed: required, settings"],
        ),
        (
            "[detectors.gaze]\nrequired = true",
            "[detectors.gaze]\nrequired = 1",
            ["line 33: detectors.gaze.required", "boolean"],
        ),
        (
            "max_s = 30.0",
            'max_s = "30 s"',
            ["line 23: clips.max_s", "valid number"],
        ),
        (
            'stakes = "practice"',
            'stakes = "some"',
            ["line 7: stakes", "'practice', 'low' or 'high'"],
        ),
        (
            "[purposes.clips]",
            "[purposes.mood]",
            ["purposes.mood", "'camera', 'microphone', 'clips'"],
        ),
        (
            "[retention]",
            "[secrets]\nx = 1\n[retention]",
            ["line 25: secrets", "no such key", "room_scan, breaks, review, retention"],
        ),
    ],
)
def test_P1_what_is_wrong_is_one_sentence_with_file_line_key_and_what_is_allowed(
    old: str, new: str, words: list[str]
) -> None:
    assert STANDARD.count(old) == 1
    sentence = refusal(STANDARD.replace(old, new))
    assert sentence.startswith("The policy exam.toml")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def test_P1_the_line_is_that_of_the_table_meant_not_of_the_first_key_of_that_name() -> None:
    text = STANDARD.replace(
        '[rules."speech.voice"]\non = 0.5\noff = 0.35',
        '[rules."speech.voice"]\non = 0.5\noff = 0.9',
    )
    line = text[: text.index('[rules."speech.voice"]')].count("\n") + 1
    assert f"line {line}: rules.speech.voice: off (0.9) must not be above on (0.5)" in refusal(text)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("max_s = 30.0", "max_s = 8.0", "no room"),
        (
            "[clips]",
            '[purposes.room_scan]\nalternative = "In a room here."\n\n[clips]',
            "room_scan",
        ),
        ("version = 1", "version = 1\nexpires = 2027-01-31T12:00:00", "needs a time zone"),
        (
            "version = 1",
            "version = 1\nexpires = 2027-01-01T00:00:00Z\nnot_before = 2027-01-02T00:00:00Z",
            "expires must be later",
        ),
    ],
)
def test_P1_values_that_contradict_each_other_are_refused(old: str, new: str, words: str) -> None:
    assert words in refusal(STANDARD.replace(old, new, 1))


def test_P1_a_kind_that_no_detector_declares_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "exam.toml"
    path.write_text(STANDARD.replace('[rules."face.absent"]', '[rules."face.green"]', 1))
    with pytest.raises(InputError, match=r"unknown kind .face\.green."):
        make_plan(str(path), require_all=False)


def every_field(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    tables = [("", schema), *schema["$defs"].items()]
    return [(f"{table}.{name}", f) for table, t in tables for name, f in t["properties"].items()]


def test_P1_every_field_of_the_schema_has_title_description_and_where_it_is_a_quantity_a_unit() -> (
    None
):
    fields = every_field(reference.json_schema())
    assert len(fields) > 50
    for name, field in fields:
        assert field.get("title"), name
        assert len(field.get("description", "")) > 8, name
        assert field["title"] != name.rpartition(".")[2], name
        quantity = field.get("items", field)
        if quantity.get("type") in ("integer", "number"):
            assert "maximum" in quantity, name
            assert "minimum" in quantity or "exclusiveMinimum" in quantity, name
            if re.search(r"_(s|days|hours|minutes|age)$", name):
                assert field.get("unit"), name
    # What is not bounded could fill a disk or a screen.
    texts = [(n, f) for n, f in fields if f.get("type") == "string" and "enum" not in f]
    assert [n for n, f in texts if "maxLength" not in f and "pattern" not in f] == []


def test_P1_the_schema_and_the_reference_page_name_the_same_fields_as_the_model() -> None:
    entries = {entry.key for entry in reference.entries()}
    assert {'rules."KIND".on', "detectors.DETECTOR.settings", "clips.max_s"} <= entries
    assert {key for key in entries if "." not in key} == set(Policy.model_fields)


def test_P1_the_reference_page_in_the_repository_is_the_one_that_is_generated() -> None:
    page = (ROOT / "docs" / "policy-reference.md").read_text(encoding="utf-8")
    assert page == reference.page(), "run: proctor policy schema > docs/policy-reference.md"


def test_P1_the_schema_command_prints_page_and_json_schema(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["policy", "schema", "--json"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    assert main(["policy", "schema"]) == 0
    assert capsys.readouterr().out == reference.page()


def test_P1_the_policy_commands_import_neither_numpy_nor_opencv() -> None:
    script = (
        "import sys; from proctor.cli.main import main; code = main(sys.argv[1:]);"
        "print(code, [m for m in ('numpy', 'cv2', 'mediapipe', 'av') if m in sys.modules])"
    )
    for words in (["check", "standard"], ["schema"], ["root", "list"]):
        result = subprocess.run(
            [sys.executable, "-c", script, "policy", *words],
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.splitlines()[-1] == "0 []", words


# P2: ceilings that no policy can lift, signed or not.

OVER_THE_CEILING = [
    ("clips.max_s", 61.0),
    ("clips.pre_roll_s", 15.5),
    ("clips.post_roll_s", 15.5),
    ("retention.clips_days", 366),
    ("retention.room_scan_days", 31),
    ("retention.identity_days", 31),
    ("retention.journal_days", 3651),
    ("retention.decisions_days", 3651),
    ("room_scan.max_s", 61.0),
    ('rules."face.absent".min_s', 61.0),
]


def with_value(key: str, value: object) -> str:
    """The standard policy with a value that `set_value` would refuse."""
    marker = {float: 12.5, int: 7}[type(value)]
    text = edit.set_value(STANDARD, key, marker)
    name = edit.split_key(key)[-1]
    assert text.count(f"{name} = {marker}") == 1
    return text.replace(f"{name} = {marker}", f"{name} = {value}")


@pytest.mark.parametrize(("key", "value"), OVER_THE_CEILING)
def test_P2_no_policy_goes_over_a_ceiling(key: str, value: object) -> None:
    with pytest.raises(PolicyError):
        edit.set_value(STANDARD, key, value)
    assert "less than or equal to" in refusal(with_value(key, value))


@pytest.mark.parametrize(("key", "value"), OVER_THE_CEILING)
def test_P2_a_signature_does_not_lift_a_ceiling(key: str, value: object) -> None:
    signer = Ed25519PrivateKey.generate()
    envelope = sign.envelope(with_value(key, value).encode(), sign.PAYLOAD_TYPE, [signer])
    text = root.make("Practice institution", [root.public_text(signer.public_key())], 1)
    with pytest.raises(PolicyError, match="less than or equal to") as refused:
        trust.accept(envelope, "exam.dsse", [root.parse(text.encode(), "root.toml")], NOW, Seen())
    assert not isinstance(refused.value, Refused)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        "automatic_sanction = true",
        "lock_out = true",
        "score = true",
        "capture_before_consent = true",
        "upload = 'all'",
        "room_scan_required = true",
    ],
)
def test_P2_what_no_policy_may_want_cannot_be_said(line: str) -> None:
    name = line.partition(" ")[0]
    assert f"{name}: there is no such key" in refusal(f"{line}\n{STANDARD}")


def test_P2_a_room_scan_can_be_offered_but_not_required() -> None:
    text = STANDARD + '\n[room_scan]\nmode = "required"\n'
    assert "room_scan.mode: Input should be 'off' or 'offered'" in refusal(text)


# P3: what a policy states.


def test_P3_a_policy_states_all_that_the_rule_lists() -> None:
    keys = {entry.key for entry in reference.entries()}
    assert keys >= {
        "institution",
        "exam",
        "jurisdictions",
        "stakes",
        "purposes",
        "purposes.PURPOSE.basis",
        "purposes.PURPOSE.alternative",
        'rules."KIND".on',
        'rules."KIND".min_s',
        "room_scan.mode",
        "breaks.mode",
        "recipients",
        "room_scan.recipients",
        "retention.clips_days",
        "retention.room_scan_days",
        "retention.identity_days",
        "retention.journal_days",
        "retention.decisions_days",
        "retention.research_days",
        "review.window_days",
        "review.second_reviewer",
        "contact",
        "dpia",
        "languages",
    }


@pytest.mark.parametrize(
    "key", ["institution", "exam", "contact", "stakes", "purposes", "detectors", "rules", "id"]
)
def test_P3_what_every_policy_must_state_is_asked_for(key: str) -> None:
    policy = load.read("standard")[0].model_dump(exclude_none=True)
    del policy[key]
    needed = {name for name, field in Policy.model_fields.items() if field.is_required()}
    assert key in needed
    with pytest.raises(ValueError, match=key):
        Policy.model_validate(policy)


@pytest.mark.parametrize("name", load.preset_names())
def test_P3_a_new_policy_says_in_comments_what_each_field_is_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["policy", "new", "algebra-1", "--preset", name]) == 0
    text = (tmp_path / "algebra-1.toml").read_text(encoding="utf-8")
    made = load.parse(text.encode(), "algebra-1.toml")
    same = load.read(name)[0]
    assert made == same.model_copy(update={"id": "algebra-1", "version": 1})
    comments = " ".join(
        line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")
    )
    for entry in reference.entries():
        if entry.table in ("", "clips", 'rules."KIND"') and not entry.is_table:
            assert entry.description in comments, entry.key


def test_P3_a_new_policy_never_overwrites_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exam.toml").write_text("mine")
    assert main(["policy", "new"]) == 2
    assert "There is a file exam.toml already" in capsys.readouterr().err
    assert (tmp_path / "exam.toml").read_text() == "mine"
    assert main(["policy", "new", "../up"]) == 2
    assert main(["policy", "new", "x", "--preset", "none"]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["exam.toml"]
