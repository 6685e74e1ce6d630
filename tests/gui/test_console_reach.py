"""The console for everybody: five languages, large text, high contrast, both directions, screen readers, no mouse."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from policies.texts import LANGUAGES
from ui import app, theme
from ui.console.app import Desk

HERE = Path(__file__).parent


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit, student, reach = (
    _module(name) for name in ("console_kit", "test_student_screens", "test_student_reach")
)
case, console, one_clip, from_the_right = (
    kit.case,
    kit.console,
    kit.one_clip,
    reach.from_the_right,
)
Console = Callable[..., Desk]
Clipped = Callable[[QWidget], list[str]]
# Every language as it usually is and at its largest; the widest one also between.
SHOWN = [*((lang, scale) for lang in LANGUAGES for scale in (1.0, 3.0)), ("de", 2.0)]
# A usual screen, and how long a call on the window's thread may take (s).
SCREEN = (1920, 1000)
LONGEST_S = 0.05


def screens(desk: Desk, case: Path) -> Iterator[tuple[str, QWidget]]:
    """Every screen of the console, shown one after the other."""
    window = desk.window
    yield "start", window
    desk.key_page.offer([], ())
    desk.key_page.note.say(desk.t.say("This passphrase does not open the key. You can try again."))
    window.show_page(desk.key_page)
    kit.pump(0.02)
    yield "key", window
    desk.open(case)
    kit.settle(desk)
    page = window.page
    assert page is not None
    page.player.pause()
    yield "case", window
    page.say("confirmed")
    page.propose_pause(40)
    kit.pump(0.02)
    yield "asked", window
    page.reason.setPlainText("A telephone lies there.")
    page.say_pending()
    kit.settle(desk)
    window.look_at(kit.PHONE)
    kit.settle(desk)
    yield "said", window
    window.look_at(kit.BARE)
    kit.settle(desk)
    yield "bare", window
    for name, show in (("keys", window.show_keys), ("session", window.show_session)):
        show()
        kit.pump(0.02)
        sheet = window.findChildren(QDialog)[-1]
        yield name, sheet
        sheet.close()
        kit.pump(0.02)


@pytest.mark.parametrize(("lang", "scale"), SHOWN)
def test_no_text_is_cut_off(
    console: Console, dressed: QApplication, clipped: Clipped, case: Path, lang: str, scale: float
) -> None:
    font = dressed.font()
    font.setPointSizeF(font.pointSizeF() * scale)
    dressed.setFont(font)
    app.speak(dressed, lang)
    theme.apply(dressed, "dark" if scale > 1.0 else "light")
    desk = console(lang=lang)
    if scale > 1.0:
        desk.window.resize(*SCREEN)
    cut = [f"{name}: {line}" for name, widget in screens(desk, case) for line in clipped(widget)]
    theme.apply(dressed, "light")
    assert cut == []


def test_the_other_way_round(
    console: Console, from_the_right: QApplication, clipped: Clipped, case: Path
) -> None:
    desk = console()
    for name, widget in screens(desk, case):
        assert widget.layoutDirection() == Qt.LayoutDirection.RightToLeft
        assert clipped(widget) == [], name
        if name == "case":
            page, window = desk.window.page, desk.window
            assert page is not None
            middle = page.width() / 2
            assert page.player.mapTo(page, page.player.rect().center()).x() > middle
            assert window.side.x() > window.stack.x()
            strip = page.strip
            first, last = strip._area(0).left(), strip._area(0).right()
            assert strip._x(0.0, strip._area(0)) == pytest.approx(last)
            assert strip._x(200.0, strip._area(0)) == pytest.approx(first)


@pytest.mark.parametrize("look", ["contrast-light", "contrast-dark"])
def test_high_contrast_is_drawn_on_every_screen(
    console: Console, dressed: QApplication, case: Path, look: theme.Name
) -> None:
    desk = console()
    theme.apply(dressed, look)
    colours = theme.COLOURS[look]
    try:
        for name, widget in screens(desk, case):
            picture = widget.grab().toImage()
            assert reach._share(picture, colours.ground) > 0.3, f"{name} has another ground"
            assert reach._share(picture, colours.text) > 0.001, f"{name} has no text in its colour"
            for other in ("light", "dark"):
                ground = theme.COLOURS[other].ground
                assert reach._share(picture, ground) < 0.01, f"{name} is drawn in {other} in part"
    finally:
        theme.apply(dressed, "light")


def test_everything_says_what_it_is_to_a_screen_reader(console: Console, case: Path) -> None:
    desk = console()
    nameless = []
    for name, widget in screens(desk, case):
        for one in student.tree(QAccessible.queryAccessibleInterface(widget)):
            state = one.state()
            acts = one.role() in student.ACTS and not state.invisible
            if acts and not one.text(QAccessible.Text.Name):
                nameless.append(f"{name}: {one.role()}")
    assert nameless == []
    page = desk.window.page
    assert page is not None
    about = page.strip.accessibleDescription()
    assert "Phone in view: 1 moment" in about
    assert "Break at 2:00" in about


def test_tab_reaches_everything_in_reading_order(console: Console, case: Path) -> None:
    desk = console(case)
    window, page = desk.window, desk.window.page
    assert page is not None
    page.player.pause()
    window.activateWindow()
    QTest.qWaitForWindowActive(window)
    window.moments.setFocus()
    seen: list[QWidget] = []
    for _ in range(60):
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        now = window.focusWidget()
        if now is window.moments:
            break
        seen.append(now)
    player = page.player
    wanted = [
        player.slider, player.play_button, player.back, player.on, player.speed, player.boxes,
        player.points, player.blur, page.moment, page.reason, *page.buttons.values(), page.strip,
    ]  # fmt: skip
    assert [one for one in seen if one in wanted] == wanted
    assert len(set(seen)) == len(seen)
    # In the strip, the arrow keys go from moment to moment.
    page.strip.setFocus()
    QTest.keyClick(page.strip, Qt.Key.Key_Right)
    kit.settle(desk)
    assert window.current == kit.FACES
    QTest.keyClick(page.strip, Qt.Key.Key_Left)
    kit.settle(desk)
    assert window.current == kit.PHONE


def test_another_language_shows_the_same_moment(console: Console, case: Path) -> None:
    desk = console(case)
    desk.window.look_at(kit.WAKE)
    kit.settle(desk)
    new = desk.in_language("de")
    try:
        kit.wait(lambda: kit.settled(new) and new.window.current == kit.WAKE, "the same moment")
        assert new.window.page is not None
        assert "Nichts zu sehen" in new.window.page.buttons["nothing_to_see"].text()
    finally:
        for part in (new.window, new.start, new.key_page):
            part.close()
            part.deleteLater()
