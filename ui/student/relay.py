"""From the threads of a preview or an exam to the window: each call becomes one queued signal.

Pictures can come faster than a busy window paints, so only the newest one waits.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, Signal, Slot

from proctor.session.watching import Watching
from proctor.types import Frame, Marker, Observation


class Relay(QObject):
    """``watching`` is what the threads call; the signals arrive on the window's thread."""

    frame = Signal(object)
    level = Signal(float)
    seen = Signal(object)
    marker = Signal(object)
    _frame_waits = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._newest: Frame | None = None
        self._frame_waits.connect(self._hand_over, Qt.ConnectionType.QueuedConnection)
        self.watching = Watching(
            on_frame=self._frame, on_level=self._level, on_seen=self._seen, on_marker=self._marker
        )

    def _frame(self, frame: Frame) -> None:
        with self._lock:
            told = self._newest is not None
            self._newest = frame
        if not told:
            self._frame_waits.emit()

    @Slot()
    def _hand_over(self) -> None:
        with self._lock:
            frame, self._newest = self._newest, None
        if frame is not None:
            self.frame.emit(frame)

    def _level(self, dbfs: float) -> None:
        self.level.emit(dbfs)

    def _seen(self, observations: Sequence[Observation]) -> None:
        self.seen.emit(observations)

    def _marker(self, marker: Marker) -> None:
        self.marker.emit(marker)
