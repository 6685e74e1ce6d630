# ruff: noqa: N802 - the tests bear the numbers of the rules they prove
"""What a student finds about their own exam on their own computer (rule O4)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from policies.texts import LANGUAGES
from proctor.cli.main import main
from proctor.errors import InputError
from proctor.evidence import access, view
from proctor.evidence.page import write_page
from proctor.evidence.show import gather as shown
from proctor.evidence.verify import verify
from proctor.session import my_data

ONE, TWO = "object.phone-001", "object.phone-002"
WORDS = "That was my calculator, see my desk."


def test_O4_everything_about_an_exam_in_one_place(finished_case: Path, capsys) -> None:
    case = str(finished_case)
    assert main(["my-data", "show", case, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [flag["id"] for flag in told["flags"]][:2] == [ONE, TWO]
    assert all(flag["clip"] and flag["why"] for flag in told["flags"])
    assert told["looks"] == []
    assert told["erased_by"]["clips"].startswith("2026-03-15T")  # 14 days unreviewed
    assert set(told["erased_by"]) == {"clips", "journal"}

    assert main(["my-data", "show", case]) == 0
    text = capsys.readouterr().out
    assert "nobody has looked at your clips" in text
    assert "A program decides nothing. A person decides." in text
    assert f"proctor my-data comment {case} FLAG" in text


def test_O4_who_looked_is_told_with_their_reason(finished_case: Path) -> None:
    reader = access.local_reader("Dr. A. Example")
    case = view.read(finished_case)
    data = {"flags": [ONE], "written": False}
    access.note(case, reader, access.OPENED, data, reason="Review of the exam")
    (look,) = my_data.gather(finished_case).told.looks
    assert (look.who, look.reason) == ("Dr. A. Example", "Review of the exam")


def test_O3_what_the_student_says_to_a_flag_reaches_whoever_reviews_it(
    finished_case: Path, tmp_path: Path, capsys
) -> None:
    case = str(finished_case)
    assert main(["my-data", "comment", case, ONE, "First words."]) == 0
    assert main(["my-data", "comment", case, ONE, WORDS]) == 0
    capsys.readouterr()
    assert [flag.comment for flag in shown(finished_case).story.flags] == [WORDS, "", ""]
    assert main(["case", "show", case]) == 0
    assert WORDS in " ".join(capsys.readouterr().out.split())
    assert WORDS in write_page(finished_case, tmp_path / "page.html").read_text("utf-8")
    assert [check.detail for check in verify(finished_case) if not check.ok] == []


@pytest.mark.parametrize(
    ("flag", "words", "said"),
    [
        ("object.phone-009", WORDS, "There is no flag"),
        (ONE, "   ", "between 1 and"),
        (ONE, "x" * 2001, "between 1 and"),
    ],
)
def test_a_comment_that_cannot_be_kept_is_said(
    finished_case: Path, flag: str, words: str, said: str
) -> None:
    before = (finished_case / "journal.jsonl").read_bytes()
    with pytest.raises(InputError, match=said):
        my_data.comment(finished_case, flag, words)
    assert (finished_case / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize("lang", LANGUAGES)
def test_O4_letter_and_appeal_in_every_language(
    finished_case: Path, tmp_path: Path, capsys, lang: str
) -> None:
    my_data.comment(finished_case, TWO, WORDS, datetime(2026, 3, 2, tzinfo=UTC))
    case = str(finished_case)
    out = tmp_path / "letter.txt"
    assert main(["my-data", "letter", case, "--lang", lang, "--out", str(out)]) == 0
    letter = out.read_text("utf-8")
    assert WORDS in letter
    assert my_data.gather(finished_case).told.policy.contact in letter
    assert letter.count("0:20") == 1
    assert "{" not in letter
    assert len(letter) < 4000  # one page
    assert main(["my-data", "letter", case, "--out", str(out)]) == 2
    capsys.readouterr()
    assert main(["my-data", "appeal", case, "--lang", lang, "--flags", TWO]) == 0
    appeal = capsys.readouterr().out
    assert WORDS in appeal
    assert "0:10" not in appeal
    assert "{" not in appeal


def test_an_exam_that_is_not_here_and_a_language_that_is_none(finished_case: Path, capsys) -> None:
    assert main(["my-data", "show", "history"]) == 2
    assert (
        "There is no exam 'history' on this computer (there are: none)" in capsys.readouterr().err
    )
    assert main(["my-data", "letter", str(finished_case), "--lang", "tlh"]) == 2
    assert "no texts in the language" in capsys.readouterr().err
    assert main(["my-data"]) == 0
    assert "No exam was joined" in capsys.readouterr().out
