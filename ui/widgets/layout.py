"""Pages and cards: one column in the middle that scrolls, and blocks of what belongs together."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ui import theme
from ui.widgets.words import Words


class Card(QFrame):
    """What belongs together, under a heading; add to :attr:`column`."""

    def __init__(self, heading: str = "", about: str = "") -> None:
        super().__init__()
        self.setObjectName("card")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
        self.column.setSpacing(theme.MEDIUM)
        if heading:
            self.setAccessibleName(heading)
            self.column.addWidget(Words(heading, "heading"))
        if about:
            self.column.addWidget(Words(about, "hint"))


class Page(QScrollArea):
    """One screen: a title, a sentence about it, and what is added to :attr:`column`."""

    def __init__(self, title: str, about: str = "", *, wide: bool = False) -> None:
        super().__init__()
        self.title = title
        self.setAccessibleName(title)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        inside.setObjectName("page")
        across = QHBoxLayout(inside)
        across.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
        middle = QWidget()
        self.column = QVBoxLayout(middle)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(theme.LARGE)
        characters = theme.READING_WIDTH * (2 if wide else 1)
        middle.setMaximumWidth(self.fontMetrics().averageCharWidth() * characters)
        across.addWidget(middle, 1000)
        across.addStretch(1)
        head = QVBoxLayout()
        head.setSpacing(theme.TIGHT)
        head.addWidget(Words(title, "title"))
        if about:
            head.addWidget(Words(about, "hint"))
        self.column.addLayout(head)
        self.setWidget(inside)

    def show_draft(self, *, refill: bool) -> None:
        """Show what the app works on; ``refill`` also where the page itself may have made the change."""

    def draw_anew(self) -> None:
        """Make the pictures anew that are drawn in colours; those have changed."""


def alike(*buttons: QPushButton) -> None:
    """Make buttons between which one chooses equally large: neither is put forward (rule C1)."""
    width = max(one.sizeHint().width() for one in buttons)
    for one in buttons:
        one.setMinimumWidth(width)


def row(*widgets: QWidget, stretch: bool = True) -> QHBoxLayout:
    """Widgets side by side, in the reading direction."""
    layout = QHBoxLayout()
    layout.setSpacing(theme.SMALL)
    for widget in widgets:
        layout.addWidget(widget)
    if stretch:
        layout.addStretch(1)
    return layout


def labelled(title: str, control: QWidget, *beside: QWidget, hint: str = "") -> QVBoxLayout:
    """A control below its label, with what belongs beside it, and a hint below."""
    column = QVBoxLayout()
    column.setSpacing(theme.TIGHT)
    label = Words(title, "label")
    label.setBuddy(control)
    column.addWidget(label)
    if beside:
        column.addLayout(row(control, *beside, stretch=False))
    else:
        column.addWidget(control)
    if hint:
        column.addWidget(Words(hint, "hint"))
    return column


def button(text: str, look: str = "", about: str = "") -> QPushButton:
    """A button; ``look`` is ``primary``, ``link`` or plain, ``about`` says what it does in a sentence."""
    made = QPushButton(text)
    made.setProperty("look", look)
    made.setAutoDefault(look == "primary")
    name_it(made, text.replace("&", ""), about)
    return made


def name_it(widget: QWidget, name: str, about: str = "") -> None:
    """Name a control for screen readers, and describe it for everybody."""
    widget.setAccessibleName(name)
    widget.setAccessibleDescription(about)
    if about:
        widget.setToolTip(f"<p>{_escaped(about)}</p>")


def empty(layout: QLayout, keep: int = 0) -> None:
    """Take everything out of a layout but its first ``keep`` items."""
    while layout.count() > keep:
        item = layout.takeAt(keep)
        if item is None:
            return
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()
        elif inner is not None:
            empty(inner)


class LeaveUndo(QObject):
    """Keeps a field from taking the keys of undo and redo, which are the whole document's."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            standard = QKeySequence.StandardKey
            if event.matches(standard.Undo) or event.matches(standard.Redo):
                event.ignore()
                return True
        return super().eventFilter(watched, event)


class LeaveWheel(QObject):
    """Keeps a field that is not in use from changing its value when the page is scrolled over it."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        wheel = event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget)
        if wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
