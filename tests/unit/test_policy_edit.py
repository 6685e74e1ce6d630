"""TOML out: comments and order survive an edit, and an edit that is no policy changes nothing."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from policies import edit, load
from policies.errors import PolicyError
from policies.lines import line_of, positions

STANDARD = load.read("standard")[1].decode()
FULL = Path(__file__).with_name("policy_full.toml").read_text(encoding="utf-8")


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("version", 2, ["-version = 1", "+version = 2"]),
        ("clips.max_s", 20.0, ["-max_s = 30.0", "+max_s = 20.0"]),
        ('rules."face.absent".min_s', 6.5, ["-min_s = 5.0", "+min_s = 6.5"]),
        ("rules.'face.absent'.on", 0.7, ["-on = 0.6", "+on = 0.7"]),
        ("languages", ("en", "de"), ['-languages = ["en"]', '+languages = ["en", "de"]']),
        ("detectors.wake.required", True, ["-required = false", "+required = true"]),
        ("exam", 'Ünïcode "quoted"', ['-exam = "Practice exam"', '+exam = "Ünïcode \\"quoted\\""']),
        (
            "expires",
            datetime(2027, 1, 31, 12, tzinfo=UTC),
            ["+expires = 2027-01-31T12:00:00Z"],
        ),
        ("clips.post_roll_s", None, ["-post_roll_s = 3.0"]),
        ("breaks.max_count", None, []),
    ],
)
def test_one_value_changes_one_line(key: str, value: object, expected: list[str]) -> None:
    edited = edit.set_value(STANDARD, key, value)
    assert changed_lines(STANDARD, edited) == expected


def test_values_that_only_fit_together_are_set_together() -> None:
    changes = {
        "room_scan.mode": "offered",
        "room_scan.reason": "The rules of the exam ask for it.",
        "room_scan.alternative": "You sit the exam in a room here.",
        "room_scan.notice_hours": 48,
        "purposes.room_scan.alternative": "You sit the exam in a room here.",
    }
    with pytest.raises(PolicyError, match=r"go together|needs"):
        edit.set_value(STANDARD, "room_scan.mode", "offered")
    edited = edit.set_values(STANDARD, changes)
    assert load.parse(edited.encode(), "x").room_scan.notice_hours == 48
    for line in STANDARD.splitlines():
        if line.startswith("#"):
            assert line in edited


@pytest.mark.parametrize(
    "text", [STANDARD, FULL, *(load.read(n)[1].decode() for n in load.preset_names())]
)
def test_an_edit_and_its_reverse_give_the_same_bytes(text: str) -> None:
    institution = load.parse(text.encode(), "x").institution
    there = edit.set_value(text, "institution", "Somebody else")
    assert there != text
    assert edit.set_value(there, "institution", institution) == text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clips.max_s", 600.0),
        ("clips.max_s", "long"),
        ("clips.colour", 1),
        ("id", "../up"),
        ("purposes.camera.alternative.x", 1),
        ("version.x", 1),
        ("rules", None),
        ("version", object()),
        ("dpia", "\x00"),
        ("institution", "two\nlines"),
        ("detectors.gaze.settings.x", {"deep": 1}),
    ],
)
def test_an_edit_that_makes_no_policy_is_refused(key: str, value: object) -> None:
    with pytest.raises(PolicyError) as error:
        edit.set_value(STANDARD, key, value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "key",
    ["", ".", "a.", "a = 1\nb", "a b", '"open', "[a]", "a.b = {x", "#", "a=1 #", "x" + ".x" * 3000],
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(PolicyError):
        edit.set_value(STANDARD, key, 1)


@pytest.mark.parametrize("text", ["a = [", "a = 1\na = 2", "x = " + "[" * 9000, "\x00"])
def test_what_is_no_toml_cannot_be_edited(text: str) -> None:
    with pytest.raises(PolicyError):
        edit.set_value(text, "version", 2)


@pytest.mark.parametrize("name", load.preset_names())
def test_what_is_written_out_is_what_was_read(name: str) -> None:
    policy = load.read(name)[0]
    assert load.parse(edit.dump(policy).encode(), "x") == policy
    assert load.parse(edit.dump_commented(policy, "A\nheading").encode(), "x") == policy


def test_the_line_of_a_key_is_found_in_every_way_of_writing_it() -> None:
    text = '''# a comment with clips.max_s = 3
text = """
[clips]
max_s = 1 ""\\"
"""
literal = \'\'\'
[clips]
\'\'\'
list = [
  "[clips]",  # ] and "
  [1, 2],
]
inline = {max_s = 1}
dotted . "quoted key" . 'x' = 1
[clips]
  max_s = 1
[rules."face.absent"]
"on" = 1
[[many]]
[ rules . 'gaze.away' ]
on = 2
'''
    assert dict(positions(text)) == {
        ("text",): 2,
        ("literal",): 6,
        ("list",): 9,
        ("inline",): 13,
        ("dotted",): 14,
        ("dotted", "quoted key"): 14,
        ("dotted", "quoted key", "x"): 14,
        ("clips",): 15,
        ("clips", "max_s"): 16,
        ("rules",): 17,
        ("rules", "face.absent"): 17,
        ("rules", "face.absent", "on"): 18,
        ("many",): 19,
        ("rules", "gaze.away"): 20,
        ("rules", "gaze.away", "on"): 21,
    }
    assert line_of(text, ["inline", "max_s"]) == 13
    assert line_of(text, ["nowhere"]) is None
