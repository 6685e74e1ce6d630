"""What a study lacks stands in its report instead of a number: small drawn studies through ``proctor evaluate``."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proctor.cli.main import main

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import drawn_study as drawn

DARK = [(6.0, 12.0)]
LENGTH = 16.0
ACT = (6, 12, "Ada", "yes")


@dataclass
class Report:
    """What a reader gets: the numbers, the page's text, and the list of what cannot be said."""

    numbers: dict[str, Any]
    page: str

    @property
    def limits(self) -> str:
        return "\n".join(self.numbers["limits"])

    def kind(self, table: str) -> dict[str, Any]:
        """The row of the one kind that matters here."""
        (row,) = [row for row in self.numbers[table] if row["kind"] == drawn.KIND]
        return row


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    drawn.draw(folder / "dark.mp4", LENGTH, DARK)
    drawn.draw(folder / "light.mp4", LENGTH)
    (folder / "broken.mp4").write_bytes((folder / "light.mp4").read_bytes()[:900])
    drawn.policy(folder / "policy.toml")
    return folder


@pytest.fixture
def study(films: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a study: sessions as (session, person, arm, film), and the truth about them."""

    def make(sessions: Sequence[tuple[str, ...]], truth: Sequence[tuple[object, ...]]) -> Path:
        rows = [(*one[:3], str(films / f"{one[3]}.mp4")) for one in sessions]
        return drawn.study(tmp_path / "study", rows, truth)

    return make


@pytest.fixture
def evaluate(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Evaluates a study; the report, or the exit code and what was said instead."""

    def run(folder: Path, *more: str) -> Any:
        out = tmp_path / "out"
        code = main(
            ["--quiet", "evaluate", str(folder), "--policy", str(films / "policy.toml"),
             "--out", str(out), "--cache", str(films / "cache"), "--workers", "1", *more]
        )  # fmt: skip
        said = capsys.readouterr().err.strip()
        if code:
            assert not (out / "report.html").exists()
            return code, said
        text = re.sub(
            r"<(script|style).*?</\1>", " ", (out / "report.html").read_text("utf-8"), flags=re.S
        )
        text = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))
        document = json.loads((out / "report.json").read_text("utf-8"))
        report = Report(document["results"], text)
        for sentence in report.numbers["limits"]:
            assert re.sub(r"\s+", " ", sentence) in text, "a limit is not on the page"
        return report

    return run


def unsaid(answer: dict[str, Any]) -> str:
    """Why a number is not given; fails where one is."""
    assert "cannot_be_said" in answer, f"a number is printed: {answer}"
    assert "low" not in answer
    return str(answer["cannot_be_said"])


BASE = [
    ("h1", "p1", "honest", "light"),
    ("h2", "p2", "honest", "light"),
    ("h3", "p3", "nervous", "dark"),
    ("i1", "p4", "instructed", "dark"),
]


def test_with_everything_there_numbers_are_said(study, evaluate) -> None:
    """The yardstick of this file: the same study without a fault has these numbers."""
    report = evaluate(study(BASE, [("i1", *ACT)]))
    assert (report.numbers["whole"]["hfr"]["count"], report.numbers["whole"]["hfr"]["n"]) == (1, 3)
    found = report.kind("primary")["sensitivity"]
    assert (found["count"], found["n"]) == (1, 1)
    assert "There is no honest arm" not in report.limits
    assert "left out" not in report.limits


def test_missing_media(study, evaluate) -> None:
    folder = study([*BASE, ("gone", "p9", "honest", "gone")], [("i1", *ACT)])
    code, said = evaluate(folder)
    assert code == 2
    assert len(said.splitlines()) == 1
    assert "'gone' cannot be scored" in said
    assert "gone.mp4" in said
    report = evaluate(folder, "--keep-going")
    (skipped,) = report.numbers["run"]["skipped"]
    assert skipped["session"] == "gone"
    assert "gone.mp4" in skipped["why"]
    assert report.numbers["whole"]["hfr"]["n"] == 3, "who was not seen is not counted as unflagged"
    assert "1 of 5 recordings were left out" in report.limits
    assert "gone.mp4" in report.page


@pytest.mark.parametrize(("factor", "unit"), [(1000, "milliseconds"), (27, "frames")])
def test_labels_in_the_wrong_unit(study, evaluate, factor: int, unit: str, capsys) -> None:
    truth = [
        ("i1", 6 * factor, 12 * factor, "Ada", "yes"),
        ("h3", 6 * factor, 12 * factor, "Ada", "yes"),
    ]
    folder = study(BASE, truth)
    assert main(["dataset", "check", str(folder)]) == 1
    assert f"they look like {unit}" in capsys.readouterr().out
    code, said = evaluate(folder)
    assert code == 2
    assert len(said.splitlines()) == 1
    assert f"they look like {unit}" in said
    assert "must be seconds" in said


