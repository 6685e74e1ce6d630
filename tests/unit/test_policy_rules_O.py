# ruff: noqa: N802 - the tests bear the numbers of the rules they prove
"""Review and outcome (rules O1 to O4) on the student's side, and the map from every rule to its tests."""

from __future__ import annotations

import argparse
import getpass
import json
import re
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from policies import load
from policies.lint import lint
from policies.schema import Policy
from proctor.cli.main import build_parser, main
from proctor.evidence import keys
from proctor.session.session import Session

ROOT = Path(__file__).resolve().parents[2]
# The numbered rules of the design; the second number is the last of its letter.
RULES = [
    f"{letter}{n}"
    for letter, last in {"P": 5, "C": 6, "R": 4, "A": 2, "O": 4, "T": 3}.items()
    for n in range(1, last + 1)
]


# The map.


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_test_named_after_it(rule: str) -> None:
    named = re.compile(rf"^def test(_[A-Z]\d)*_{rule}_", re.MULTILINE)
    files = (ROOT / "tests").rglob("test_*.py")
    assert any(named.search(path.read_text(encoding="utf-8")) for path in files)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_row_that_says_where_it_shows(rule: str) -> None:
    page = (ROOT / "docs" / "institution.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| {rule} \| [^|]{{5,}} \| [^|]{{10,}} \|$", page, re.MULTILINE)


# O1


def names(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every command and option of ``parser`` and of the commands below it."""
    for action in parser._actions:
        yield from (option.lstrip("-") for option in action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield name
                yield from names(below)


def test_O1_nothing_locks_a_student_out_hands_in_or_ranks() -> None:
    forbidden = re.compile(r"lock|terminat|submit|disqualif|rank|grade|risk|severity|sanction")
    said = {*names(build_parser()), *(name for name in dir(Session) if name[0] != "_")}
    assert {"exam", "withdraw", "replay"} <= said
    assert not [name for name in said if forbidden.search(name)]


def test_O1_a_case_has_no_number_over_the_whole_student(
    finished_case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["case", "show", str(finished_case), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    numbers = {
        key
        for key, value in shown.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    # How long it was and how the record is; nothing that weighs a person.
    assert numbers <= {"seconds", "records", "unreadable", "flags_left_out"}


# O3


def struck(policy: Policy, rule: str) -> bool:
    return rule in {finding.rule for finding in lint(policy)}


def changed(**review: object) -> Policy:
    standard = load.read("standard")[0]
    return standard.model_copy(
        update={"stakes": "high", "review": standard.review.model_copy(update=review)}
    )


def test_O3_where_a_lot_is_at_stake_an_adverse_verdict_needs_a_second_reviewer() -> None:
    assert struck(changed(second_reviewer=False), "L-REV-06")
    assert not struck(changed(second_reviewer=True), "L-REV-06")


def test_O3_the_student_has_days_to_comment_before_a_verdict() -> None:
    assert struck(changed(comment_days=2), "L-REV-05")
    assert not struck(changed(comment_days=3), "L-REV-05")
    assert struck(changed(comment_days=15, window_days=14), "L-REV-04")


def test_O3_the_case_a_reviewer_opens_names_nobody(finished_case: Path) -> None:
    known = {socket.gethostname(), getpass.getuser(), str(Path.home())} - {"root", "localhost"}
    for path in finished_case.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [name for name in known if len(name) > 3 and name.encode() in data]


# O4


def test_O4_students_see_check_and_take_along_everything_about_them(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = str(finished_case)
    assert main(["case", "show", case, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["flags"]) == 3
    assert all(flag["why"] and flag["clip"]["sha256"] for flag in shown["flags"])
    assert main(["case", "verify", case]) == 0
    capsys.readouterr()

    demo = keys.demo_recipient()
    target = tmp_path / "mine.zip"
    assert main(["case", "export", case, "--to", str(target)]) == 0
    with zipfile.ZipFile(target) as archive:
        inside = archive.namelist()
        letter = archive.read(next(n for n in inside if n.endswith("explanation.txt"))).decode()
    assert sum(name.endswith(".age") for name in inside) == 3
    assert demo in shown["recipients"]
    # What was measured, what was put before a person, and whom to ask.
    assert letter.count("A phone was in view for 2.0 s.") == 3
    assert "It decided nothing" in letter
    assert "Questions about it:" in letter
