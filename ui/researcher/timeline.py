"""The labels of a recording in time: a lane a kind, and above it the line that shows where one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QLineF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui import theme
from ui.app import right_to_left
from ui.widgets.layout import name_it

# However short it is, a label is drawn this wide (pixels), so that it can be clicked on.
LEAST = 4.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One label: ``lane`` is its kind's name, ``who`` is empty for one's own, ``place`` the place in one's own list."""

    start: float
    end: float
    lane: str
    certain: bool = True
    who: str = ""
    place: int = -1


class Timeline(QWidget):
    """``asked`` gives the second that was clicked on, ``chosen`` the place of one's own label that was."""

    asked = Signal(float)
    chosen = Signal(int)

    def __init__(self, name: str) -> None:
        super().__init__()
        name_it(self, name)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.bars: Sequence[Bar] = ()
        self.lanes: list[str] = []
        self.current = -1
        self.begin, self.end, self.at = 0.0, 1.0, 0.0
        self.opened: float | None = None

    def show_bars(self, bars: Sequence[Bar], current: int, about: str) -> None:
        """Draw other labels; ``about`` says them to a screen reader."""
        self.bars, self.current = bars, current
        self.lanes = sorted({bar.lane for bar in bars})
        self.updateGeometry()
        self.setAccessibleDescription(about)
        self.update()

    def go(self, at: float, begin: float, end: float, opened: float | None) -> None:
        """Show ``begin`` to ``end`` seconds with the line at ``at``; ``opened`` is a begin that waits for its end."""
        self.at, self.begin, self.end, self.opened = at, begin, max(end, begin + 1e-3), opened
        self.update()

    # How large it is: the name of a lane stands above it, so that lanes lie below the waves to the point.

    @property
    def _name(self) -> int:
        return self.fontMetrics().height()

    @property
    def _rows(self) -> int:
        """One's own labels have a row of their lane, those of others another."""
        return 2 if any(bar.who for bar in self.bars) else 1

    @property
    def _lane(self) -> int:
        return (1 + self._rows) * self._name + theme.TIGHT

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, max(1, len(self.lanes)) * self._lane + theme.SMALL)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self.update()

    def _x(self, t: float) -> float:
        share = (t - self.begin) / (self.end - self.begin)
        return (1.0 - share if right_to_left() else share) * self.width()

    def _area(self, bar: Bar) -> QRectF:
        """Where a label is drawn; those of others lie below one's own."""
        one, other = sorted((self._x(bar.start), self._x(bar.end)))
        more = max(0.0, LEAST - (other - one)) / 2
        top = float(self.lanes.index(bar.lane) * self._lane + self._name)
        top += float(self._name) if bar.who else 0.0
        return QRectF(one - more, top, other - one + 2 * more, float(self._name))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        where = event.position()
        for bar in self.bars:
            if bar.place >= 0 and self._area(bar).contains(where):
                self.chosen.emit(bar.place)
                return
        share = where.x() / max(1, self.width())
        share = 1.0 - share if right_to_left() else share
        self.asked.emit(self.begin + share * (self.end - self.begin))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        colours = theme.colours()
        painter.fillRect(self.rect(), QColor(colours.surface))
        align = Qt.AlignmentFlag.AlignRight if right_to_left() else Qt.AlignmentFlag.AlignLeft
        for place, lane in enumerate(self.lanes):
            top = place * self._lane
            painter.setPen(QColor(colours.soft))
            name = QRectF(0, top, self.width(), self._name)
            painter.drawText(name, int(align | Qt.AlignmentFlag.AlignVCenter), lane)
            ground = QRectF(0, top + self._name, self.width(), self._rows * self._name)
            painter.fillRect(ground, QColor(colours.raised))
        for bar in self.bars:
            self._paint(painter, bar)
        if self.opened is not None:
            painter.setPen(QPen(QColor(colours.good), 2.0, Qt.PenStyle.DashLine))
            x = self._x(self.opened)
            painter.drawLine(QLineF(x, 0, x, self.height()))
        painter.setPen(QPen(QColor(colours.accent), 2.0))
        x = self._x(self.at)
        painter.drawLine(QLineF(x, 0, x, self.height()))
        painter.setPen(QPen(QColor(colours.line), 1.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint(self, painter: QPainter, bar: Bar) -> None:
        colours = theme.colours()
        area = self._area(bar).adjusted(0, 1, 0, -1)
        here = bar.place >= 0 and bar.place == self.current
        ink = QColor(colours.outline if bar.who else colours.accent)
        if bar.certain:
            fill = QColor(ink)
            fill.setAlpha(190 if here else 110)
            painter.setBrush(fill)
        else:
            # By its pattern, not by colour alone.
            painter.setBrush(QBrush(ink, Qt.BrushStyle.BDiagPattern))
        painter.setPen(QPen(QColor(colours.text) if here else ink, 3.0 if here else 1.5))
        painter.drawRect(area)
