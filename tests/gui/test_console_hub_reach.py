"""The console over a hub for everybody: five languages, large text, high contrast, right to left, no mouse."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from policies.texts import LANGUAGES
from proctor.evidence import keys
from ui import app, theme
from ui.console.hub_app import HubDesk
from ui.console.hub_office import Office
from ui.console.hub_tables import Table

HERE = Path(__file__).parent


def _module(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


kit, student, reach = (
    _module(name) for name in ("hub_console_kit", "test_student_screens", "test_student_reach")
)
from_the_right, one_clip = reach.from_the_right, kit.kit.one_clip
SCALES = (1.0, 2.0, 3.0)
SCREEN = (1920, 1000)
ROLES = ("admin", "auditor", "proctor", "reviewer")
Clipped = Callable[[QWidget], list[str]]


@pytest.fixture(scope="module")
def hub(
    tmp_path_factory: pytest.TempPathFactory, qapp: QApplication, one_clip: Any
) -> Iterator[Any]:
    """A hub with two attempts, staff, something asked for, and a log."""
    folder = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROCTOR_HOME", str(folder / "home"))
        with kit.hub_world.running("sqlite", folder) as running:
            world = kit.World(running, folder)
            world.attempt = world.deliver(2, one_clip)
            world.attempt_running = world.deliver(1, one_clip, ended=False)
            world.login = world.staff("Di Warden", *ROLES)
            asker, person = world.staff("Ada Quill", "reviewer", "proctor")
            office = Office(None, asker, person, None, None, key=kit.kit.person("Ada Quill").key)  # type: ignore[arg-type]
            office.ask_for_copy(world.attempt, "The student asked for another look at this exam")
            office.command(world.attempt_running, "message", "We begin in two minutes.", 0.0)
            yield world
            asker.close()
            world.login[0].close()


@pytest.fixture
def desk(dressed: QApplication, hub: Any) -> Iterator[Callable[..., HubDesk]]:
    made: list[HubDesk] = []

    def make(lang: str = "en") -> HubDesk:
        one = HubDesk(lang, hub.running.url, [keys.demo_identity()])
        made.append(one)
        one.window.resize(1320, 900)
        one.show()
        kit.kit.pump(0.02)
        return one

    yield make
    for one in made:
        if isValid(one.window):
            one.close()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def screens(one: HubDesk, hub: Any) -> Iterator[tuple[str, QWidget]]:
    """Every screen, shown one after the other."""
    window, login = one.window, one.window.login
    login.note.say(one.t.say("Fill in the address, your name and your password."), "warning")
    kit.kit.pump(0.02)
    yield "login", window
    for name, card in (("password", login.first), ("key", login.other)):
        login._only(card)
        kit.kit.pump(0.02)
        yield name, window
    login._only(login.who)
    client, person = hub.login
    office = Office(
        one.t, client.again(), person, window.worker, window.say,
        key=kit.kit.person("Di Warden").key,
    )  # fmt: skip
    window.enter(office)
    kit.settle(one)
    kit.kit.wait(lambda: window.live.model.rowCount() == 2, "the wall")
    place = window.live.model.place(hub.attempt_running)
    window.live.table.selectRow(place)
    kit.settle(one)
    window.live.asking["pause"].click()
    kit.kit.pump(0.02)
    yield "live", window
    window.tabs.setCurrentWidget(window.queue)
    window.queue.table.selectRow(0)
    kit.settle(one)
    yield "queue", window
    papers = window.papers
    window.tabs.setCurrentWidget(papers)
    papers.attempt.setEditText(hub.attempt)
    papers.refresh()
    kit.settle(one)
    papers.papers.selectRow(0)
    kit.kit.pump(0.02)
    yield "papers", window
    window.tabs.setCurrentWidget(window.numbers)
    kit.settle(one)
    yield "numbers", window


def cells(window: QWidget) -> Iterator[str]:
    """Cells of tables whose text, with its sign, is wider than their column."""
    for table in window.findChildren(Table):
        for column in range(table.rows.columnCount() if table.isVisible() else 0):
            needs, has = table.sizeHintForColumn(column), table.columnWidth(column)
            if needs > has:
                yield f"column {column} of {table.accessibleName()} has {has}, needs {needs}"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_is_cut_off(
    hub: Any, desk: Any, dressed: QApplication, clipped: Clipped, lang: str, scale: float
) -> None:
    font = dressed.font()
    font.setPointSizeF(font.pointSizeF() * scale)
    dressed.setFont(font)
    app.speak(dressed, lang)
    theme.apply(dressed, "dark" if scale > 1.0 else "light")
    one = desk(lang)
    if scale > 1.0:
        one.window.resize(*SCREEN)
    cut = [
        f"{name}: {line}"
        for name, widget in screens(one, hub)
        for line in (*clipped(widget), *cells(widget))
    ]
    theme.apply(dressed, "light")
    assert cut == []


def test_the_other_way_round(
    hub: Any, desk: Any, from_the_right: QApplication, clipped: Clipped
) -> None:
    one = desk()
    for name, widget in screens(one, hub):
        assert widget.layoutDirection() == Qt.LayoutDirection.RightToLeft
        assert clipped(widget) == [], name
    live = one.window.live
    one.window.tabs.setCurrentWidget(live)
    kit.kit.pump(0.02)
    assert live.table.mapTo(live, live.table.rect().center()).x() > live.width() / 2


@pytest.mark.parametrize("look", ["contrast-light", "contrast-dark"])
def test_high_contrast_is_drawn_on_every_screen(
    hub: Any, desk: Any, dressed: QApplication, look: theme.Name
) -> None:
    one = desk()
    theme.apply(dressed, look)
    colours = theme.COLOURS[look]
    try:
        for name, widget in screens(one, hub):
            picture = widget.grab().toImage()
            assert reach._share(picture, colours.ground) > 0.3, f"{name} has another ground"
            assert reach._share(picture, colours.text) > 0.001, f"{name} has no text in its colour"
            for other in ("light", "dark"):
                ground = theme.COLOURS[other].ground
                assert reach._share(picture, ground) < 0.01, f"{name} is drawn in {other} in part"
    finally:
        theme.apply(dressed, "light")


def test_everything_says_what_it_is_to_a_screen_reader(hub: Any, desk: Any) -> None:
    one = desk()
    nameless = []
    for name, widget in screens(one, hub):
        for part in student.tree(QAccessible.queryAccessibleInterface(widget)):
            state = part.state()
            acts = part.role() in student.ACTS and not state.invisible
            if acts and not part.text(QAccessible.Text.Name):
                nameless.append(f"{name}: {part.role()}")
    assert nameless == []


def test_the_wall_and_the_queue_need_no_mouse(hub: Any, desk: Any) -> None:
    one = desk()
    for _ in screens(one, hub):
        pass
    window, live, queue = one.window, one.window.live, one.window.queue
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window)
    QTest.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert window.tabs.currentWidget() is live
    live.table.setFocus()
    live.table.selectRow(live.model.place(hub.attempt_running))
    kit.settle(one)
    seen: list[QWidget] = []
    for _ in range(40):
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        seen.append(window.focusWidget())
    wanted = [live.look, live.words, live.minutes, *live.asking.values()]
    order = [part for part in dict.fromkeys(seen) if part in wanted]
    assert order == wanted
    assert live.table in seen, "the way round comes back"
    QTest.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert window.tabs.currentWidget() is queue
    opened: list[Any] = []
    queue.looking.disconnect()
    queue.looking.connect(opened.append)
    queue.table.setFocus()
    queue.table.selectRow(1)
    QTest.keyClick(queue.table, Qt.Key.Key_Return)
    assert [row["flag"] for row in opened[0]] == [queue.model.rows[1]["flag"]]
