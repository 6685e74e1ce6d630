"""How loud the microphone hears: a bar with a word beside it, so that no meaning is in colour alone."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from ui import theme
from ui.texts import Texts
from ui.widgets.layout import name_it
from ui.widgets.words import Words

# A quiet room is below the first value (dBFS), speech at arm's length above it, clipping near 0.
QUIET, LOUD, LOWEST = -50.0, -6.0, -70.0
# How fast the bar falls back, so that the eye can follow: decibels a block of a tenth of a second.
FALL_DB = 3.0


class LevelMeter(QWidget):
    """A bar from quiet to loud, and what it means in a word."""

    def __init__(self, t: Texts) -> None:
        super().__init__()
        self._t = t
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SMALL)
        self._bar, self._word = _Bar(), Words(wrap=False)
        row.addWidget(self._bar, 1)
        row.addWidget(self._word)
        self.level = LOWEST
        self.heard = False
        self._say(t.say("nothing heard yet"))

    def show_level(self, dbfs: float) -> None:
        """Show the loudness of the newest block; the bar falls back slowly."""
        self.level = max(LOWEST, dbfs, self.level - FALL_DB)
        self._bar.show_share((self.level - LOWEST) / -LOWEST)
        if self.level >= LOUD:
            self._say(self._t.say("very loud"))
        elif self.level >= QUIET:
            self.heard = True
            self._say(self._t.say("good"))
        else:
            self._say(self._t.say("quiet"))

    def _say(self, word: str) -> None:
        if self._word.text() != word:
            self._word.setText(word)
            name_it(self, self._t.say("Microphone level: {word}", word=word))
            self.setToolTip("")


class _Bar(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._share = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(160, self.fontMetrics().height())

    def show_share(self, share: float) -> None:
        self._share = min(1.0, max(0.0, share))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = theme.colours()
        frame = QRectF(0.5, 0.5, self.width() - 1, self.height() - 1)
        painter.setPen(QPen(QColor(colours.outline), 1.0))
        painter.setBrush(QColor(colours.raised))
        painter.drawRoundedRect(frame, 4, 4)
        painter.setPen(QColor(0, 0, 0, 0))
        painter.setBrush(QColor(colours.accent))
        filled = frame.adjusted(2, 2, -2, -2)
        filled.setWidth(filled.width() * self._share)
        painter.drawRoundedRect(filled, 3, 3)
        painter.end()
