"""Labels by their part on a page, and lines with a sign: never a meaning by colour alone."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QWidget

from ui import theme
from ui.texts import Plural

Severity = Literal["error", "warning", "good", "info"]
# What a moment had to reach, and for how long, to be noted.
HELD = Plural(
    "Noted from {points} points on, held for {n} second.",
    "Noted from {points} points on, held for {n} seconds.",
)
SIZES = {"title": 1.55, "heading": 1.15, "label": 1.0, "body": 1.0, "hint": 0.92}


class Words(QLabel):
    """A text on a page, ``part`` of which is a key of :data:`SIZES`."""

    def __init__(self, text: str = "", part: str = "body", *, wrap: bool = True) -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        self.setProperty("soft", part == "hint")
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * SIZES[part])
        font.setWeight(
            QFont.Weight.DemiBold if part in ("title", "heading", "label") else font.weight()
        )
        self.setFont(font)
        if wrap:
            policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
            policy.setHeightForWidth(True)
            self.setSizePolicy(policy)


class Sign(QLabel):
    """A small picture that says the same as the word beside it, so it is not read aloud."""

    def __init__(self, name: str, colour: str = "") -> None:
        super().__init__()
        self._name, self._colour = name, colour
        self._draw()

    def show_sign(self, name: str, colour: str = "") -> None:
        self._name, self._colour = name, colour
        self._draw()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        side = max(theme.ICON, self.fontMetrics().height())
        chosen = getattr(theme.colours(), self._colour or "text")
        self.setPixmap(theme.pixmap(self._name, chosen, side, self.devicePixelRatioF()))
        self.setFixedSize(side, side)


class Note(QFrame):
    """A sentence with a sign, in a frame: what is wrong, what to think about, or that all is well."""

    def __init__(self, text: str = "", severity: Severity = "info") -> None:
        super().__init__()
        self.setObjectName("note")
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SMALL, theme.SMALL, theme.SMALL, theme.SMALL)
        row.setSpacing(theme.SMALL)
        self._sign, self._words = Sign("info"), Words()
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._words, 1)
        self.say(text, severity)

    @property
    def text(self) -> str:
        """The sentence."""
        return self._words.text()

    def say(self, text: str, severity: Severity = "info") -> None:
        """Show another sentence, or none."""
        self.setProperty("severity", severity)
        self._sign.show_sign(severity, "soft" if severity == "info" else severity)
        self._words.setText(text)
        self.setAccessibleName(text)
        restyle(self)
        self.setVisible(bool(text))


class SmallNote(QWidget):
    """As :class:`Note`, without a frame: stands below the field that it is about."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.TIGHT)
        self._sign, self._words = Sign("error"), Words()
        row.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._words, 1)
        self.hide()

    @property
    def text(self) -> str:
        """The sentence, empty when there is none."""
        return self._words.text()

    def say(self, text: str, severity: Severity = "error") -> None:
        """Show another sentence, or none."""
        if text == self._words.text() and self._words.property("severity") == severity:
            return
        self._words.setProperty("severity", severity)
        restyle(self._words)
        self._sign.show_sign(severity, "soft" if severity == "info" else severity)
        self._words.setText(text)
        self._words.setAccessibleName(text)
        self.setVisible(bool(text))


def restyle(widget: QWidget) -> None:
    """Let the style sheet look again at a widget whose property changed."""
    style = widget.style()
    style.unpolish(widget)
    style.polish(widget)
