"""A live exam in a real terminal: the questions, a break, a withdrawal and the end, all typed."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from proctor.cli.main import main

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal needs a POSIX system", allow_module_level=True)

import pty

# Detectors that need no network, so that this runs on any machine, also one without a camera.
WAIT_S = 120.0
POLICY = """
version = 1
id = "terminal"
institution = "Test institution"
exam = "Terminal exam"
contact = "exams@example.org"
stakes = "practice"
languages = ["en"]
[purposes.camera]
alternative = "You sit the exam in a room with a person."
[purposes.clips]
alternative = "Flags are kept as sentences without pictures."
[detectors.lighting]
[detectors.camera]
[rules."light.dim"]
[rules."camera.covered"]
[breaks]
max_count = 1
"""


class Terminal:
    """A program on a terminal of its own: what it prints, and what we type."""

    # Those whose test has not ended them.
    running: ClassVar[list[Terminal]] = []

    def __init__(self, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        self._ours = ours
        self.program = subprocess.Popen(
            [sys.executable, "-m", "proctor.cli.main", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True,
        )  # fmt: skip
        os.close(theirs)
        self.printed = ""
        self.running.append(self)

    def expect(self, words: str) -> None:
        """Wait until ``words`` were printed, and go on after them."""
        deadline = time.monotonic() + WAIT_S
        while words not in self.printed:
            assert time.monotonic() < deadline, f"{words!r} not in {self.printed[-2000:]!r}"
            ready, _, _ = select.select([self._ours], [], [], 0.2)
            if not ready:
                assert self.program.poll() is None, self.printed[-2000:]
                continue
            try:
                read = os.read(self._ours, 65536)
            except OSError as error:  # the other end is closed
                raise AssertionError(f"{words!r} not in {self.printed[-2000:]!r}") from error
            self.printed += re.sub(r"\s+", " ", read.decode("utf-8", "replace"))
        self.printed = self.printed.partition(words)[2]

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def close(self) -> int:
        code = self.program.wait(WAIT_S)
        self.running.remove(self)
        os.close(self._ours)
        return code


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """A test that fails leaves no program behind, which the next test would be blamed for."""
    yield
    for one in list(Terminal.running):
        one.program.kill()
        one.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    # Without --lang the system's language would be spoken.
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


def records(case: Path, kind: str) -> list[dict]:
    lines = (case / "journal.jsonl").read_text().splitlines()
    return [r["data"] for r in map(json.loads, lines) if r["type"] == kind]


def begun(case: Path) -> None:
    """Wait until the exam captures: on a busy machine that is a moment after the first lines."""
    deadline = time.monotonic() + WAIT_S
    while not records(case, "session.started"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_C1_C4_A2_an_exam_is_answered_paused_and_withdrawn_from_by_typing(folder):
    case = folder / "case"
    exam = Terminal("exam", "--policy", str(folder / "policy.toml"), "--case", str(case))
    exam.expect("May this exam use your camera?")
    exam.expect("You sit the exam in a room with a person.")
    exam.expect("accept or decline?")
    exam.type("maybe")
    exam.expect("Please type accept or decline.")
    exam.type("accept")
    exam.expect("May short clips")
    exam.type("decline")
    # The help, shown at the start.
    exam.expect("withdraw take back what you agreed to: camera, clips")
    exam.type("resume")
    exam.expect("There is no break to end.")
    begun(case)
    exam.type("break")
    exam.expect("Break: nothing is captured.")
    exam.type("resume")
    exam.expect("The break is over")
    exam.type("break")
    exam.expect("All breaks of this exam were taken (1).")
    exam.type("withdraw")
    exam.expect("Say what to take back: camera, clips.")
    exam.type("withdraw clips")
    exam.expect("nothing to take back")
    exam.type("Withdraw Camera")
    exam.expect("Instead: You sit the exam in a room with a person.")
    exam.type("what?")
    exam.expect("You can type, at any time:")
    exam.type("end")
    exam.expect("None of this is a verdict.")
    assert exam.close() == 0
    assert len(records(case, "break.started")) == len(records(case, "break.ended")) == 1
    assert [d["purpose"] for d in records(case, "consent.withdrawn")] == ["camera"]
    assert sorted(p.name for p in (case / "receipts").iterdir()) == ["001.jsonld", "002.jsonld"]
    assert main(["case", "verify", str(case)]) == 0


def test_an_exam_in_the_systems_language_is_typed_and_read_in_it(folder, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    case = folder / "case"
    exam = Terminal("exam", "--policy", str(folder / "policy.toml"), "--case", str(case))
    exam.expect("annehmen oder ablehnen?")
    exam.type("annehmen")
    exam.expect("annehmen oder ablehnen?")
    exam.type("ablehnen")
    exam.expect("widerrufen zurücknehmen, wozu du ja gesagt hast: kamera, kurze clips")
    begun(case)
    exam.type("weiter")
    exam.expect("Es gibt keine Pause zu beenden.")
    exam.type("PAUSE")
    exam.expect("Mit weiter geht es weiter.")
    exam.type("resume")  # the English words always count
    exam.expect("Die Pause ist vorbei")
    exam.type("raum nein")
    exam.expect("Niemand bittet gerade um einen Film des Raums.")
    exam.type("rufen")
    exam.expect("Wen du sonst fragen kannst: exams@example.org")
    exam.type("widerrufen")
    exam.expect("Sag, was du zurücknimmst: kamera, kurze clips.")
    exam.type("widerrufen kurze clips")
    exam.expect("Zu „kurze clips“ gibt es kein Ja, also nichts zurückzunehmen (Ja zu: kamera).")
    exam.type("widerrufen Kamera")
    exam.expect("Zurückgenommen: kamera.")
    exam.type("ende")
    exam.expect("Nichts davon ist ein Urteil. Die Akte liegt in")
    assert exam.close() == 0
    assert [d["purpose"] for d in records(case, "consent.withdrawn")] == ["camera"]
    # A mistake of the user is told in it, too.
    again = Terminal(
        "exam", "--policy", str(folder / "policy.toml"), "--case", str(case), "--resume"
    )
    again.expect("ist zu Ende")
    assert again.close() == 2


def test_an_exam_whose_program_was_killed_goes_on_where_it_was(folder):
    case = folder / "case"
    consent = folder / "consent.toml"
    consent.write_text("[consent]\ncamera = true\nclips = true\n")
    given = ("exam", "--policy", str(folder / "policy.toml"), "--case", str(case))
    first = Terminal(*given, "--consent", str(consent))
    first.expect("You can type")
    first.type("withdraw clips")
    first.expect("Taken back: clips.")
    first.program.kill()
    assert first.close() != 0
    second = Terminal(*given, "--resume")
    second.expect("You can type")
    second.type("withdraw clips")
    second.expect("nothing to take back (agreed to: camera)")
    second.type("end")
    second.expect("None of this is a verdict.")
    assert second.close() == 0
    assert len(records(case, "agent.gap")) == 1
    assert main(["case", "verify", str(case)]) == 0
    third = Terminal(*given, "--resume")
    third.expect("has ended; begin a new case")
    assert third.close() == 2


def test_a_program_without_a_terminal_takes_no_typed_lines_and_still_ends(folder):
    consent = folder / "consent.toml"
    consent.write_text("[consent]\ncamera = true\nclips = true\n")
    done = subprocess.run(
        [sys.executable, "-m", "proctor.cli.main", "exam", "--policy", str(folder / "policy.toml"),
         "--case", str(folder / "case"), "--consent", str(consent), "--minutes", "0.02", "--json"],
        input="withdraw camera\n", capture_output=True, text=True, check=False, timeout=2 * WAIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "summary" in json.loads(done.stdout.splitlines()[-1])
    assert records(folder / "case", "consent.withdrawn") == []
