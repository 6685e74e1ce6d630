"""A ring that fills with the directions seen, and the number of degrees in words in its middle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui import theme
from ui.texts import Texts
from ui.widgets.layout import name_it

SIDE, WIDE = 180, 14.0
# Qt counts angles in sixteenths of a degree, to the left from three o'clock.
SIXTEENTHS = 16


class Ring(QWidget):
    """Up is the first view; to the right is to the right."""

    def __init__(self, t: Texts) -> None:
        super().__init__()
        self._t = t
        self._seen: npt.NDArray[np.bool_] = np.zeros(360, dtype=bool)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.show_seen(self._seen)

    @property
    def degrees(self) -> int:
        """How many degrees of the circle were seen."""
        return int(self._seen.sum())

    def show_seen(self, seen: npt.NDArray[np.bool_]) -> None:
        """``seen`` has one truth a degree, clockwise from the first view."""
        self._seen = seen
        name_it(self, self._t.say("{degrees} of 360 degrees seen", degrees=self.degrees))
        self.setToolTip("")
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(SIDE, SIDE)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = theme.colours()
        inset = WIDE / 2 + 1
        frame = QRectF(self.rect()).adjusted(inset, inset, -inset, -inset)
        painter.setPen(QPen(QColor(colours.line), WIDE))
        painter.drawEllipse(frame)
        pen = QPen(QColor(colours.accent), WIDE)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        for start, length in _runs(self._seen):
            painter.drawArc(frame, (90 - start) * SIXTEENTHS, -length * SIXTEENTHS)
        painter.setPen(QColor(colours.text))
        painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, f"{self.degrees}°")
        painter.end()


def _runs(seen: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Begin and length of every stretch of degrees seen."""
    edges = np.diff(np.concatenate(([0], seen.astype(np.int8), [0])))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(b), int(e - b)) for b, e in zip(begins, ends, strict=True)]
