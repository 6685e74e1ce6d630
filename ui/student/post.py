"""Delivering what is left after an exam, while the student reads the receipt; closing waits for nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import QObject, Qt, Signal, Slot

from proctor.session.delivery import send_rest


class Post(QObject):
    """Delivers on a thread of its own. ``done`` gives how far it came, or ``None``.

    The thread ends with the program: whatever was not acknowledged by then waits in the case's queue,
    as after a crash. It has no parent, because a window can be gone before an answer comes.
    """

    done = Signal(object)
    _over = Signal(object)
    _alive: ClassVar[set[Post]] = set()

    def __init__(self, hub: str, folder: Path, code: str) -> None:
        super().__init__()
        self._over.connect(self._gone, Qt.ConnectionType.QueuedConnection)
        self._alive.add(self)
        self._work = (hub, folder, code)
        threading.Thread(target=self._run, name="post", daemon=True).start()

    def _run(self) -> None:
        hub, folder, code = self._work
        self._over.emit(send_rest(hub, folder, code, 0.0, lambda sentence: None))

    @Slot(object)
    def _gone(self, came: object) -> None:
        self.done.emit(came)
        self._alive.discard(self)
