"""One look at the student's own devices for a window, on a thread of its own from opening to release."""

from __future__ import annotations

import threading

from PySide6.QtCore import QObject, Signal

from policies.consent import Answers
from proctor.session.preview import Preview
from ui.student.attempt import Attempt
from ui.student.relay import Relay


class Looking(QObject):
    """Opens the devices at once; :meth:`stop` returns at once and lets them be released."""

    failed = Signal(str)

    def __init__(self, attempt: Attempt, answers: Answers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.relay = Relay(self)
        self._end = threading.Event()
        self._plan, self._devices, self._answers = attempt.plan, attempt.devices, answers
        self._thread = threading.Thread(target=self._run, name="looking")
        self._thread.start()

    def stop(self) -> None:
        """Say nothing more, release the devices and forget what they gave."""
        self.relay.blockSignals(True)
        self.blockSignals(True)
        self._end.set()

    def wait(self) -> None:
        """Return once the devices are released."""
        self._thread.join()

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
            self.failed.emit(str(error))
