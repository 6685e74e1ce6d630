"""What the camera sees, as the student sees themselves: mirrored, in a frame that keeps its shape."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from proctor.types import Box, Image
from ui import theme
from ui.widgets.layout import name_it

WIDTH, HEIGHT = 400, 300
RADIUS = 8.0
LINE = 2.0
POINT = 3.0


class CameraView(QWidget):
    """Shows the newest picture. Nothing of it is kept but that one picture, until :meth:`forget`."""

    def __init__(self, name: str, about: str = "", *, mirrored: bool = True) -> None:
        super().__init__()
        name_it(self, name, about)
        self.setToolTip("")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._mirrored = mirrored
        self._pixels: npt.NDArray[np.uint8] | None = None
        self._image: QImage | None = None
        self._boxes: Sequence[Box] = ()
        self._points: Sequence[tuple[float, float]] = ()
        self._instead = ""

    @property
    def shown(self) -> bool:
        """Whether a picture is shown."""
        return self._image is not None

    def show_picture(
        self,
        image: Image,
        boxes: Sequence[Box] = (),
        points: Sequence[tuple[float, float]] = (),
    ) -> None:
        """Show ``image`` (H×W×3, BGR) with ``boxes`` and ``points`` (fractions of it) drawn on it."""
        turned = cv2.flip(image, 1) if self._mirrored else image
        # Four bytes a pixel is what the screen has: Qt copies it as it is.
        pixels = np.asarray(cv2.cvtColor(turned, cv2.COLOR_BGR2BGRA), dtype=np.uint8)
        height, width = pixels.shape[:2]
        # QImage does not copy: the array lives as long as the picture.
        self._pixels = pixels
        self._image = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32)
        self._boxes, self._points = boxes, points
        self.update()

    def forget(self, instead: str = "") -> None:
        """Show no picture, and ``instead`` a sentence."""
        self._image, self._pixels, self._instead = None, None, instead
        self._boxes, self._points = (), ()
        self.setAccessibleDescription(instead)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(WIDTH, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        colours = theme.colours()
        frame = self.picture_frame()
        path = QPainterPath()
        path.addRoundedRect(frame, RADIUS, RADIUS)
        painter.fillPath(path, QColor(colours.raised))
        if self._image is None:
            painter.setPen(QColor(colours.soft))
            inside = frame.adjusted(theme.LARGE, theme.LARGE, -theme.LARGE, -theme.LARGE)
            wrap = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignCenter
            painter.drawText(inside, int(wrap), self._instead)
        else:
            painter.setClipPath(path)
            painter.drawImage(frame, self._image)
            painter.setPen(QPen(QColor("#ffffff"), LINE))
            for box in self._boxes:
                left = 1.0 - box.x - box.width if self._mirrored else box.x
                painter.drawRect(
                    QRectF(
                        frame.x() + left * frame.width(),
                        frame.y() + box.y * frame.height(),
                        box.width * frame.width(),
                        box.height * frame.height(),
                    )
                )
            painter.setBrush(QColor("#ffffff"))
            painter.setPen(QPen(QColor("#101010"), 1.0))
            for across, down in self._points:
                x = 1.0 - across if self._mirrored else across
                at = QPointF(frame.x() + x * frame.width(), frame.y() + down * frame.height())
                painter.drawEllipse(at, POINT, POINT)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setClipping(False)
        painter.setPen(QPen(QColor(colours.line), 1.0))
        painter.drawPath(path)
        painter.end()

    def picture_frame(self) -> QRectF:
        """Where the picture goes: as large as fits, in its own shape."""
        wide, high = (self._image.width(), self._image.height()) if self._image else (WIDTH, HEIGHT)
        scale = min(self.width() / wide, self.height() / high)
        width, height = wide * scale - 1, high * scale - 1
        return QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)
