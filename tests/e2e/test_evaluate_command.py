"""``proctor evaluate`` from the command line: a report, and one sentence for whatever cannot be done."""

from __future__ import annotations

import json
import sys

import pytest

from proctor.cli.main import main


@pytest.fixture
def study(media, model, tmp_path, monkeypatch):
    """A dataset of one short real recording, and a cache of its own."""
    for name in ("face_landmarker", "yunet", "yolo11n", "silero_vad"):
        model(name)
    folder = tmp_path / "study"
    folder.mkdir()
    clip = media / "video/talking_grid/bbaf2n.mpg"
    (folder / "sessions.csv").write_text(
        f"session,person,arm,media\ns1,p1,honest,{clip}\n", encoding="utf-8"
    )
    (folder / "truth.csv").write_text(
        "session,start_s,end_s,kind,annotator,certain\ns1,0.65,2.51,speech.voice,a,yes\n", "utf-8"
    )
    monkeypatch.chdir(tmp_path)
    return folder


def evaluate(study, *more):
    return main(["--quiet", "evaluate", str(study), "--out", "out", "--cache", "scores", *more])


def test_a_study_becomes_a_report(study, capsys):
    assert evaluate(study) == 0
    printed = capsys.readouterr()
    assert printed.out.strip().endswith("report.html")
    report = json.loads((study.parent / "out/report.json").read_text(encoding="utf-8"))
    assert "s1" in json.dumps(report)


@pytest.mark.parametrize(
    ("change", "more", "sentence"),
    [
        ("", ["--prevalence", "2"], "--prevalence must lie between 0 and 1"),
        ("", ["--against", "nowhere"], "There is no report.json of an earlier run in nowhere"),
        ("", ["--target", "few"], "'few' is no target"),
        ("", ["--preregister", "gone.dsse"], "The plan gone.dsse cannot be read"),
        ("", ["--policy", "no-such"], "There is no policy 'no-such'"),
        ("s2,p2,honest,gone.mp4\n", [], "The session 's2' cannot be scored"),
        ("s2,p2,innocent,gone.mp4\n", [], "sessions.csv, line 3: arm must be one of"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(study, capsys, change, more, sentence):
    with (study / "sessions.csv").open("a", encoding="utf-8") as file:
        file.write(change)
    assert evaluate(study, *more) == 2
    error = capsys.readouterr().err.strip()
    assert sentence in error
    assert len(error.splitlines()) == 1
    # Nothing was scored before it was said.
    assert not list((study.parent / "scores").rglob("*.parquet"))


def test_a_missing_library_is_named_before_anything_is_scored(study, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert evaluate(study) == 3
    assert "pip install 'open-proctor[evaluate]'" in capsys.readouterr().err


def test_where_the_report_goes_must_be_said(study, capsys):
    assert main(["evaluate", str(study)]) == 2
    assert "--out DIR" in capsys.readouterr().err
