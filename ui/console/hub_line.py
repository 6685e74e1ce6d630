"""The live line to a hub: one thread reads the stream, comes back when it breaks, and says both."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, Signal

from proctor.errors import ProctorError
from proctor.hub.staff_client import RefusedError, StaffClient

# Seconds before the line is opened again; the last one holds from then on.
WAITS_S = (0.5, 1.0, 2.0, 3.0)
# How long the end of the thread is waited for (s): closing the client ends what it reads.
END_S = 1.0


class Line(QObject):
    """Reads the stream of ``client``. Signals are queued, so they arrive on the window's thread.

    ``heard`` gives kind and data of an event, ``stands`` that the line is there and ``lost`` a sentence.
    """

    heard = Signal(str, dict)
    stands = Signal()
    lost = Signal(str)

    def __init__(self, client: StaffClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._client = client
        self._over = threading.Event()
        self._last = ""
        self._thread = threading.Thread(target=self._run, name="live line", daemon=True)

    def start(self) -> None:
        """Open the line."""
        self._thread.start()

    def close(self) -> None:
        """End; the client has been closed before, so that nothing is waited for."""
        self._over.set()
        self._client.close()
        if self._thread.is_alive():
            self._thread.join(END_S)

    def _run(self) -> None:
        tries = 0
        while not self._over.is_set():
            sentence = ""
            try:
                for fields in self._client.stream(last=self._last):
                    tries = 0
                    self._take(fields)
                    if self._over.is_set():
                        return
            except RefusedError as error:
                if error.status in (401, 403):
                    if not self._over.is_set():
                        self.lost.emit(str(error))
                    return
                sentence = str(error)
            except ProctorError as error:
                sentence = str(error)
            if self._over.is_set():
                return
            self.lost.emit(sentence)
            self._over.wait(WAITS_S[min(tries, len(WAITS_S) - 1)])
            tries += 1

    def _take(self, fields: Mapping[str, str]) -> None:
        self._last = fields.get("id", self._last)
        kind = fields.get("event", "")
        if not kind:
            # The first thing that is said on a line: from which number on.
            self.stands.emit()
            return
        try:
            data: Any = json.loads(fields.get("data", ""))
        except ValueError:
            return
        if isinstance(data, dict):
            self.heard.emit(kind, data)
