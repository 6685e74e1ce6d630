"""A small window of lines under a heading, such as the keys of an app."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ui import theme
from ui.texts import Texts
from ui.widgets.words import Words


class Sheet(QDialog):
    """Lines of two texts under a heading."""

    def __init__(
        self, t: Texts, title: str, lines: Sequence[tuple[str, str]], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        column = QVBoxLayout(self)
        column.addWidget(Words(title, "title"))
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setHorizontalSpacing(theme.LARGE)
        for place, (left, right) in enumerate(lines):
            grid.addWidget(Words(left, "label", wrap=False), place, 0)
            grid.addWidget(Words(right), place, 1)
        grid.setColumnStretch(1, 1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setAccessibleName(title)
        area.setWidget(inside)
        column.addWidget(area, 1)
        closing = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        closing.rejected.connect(self.reject)
        column.addWidget(closing)
        wide = self.fontMetrics().averageCharWidth() * 70
        self.resize(wide, min(620, inside.sizeHint().height() + 160))
