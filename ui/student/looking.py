"""One look at the student's own devices for a window, on a thread of its own from opening to release."""

from __future__ import annotations

import logging
import threading
from typing import ClassVar

from PySide6.QtCore import QObject, Qt, Signal, Slot

from policies.consent import Answers
from proctor.errors import places
from proctor.session.preview import Preview
from ui.student.attempt import Attempt
from ui.student.relay import Relay

_LOG = logging.getLogger("proctor.preview")


class Looking(QObject):
    """Opens the devices at once; :meth:`stop` returns at once and lets them be released.

    It has no parent: a window can be gone before a device is, and the thread still speaks to this.
    """

    failed = Signal(str)
    _over = Signal()
    _alive: ClassVar[set[Looking]] = set()

    def __init__(self, attempt: Attempt, answers: Answers) -> None:
        super().__init__()
        self.relay = Relay()
        self._end = threading.Event()
        self._plan, self._devices, self._answers = attempt.plan, attempt.devices, answers
        self._over.connect(self._gone, Qt.ConnectionType.QueuedConnection)
        self._alive.add(self)
        self._thread = threading.Thread(target=self._run, name="looking")
        self._thread.start()

    def stop(self) -> None:
        """Say nothing more, release the devices and forget what they gave."""
        self.relay.blockSignals(True)
        self._end.set()

    @classmethod
    def finish_all(cls) -> None:
        """Return once every device is released; for when the program ends."""
        for one in list(cls._alive):
            one.stop()
            one._thread.join()
        cls._alive.clear()

    def _run(self) -> None:
        devices = self._devices
        try:
            with Preview(
                self._plan,
                self._answers,
                lambda p: devices.sources(p.clock, p.sensor("camera"), p.sensor("microphone")),
                self.relay.watching,
            ):
                self._end.wait()
        except Exception as error:  # a device or a network that fails is told in the window
            _LOG.error("a look at the devices ended: %s", places(error))
            if not self._end.is_set():
                self.failed.emit(str(error))
        self._over.emit()

    @Slot()
    def _gone(self) -> None:
        self._thread.join()
        self._alive.discard(self)
