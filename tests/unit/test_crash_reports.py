"""A mistake in this program: what is written down, and what never is."""

from __future__ import annotations

import getpass
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proctor.cli.main import main
from proctor.session import crash, logs

# A command that fails in the middle, holding what no report may hold.
SCRIPT = """
import sys
from proctor.cli import doctor, main
def broken(arguments):
    exam = "Anna Muster's exam at " + sys.argv[-1]
    threads = __import__("threading").Thread(target=lambda: {}["secret of Anna"])
    threads.start(); threads.join()
    raise KeyError(exam + " anna.muster@example.edu https://hub.example.edu/i/c0de")
broken.__module__ = doctor.__name__
doctor.run = broken
sys.exit(main.main())
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "annas-things"
    monkeypatch.setenv("PROCTOR_HOME", str(folder))
    return folder


def fail(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, "doctor", "--data", str(home / "exam of Anna")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_mistake_is_one_line_and_a_report_without_names(home: Path) -> None:
    done = fail(home)
    assert done.returncode == crash.INTERNAL
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "nothing was sent" in last
    assert str(home) in last
    newest, on_thread = crash.reports()
    report = newest.read_text(encoding="utf-8")
    assert "builtins.KeyError, raised in" in report
    assert "proctor/cli/main.py:" in report
    assert "_run" in report
    assert "KeyError" in on_thread.read_text(encoding="utf-8")
    for name in (
        "anna", "muster", "hub.example", "c0de", "secret", str(home), str(Path.home()), getpass.getuser(),
        socket.gethostname(),
    ):  # fmt: skip
        for path in (newest, on_thread, logs.folder() / logs.NAME):
            written = path.read_text(encoding="utf-8")
            # The program's own words may contain a short name such as "root".
            assert name.lower() not in written.lower().replace("proctor", ""), (name, path.name)
    assert "doctor began" in report


def test_reports_are_listed_shown_and_erased(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crash", "list"]) == 0
    assert "There is none" in capsys.readouterr().out
    assert main(["crash", "show"]) == 2
    first = crash.write(ValueError("x"), datetime(2026, 1, 2, tzinfo=UTC))
    second = crash.write(ValueError("y"), datetime(2026, 1, 3, tzinfo=UTC))
    assert first is not None
    assert second is not None
    capsys.readouterr()
    assert main(["crash", "list"]) == 0
    assert capsys.readouterr().out.split() == [second.name, first.name]
    assert main(["crash", "show"]) == 0
    assert "2026-01-03" in capsys.readouterr().out
    assert main(["crash", "show", first.name]) == 0
    assert "2026-01-02" in capsys.readouterr().out
    assert main(["crash", "erase", first.name]) == 0
    assert crash.reports() == [second]
    assert main(["crash", "show", "../crash-elsewhere.txt"]) == 2
    assert main(["crash", "erase"]) == 0
    assert crash.reports() == []


def test_a_log_that_was_cut_in_the_middle_of_a_letter_does_not_stop_the_report(home: Path) -> None:
    logs.folder().mkdir(parents=True)
    (logs.folder() / logs.NAME).write_bytes("exam began, caf\u00e9".encode()[:-1])
    report = crash.write(ValueError())
    assert report is not None
    assert "exam began, caf" in report.read_text("utf-8")


def test_old_reports_make_room(home: Path) -> None:
    for day in range(1, 26):
        assert crash.write(ValueError(), datetime(2026, 1, day, tzinfo=UTC))
    kept = crash.reports()
    assert len(kept) == crash.MOST_REPORTS
    assert kept[0].name.startswith("crash-20260125")


def test_where_nothing_can_be_written_it_still_ends_in_a_sentence(home: Path) -> None:
    home.mkdir()
    (home / "logs").write_text("a file in the way")
    done = fail(home)
    assert done.returncode == crash.INTERNAL
    assert "No report could be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("cannot open '/home/anna/exam.mp4' now", "cannot open … now"),
        ("cannot open /home/anna/exam.mp4: gone", "cannot open …: gone"),
        ("C:\\Users\\Anna\\exam.mp4 is gone", "… is gone"),
        ("ask anna@example.edu", "ask …"),
        ("open-proctor:aGVsbG8 was used", "… was used"),
        ("https://hub.example.edu/a?b=c is down", "… is down"),
        ('the case "Anna M" ends', "the case … ends"),
        ("3 of 4 checks", "3 of 4 checks"),
    ],
)
def test_what_may_name_somebody_is_hidden(text: str, left: str) -> None:
    assert logs.scrubbed(text) == left


def test_the_log_says_what_ran_and_how_it_ended_and_turns_over(home: Path) -> None:
    words = [sys.executable, "-m", "proctor.cli.main"]
    subprocess.run([*words, "crash", "show", "crash-Anna.txt"], capture_output=True, check=False)
    subprocess.run([*words, "models", "list"], capture_output=True, check=True)
    lines = (logs.folder() / logs.NAME).read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 2)[2].partition(",")[0] for line in lines] == [
        "crash began", "ended with 2", "models began", "ended with 0",
    ]  # fmt: skip
    assert "Anna" not in "\n".join(lines)
    assert lines[1].endswith("InputError")
    (logs.folder() / logs.NAME).write_text("x" * logs.MOST_BYTES + "\n")
    subprocess.run([*words, "models", "list"], capture_output=True, check=True)
    assert {path.name for path in logs.folder().iterdir()} == {logs.NAME, f"{logs.NAME}.1"}
