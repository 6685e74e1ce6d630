"""The two reproductions, on small drawn recordings in the layouts that their studies have."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import drawn_study as drawn  # noqa: E402

DIM, LIGHT = [(6.0, 12.0)], 16.0


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A room that goes dark for six seconds, and one that does not."""
    folder = tmp_path_factory.mktemp("films")
    drawn.draw(folder / "dark.mp4", LIGHT, DIM)
    drawn.draw(folder / "light.mp4", LIGHT)
    drawn.policy(folder / "policy.toml")
    return folder


def reproduce(
    script: str, study: Path, films: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, str(ROOT / "benchmarks" / script), str(study),
            "--policy", str(films / "policy.toml"), "--cache", str(films / "cache"), *more,
        ],
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )  # fmt: skip


def row(printed: str, first: str) -> str:
    (line,) = [one for one in printed.splitlines() if one.startswith(f"{first}  ")]
    return re.sub(r"\s{2,}", " | ", line)


@pytest.fixture
def arms(films: Path, tmp_path: Path) -> Path:
    """Three honest persons, two nervous ones of whom one sits in a dark room, three instructed, one unseen."""
    sessions = [
        *((f"h{n}", f"p{n}", "honest", str(films / "light.mp4")) for n in range(3)),
        ("n1", "q1", "nervous", str(films / "light.mp4")),
        ("n2", "q2", "nervous", str(films / "dark.mp4")),
        *((f"i{n}", f"r{n}", "instructed", str(films / "dark.mp4")) for n in range(2)),
        ("i2", "r2", "instructed", str(films / "light.mp4")),
    ]
    truth = [(f"i{n}", 6, 12, "Ada", "yes") for n in range(3)]
    return drawn.study(tmp_path / "study", sessions, truth)


def test_the_three_arms(films: Path, arms: Path) -> None:
    (arms / "watched.csv").write_text(
        "session,watcher,seen\n"
        "h0,Cy,no\nh0,Di,yes\nh0,Ed,no\nn2,Cy,yes\ni0,Cy,no\ni1,Cy,yes\ni2,Cy,no\n",
        encoding="utf-8",
    )
    done = reproduce("reproduce_proctorio.py", arms, films, "--out", str(arms / "out"))
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    # Clopper and Pearson's ends by hand: 1 - 0.025^(1/3) = 0.708; 2 of 3: 0.094 to 0.992.
    assert row(printed, "honest") == (
        "honest | 3 | 19 | 0 of 3 = 0.0% (0.0% to 70.8%) | 0 of 1 = 0.0% (0.0% to 97.5%)"
    )
    assert row(printed, "nervous") == (
        "nervous | 2 | 5 | 1 of 2 = 50.0% (1.3% to 98.7%) | 1 of 1 = 100.0% (2.5% to 100.0%)"
    )
    assert row(printed, "instructed") == (
        "instructed | 3 | 6 | 2 of 3 = 66.7% (9.4% to 99.2%) | 1 of 3 = 33.3% (0.8% to 90.6%)"
    )
    assert "honest and nervous persons with a flag: 1 of 5 = 20.0%" in printed
    assert "0 of 6 = 0.0% (0.0% to 45.9%) (Bergmans et al. 2021)" in printed
    assert "1 of 6 = 16.7% (0.4% to 64.1%) (Bergmans et al. 2021)" in printed
    assert "Not run here: the recordings of that study were never published" in printed
    assert (arms / "out/report.html").is_file()


def test_an_arm_that_is_missing_and_a_wrong_line_are_said(films: Path, arms: Path) -> None:
    text = (arms / "sessions.csv").read_text(encoding="utf-8")
    (arms / "sessions.csv").write_text(text.replace(",nervous,", ",real,"), encoding="utf-8")
    done = reproduce("reproduce_proctorio.py", arms, films)
    assert done.returncode == 0, done.stderr
    assert "cannot be said: the study has no arm nervous" in row(done.stdout, "nervous")
    assert "cannot be said: nobody watched them (watched.csv)" in row(done.stdout, "honest")
    assert "Left aside: the arms real." in done.stdout
    (arms / "watched.csv").write_text("session,watcher,seen\nh0,Cy,maybe\n", encoding="utf-8")
    done = reproduce("reproduce_proctorio.py", arms, films)
    assert done.returncode == 2
    assert done.stderr.strip() == "watched.csv, line 2: seen must be yes or no"


@pytest.fixture
def oep(tmp_path: Path) -> Path:
    """Three subjects as the OEP database has them: an actor whose act is seen, one whose is not, and a real exam."""
    folder = tmp_path / "OEP"
    for number, dark in ((1, DIM), (2, []), (10, [])):
        subject = folder / f"subject{number}"
        drawn.draw(subject / f"s{number}1.avi", LIGHT, dark)
        drawn.draw(subject / f"s{number}2.avi", 2.0)
        noise = np.random.default_rng(2).integers(-500, 500, (1, 8000 * 16), dtype=np.int16)
        with av.open(str(subject / f"s{number}.wav"), "w") as file:
            track = file.add_stream("pcm_s16le", rate=8000, layout="mono")
            frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
            frame.sample_rate = 8000
            file.mux(track.encode(frame))
        acts = "0006 0012 1\n" if number < 10 else ""
        (subject / "gt.txt").write_text(acts, encoding="utf-8")
    (folder / "types.csv").write_text("type,kinds\n1,light.dim\n", encoding="utf-8")
    return folder


def test_the_tables_of_oep(films: Path, oep: Path) -> None:
    done = reproduce("reproduce_oep.py", oep, films)
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    assert printed.startswith("OEP: 3 recordings, 0.01 h")
    segments, acts = [
        re.sub(r"\s{2,}", " | ", line)
        for line in printed.splitlines()
        if line.startswith("light.dim ")
    ]
    # Two of the four segments with an act are dark, and no other is: half are found at any FAR.
    assert segments == "light.dim | 15 | 0 | " + " | ".join(["50.0% (no interval)"] * 3)
    assert acts == "light.dim | 3 | 50.0% (no interval)"
    assert "No interval: 3 persons are too few" in printed
    assert "Not run here: the OEP database is handed out on request" in printed
    assert "Not the same: the authors train one classifier" in printed


def test_without_an_act_there_is_no_table(films: Path, oep: Path) -> None:
    for subject in oep.glob("*/gt.txt"):
        subject.write_text("", encoding="utf-8")
    done = reproduce("reproduce_oep.py", oep, films)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("neither table can be said") == 2
    (oep / "subject2" / "gt.txt").write_text("0012 0006 1\n", encoding="utf-8")
    done = reproduce("reproduce_oep.py", oep, films)
    assert done.returncode == 2
    assert "subject2/gt.txt, line 1: the end (0006) lies before the start" in done.stderr
