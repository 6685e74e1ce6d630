"""High contrast, and the other reading direction: the student's screens for everybody."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QWidget

from ui import theme
from ui.student.window import StudentWindow

HERE = Path(__file__).parent


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit = _module(HERE / "student_kit.py")
screens = _module(HERE / "test_student_screens.py")
evening, student = kit.evening, kit.student

Student = Callable[..., StudentWindow]
Clipped = Callable[[QWidget], list[str]]


@pytest.fixture
def from_the_right(dressed: QApplication) -> Iterator[QApplication]:
    """The application in a language that is read from right to left."""
    dressed.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    yield dressed
    dressed.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_the_other_way_round(
    student: Student, from_the_right: QApplication, clipped: Clipped, tmp_path: Path
) -> None:
    window = screens.prepared(student, tmp_path)
    middle = window.width() / 2
    for name, widget in screens.windows(window):
        assert widget.layoutDirection() == Qt.LayoutDirection.RightToLeft
        assert clipped(widget) == [], name
        if name == "choices":
            assert (
                _across(window.next_button, window) < middle < _across(window.back_button, window)
            )
            card = window.steps["choices"].cards["camera"]
            assert _across(card.yes, window) > _across(card.no, window)
        if name == "exam":
            light = widget.lights["camera"]
            assert _across(light._sign, widget) > _across(light._words, widget)


def _across(widget: QWidget, window: QWidget) -> float:
    return widget.mapTo(window, widget.rect().center()).x()


@pytest.mark.parametrize("look", ["contrast-light", "contrast-dark"])
def test_high_contrast_is_drawn_on_every_screen(
    student: Student, dressed: QApplication, clipped: Clipped, tmp_path: Path, look: theme.Name
) -> None:
    window = screens.prepared(student, tmp_path)
    theme.apply(dressed, look)
    colours = theme.COLOURS[look]
    try:
        for name, widget in screens.windows(window):
            picture = widget.grab().toImage()
            assert _share(picture, colours.ground) > 0.3, f"{name} has another ground"
            assert _share(picture, colours.text) > 0.001, f"{name} has no text in its colour"
            for other in ("light", "dark"):
                ground = theme.COLOURS[other].ground
                assert _share(picture, ground) < 0.01, f"{name} is drawn in {other} in part"
            assert clipped(widget) == [], name
    finally:
        theme.apply(dressed, "light")


def _share(picture: QImage, colour: str) -> float:
    """The share of points of a picture that have a colour, of some."""
    wanted = QColor(colour).rgb()
    points = [
        picture.pixelColor(x, y).rgb() == wanted
        for x in range(0, picture.width(), 3)
        for y in range(0, picture.height(), 3)
    ]
    return sum(points) / len(points)
