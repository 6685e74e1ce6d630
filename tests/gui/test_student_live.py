"""A real window, a real exam and a real hub: what the people on duty say is shown and read aloud."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from policies import load
from proctor.evidence import view
from ui.student import people as people_module
from ui.student.window import StudentWindow


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit = _load("student_kit", Path(__file__).with_name("student_kit.py"))
live_kit = _load("live_kit", Path(__file__).resolve().parents[1] / "live_kit.py")
hub_world = live_kit.load("hub_world", "hub_world.py")
evening, student = kit.evening, kit.student
Student = Callable[..., StudentWindow]
REASON = "A second voice was heard twice, and I want to rule out a radio."


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with hub_world.running("sqlite", tmp_path / "server") as running:
        yield running


def in_the_exam(window: StudentWindow, folder: Path, hub: Any) -> None:
    """The way into an exam whose hub runs, which knows its policy and its code."""
    text = kit.POLICY.replace('stakes = "low"', f'stakes = "low"\nhub = "{hub.url}"') + kit.SCAN
    invitation = kit.invited(folder, text)
    whole = kit.documents.parse(invitation.read_bytes(), "here")
    payload = load.payload_of(whole.policy.encode(), "here")
    assert payload == text.encode()
    (code,) = live_kit.invite(hub.hub, payload)
    invitation.write_bytes(kit.documents.write(whole.model_copy(update={"code": code})))
    kit.join(window, invitation)
    kit.answer(window)
    window.next_button.click()
    kit.wait(lambda: window.here == "check", "the check")
    window.next_button.click()
    kit.wait(lambda: window.here == "scan" or window.exam is not None, "the scan's question")
    if window.exam is None:
        window.steps["scan"].card.no.click()
    kit.wait(lambda: window.exam is not None, "the exam")


def test_words_more_time_and_a_question_reach_the_window(
    student: Student, hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aloud: list[str] = []
    monkeypatch.setattr(people_module, "announce", lambda widget, text: aloud.append(text))
    window = student()
    in_the_exam(window, tmp_path, hub)
    exam, duty = window.exam, live_kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    attempt = window.runner.session.case.attempt
    kit.wait(lambda: duty.row(attempt)["state"] == "running", "the heartbeat")

    words = "Question 2 has a slip: read 7 for 1."
    duty.give(attempt, "message", text=words)
    kit.wait(lambda: words in exam.people.note.text, "the message")
    assert exam.people.note.text == f"A. Person writes: {words}"
    assert exam.people.note.isVisible()
    exam.say("The camera was unplugged.")  # news of a device goes elsewhere
    assert words in exam.people.note.text

    duty.give(attempt, "extend", minutes=5.0)
    kit.wait(lambda: exam.people.added.isVisible(), "the time added")
    assert exam.people.added.text() == "5 minutes were added to your time."

    exam.help.click()
    kit.wait(lambda: duty.row(attempt)["help"], "the call for help at the hub")
    kit.wait(lambda: "reached the people on duty" in exam.people.note.text, "that it arrived")

    number = duty.give(attempt, "room_scan", reason=REASON)
    kit.wait(lambda: exam.people._scan is not None, "the question")
    asked = exam.people._scan
    assert asked.isVisible()
    assert REASON in exam.people.note.text
    asked.step.card.no.click()
    kit.wait(lambda: duty.became(attempt, number) == "declined", "the no at the hub")
    assert not asked.isVisible()
    assert window.runner.running

    number = duty.give(attempt, "room_scan", reason=REASON)
    kit.wait(lambda: exam.people._scan is not asked, "the question again")
    exam.people._scan.close()
    kit.wait(lambda: duty.became(attempt, number) == "declined", "that a closed window is a no")

    # A yes that is taken back by closing the window before the camera is free: nothing is filmed.
    number, before = duty.give(attempt, "room_scan", reason=REASON), exam.people._scan
    kit.wait(lambda: exam.people._scan is not before, "the question once more")
    hasty, session = exam.people._scan, window.runner.session
    hasty.step.card.yes.click()
    kit.wait(lambda: session.desk.state.on_break, "the exam to pause")
    hasty.close()
    kit.wait(lambda: not session.desk.state.on_break, "the exam to go on")
    assert not session.filming
    assert not session.desk.state.live("room_scan")
    kit.wait(lambda: duty.became(attempt, number) == "declined", "the no")
    assert [text for text in aloud if words in text or REASON in text]
    exam.end()
    kit.wait(lambda: window.receipt is not None, "the receipt")
    kinds = [one["kind"] for one in view.read(window.attempt.case).markers]
    assert kinds.count("hub.command") == 5
    duty.close()
