"""The sound of a clip as a picture: how loud it is when, and where in it one is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QLineF, QPointF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from proctor.evidence.clip import Sound
from ui import theme
from ui.app import right_to_left
from ui.widgets.layout import name_it

# As many peaks as a wide screen has points to draw them on.
PEAKS = 800
HEIGHT = 44
FULL = 32768.0
Peaks = npt.NDArray[np.float32]


def peaks_of(sound: Sound) -> Peaks:
    """The highest level in each of :data:`PEAKS` equal parts, 0…1; empty where there is no sound."""
    samples = np.frombuffer(sound.samples, "<i2")
    if not len(samples):
        return np.zeros(0, np.float32)
    edges = np.linspace(0, len(samples), min(PEAKS, len(samples)), endpoint=False).astype(np.int64)
    loud = np.maximum.reduceat(np.abs(samples.astype(np.float32)), edges) / FULL
    return np.asarray(loud, np.float32)


class Wave(QWidget):
    """Draws peaks. ``at`` is a share of the clip, 0…1."""

    def __init__(self, name: str) -> None:
        super().__init__()
        name_it(self, name)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.peaks: Peaks = np.zeros(0, np.float32)
        self.at = 0.0

    def show_peaks(self, peaks: Peaks, about: str) -> None:
        """Show the sound of another clip, and say ``about`` it to a screen reader."""
        self.peaks = peaks
        self.setAccessibleDescription(about)
        self.update()

    def go(self, at: float) -> None:
        """Move the line that shows where one is."""
        self.at = at
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        colours = theme.colours()
        painter.fillRect(self.rect(), QColor(colours.raised))
        if right_to_left():
            # Time runs as the slider below it does.
            painter.translate(self.width(), 0)
            painter.scale(-1, 1)
        middle, count = self.height() / 2, len(self.peaks)
        if count:
            across = np.arange(count) * (self.width() / count)
            half = np.maximum(self.peaks * (middle - 2), 0.5)
            shape = [QPointF(x, middle - h) for x, h in zip(across, half, strict=True)]
            shape += [QPointF(x, middle + h) for x, h in zip(across[::-1], half[::-1], strict=True)]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.outline))
            painter.drawPolygon(QPolygonF(shape))
        painter.setPen(QPen(QColor(colours.accent), 2.0))
        x = self.at * self.width()
        painter.drawLine(QLineF(x, 0, x, self.height()))
        painter.end()
