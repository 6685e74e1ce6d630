"""Answers that come late: none overwrites what is newer, and none reaches whoever is no longer there."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ui.console.hub_app import HubDesk
from ui.console.hub_office import Office

_SPEC = importlib.util.spec_from_file_location(
    "hub_console_kit", Path(__file__).with_name("hub_console_kit.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules.setdefault("hub_console_kit", kit)
_SPEC.loader.exec_module(kit)
world, desk, one_clip = kit.world, kit.desk, kit.kit.one_clip
wait, pump = kit.kit.wait, kit.kit.pump
Make = Callable[..., HubDesk]
HERE = "a" * 32
ALERT = {"attempt": HERE, "flag": "f-2", "kind": "face.absent", "at": 61.0}


def row(**other: Any) -> dict[str, Any]:
    return {
        "attempt": HERE, "exam": "algebra", "seat": "Seat 009", "state": "running", "since": 0.0,
        "last_heard": 0.0, "help": False, "flags": 1, "newest": None, "delivery": "all",
        "clock_ahead_s": 0.0,
    } | other  # fmt: skip


class Slow:
    """A function that answers as it would have when it was asked, once it is let go."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self.real, self.asked, self.go = real, threading.Event(), threading.Event()

    def __call__(self, *given: Any, **named: Any) -> Any:
        said = self.real(*given, **named)
        self.asked.set()
        assert self.go.wait(kit.kit.WAIT_S)
        return said


def on_duty(world: Any, desk: Make) -> Any:
    one = desk("A. Person", "proctor", "reviewer")
    wait(lambda: one.window.line_words.text() == "Live", "the line")
    kit.settle(one)
    # From here on rows come from the test alone.
    one.window._anew.stop()
    wait(lambda: not one.window._soon.isActive() and not one.window.worker.busy, "a quiet window")
    return one


def test_an_older_answer_takes_back_nothing_that_the_line_said(world: Any, desk: Make) -> None:
    one = on_duty(world, desk)
    live = one.window.live
    live.show_rows([row()])
    asked = time.monotonic()
    assert live.hear("alert", ALERT)
    assert live.hear("help", {"attempt": HERE, "asked": True})
    assert live.hear("state", {"attempt": HERE, "state": "break", "delivery": "events_only"})
    live.show_rows([row()], asked)
    (shown,) = live.model.rows
    assert (shown["newest"]["flag"], shown["flags"]) == ("f-2", 2)
    assert (shown["help"], shown["state"], shown["delivery"]) == (True, "break", "events_only")
    # An answer that holds the flag already counts it once.
    live.show_rows([row(flags=2, newest={"flag": "f-2", "kind": "face.absent", "at": 61.0})], asked)
    assert live.model.rows[0]["flags"] == 2
    # A newer answer is believed again.
    live.show_rows([row(flags=3)], time.monotonic())
    (shown,) = live.model.rows
    assert (shown["help"], shown["state"], shown["flags"]) == (False, "running", 3)


def test_a_call_for_help_outlives_the_answer_that_was_on_its_way(
    world: Any, desk: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = on_duty(world, desk)
    window, live = one.window, one.window.live
    slow = Slow(lambda exam: [row()])
    monkeypatch.setattr(window.office.client, "attempts", slow)
    live.show_rows([row()])
    window.refresh()
    wait(slow.asked.is_set, "the question")
    window._hear("help", {"attempt": HERE, "asked": True})
    slow.go.set()
    wait(lambda: not window.worker.busy, "the answer")
    assert live.model.rows[0]["help"]
    assert live.model.data(live.model.index(0, 1)) == "Asks for help"


def test_what_is_on_its_way_at_the_log_out_is_shown_to_nobody(
    world: Any, desk: Make, one_clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(1, one_clip)
    one = on_duty(world, desk)
    window, first = one.window, one.window.office
    wait(lambda: window.exams.count() == 2, "the exams")
    slow = Slow(first.client.queue)
    monkeypatch.setattr(first.client, "queue", slow)
    window.queue.refresh()
    wait(slow.asked.is_set, "the question")
    window.live.show_rows([row()])
    window.live.table.selectRow(0)  # asks for its commands, too
    window.log_out()
    # Nothing waits for the hub: all of it is gone at once.
    assert window.tabs.count() == 0
    assert window.stack.currentWidget() is window.login
    assert window.exams.count() == 1
    assert (window.who.text(), window.coverage.text()) == ("", "")
    window._hear("alert", ALERT)
    slow.go.set()
    wait(lambda: not window.worker.busy, "the log-out")
    pump(0.05)
    assert window.line is None
    assert window.message.text() == ""
    assert first.client.token == ""

    client, person = world.staff("B. Person", "proctor")
    key = kit.kit.person("B. Person").key
    window.enter(Office(one.t, client, person, window.worker, window.say, key=key))
    wait(lambda: window.line_words.text() == "Live", "the line")
    kit.settle(one)
    assert window.exams.count() == 2
    assert window.who.text().startswith("B. Person at ")


def test_a_window_that_closes_during_the_log_out_leaves_no_line(world: Any, desk: Make) -> None:
    one = on_duty(world, desk)
    window, line = one.window, one.window.line
    window.log_out()
    one.close()
    line._thread.join(kit.kit.WAIT_S)
    assert not line._thread.is_alive()


def test_one_press_is_one_command_and_words_for_the_next_one_stay(
    world: Any, desk: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = on_duty(world, desk)
    window, live = one.window, one.window.live
    sent: list[str] = []

    def command(attempt: str, kind: str, words: str, minutes: float) -> dict[str, Any]:
        sent.append(words)
        return {}

    slow = Slow(command)
    monkeypatch.setattr(window.office, "command", slow)
    monkeypatch.setattr(window.office.client, "commands", lambda attempt: [])
    live.show_rows([row(), row(attempt="b" * 32, seat="Seat 010")])
    live.table.selectRow(0)
    live.words.setText("Read 7 for 1.")
    live.asking["message"].click()
    wait(slow.asked.is_set, "the command")
    # Something comes on the line, which shows the line anew.
    window._hear("state", {"attempt": HERE, "state": "running", "delivery": "all"})
    assert not live.asking["message"].isEnabled()
    live.asking["message"].click()
    live.table.selectRow(1)
    live.words.setText("Look at your clock.")
    slow.go.set()
    wait(lambda: live.asking["message"].isEnabled(), "the answer")
    assert sent == ["Read 7 for 1."]
    assert live.words.text() == "Look at your clock."
