"""Every screen in every language, look and size of text: drawn, and no text cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QLabel, QListWidget, QPushButton, QVBoxLayout, QWidget

from policies.texts import LANGUAGES
from ui import app, theme
from ui.institution.window import Window

# The windows' sizes at 100 % and 200 % of the text's size, in pixels of the scaled desktop.
SIZES = {1.0: (1024, 700), 2.0: (1366, 900)}
Clipped = Callable[[QWidget], list[str]]
LOOKS: tuple[theme.Name, ...] = ("light", "dark")


@pytest.fixture
def shown(
    dressed: QApplication, screens_tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Window]]:
    """A window with things to mend, in a language and a size of text."""
    monkeypatch.chdir(tmp_path)
    path = screens_tool.prepare(Path())
    usual = dressed.font().pointSizeF()
    made: list[Window] = []

    def show(lang: str, scale: float) -> Window:
        font = dressed.font()
        font.setPointSizeF(usual * scale)
        dressed.setFont(font)
        app.speak(dressed, lang)
        window: Window = screens_tool.window_of(Path(), lang, path)
        window.resize(*SIZES[scale])
        made.append(window)
        return window

    yield show
    for window in made:
        window.desk.draft.close()
        window.close()
        window.deleteLater()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.mark.parametrize("scale", SIZES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_is_cut_off(
    shown: Callable[..., Window],
    screens_tool: ModuleType,
    dressed: QApplication,
    clipped: Clipped,
    lang: str,
    scale: float,
) -> None:
    window = shown(lang, scale)
    cut: list[str] = []
    for look in LOOKS:
        theme.apply(dressed, look)
        for name, widget in screens_tool.screens(window):
            cut += [f"{name} ({look}): {line}" for line in clipped(widget)]
            ground = QColor(theme.COLOURS[look].ground)
            assert _share(widget.grab().toImage(), ground) > 0.03, f"{name} is not drawn in {look}"
    assert cut == []


def _share(picture: QImage, colour: QColor) -> float:
    """The share of points of a picture that have a colour, of some."""
    points = [
        picture.pixelColor(x, y).rgb() == colour.rgb()
        for x in range(0, picture.width(), 24)
        for y in range(0, picture.height(), 24)
    ]
    return sum(points) / len(points)


def test_the_finder_finds_what_is_cut(dressed: QApplication, clipped: Clipped) -> None:
    window = QWidget()
    column = QVBoxLayout(window)
    label, knob = (
        QLabel("A text that is much too long for this place"),
        QPushButton("Much too long"),
    )
    label.setFixedWidth(60)
    knob.setFixedWidth(30)
    wrapped = QLabel("A text of several lines that has room for only one of them")
    wrapped.setWordWrap(True)
    wrapped.setFixedSize(120, 14)
    lines = QListWidget()
    lines.setFixedWidth(90)
    lines.addItem("Short")
    lines.setWordWrap(True)
    lines.addItem("A line that is too long for its list")
    lines.item(1).setSizeHint(QSize(80, 24))
    for widget in (label, knob, wrapped, lines):
        column.addWidget(widget)
    window.show()
    QApplication.processEvents()
    assert [line.partition(" ")[0] for line in clipped(window)] == [
        "QLabel", "QPushButton", "QLabel", "QListWidget",
    ]  # fmt: skip
    window.close()


def test_the_other_way_round(
    shown: Callable[..., Window], dressed: QApplication, screens_tool: ModuleType, clipped: Clipped
) -> None:
    dressed.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        window = shown("en", 1.0)
        # speak() laid it out for English; as in a language that is read from the right, then:
        dressed.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        screens_tool.settle(window.desk)
        assert (
            window.sections.mapTo(window, window.sections.rect().topLeft()).x() > window.width() / 2
        )
        assert (
            window.buttons["save"].mapTo(window, window.rect().topLeft()).x() < window.width() / 2
        )
        for _, widget in screens_tool.screens(window):
            assert clipped(widget) == []
    finally:
        dressed.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
