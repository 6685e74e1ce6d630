"""Tables of the console: one model for rows of texts, and a view that hundreds of them do not slow down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from ui import theme
from ui.widgets.layout import name_it

Row = Mapping[str, Any]
Index = QModelIndex | QPersistentModelIndex
# A column: its heading, and what it shows of a row.
Column = tuple[str, Callable[[Row], str]]
ROW = Qt.ItemDataRole.UserRole
SIGN = Qt.ItemDataRole.UserRole + 1
# Lines that are measured to find how wide a column is, beside those on the screen.
MEASURED = 0


class Rows(QAbstractTableModel):
    """Rows of one kind. ``sign`` names the icon of a row's first column, ``key`` tells rows apart."""

    def __init__(
        self,
        columns: Sequence[Column],
        key: Callable[[Row], str],
        sign: Callable[[Row], str] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._columns, self._key, self._sign = columns, key, sign
        self.rows: list[Row] = []

    # What every model of Qt must answer (QAbstractTableModel's reference).

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(self._columns)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section][0]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._columns[index.column()][1](row)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{self._columns[index.column()][0]}: {self._columns[index.column()][1](row)}"
        if role == ROW:
            return row
        if role == SIGN and index.column() == 0 and self._sign is not None:
            return self._sign(row)
        return None

    # What changes.

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Other rows; who was chosen stays so, as far as they are still there."""
        if [self._key(one) for one in rows] == [self._key(one) for one in self.rows]:
            changed = [n for n, (a, b) in enumerate(zip(self.rows, rows, strict=True)) if a != b]
            self.rows = list(rows)
            if changed:
                # One signal: each lets every view measure its columns anew.
                first, last = (
                    self.index(changed[0], 0),
                    self.index(changed[-1], self.columnCount() - 1),
                )
                self.dataChanged.emit(first, last)
            return
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        names = [self._key(self.rows[one.row()]) for one in old]
        self.rows = list(rows)
        places = {self._key(one): place for place, one in enumerate(self.rows)}
        news = [
            self.index(places[name], one.column()) if name in places else QModelIndex()
            for name, one in zip(names, old, strict=True)
        ]
        self.changePersistentIndexList(old, news)
        self.layoutChanged.emit()

    def place(self, name: str) -> int:
        """Where the row called ``name`` stands; -1: nowhere."""
        return next((n for n, one in enumerate(self.rows) if self._key(one) == name), -1)


class SignDelegate(QStyledItemDelegate):
    """Draws a sign before the text of a first column, in the colour of the text."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        name = index.data(SIGN)
        if name:
            colours = theme.colours()
            chosen = bool(option.state & QStyle.StateFlag.State_Selected)
            option.icon = theme.icon(name, colours.accent_text if chosen else colours.text)
            option.decorationSize = QSize(theme.ICON, theme.ICON)
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration


class Table(QTableView):
    """Whole lines are chosen; ``Enter`` or a double click opens one."""

    opened = Signal(dict)

    def __init__(self, model: Rows, name: str, about: str = "") -> None:
        super().__init__()
        self.rows = model
        self.setModel(model)
        name_it(self, name, about)
        self.setObjectName("rows")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        across, down = self.horizontalHeader(), self.verticalHeader()
        across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        across.setResizeContentsPrecision(MEASURED)
        # A last column that fills the room is cut where there is none.
        across.setStretchLastSection(False)
        across.setHighlightSections(False)
        across.setDefaultAlignment(Qt.AlignmentFlag.AlignLeading | Qt.AlignmentFlag.AlignVCenter)
        down.hide()
        down.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        down.setDefaultSectionSize(self.fontMetrics().height() + 2 * theme.SMALL)
        self.setMinimumHeight(5 * down.defaultSectionSize())
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._fit)
        for changed in (model.layoutChanged, model.dataChanged):
            changed.connect(lambda *_: self._soon.start())
        self.doubleClicked.connect(lambda index: self.opened.emit(dict(index.data(ROW))))

    def _fit(self, *_: object) -> None:
        """Lines reach to the end of the table where there is room; else nothing is cut for it."""
        across = self.horizontalHeader()
        last = across.count() - 1
        needs = sum(across.sectionSize(place) for place in range(last))
        needs += max(self.sizeHintForColumn(last), across.sectionSizeHint(last))
        across.setStretchLastSection(needs <= self.viewport().width())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def row(self) -> dict[str, Any] | None:
        """The row that is chosen."""
        index = self.currentIndex()
        return dict(index.data(ROW)) if index.isValid() else None

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        row = self.row()
        if enter and not event.modifiers() and row is not None:
            self.opened.emit(row)
            return
        super().keyPressEvent(event)


def dressed(table: Table, parent: QWidget) -> Table:
    """``table`` with the delegate that draws its signs."""
    table.setItemDelegateForColumn(0, SignDelegate(parent))
    return table
