"""Controls for one value each: texts, numbers with units, dates, choices, lists. They share one interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from PySide6.QtCore import QDateTime, QLocale, Qt, QTimeZone, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDateTimeEdit,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ui import theme
from ui.texts import Texts
from ui.widgets.layout import LeaveUndo, LeaveWheel, button

# Larger numbers than any field has, so that a value too large can be typed and is then explained.
MOST = 10_000_000
PROSE_LINES = 3
LIST_LINES = 3
# A year and a day from now is where a date begins that nobody has chosen yet.
FIRST_DATE = timedelta(days=366)


class Input(QWidget):
    """A control for one value. ``edited`` is emitted by a person's hand only, with the new value."""

    edited = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(0, 0, 0, 0)
        self.box.setSpacing(theme.TIGHT)
        self.controls: list[QWidget] = []
        self._undo, self._wheel = LeaveUndo(self), LeaveWheel(self)

    @property
    def main(self) -> QWidget:
        """The control that takes the focus, and that a label belongs to."""
        return self.controls[0]

    def show_value(self, value: Any) -> None:
        """Show a value without emitting anything; a value of the wrong type is shown as empty."""
        raise AssertionError(f"{type(self).__name__} does not say how it shows a value")

    def own(self, *controls: QWidget) -> None:
        """Take controls in: they leave undo to the document, and the wheel to the page."""
        for control in controls:
            self.controls.append(control)
            control.installEventFilter(self._undo)
            if isinstance(control, QAbstractSpinBox):
                # The style sheet's padding does not reach the text inside.
                control.lineEdit().setTextMargins(theme.TIGHT + 2, 0, theme.TIGHT + 2, 0)
            if isinstance(control, QAbstractSpinBox | QComboBox):
                control.installEventFilter(self._wheel)
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)


class TextInput(Input):
    """A text on one line."""

    def __init__(self) -> None:
        super().__init__()
        self.line = QLineEdit()
        self.line.textEdited.connect(self.edited.emit)
        self.own(self.line)
        self.box.addWidget(self.line)

    def show_value(self, value: Any) -> None:
        text = value if isinstance(value, str) else ""
        if self.line.text() != text:
            self.line.setText(text)
            self.line.setCursorPosition(0)


class _Prose(QPlainTextEdit):
    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        # A policy's text is one line, so that it reads the same everywhere.
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)


class ProseInput(Input):
    """A sentence or two, shown on several lines."""

    def __init__(self) -> None:
        super().__init__()
        self.area = _Prose()
        self.area.setTabChangesFocus(True)
        self.area.setUndoRedoEnabled(False)
        margins = 2 * (theme.SMALL + 2)
        self.area.setFixedHeight(self.area.fontMetrics().lineSpacing() * PROSE_LINES + margins)
        self._quiet = False
        self.area.textChanged.connect(self._changed)
        self.own(self.area)
        self.box.addWidget(self.area)

    def show_value(self, value: Any) -> None:
        text = value if isinstance(value, str) else ""
        if self._text() != text:
            self._quiet = True
            self.area.setPlainText(text)
            self._quiet = False

    def _text(self) -> str:
        return " ".join(self.area.toPlainText().split("\n"))

    def _changed(self) -> None:
        if not self._quiet:
            self.edited.emit(self._text())


class _Decimal(QDoubleSpinBox):
    def textFromValue(self, value: float) -> str:  # noqa: N802
        return self.locale().toString(value, "g", 9)


