"""The student's screens in every language and text size, by keyboard and by ear."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from policies.texts import LANGUAGES
from policies.texts.live import said
from policies.texts.told import tell
from proctor.session import my_data
from proctor.session.live_link import Told
from ui import app, theme
from ui.student.people import AskedScan
from ui.student.receipt import ReceiptPage
from ui.student.runner import Runner
from ui.student.scan import HINTS
from ui.student.window import HEIGHT, WIDTH, StudentWindow

HERE = Path(__file__).parent


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit = _module(HERE / "student_kit.py")
tool = _module(HERE.parents[1] / "packaging" / "screens_student.py")
evening, student = kit.evening, kit.student

Student = Callable[..., StudentWindow]
# How large text is set, in a window that is as small as a student's ever begins (ui/student/window.py).
SCALES = (1.0, 2.0, 3.0)
# Roles of what a person can act on; each must say what it is.
ACTS = {
    QAccessible.Role.Button,
    QAccessible.Role.CheckBox,
    QAccessible.Role.ComboBox,
    QAccessible.Role.EditableText,
    QAccessible.Role.Slider,
    QAccessible.Role.List,
    QAccessible.Role.Table,
}


def prepared(student: Student, tmp_path: Path, lang: str = "en") -> StudentWindow:
    window = student(lang=lang)
    window.steps["join"].join(str(kit.invited(tmp_path, kit.POLICY + kit.SCAN)))
    kit.wait(lambda: window.attempt.joined is not None, "the invitation")
    window.attempt.trust(lambda _: window.attempt.prepare(lambda _: None))
    kit.wait(lambda: window.attempt.ready is not None, "the plan")
    return window


def windows(window: StudentWindow) -> Iterator[tuple[str, QWidget]]:
    yield from tool.steps(window)
    yield from tool.try_out(window.attempt)
    exam = tool.exam_window(window.attempt)
    exam.show()
    exam.say(window.attempt.t.say("Break: nothing is captured, and the devices are released."))
    kit.pump(0.02)
    yield "exam", exam
    exam.close()
    exam.deleteLater()
    yield from asked_scan(window)


def asked_scan(window: StudentWindow) -> Iterator[tuple[str, QWidget]]:
    """The window of a room scan that a person on duty asks for, with everything that it may come to show."""
    attempt, t = window.attempt, window.attempt.t
    runner = Runner(attempt)
    told = Told("room_scan", 1, "Dr. A. Person", "A second voice was heard twice.")
    sentence = said(t, told.what, by=told.by, text=told.text)
    asked = AskedScan(attempt, runner, told, sentence)
    step = asked.step
    step.hint.setText(t.say(max(HINTS.values(), key=lambda hint: len(t.say(hint)))))
    step.coverage.setText(t.say("How much of the room was seen could not be told."))
    step.why_not.setText(
        tell(t, "There is no camera at /dev/video97; plug one in, or choose another.")
    )
    step.busy.say(t.say("One moment …"))
    for card in (step.film_card, step.look_card, step.not_filmed):
        card.show()
    asked.show()
    kit.pump(0.02)
    yield "asked scan", asked
    asked.close()
    asked.deleteLater()
    runner.close()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_is_cut_off(
    student: Student,
    dressed: QApplication,
    clipped: Callable[[QWidget], list[str]],
    tmp_path: Path,
    lang: str,
    scale: float,
) -> None:
    font = dressed.font()
    font.setPointSizeF(font.pointSizeF() * scale)
    dressed.setFont(font)
    app.speak(dressed, lang)
    theme.apply(dressed, "dark" if scale > 1.0 else "light")
    window = prepared(student, tmp_path, lang)
    window.resize(WIDTH, HEIGHT)
    cut = [f"{name}: {line}" for name, widget in windows(window) for line in clipped(widget)]
    assert cut == []


def tree(interface: QAccessibleInterface) -> Iterator[QAccessibleInterface]:
    yield interface
    for place in range(interface.childCount()):
        child = interface.child(place)
        if child is not None and child.isValid():
            yield from tree(child)


def test_everything_says_what_it_is_to_a_screen_reader(student: Student, tmp_path: Path) -> None:
    window = prepared(student, tmp_path)
    nameless = []
    for name, widget in windows(window):
        for one in tree(QAccessible.queryAccessibleInterface(widget)):
            state = one.state()
            if one.role() in ACTS and not state.invisible and not one.text(QAccessible.Text.Name):
                nameless.append(f"{name}: {one.role()}")
    assert nameless == []


def test_the_whole_way_by_keyboard_alone(student: Student, tmp_path: Path) -> None:
    window = student()
    window.activateWindow()
    path = str(kit.invited(tmp_path))
    line = window.steps["join"].line
    assert window.focusWidget() is line
    QTest.keyClicks(line, path)
    QTest.keyClick(line, Qt.Key.Key_Return)
    kit.wait(lambda: kit.button(window, "They are the same") is not None, "the keys to compare")

    def reach(text: str) -> None:
        """Tab until the button of that text has the focus, and press it."""
        for _ in range(60):
            at = window.focusWidget()
            if at is not None and getattr(at, "text", lambda: "")() == text:
                QTest.keyClick(at, Qt.Key.Key_Space)
                kit.pump(0.05)
                return
            QTest.keyClick(at or window, Qt.Key.Key_Tab)
        raise AssertionError(f"{text} cannot be reached by keyboard")

    reach("They are the same")
    kit.wait(lambda: window.here == "notice", "the notice")
    reach("Continue")
    kit.wait(lambda: window.here == "choices", "the questions")
    for card in window.steps["choices"].cards.values():
        for _ in range(60):
            if window.focusWidget() is card.yes:
                break
            QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        assert window.focusWidget() is card.yes
        QTest.keyClick(card.yes, Qt.Key.Key_Space)
    assert window.next_button.isEnabled()
    reach("Continue")
    kit.wait(lambda: window.here == "check", "the check")


def test_a_receipt_has_every_part_in_every_language(
    student: Student, dressed: QApplication, clipped: Callable[[QWidget], list[str]], tmp_path: Path
) -> None:
    window = student()
    kit.join(window, kit.invited(tmp_path))
    kit.answer(window)
    kit.to_the_exam(window)
    kit.wait(lambda: window.exam.flags.count() > 0, "a note")
    window.exam.end()
    kit.wait(lambda: window.receipt is not None, "the receipt")
    mine = my_data.gather(window.attempt.case)
    usual = dressed.font().pointSizeF()
    for lang, scale in product(LANGUAGES, SCALES):
        font = dressed.font()
        font.setPointSizeF(usual * scale)
        dressed.setFont(font)
        app.speak(dressed, lang)
        theme.apply(dressed, "light")
        window.attempt.speak(lang)
        page = ReceiptPage(window.attempt, mine)
        page.resize(WIDTH, HEIGHT)
        page.show()
        kit.pump(0.05)
        assert (lang, scale, clipped(page)) == (lang, scale, [])
        assert len(page.comments) == 1
        page.close()
        page.deleteLater()