def test_a_quarter_of_the_files_is_broken(study, evaluate) -> None:
    more = [("h4", "p5", "honest", "light"), ("h5", "p6", "honest", "light")]
    broken = [("b1", "p7", "honest", "broken"), ("b2", "p8", "instructed", "broken")]
    folder = study([*BASE, *more, *broken], [("i1", *ACT), ("b2", *ACT)])
    code, said = evaluate(folder)
    assert code == 2
    assert "broken.mp4" in said
    assert len(said.splitlines()) == 1
    report = evaluate(folder, "--keep-going")
    assert [one["session"] for one in report.numbers["run"]["skipped"]] == ["b1", "b2"]
    assert "2 of 8 recordings were left out" in report.limits
    assert "the numbers are too good" in report.limits
    assert {one["arm"]: one["skipped"] for one in report.numbers["arms"]} == {
        "honest": 1, "nervous": 0, "instructed": 1,
    }  # fmt: skip
    assert report.numbers["whole"]["hfr"]["n"] == 5
    assert report.kind("primary")["sensitivity"]["n"] == 1


@pytest.mark.parametrize("bo", [(0, 2), (5.6, 12.4)])
def test_annotators_who_disagree(study, evaluate, bo: tuple[float, float]) -> None:
    truth = [("i1", *ACT), ("i1", *bo, "Bo", "yes")]
    report = evaluate(study(BASE, truth))
    agreed = bo[0] > 5
    assert ("Annotators disagree (alpha " in report.limits) is not agreed
    sensitivity = report.kind("primary")["sensitivity"]
    if agreed:
        assert sensitivity["count"] == 1
    else:
        # No moment has a majority, so nothing stands that could be missed, and no flag is called false there.
        assert unsaid(sensitivity)
        assert [one["judged"] for one in report.numbers["flags"] if one["session"] == "i1"] == [
            "open"
        ]


@pytest.mark.parametrize(
    ("ada", "bo", "alpha"),
    [((0, 8), (8, 16), "-"), ((0, 1), (3.6, 3.9), "0.00")],
)
def test_annotators_who_agree_by_chance_or_less(
    study, evaluate, ada: tuple[float, float], bo: tuple[float, float], alpha: str
) -> None:
    """An alpha of exactly 0 (one second of sixteen, which the other does not mark) is a disagreement, too."""
    truth = [("i1", *ada, "Ada", "yes"), ("i1", *bo, "Bo", "yes")]
    assert f"Annotators disagree (alpha {alpha}" in evaluate(study(BASE, truth)).limits


def test_one_person_only(study, evaluate) -> None:
    sessions = [("one", "p1", "honest", "light"), ("two", "p1", "instructed", "dark")]
    report = evaluate(study(sessions, [("two", *ACT)]))
    assert "There is one person only" in report.limits
    # Of one person there is a share with an interval that says how little that is; nothing more.
    assert report.numbers["whole"]["hfr"]["high"] > 0.97
    for answer in (
        report.numbers["whole"]["fa_hour_persons"], report.kind("secondary")["f1"],
        report.kind("secondary")["instances"], report.kind("secondary")["eer"],
        report.kind("primary")["first_s"],
    ):  # fmt: skip
        assert unsaid(answer)


def test_no_honest_arm(study, evaluate) -> None:
    sessions = [("i1", "p1", "instructed", "dark"), ("i2", "p2", "instructed", "light")]
    report = evaluate(study(sessions, [("i1", *ACT), ("i2", *ACT)]))
    assert "There is no honest arm" in report.limits
    whole = report.numbers["whole"]
    for answer in (whole["hfr"], whole["fa_hour"], whole["fa_hour_persons"]):
        assert unsaid(answer)
    for one in report.numbers["predicted"]:
        assert unsaid(one["ppv"])
        assert unsaid(one["flagged_honest"])
    # What can be said is said.
    assert report.kind("primary")["sensitivity"]["count"] == 1


def test_zero_positives(study, evaluate) -> None:
    sessions = [one for one in BASE if one[2] != "instructed"]
    report = evaluate(study(sessions, []))
    assert "There is no instructed arm: what the system misses cannot be said." in report.limits
    assert unsaid(report.kind("primary")["sensitivity"])
    second = report.kind("secondary")
    for answer in (
        second["instances"],
        second["eer"],
        second["auc"],
        *second["detection"].values(),
    ):
        assert unsaid(answer)
    for one in report.numbers["predicted"]:
        assert unsaid(one["ppv"])
    # And no false flag either: a share of nought still has an upper end.
    calm = evaluate(study([one for one in sessions if one[3] == "light"], []))
    assert calm.numbers["whole"]["hfr"]["value"] == 0.0
    assert calm.numbers["whole"]["hfr"]["high"] > 0.8
    assert "No honest person was flagged. That does not make the share zero" in calm.limits


def test_an_instructed_arm_without_a_label(study, evaluate) -> None:
    report = evaluate(study(BASE, []))
    assert "No event is labelled in the instructed arm" in report.limits
    assert unsaid(report.numbers["whole"]["sensitivity"])