class NumberInput(Input):
    """A number, with its unit behind it."""

    def __init__(self, unit: str, low: float | None, *, whole: bool, step: float = 1.0) -> None:
        super().__init__()
        self.spin: QSpinBox | QDoubleSpinBox
        least = min(0, int(low or 0))
        if whole:
            self.spin = QSpinBox()
            self.spin.setRange(least, MOST)
        else:
            self.spin = _Decimal()
            self.spin.setDecimals(4)
            self.spin.setRange(float(least), float(MOST))
            self.spin.setSingleStep(step)
        locale = QLocale()
        locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
        self.spin.setLocale(locale)
        if unit:
            self.spin.setSuffix(f" {unit}")
        width = self.spin.fontMetrics().horizontalAdvance(f"00000000 {unit}") + 44
        self.spin.setMinimumWidth(width)
        self._quiet = False
        self._whole = whole
        self.spin.valueChanged.connect(self._changed)
        self.own(self.spin)
        row = QHBoxLayout()
        row.addWidget(self.spin)
        row.addStretch(1)
        self.box.addLayout(row)

    def show_value(self, value: Any) -> None:
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
        if self.spin.value() != number:
            self._quiet = True
            if isinstance(self.spin, QSpinBox):
                self.spin.setValue(int(number))
            else:
                self.spin.setValue(float(number))
            self._quiet = False

    def _changed(self, value: float) -> None:
        if not self._quiet:
            self.edited.emit(int(value) if self._whole else float(value))


