"""One question, two answers of equal size, nothing chosen beforehand, and what comes instead (C1, C2)."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QPushButton

from ui import theme
from ui.texts import Texts
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, button
from ui.widgets.words import Words


class ConsentCard(Card):
    """Asks about one purpose. ``answered`` is emitted by a person's choice only."""

    answered = Signal(bool)

    def __init__(self, t: Texts, question: str, instead: str, alternative: str) -> None:
        super().__init__(question)
        self.question = question
        if alternative:
            self.column.addWidget(Words(instead, "label"))
            self.column.addWidget(Words(alternative))
        self.yes = self._choice(t.say("Accept"), f"{question} {t.say('Accept')}")
        self.no = self._choice(t.say("Decline"), f"{question} {instead} {alternative}".strip())
        self._same_size()
        self.column.addLayout(Flow(self.yes, self.no))
        # No button group: in one, the tabulator would reach Accept only.
        self.yes.clicked.connect(lambda: self._chosen(True))
        self.no.clicked.connect(lambda: self._chosen(False))

    @property
    def answer(self) -> bool | None:
        """What was chosen; ``None`` before."""
        if self.yes.isChecked():
            return True
        return False if self.no.isChecked() else None

    def show_answer(self, answer: bool | None) -> None:
        """Show an answer that was given before."""
        self.yes.setChecked(answer is True)
        self.no.setChecked(answer is False)

    def _chosen(self, answer: bool) -> None:
        # An answer is changed by the other one, never taken away by a second click.
        self.show_answer(answer)
        self.answered.emit(answer)

    def _choice(self, text: str, about: str) -> QPushButton:
        made = button(text, "choice", about)
        made.setToolTip("")
        made.setCheckable(True)
        made.setAutoDefault(False)
        # As high as the text, also where that is large.
        side = max(theme.ICON, made.fontMetrics().height())
        made.setIcon(theme.icon("empty", side=side))
        made.setIconSize(QSize(side, side))
        # Chosen shows by a tick, not by colour alone.
        made.toggled.connect(
            lambda on: made.setIcon(theme.icon("good" if on else "empty", side=side))
        )
        return made

    def _same_size(self) -> None:
        width = max(self.yes.sizeHint().width(), self.no.sizeHint().width()) + 2 * theme.LARGE
        for which in (self.yes, self.no):
            which.setMinimumWidth(width)
