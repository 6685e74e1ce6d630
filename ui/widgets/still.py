"""One picture on which a rectangle can be drawn with the mouse."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen

from ui.widgets.camera import CameraView


class Still(CameraView):
    """``drawn`` gives the rectangle in fractions of the picture."""

    drawn = Signal(QRectF)

    def __init__(self, name: str, about: str) -> None:
        super().__init__(name, about, mirrored=False)
        self.about = about
        self._from: QPointF | None = None
        self._to = QPointF()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() == Qt.MouseButton.LeftButton and self.shown:
            self._from = self._to = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._from is not None:
            self._to = event.position()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._from is None:
            return
        self._to = event.position()
        frame, drawn = self.picture_frame(), QRectF(self._from, self._to).normalized()
        self._from = None
        self.update()
        inside = drawn.intersected(frame)
        if inside.width() >= 2 and inside.height() >= 2:
            self.drawn.emit(
                QRectF(
                    (inside.x() - frame.x()) / frame.width(),
                    (inside.y() - frame.y()) / frame.height(),
                    inside.width() / frame.width(),
                    inside.height() / frame.height(),
                )
            )

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        if self._from is None:
            return
        painter = QPainter(self)
        painter.setPen(QPen(QColor("#ffffff"), 2.0, Qt.PenStyle.DashLine))
        painter.drawRect(QRectF(self._from, self._to).normalized())
        painter.end()