class SwitchInput(Input):
    """Yes or no; its label stands beside the box."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.tick = QCheckBox(label.replace("&", "&&"))
        self.tick.clicked.connect(self.edited.emit)
        self.own(self.tick)
        self.box.addWidget(self.tick, 0, Qt.AlignmentFlag.AlignLeading)

    def show_value(self, value: Any) -> None:
        self.tick.setChecked(value is True)


class ChoiceInput(Input):
    """One of a few; ``choices`` are values and labels. A value that is none of them is shown as it is."""

    def __init__(self, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.combo = QComboBox()
        self.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        for value, label in choices:
            self.combo.addItem(label, value)
        self._known = len(choices)
        self.combo.activated.connect(lambda place: self.edited.emit(self.combo.itemData(place)))
        self.own(self.combo)
        row = QHBoxLayout()
        row.addWidget(self.combo)
        row.addStretch(1)
        self.box.addLayout(row)

    def show_value(self, value: Any) -> None:
        while self.combo.count() > self._known:
            self.combo.removeItem(self._known)
        place = self.combo.findData(value)
        if place < 0 and value not in (None, ""):
            self.combo.addItem(str(value), value)
            place = self._known
        self.combo.setCurrentIndex(place)


class ChoicesInput(Input):
    """Any of a few, in the order in which they were ticked."""

    def __init__(self, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._value: list[str] = []
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.LARGE)
        grid.setVerticalSpacing(theme.TIGHT)
        self.ticks: dict[str, QCheckBox] = {}
        for place, (value, label) in enumerate(choices):
            tick = QCheckBox(label)
            tick.setAccessibleName(label)
            tick.clicked.connect(lambda on, value=value: self._changed(value, on))
            self.ticks[value] = tick
            grid.addWidget(tick, place // 2, place % 2)
        grid.setColumnStretch(2, 1)
        self.own(*self.ticks.values())
        self.box.addLayout(grid)

    def show_value(self, value: Any) -> None:
        self._value = [str(one) for one in value] if isinstance(value, list | tuple) else []
        for name, tick in self.ticks.items():
            tick.setChecked(name in self._value)

    def _changed(self, value: str, on: bool) -> None:
        rest = [one for one in self._value if one != value]
        self._value = [*rest, value] if on else rest
        self.edited.emit(list(self._value))


class MomentInput(Input):
    """A date and time in UTC, or none."""

    def __init__(self, t: Texts) -> None:
        super().__init__()
        self.tick = QCheckBox(t.say("Set a date"))
        self.date = QDateTimeEdit()
        self.date.setTimeZone(QTimeZone.utc())
        self.date.setDisplayFormat("yyyy-MM-dd  HH:mm 'UTC'")
        self.date.setCalendarPopup(True)
        self._quiet = False
        self.tick.clicked.connect(self._ticked)
        self.date.dateTimeChanged.connect(self._changed)
        self.own(self.tick, self.date)
        row = QHBoxLayout()
        row.setSpacing(theme.MEDIUM)
        row.addWidget(self.tick)
        row.addWidget(self.date)
        row.addStretch(1)
        self.box.addLayout(row)
        self.show_value(None)

    def show_value(self, value: Any) -> None:
        self._quiet = True
        there = isinstance(value, datetime)
        self.tick.setChecked(there)
        self.date.setEnabled(there)
        moment = value if isinstance(value, datetime) else datetime.now(UTC) + FIRST_DATE
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        whole = moment if there else moment.replace(hour=0, minute=0, second=0, microsecond=0)
        self.date.setDateTime(QDateTime.fromSecsSinceEpoch(int(whole.timestamp()), QTimeZone.utc()))
        self._quiet = False

    def _ticked(self, on: bool) -> None:
        self.date.setEnabled(on)
        self.edited.emit(self._moment() if on else None)

    def _changed(self) -> None:
        if not self._quiet and self.tick.isChecked():
            self.edited.emit(self._moment())

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.date.dateTime().toSecsSinceEpoch(), UTC)


class ListInput(Input):
    """Texts or numbers, one a line, with a line to add one. ``suggest`` gives values and labels to pick."""

    def __init__(
        self,
        t: Texts,
        *,
        numbers: bool = False,
        suggest: Callable[[], Sequence[tuple[str, str]]] | None = None,
    ) -> None:
        super().__init__()
        self._t, self._numbers, self._suggest = t, numbers, suggest
        self._value: list[Any] = []
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.list.setUniformItemSizes(False)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        height = self.list.fontMetrics().lineSpacing() + 2 * theme.SMALL
        self.list.setFixedHeight(height * LIST_LINES + theme.SMALL)
        self.line = QLineEdit()
        self.line.setPlaceholderText(t.say("A new entry"))
        self.line.returnPressed.connect(self._add)
        self.add = button(t.say("Add"), about=t.say("Put the new entry into the list."))
        self.add.clicked.connect(self._add)
        self.remove = button(t.say("Remove"), about=t.say("Take the chosen entry out of the list."))
        self.remove.clicked.connect(self._remove)
        self.remove.setEnabled(False)
        self.list.currentRowChanged.connect(lambda row: self.remove.setEnabled(row >= 0))
        self.own(self.list, self.line, self.add)
        row = QHBoxLayout()
        row.setSpacing(theme.SMALL)
        row.addWidget(self.line, 1)
        row.addWidget(self.add)
        if suggest is not None:
            row.addWidget(self._picker())
        self.own(self.remove)
        row.addWidget(self.remove)
        self.box.addWidget(self.list)
        self.box.addLayout(row)

    def show_value(self, value: Any) -> None:
        self._value = list(value) if isinstance(value, list | tuple) else []
        self.list.clear()
        for one in self._value:
            self.list.addItem(self._shown(one))
        self.remove.setEnabled(False)

    def _shown(self, value: Any) -> str:
        return self._t.number(value) if isinstance(value, int | float) else str(value)

    def _picker(self) -> QPushButton:
        picker = button(
            self._t.say("Choose"), about=self._t.say("Add one of the keys on this computer.")
        )
        menu = QMenu(picker)
        menu.aboutToShow.connect(lambda: self._fill(menu))
        picker.setMenu(menu)
        self.own(picker)
        return picker

    def _fill(self, menu: QMenu) -> None:
        menu.clear()
        found = self._suggest() if self._suggest is not None else ()
        for value, label in found:
            menu.addAction(label).triggered.connect(lambda _=False, value=value: self._put(value))
        if not found:
            menu.addAction(self._t.say("There are no keys on this computer.")).setEnabled(False)

    def _add(self) -> None:
        text = self.line.text().strip()
        if not text:
            return
        if not self._numbers:
            self._put(text)
        else:
            number, fine = QLocale().toDouble(text)
            if not fine:
                self.line.selectAll()
                return
            self._put(number)
        self.line.clear()

    def _put(self, value: Any) -> None:
        if value not in self._value:
            self._emit([*self._value, value])

    def _remove(self) -> None:
        row = self.list.currentRow()
        if 0 <= row < len(self._value):
            self._emit([*self._value[:row], *self._value[row + 1 :]])

    def _emit(self, value: list[Any]) -> None:
        self.show_value(value)
        self.edited.emit(list(value))
