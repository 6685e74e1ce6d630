"""A slip of the hand signs nothing: a verdict is about a moment that was in sight, and about no other."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from proctor.errors import InputError
from proctor.evidence import access, deciding, view
from proctor.evidence.decision import Verdict
from ui.console import page as case_page
from ui.console.app import Desk
from ui.console.source import CaseFile

_SPEC = importlib.util.spec_from_file_location(
    "console_kit", Path(__file__).with_name("console_kit.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
case, console, one_clip = kit.case, kit.console, kit.one_clip
PHONE, FACES, WAKE, BARE = kit.PHONE, kit.FACES, kit.WAKE, kit.BARE
FOR_EVER_MS = 600_000

Console = Callable[..., Desk]


def press(desk: Desk, key: Qt.Key = Qt.Key.Key_1) -> None:
    """Press a key where the focus is; nothing is waited for."""
    QTest.keyClick(desk.window.focusWidget() or desk.window, key)


def signed(folder: Path) -> list[tuple[str, str | None]]:
    found = deciding.read(folder, view.read(folder).attempt)
    return [(one.flag, one.verdict) for one in found]


def at_work(console: Console, case: Path) -> Desk:
    desk = console(case)
    desk.window.activateWindow()
    assert QTest.qWaitForWindowActive(desk.window)
    assert desk.window.current == PHONE
    return desk


def test_the_rest_is_longer_than_a_double_press() -> None:
    assert QApplication.doubleClickInterval() < case_page.REST_MS <= 1000


def test_two_quick_presses_sign_one_look(case: Path, console: Console) -> None:
    desk = at_work(console, case)
    page = desk.window.page
    page.rest_ms = FOR_EVER_MS
    press(desk)
    press(desk)  # the first is not even signed yet
    kit.wait(lambda: desk.window.current == FACES, "the next moment")
    press(desk)  # the moment has just come
    kit.wait(lambda: page.player.view.shown, "its picture")
    press(desk)
    assert not page.ready
    assert page.note.text == case_page.EARLY
    page.buttons["confirmed"].click()
    assert page.pending is None
    kit.wait(lambda: not desk.window.worker.busy, "everything that was asked for")
    assert signed(case) == [(PHONE, "nothing_to_see")]
    # Who has seen it presses again, and that counts.
    page.rest_ms = 20
    press(desk)
    kit.wait(lambda: page.ready, "the end of the rest")
    assert page.note.text == ""
    press(desk)
    kit.wait(lambda: desk.window.current == WAKE, "the next moment")
    assert signed(case) == [(PHONE, "nothing_to_see"), (FACES, "nothing_to_see")]


def test_a_key_that_stays_down_says_nothing_of_the_next_moment(
    case: Path, console: Console
) -> None:
    desk = at_work(console, case)
    page = desk.window.page
    # Remote desktops make single presses of a key that is held: each of them begins the rest anew.
    page.rest_ms = FOR_EVER_MS
    press(desk)
    kit.wait(lambda: desk.window.current == FACES, "the next moment")
    kit.wait(lambda: page.player.view.shown, "its picture")
    for repeated in (False, True) * 10:
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            none = Qt.KeyboardModifier.NoModifier
            event = QKeyEvent(kind, Qt.Key.Key_1, none, "1", repeated)
            QApplication.sendEvent(desk.window.focusWidget() or desk.window, event)
            QApplication.processEvents()
        press(desk)
        assert page._rest.isActive()
        assert page._rest.remainingTime() > FOR_EVER_MS / 2
    kit.wait(lambda: not desk.window.worker.busy, "everything that was asked for")
    assert signed(case) == [(PHONE, "nothing_to_see")]


def test_nothing_is_said_of_a_clip_that_is_still_being_opened(case: Path, console: Console) -> None:
    desk = at_work(console, case)
    window, page = desk.window, desk.window.page
    come, clip = threading.Event(), window.source.clip

    def late(flag: str) -> bytes:
        assert come.wait(kit.WAIT_S)
        return clip(flag)

    window.source.clip = late
    try:
        window.look_at(FACES)
        kit.pump(0.1)  # longer than the rest of the tests
        for _ in range(3):
            press(desk)
            kit.pump(0.05)
        assert not page.ready
        assert page.note.text == case_page.EARLY
        assert not window.worker.busy
        assert signed(case) == []
    finally:
        come.set()
    kit.settle(desk)
    assert page.player.view.shown
    press(desk)
    kit.wait(lambda: window.current == WAKE, "the next moment")
    assert signed(case) == [(FACES, "nothing_to_see")]
    assert {flag for entry in access.read(case) for flag in entry.flags} >= {FACES}


def test_a_moment_without_a_clip_is_in_sight_when_it_is_shown(case: Path, console: Console) -> None:
    desk = at_work(console, case)
    page = desk.window.page
    page.rest_ms = FOR_EVER_MS
    desk.window.look_at(BARE)
    press(desk)
    assert page.note.text == case_page.EARLY
    assert not desk.window.worker.busy
    page.rest_ms = 20
    press(desk)
    kit.wait(lambda: page.ready, "the end of the rest")
    press(desk)
    kit.wait(lambda: signed(case) == [(BARE, "nothing_to_see")], "the signature")


def test_another_case_begins_out_of_sight(case: Path, console: Console) -> None:
    desk = at_work(console, case)
    page = desk.window.page
    page.rest_ms = FOR_EVER_MS
    desk.open(case)  # the same flags' names, and yet another case
    kit.wait(lambda: not page.ready, "the case")
    press(desk)
    kit.wait(lambda: not desk.window.worker.busy and page.player.view.shown, "its first clip")
    press(desk)
    assert signed(case) == []


def test_a_refusal_that_comes_late_stands_beside_no_other_moment(
    case: Path, console: Console
) -> None:
    desk = at_work(console, case)
    window, page = desk.window, desk.window.page
    come = threading.Event()

    def refused(flag: str, verdict: Verdict, reason: str) -> CaseFile:
        assert come.wait(kit.WAIT_S)
        raise InputError("The flag is no longer there.")

    window.source.decide = refused
    about = page.heading.text()
    press(desk)
    try:
        window.look_at(FACES)
    finally:
        come.set()
    kit.wait(lambda: bool(window.message.text()), "the sentence")
    assert window.message.text() == f"{about}: The flag is no longer there."
    assert page.note.text == ""


@pytest.mark.parametrize("left", [PHONE, WAKE])
def test_a_clip_that_fails_late_takes_no_picture_from_the_next(
    case: Path, console: Console, left: str
) -> None:
    desk = at_work(console, case)
    window, page = desk.window, desk.window.page
    kit.settle(desk)
    window.look_at(BARE)
    come, clip = threading.Event(), window.source.clip

    def breaks(flag: str) -> bytes:
        if flag == left:
            assert come.wait(kit.WAIT_S)
            raise InputError("This clip is damaged.")
        return clip(flag)

    window.source.clip = breaks
    window.look_at(left)
    window.look_at(FACES)
    come.set()
    kit.wait(lambda: page.player.view.shown or bool(page.no_clip.text), "the next clip")
    assert page.no_clip.text == ""
    kit.settle(desk)
    assert window.current == FACES
