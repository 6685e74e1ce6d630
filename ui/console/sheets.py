"""Two small windows: every key of the console, and what one did in this session."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ui import theme
from ui.console.session import Session
from ui.console.words import VERDICTS
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


def keys(t: Texts, actions: Sequence[QAction], parent: QWidget) -> Sheet:
    """Every key, as the menus have them."""
    native = QKeySequence.SequenceFormat.NativeText
    lines = [
        (" / ".join(one.toString(native) for one in action.shortcuts()), _plain(action.text()))
        for action in actions
        if action.shortcuts()
    ]
    lines += [
        ("Tab", t.say("To the next control")),
        ("← →", t.say("In the strip: the moment before, and the next one")),
    ]
    return Sheet(t, t.say("Keys"), lines, parent)


def statistics(t: Texts, session: Session, waiting: int, parent: QWidget) -> Sheet:
    """What the reviewer did, for themselves."""
    typical = session.typical
    lines = [
        (t.number(session.looks), t.say("Looks signed in this session")),
        (t.number(waiting), t.say("Moments that wait for you in this case")),
        (t.number(session.back), t.say("Looks taken back")),
        (
            "–" if typical is None else t.number(round(typical, 1)),
            t.say("Seconds that half of your looks took at most"),
        ),
    ]
    lines += [
        (t.number(session.verdicts[verdict]), t.say(text)) for verdict, text in VERDICTS.items()
    ]
    return Sheet(t, t.say("Your session"), lines, parent)


def _plain(text: str) -> str:
    return text.replace("&", "").removesuffix(" …")
