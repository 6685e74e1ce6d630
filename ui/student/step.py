"""One step on the way to an exam: a page that says when it is done."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from ui.student.attempt import Attempt
from ui.texts import Texts
from ui.widgets.layout import Page


class Step(Page):
    """``changed``: whether the student can go on may be different now; ``done``: they go on."""

    changed = Signal()
    done = Signal()

    def __init__(self, attempt: Attempt, title: str, about: str = "") -> None:
        super().__init__(title, about)
        self.attempt = attempt

    @property
    def t(self) -> Texts:
        return self.attempt.t

    @property
    def can_go_on(self) -> bool:
        """Whether nothing of this step is left to do."""
        return True

    @property
    def next_text(self) -> str:
        """What the button that leads on says; empty where the page has its own."""
        return self.t.say("Continue")

    def first(self) -> QWidget | None:
        """The first control of the page, which takes the focus."""
        page = self.widget()
        for child in page.findChildren(QWidget) if page is not None else ():
            if child.focusPolicy() & Qt.FocusPolicy.TabFocus and child.isVisibleTo(self):
                return child
        return None

    def enter(self) -> None:
        """The step is shown."""

    def leave(self) -> None:
        """The step is left, in any direction: devices that it opened are released."""
