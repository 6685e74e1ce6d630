"""The student's window: start, preview, and how long its thread ever computes without a look at events.

    python benchmarks/student.py

Start: from the start of a process of the app until its window was drawn, beside a process that shows an
empty Qt window (medians of wall time and of CPU time). Preview: what showing 640x480 pictures 30 times a
second costs, as a share of one core, beside copying each picture once. Longest call:
the most CPU time between two turns of the event loop while an exam of a made recording is judged, clips
are sealed, and the receipt opens. Needs no display and no files; all figures are of one run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROUNDS = 7
START_S, PREVIEW_PERCENT, LONGEST_MS = 1.5, 10.0, 50.0
FPS, PREVIEW_S, EXAM_S = 30, 5.0, 27.0

EMPTY = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QWidget
app = QApplication([]); w = QWidget(); w.show(); w.grab()
"""
OURS = """
from ui import app
from ui.student.app import open_window
from ui.student.attempt import Attempt
running, said = app.start("Open Proctor", "en")
window = open_window(Attempt(said.lang))
running.processEvents()
window.grab()
"""
# A process is started with a moment in its arguments, and tells how long after that it had drawn.
TOLD = """
import os, sys, time
t = os.times()
print(time.time() - float(sys.argv[1]), t.user + t.system)
sys.stdout.flush(); os._exit(0)
"""


def start_s(code: str) -> tuple[float, float]:
    """Wall and CPU seconds from the start of a process to its first drawn window (medians)."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", code + TOLD, str(time.time())]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        wall, cpu = map(float, done.stdout.split()[-2:])
        walls.append(wall)
        cpus.append(cpu)
    return statistics.median(walls), statistics.median(cpus)


def preview() -> tuple[float, float]:
    """Percent of one core for 30 pictures a second, shown and drawn; and for a bare copy of each."""
    import numpy as np
    from PySide6.QtWidgets import QApplication

    from ui.widgets.camera import CameraView

    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 255, (480, 640, 3), dtype=np.uint8) for _ in range(FPS)]
    view = CameraView("preview")
    view.show()
    QApplication.processEvents()

    def shown(number: int) -> None:
        view.show_picture(pictures[number % FPS])
        # At once: a busy loop would otherwise be given fewer paintings than pictures.
        view.repaint()

    costs = []
    for work in (shown, lambda number: pictures[number % FPS].copy()):
        count = round(FPS * PREVIEW_S)
        # Of the whole process: OpenCV works on threads of its own.
        began = time.process_time()
        for number in range(count):
            work(number)
        costs.append(100.0 * (time.process_time() - began) / count * FPS)
    view.close()
    return costs[0], costs[1]


class Watched:
    """Turns of the event loop, and the most CPU time that the window's thread took for one."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}

    def do(self, what: str, work: Callable[[], object]) -> None:
        """Do something on the window's thread, as a click does."""
        began = time.thread_time()
        work()
        took = 1e3 * (time.thread_time() - began)
        self.longest[what] = max(took, self.longest.get(what, 0.0))

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Let the window live until ``condition``; what is longest counts for ``what``."""
        from PySide6.QtWidgets import QApplication

        ends = time.monotonic() + 90.0
        while not condition():
            if time.monotonic() > ends:
                raise SystemExit(f"student: waited in vain for {what}")
            self.do(what, QApplication.processEvents)
            time.sleep(0.002)


def exam(folder: Path) -> dict[str, float]:
    """The longest turn of the event loop in each part of a practice exam (ms of CPU)."""
    from proctor.session import made_recording
    from proctor.session.devices import Devices
    from ui import app
    from ui.student.app import open_window
    from ui.student.attempt import Attempt

    os.environ["PROCTOR_HOME"] = str(folder / "home")
    recording = made_recording.make(folder)
    app.start("Open Proctor", "en")
    attempt = Attempt("en", Devices(recording=recording))
    window = open_window(attempt)
    watched = Watched()
    watched.do("joining", window.steps["join"].begin_practice)  # type: ignore[attr-defined]
    watched.until("joining", lambda: window.here == "notice" and not attempt.worker.busy)
    watched.do("choices", window.next_button.click)
    watched.until("choices", lambda: window.here == "choices")
    choices = window.steps["choices"]
    for card in (*choices.cards.values(), choices.guardian):  # type: ignore[attr-defined]
        if card is not None:
            watched.do("choices", card.yes.click)
    watched.do("check", window.next_button.click)
    check = window.steps["check"]
    watched.until("check", lambda: check.finding("camera").state == "good")  # type: ignore[attr-defined]
    watched.do("begin", window.next_button.click)
    watched.until("begin", lambda: window.exam is not None)
    runner, small = window.runner, window.exam
    if runner is None or small is None:
        raise SystemExit("student: the exam did not begin")
    watched.until("exam", lambda: runner.seconds > EXAM_S)
    watched.do("receipt", small.end)
    watched.until("receipt", lambda: window.receipt is not None)
    window.close()
    return watched.longest


def verdict(value: float, target: float) -> str:
    return "met" if value <= target else "MISSED"


def main() -> int:
    (empty_wall, empty_cpu), (wall, cpu) = start_s(EMPTY), start_s(OURS)
    print(
        f"start to first window  {wall:.2f} s ({cpu:.2f} s of CPU), an empty Qt window {empty_wall:.2f} s "
        f"({empty_cpu:.2f} s): {cpu / empty_cpu:.1f} x; wanted {START_S:g} s: {verdict(wall, START_S)}"
    )
    with tempfile.TemporaryDirectory() as folder:
        longest = exam(Path(folder))
    shown, copied = preview()
    print(
        f"preview 640x480 at {FPS}/s  {shown:.1f} % of one core, {shown / copied:.1f} x a bare copy; "
        f"wanted {PREVIEW_PERCENT:g} %: {verdict(shown, PREVIEW_PERCENT)}"
    )
    for part, ms in longest.items():
        print(
            f"longest turn, {part:<8} {ms:6.1f} ms of CPU; wanted {LONGEST_MS:g} ms: "
            f"{verdict(ms, LONGEST_MS)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
