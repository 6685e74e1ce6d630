"""The exam as a strip: one lane a kind with scores and thresholds, what was noted, what was not measured.

Where the reviewer has not signed a look yet, scores are not drawn (rule O3, the first look is blind).
"""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from proctor.evidence.story import FlagStory, Row, Story
from proctor.evidence.words import clock
from ui import theme
from ui.app import right_to_left
from ui.texts import Plural, Texts
from ui.widgets.layout import name_it

# Seconds around a flag in which a score would still give it away.
AROUND_S = 5.0
# The lane that is drawn for a flag however short it is, in pixels.
LEAST = 4.0
FLAGS = Plural("{n} moment", "{n} moments")


class Strip(QWidget):
    """``chosen`` gives the id of the flag that was clicked on or gone to with the arrow keys."""

    chosen = Signal(str)

    def __init__(self, t: Texts) -> None:
        super().__init__()
        self._t = t
        self._story: Story | None = None
        self._rows: list[tuple[str, Row]] = []
        self._blind: frozenset[str] = frozenset()
        self._hidden: dict[str, list[bool]] = {}
        self.current = ""
        name_it(self, t.say("The exam from its beginning to its end"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_story(self, story: Story, titles: dict[str, str], blind: Collection[str]) -> None:
        """Show an exam; scores around the flags in ``blind`` are left out."""
        self._story, self._blind = story, frozenset(blind)
        rows = [row for row in story.rows if row.flags]
        self._rows = [(titles.get(row.kind, row.title), row) for row in rows]
        self._hidden = {row.kind: self._hide(row, story.seconds) for row in rows}
        t = self._t
        counted = [f"{title}: {t.count(FLAGS, len(row.flags))}" for title, row in self._rows]
        about = [*counted, *(t.say("Break at {at}", at=clock(one.start)) for one in story.breaks)]
        self.setAccessibleDescription("; ".join(about))
        self.updateGeometry()
        self.update()

    def go(self, flag: str) -> None:
        """Mark another flag as the one that is looked at."""
        self.current = flag
        self.update()

    def _hide(self, row: Row, seconds: float) -> list[bool]:
        """By column of scores, whether it would give away a flag that was not looked at yet."""
        count = len(row.columns)
        hidden = [False] * count
        for flag in row.flags:
            if flag.id in self._blind and seconds > 0:
                end = seconds if flag.end is None else flag.end
                first = int((flag.start - AROUND_S) / seconds * count)
                last = int((end + AROUND_S) / seconds * count)
                for column in range(max(first, 0), min(last + 1, count)):
                    hidden[column] = True
        return hidden

    # How large it is.

    @property
    def _lane(self) -> int:
        return round(self.fontMetrics().height() * 1.25)

    @property
    def _widest(self) -> int:
        """The width of the longest name of a lane."""
        metrics = self.fontMetrics()
        return max((metrics.horizontalAdvance(title) for title, _ in self._rows), default=0)

    @property
    def _stacked(self) -> bool:
        """Whether names stand above their lanes, because beside them there is no room."""
        return self._widest + theme.MEDIUM > self.width() // 3

    @property
    def _label(self) -> int:
        return 0 if self._stacked else self._widest + theme.MEDIUM

    def sizeHint(self) -> QSize:  # noqa: N802
        lanes = len(self._rows) * (2 if self._stacked else 1) + 2
        return QSize(200, lanes * (self._lane + theme.TIGHT) + theme.TIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self.updateGeometry()

    # What a person does.

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        found = self._at(event.position())
        if found:
            self.chosen.emit(found)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        story = self._story
        by = {Qt.Key.Key_Right: 1, Qt.Key.Key_Left: -1}.get(Qt.Key(event.key()))
        if by is None or story is None or not story.flags:
            super().keyPressEvent(event)
            return
        names = [flag.id for flag in story.flags]
        by = -by if right_to_left() else by
        place = names.index(self.current) + by if self.current in names else 0
        self.chosen.emit(names[min(max(place, 0), len(names) - 1)])

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        self.update()

    def _at(self, point: QPointF) -> str:
        for place, (_, row) in enumerate(self._rows):
            area = self._area(place)
            for flag in row.flags:
                if self._across(flag.start, flag.end, area).adjusted(-2, 0, 2, 0).contains(point):
                    return flag.id
        return ""

    # Drawing.

    def _area(self, place: int) -> QRectF:
        high, left = self._lane + theme.TIGHT, self._label
        across = 0 if right_to_left() else left
        above = min(place + 1, len(self._rows)) if self._stacked else 0
        top = theme.TIGHT + (place + above) * high
        return QRectF(across, top, self.width() - left - 1, self._lane)

    def _x(self, t: float, area: QRectF) -> float:
        seconds = self._story.seconds if self._story else 0.0
        share = min(max(t / seconds, 0.0), 1.0) if seconds > 0 else 0.0
        return (
            area.right() - share * area.width()
            if right_to_left()
            else area.left() + share * area.width()
        )

    def _across(self, start: float, end: float | None, area: QRectF) -> QRectF:
        seconds = self._story.seconds if self._story else 0.0
        first = self._x(start, area)
        last = self._x(seconds if end is None else end, area)
        left, right = min(first, last), max(first, last)
        more = max(0.0, LEAST - (right - left)) / 2
        return QRectF(left - more, area.top(), right - left + 2 * more, area.height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        story = self._story
        painter = QPainter(self)
        colours = theme.colours()
        if story is not None:
            for place, (title, row) in enumerate(self._rows):
                self._paint_row(painter, self._area(place), title, row)
            self._paint_time(painter, self._area(len(self._rows)), story)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 2.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()

    def _paint_row(self, painter: QPainter, area: QRectF, title: str, row: Row) -> None:
        colours = theme.colours()
        painter.setPen(QColor(colours.text))
        if self._stacked:
            name = area.translated(0, -self._lane - theme.TIGHT / 2)
        else:
            left = area.right() + theme.SMALL if right_to_left() else 0.0
            name = QRectF(left, area.top(), self._label - theme.SMALL, area.height())
        align = Qt.AlignmentFlag.AlignRight if right_to_left() else Qt.AlignmentFlag.AlignLeft
        painter.drawText(name, int(align | Qt.AlignmentFlag.AlignVCenter), title)
        painter.fillRect(area, QColor(colours.raised))
        hatch = QBrush(QColor(colours.outline), Qt.BrushStyle.BDiagPattern)
        for span in row.unmeasured:
            painter.fillRect(self._across(span.start, span.end, area), hatch)
        self._paint_scores(painter, area, row)
        if row.threshold is not None:
            y = area.bottom() - row.threshold * area.height()
            painter.setPen(QPen(QColor(colours.soft), 1.0, Qt.PenStyle.DashLine))
            painter.drawLine(QLineF(area.left(), y, area.right(), y))
        for flag in row.flags:
            self._paint_flag(painter, area, flag)
        painter.setPen(QPen(QColor(colours.line), 1.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(area)

    def _paint_scores(self, painter: QPainter, area: QRectF, row: Row) -> None:
        seconds, count = self._story.seconds if self._story else 0.0, len(row.columns)
        if not count or seconds <= 0:
            return
        hidden = self._hidden[row.kind]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.colours().outline))
        width = seconds / count
        points: list[QPointF] = []
        for column in range(count + 1):
            t = column * width
            score = row.columns[column] if column < count else None
            if score is not None and not hidden[column]:
                y = area.bottom() - score * area.height()
                points += [QPointF(self._x(t, area), y), QPointF(self._x(t + width, area), y)]
            elif points:
                first = QPointF(points[0].x(), area.bottom())
                last = QPointF(points[-1].x(), area.bottom())
                painter.drawPolygon(QPolygonF([first, *points, last]))
                points = []

    def _paint_flag(self, painter: QPainter, area: QRectF, flag: FlagStory) -> None:
        colours = theme.colours()
        place = self._across(flag.start, flag.end, area)
        here = flag.id == self.current
        fill = QColor(colours.accent)
        # The scores that belong to it are seen through it.
        fill.setAlpha(120 if here else 60)
        painter.fillRect(place.adjusted(0, 1, 0, -1), fill)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colours.text if here else colours.accent), 3.0 if here else 1.5))
        painter.drawRect(place.adjusted(0, 1, 0, -1))

    def _paint_time(self, painter: QPainter, area: QRectF, story: Story) -> None:
        """Breaks, times in which the program did not run, and markers; below them the clock."""
        colours = theme.colours()
        painter.fillRect(area, QColor(colours.surface))
        for one in story.breaks:
            painter.fillRect(self._across(one.start, one.end, area), QColor(colours.good))
        cross = QBrush(QColor(colours.warning), Qt.BrushStyle.DiagCrossPattern)
        for gap in story.gaps:
            painter.fillRect(self._across(gap.start, gap.end, area), cross)
        painter.setPen(QPen(QColor(colours.text), 1.0))
        for marker in (*story.markers, *story.losses):
            x = self._x(marker.start, area)
            painter.drawLine(QLineF(x, area.top() + 2, x, area.bottom() - 2))
        painter.setPen(QPen(QColor(colours.line), 1.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(area)
        below = area.translated(0, self._lane)
        painter.setPen(QColor(colours.soft))
        both = Qt.AlignmentFlag.AlignVCenter
        begin, end = clock(0), clock(story.seconds)
        left, right = (end, begin) if right_to_left() else (begin, end)
        painter.drawText(below, int(both | Qt.AlignmentFlag.AlignLeft), left)
        painter.drawText(below, int(both | Qt.AlignmentFlag.AlignRight), right)
