"""The institution's window: how long until it is drawn, and how long it is ever deaf while one edits.

Start: CPU time of fresh processes of the app until its window was drawn, beside a process that shows
an empty Qt window (medians). Deafness: the longest that the window's thread computes between two turns
of its event loop, at the first sight of every page and during edits that are checked. All in CPU time,
so that other work on the machine does not count.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROUNDS = 7
EDITS = 40
TICK_MS = 1

EMPTY = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QWidget
app = QApplication([]); w = QWidget(); w.show(); QTimer.singleShot(0, app.quit); app.exec()
"""
OURS = """
from PySide6.QtCore import QTimer
from ui import app
from ui.institution.app import open_window
running, said = app.start("Open Proctor", "en")
window = open_window(said.lang)
window.grab()
QTimer.singleShot(0, running.quit); running.exec(); window.close()
"""


def median_s(code: str) -> float:
    """CPU seconds, user and system, of a process that runs ``code``."""
    code += "\nimport os; t = os.times(); print(t.user + t.system)"
    command = [sys.executable, "-c", code]
    return statistics.median(
        float(
            subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
        )
        for _ in range(ROUNDS)
    )


class Deafness:
    """The longest that this thread computes between two turns of the event loop."""

    def __init__(self) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.longest, self._last = 0.0, time.thread_time()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now = time.thread_time()
        self.longest, self._last = max(self.longest, now - self._last), now

    def take(self) -> float:
        """The longest time since the last call, in milliseconds."""
        longest, self.longest = self.longest * 1e3, 0.0
        self._last = time.thread_time()
        return longest


def measure(folder: Path) -> None:
    from PySide6.QtWidgets import QApplication

    from policies import load
    from ui import app
    from ui.institution import fields
    from ui.institution.app import open_window
    from ui.institution.window import HANDING, LOOKS

    _, said = app.start("Open Proctor", "en")
    path = folder / "exam.toml"
    path.write_bytes(load.read_bytes("gdpr-public-university"))
    window = open_window(said.lang, None, folder / "keys")
    deaf = Deafness()

    def rest() -> None:
        calm = 0
        while calm < 5:
            QApplication.processEvents()
            busy = window.desk.worker.busy or not window.desk.draft.settled
            calm = 0 if busy else calm + 1

    rest()
    window.open_file(path)
    rest()
    deaf.take()
    pages = {}
    for name in (*fields.tables(), *(name for name, _ in (*LOOKS, *HANDING))):
        window.go(name)
        rest()
        pages[name] = deaf.take()
    slowest = max(pages, key=lambda name: pages[name])
    print(f"first sight of a page: at most {pages[slowest]:.0f} ms ({slowest})")
    window.go("clips")
    rest()
    deaf.take()
    times = []
    for turn in range(EDITS):
        window.desk.draft.change(("clips", "max_s"), 20.0 + turn % 10)
        window.desk.draft.when_settled(lambda: None)
        rest()
        times.append(deaf.take())
    print(
        f"an edit, checked: median {statistics.median(times):.0f} ms, at most {max(times):.0f} ms"
    )
    window.desk.draft.close()
    window.close()


def main() -> int:
    empty, ours = median_s(EMPTY), median_s(OURS)
    print(f"empty Qt window {empty:.2f} s, the institution's {ours:.2f} s ({ours / empty:.1f} x)")
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
