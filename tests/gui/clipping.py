"""Finds texts that a window cannot show whole: labels, buttons, choices, lines of lists and tables."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QListWidget,
    QMenuBar,
    QScrollArea,
    QTableWidget,
    QWidget,
)

# Rounding of scaled sizes.
SLACK = 1
# The smallest space above and below the text of a line (ui/style.qss).
LEAST_PADDING = 4
# A layout within a layout asks one after the other.
LAYOUT_ROUNDS = 4


def clipped(window: QWidget) -> list[str]:
    """What of the visible texts of ``window`` is cut off, each as a line that says where."""
    # A text that has just come makes room for itself with the next event.
    for _ in range(LAYOUT_ROUNDS):
        QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
    return [
        f"{type(widget).__name__} '{text[:60]}': {why}"
        for widget in [window, *window.findChildren(QWidget)]
        if widget.isVisible()
        for text, why in _cut(widget)
    ]


def _cut(widget: QWidget) -> Iterator[tuple[str, str]]:
    if isinstance(widget, QLabel) and widget.text():
        yield from _label(widget)
    elif isinstance(widget, QAbstractButton) and widget.text():
        if _smaller(widget.size(), widget.sizeHint()):
            yield widget.text(), f"has {widget.size()}, needs {widget.sizeHint()}"
    elif isinstance(widget, QComboBox):
        need = widget.minimumSizeHint()
        room = widget.width() - (need.width() - _widest(widget))
        if widget.fontMetrics().horizontalAdvance(widget.currentText()) > room + SLACK:
            yield widget.currentText(), f"has {room} of a width of {widget.width()}"
    elif isinstance(widget, QAbstractSpinBox):
        if _smaller(widget.size(), widget.minimumSizeHint()):
            yield widget.text(), f"has {widget.size()}, needs {widget.minimumSizeHint()}"
    elif isinstance(widget, QHeaderView):
        yield from _head(widget)
    elif isinstance(widget, QListWidget | QTableWidget):
        yield from _lines(widget)
    elif isinstance(widget, QMenuBar):
        for action in widget.actions():
            if not widget.rect().contains(widget.actionGeometry(action)):
                yield action.text(), "outside the menu bar"
    if isinstance(widget, QScrollArea):
        yield from _inside(widget)


def _smaller(has: QSize, needs: QSize) -> bool:
    return has.width() + SLACK < needs.width() or has.height() + SLACK < needs.height()


def _label(label: QLabel) -> Iterator[tuple[str, str]]:
    if label.wordWrap():
        flags = int(Qt.TextFlag.TextWordWrap)
        needs = label.fontMetrics().boundingRect(
            QRect(0, 0, label.width(), 10_000), flags, label.text()
        )
        if needs.height() > label.height() + SLACK or needs.width() > label.width() + SLACK:
            yield label.text(), f"has {label.size()}, needs {needs.size()}"
    elif _smaller(label.size(), label.sizeHint()):
        yield label.text(), f"has {label.size()}, needs {label.sizeHint()}"


def _widest(box: QComboBox) -> int:
    """The width of the text that a box makes room for."""
    return max(
        (box.fontMetrics().horizontalAdvance(box.itemText(i)) for i in range(box.count())),
        default=0,
    )


def _head(head: QHeaderView) -> Iterator[tuple[str, str]]:
    if head.orientation() != Qt.Orientation.Horizontal:
        return
    for place in range(head.count()):
        needs = head.sectionSizeFromContents(place).width()
        if needs > head.sectionSize(place) + SLACK:
            text = str(head.model().headerData(place, head.orientation()))
            yield text, f"has {head.sectionSize(place)}, needs {needs}"


def _lines(view: QListWidget | QTableWidget) -> Iterator[tuple[str, str]]:
    """Lines whose text is wider, or taller, than their place: it would end in an ellipsis."""
    if isinstance(view, QTableWidget):
        items = [view.item(r, c) for r in range(view.rowCount()) for c in range(view.columnCount())]
    else:
        items = [view.item(r) for r in range(view.count())]
    for item in items:
        if item is None or not item.text():
            continue
        index = view.indexFromItem(item)
        room = view.visualItemRect(item)
        font = item.data(Qt.ItemDataRole.FontRole) or view.font()
        needs = _needed(
            QFontMetrics(font), item.text(), room.width() - _taken(view, item.icon().isNull())
        )
        if (
            needs.height() > room.height() - 2 * LEAST_PADDING + SLACK
            or needs.width() > room.width() + SLACK
        ):
            yield item.text(), f"line {index.row()} has {room.size()}, needs {needs.size()}"


def _taken(view: QAbstractItemView, no_icon: bool) -> int:
    """What the padding of a line and its icon take of its width."""
    padding = 2 * 8 + 2 * 3
    return padding if no_icon else padding + view.iconSize().width() + 6


def _needed(metrics: QFontMetrics, text: str, width: int) -> QRect:
    flags = int(Qt.TextFlag.TextWordWrap)
    return metrics.boundingRect(QRect(0, 0, max(width, 1), 10_000), flags, text)


def _inside(area: QAbstractScrollArea) -> Iterator[tuple[str, str]]:
    if area.horizontalScrollBar().maximum() > 0:
        yield area.accessibleName(), f"scrolls sideways by {area.horizontalScrollBar().maximum()}"
