"""Work off the window's thread: functions run on a worker, their outcome comes back as a queued signal.

This is the one place where threads and Qt meet. Nothing that may take over 50 ms runs in a window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal, Slot

# Longest wait for work under way when a window closes, in milliseconds.
CLOSING_MS = 10_000


class _Job(QRunnable):
    def __init__(self, worker: Worker, number: int, work: Callable[[], object]) -> None:
        super().__init__()
        self._worker, self._number, self._work = worker, number, work

    def run(self) -> None:
        result: object = None
        failure: BaseException | None = None
        try:
            result = self._work()
        except BaseException as error:  # handed to the caller, who knows which are a user's mistake
            failure = error
        self._worker.finished.emit(self._number, result, failure)


class Worker(QObject):
    """Runs functions one after the other on a thread of its own.

    ``then`` gets the result and ``failed`` the exception, both on the thread that this object lives
    in. Without ``failed`` an exception is raised there, where it is seen.
    """

    finished = Signal(int, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._waiting: dict[int, tuple[Callable[[Any], None], Callable[[Any], None] | None]] = {}
        self._last = 0
        self.finished.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        failed: Callable[[Any], None] | None = None,
    ) -> None:
        """Start ``work`` as soon as what was asked for before it is done."""
        self._last += 1
        self._waiting[self._last] = (then, failed)
        self._pool.start(_Job(self, self._last, work))

    @property
    def busy(self) -> bool:
        """Whether anything asked for is not done yet."""
        return bool(self._waiting)

    def close(self) -> None:
        """Wait for what runs, drop what did not start, and call nobody back."""
        self._pool.clear()
        self._pool.waitForDone(CLOSING_MS)
        self._waiting.clear()

    @Slot(int, object, object)
    def _finish(self, number: int, result: object, failure: BaseException | None) -> None:
        if number not in self._waiting:
            return
        then, failed = self._waiting.pop(number)
        if failure is None:
            then(result)
        elif failed is not None and isinstance(failure, Exception):
            failed(failure)
        else:
            raise failure
