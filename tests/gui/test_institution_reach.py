"""Everybody can use the window: by the keyboard alone, and by ear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QWidget

from ui.institution import fields
from ui.institution.window import FINDINGS, GENERAL, Window
from ui.widgets.words import Sign

Role = QAccessible.Role
# What a person can do something with, and so has to be named.
USED = {
    Role.PushButton, Role.ButtonMenu, Role.ButtonDropDown, Role.CheckBox, Role.RadioButton,
    Role.ComboBox, Role.EditableText, Role.SpinBox, Role.List, Role.ListItem, Role.Table,
    Role.MenuItem, Role.Document, Role.Link, Role.Slider,
}  # fmt: skip
MOST_TABS = 400
Settle = Callable[[Window], None]


def tree(one: QAccessibleInterface, path: str = "") -> Iterator[tuple[str, QAccessibleInterface]]:
    """Everything that a screen reader finds, with where it is."""
    name = one.text(QAccessible.Text.Name)
    here = f"{path} > {one.role().name} '{name[:30]}'"
    yield here, one
    # Inside a box of choices and a field for numbers are parts of theirs; the whole is what is named.
    if one.role() in (Role.ComboBox, Role.SpinBox):
        return
    for place in range(one.childCount()):
        child = one.child(place)
        if child is not None and child.isValid() and not child.state().invisible:
            yield from tree(child, here)


def test_everything_has_a_name_and_fields_say_what_they_are_for(
    window: Window, screens_tool: ModuleType, settle: Settle, tmp_path: Path
) -> None:
    from proctor.evidence.signing import new_signing_key

    new_signing_key("rector", "four unrelated words here", tmp_path / "keys")
    window.desk.look_for_keys()
    settle(window)
    unnamed, seen = [], 0
    for name, widget in screens_tool.screens(window):
        root = QAccessible.queryAccessibleInterface(widget)
        for where, one in tree(root):
            seen += 1
            if one.role() in USED and not one.text(QAccessible.Text.Name).strip():
                unnamed.append(f"{name}: {where}")
    assert unnamed == []
    assert seen > 1000, "the tree was hardly walked"


def test_a_field_tells_its_purpose_and_what_is_wrong_with_it(
    window: Window, settle: Settle
) -> None:
    window.desk.draft.change(("clips", "max_s"), 99.0)
    settle(window)
    window.show_field(("clips", "max_s"))
    control = window.pages["clips"].row_of(("clips", "max_s")).input.main
    one = QAccessible.queryAccessibleInterface(control)
    assert one.text(QAccessible.Text.Name) == "Longest clip"
    told = one.text(QAccessible.Text.Description)
    assert told.startswith("Longest clip in seconds;")
    assert "This must be 60 or less." in told


def test_every_field_has_a_label_that_belongs_to_it(window: Window) -> None:
    for name in (GENERAL, *fields.tables()):
        page = window.go(name)
        buddies = [
            label.buddy() for label in page.findChildren(QLabel) if label.buddy() is not None
        ]
        for form in page.findChildren(QWidget):
            for row in getattr(form, "rows", {}).values():
                named = row.input.main in buddies or bool(row.input.main.property("text"))
                assert named, f"{name}: {row.field.name}"


def test_signs_come_with_words(window: Window, settle: Settle) -> None:
    """No meaning by a colour or a picture alone: a word stands beside every sign."""
    window.desk.draft.change(("clips", "max_s"), 99.0)
    settle(window)
    window.go(FINDINGS)
    for sign in window.findChildren(Sign):
        if sign.isVisible():
            beside = sign.parentWidget().findChildren(QWidget)
            assert any(getattr(one, "text", str)() for one in beside if one is not sign)
    summary = window.pages[FINDINGS].summary.text
    assert "error" in summary


def stops(window: QWidget) -> set[QWidget]:
    """What the tab key should reach now."""
    return {
        widget
        for widget in window.findChildren(QWidget)
        if widget.isVisible()
        and widget.isEnabled()
        and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.focusProxy() is None
    }


def walk(window: QWidget) -> list[QWidget]:
    """What the tab key reaches, in its order, until it comes round."""
    reached: list[QWidget] = []
    for _ in range(MOST_TABS):
        QTest.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Tab)
        now = QApplication.focusWidget()
        if now is None or now in reached:
            break
        reached.append(now)
    return reached


def test_tab_reaches_everything_once_in_reading_order(
    window: Window, screens_tool: ModuleType, settle: Settle
) -> None:
    window.activateWindow()
    for name, widget in screens_tool.screens(window):
        widget.activateWindow()
        QApplication.processEvents()
        (window.sections if widget is window else widget).setFocus()
        reached = walk(widget)
        missed = [w for w in stops(widget) - set(reached) if not _part_of(w, reached)]
        assert missed == [], f"{name}: {[(type(w).__name__, w.accessibleName()) for w in missed]}"
        page = window.stack.currentWidget()
        inside = [w for w in reached if page.isAncestorOf(w)] if widget is window else []
        tops = [w.mapTo(page, w.rect().topLeft()).y() for w in inside]
        down = sum(above <= below + 60 for above, below in pairwise(tops))
        assert down >= 0.8 * max(len(tops) - 1, 0), f"{name}: the order jumps up and down: {tops}"


def _part_of(widget: QWidget, reached: list[QWidget]) -> bool:
    """Whether a control is inside one that was reached, as the line of a field for numbers is."""
    return any(one.isAncestorOf(widget) for one in reached if one is not widget)


def test_a_policy_by_the_keyboard_alone(
    make_window: Callable[..., Window],
    settle: Settle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = make_window()
    window.activateWindow()
    key = Qt.Key

    def press(*keys: Qt.Key, mod: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        for one in keys:
            QTest.keyClick(QApplication.focusWidget() or window, one, mod)
            settle(window)

    control = Qt.KeyboardModifier.ControlModifier
    press(key.Key_F6)
    assert QApplication.focusWidget() is window.sections
    # On to the list of presets, up to the first, and begin.
    while QApplication.focusWidget() is not window.pages["start"].presets:
        press(key.Key_Tab)
    press(key.Key_Home, key.Key_Return)
    assert window.section == GENERAL
    exam = window.pages[GENERAL].row_of(("exam",)).input.main
    while QApplication.focusWidget() is not exam:
        press(key.Key_Tab)
    press(key.Key_A, mod=control)
    QTest.keyClicks(exam, "Algebra")
    settle(window)
    assert 'exam = "Algebra"' in window.desk.draft.text
    press(key.Key_Z, mod=control)
    assert 'exam = "Algebra"' not in window.desk.draft.text
    press(key.Key_Z, mod=control | Qt.KeyboardModifier.ShiftModifier)
    assert 'exam = "Algebra"' in window.desk.draft.text
    # From one thing to mend to the next.
    press(key.Key_F8)
    first = QApplication.focusWidget()
    press(key.Key_F8)
    assert QApplication.focusWidget() is not first
    assert window.message.text()
    # Through the sections.
    press(key.Key_PageDown, mod=control)
    press(key.Key_PageUp, mod=control)
    target = tmp_path / "mine.toml"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    press(key.Key_S, mod=control)
    assert 'exam = "Algebra"' in target.read_text(encoding="utf-8")


def test_a_page_to_read_is_scrolled_by_the_keyboard(window: Window, settle: Settle) -> None:
    window.resize(900, 500)
    window.activateWindow()
    page = window.go("changes")
    page.compare_with("minimal")
    settle(window)
    page.setFocus()
    assert page.verticalScrollBar().maximum() > 0
    QTest.keyClick(page, Qt.Key.Key_PageDown)
    assert page.verticalScrollBar().value() > 0


def test_signs_are_drawn_anew_in_other_colours(window: Window, dressed: QApplication) -> None:
    from ui import theme

    window.go("rules")

    def darkest() -> int:
        picture = window.sections.item(1).icon().pixmap(18, 18).toImage()
        points = [picture.pixelColor(x, y) for x in range(18) for y in range(18)]
        return min(point.lightness() for point in points if point.alpha() > 200)

    theme.apply(dressed, "light")
    QApplication.processEvents()
    on_light = darkest()
    theme.apply(dressed, "dark")
    QApplication.processEvents()
    assert on_light < 80
    assert darkest() > 150


def test_the_focus_can_be_seen(window: Window) -> None:
    """A control with the focus looks different from one without."""
    window.activateWindow()
    window.go(GENERAL)
    row = window.pages[GENERAL].row_of(("exam",))
    window.sections.setFocus()
    QApplication.processEvents()
    before = row.input.main.grab().toImage()
    row.take_focus()
    QApplication.processEvents()
    after = row.input.main.grab().toImage()
    corner = (after.width() // 2, 1)
    assert before.pixelColor(*corner) != after.pixelColor(*corner)
