"""Pictures of every screen of the student's app, for docs/pictures and for looking at.

    python packaging/screens_student.py RECORDING          English, light, into docs/pictures
    python packaging/screens_student.py RECORDING --out DIR --lang de --look dark --font 2

RECORDING is any video with sound; it poses as the student's camera and microphone. Needs no display.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PySide6.QtWidgets import QApplication, QWidget  # noqa: E402

from policies.schema import Policy  # noqa: E402
from proctor.session.devices import Devices  # noqa: E402
from ui import app, theme  # noqa: E402
from ui.student.app import open_window  # noqa: E402
from ui.student.attempt import Attempt  # noqa: E402
from ui.student.exam import ExamWindow  # noqa: E402
from ui.student.runner import Runner  # noqa: E402
from ui.student.try_out import TryOut  # noqa: E402
from ui.student.window import CHECK, CHOICES, JOIN, NOTICE, SCAN, StudentWindow  # noqa: E402

WAIT_S = 60.0
EXAM_S = 14.0


def wait(condition: Callable[[], bool], seconds: float = WAIT_S) -> None:
    """Let the windows live until ``condition`` is true."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("screens: a screen did not come to rest")
        QApplication.processEvents()
        time.sleep(0.005)


def rest(seconds: float) -> None:
    """Let the windows live for a while."""
    until = time.monotonic() + seconds
    wait(lambda: time.monotonic() > until, seconds + 1)


def steps(window: StudentWindow) -> Iterator[tuple[str, QWidget]]:
    """Every step before the exam, shown one after the other; answers are given on the way."""
    attempt = window.attempt
    yield JOIN, window
    window.go(NOTICE)
    wait(lambda: not attempt.worker.busy)
    rest(0.05)
    yield NOTICE, window
    window.go(CHOICES)
    choices = window.steps[CHOICES]
    for name in attempt.asked:
        attempt.answers[name] = True
    attempt.guardian = True
    for card in choices.cards.values():  # type: ignore[attr-defined]
        card.show_answer(True)
    choices._say()  # type: ignore[attr-defined]
    rest(0.05)
    yield CHOICES, window
    window.go(CHECK)
    check = window.steps[CHECK]
    wait(lambda: check.finding("camera").state == "good")  # type: ignore[attr-defined]
    wait(lambda: check.finding("light").text != attempt.t.say("one moment …"))  # type: ignore[attr-defined]
    yield CHECK, window
    if attempt.offers_scan:
        window.go(SCAN)
        yield SCAN, window


def try_out(attempt: Attempt) -> Iterator[tuple[str, QWidget]]:
    """The look at one's own devices, asked and shown."""
    shown = TryOut(attempt)
    shown.show()
    rest(0.05)
    yield "try-asked", shown
    shown.card.yes.click()
    wait(lambda: shown.camera.shown and shown.table.rowCount() > 2)
    yield "try", shown
    shown.close()
    shown.deleteLater()


def exam_window(attempt: Attempt) -> ExamWindow:
    """The small window of an exam that has not begun, for measuring its texts."""
    return ExamWindow(attempt, Runner(attempt))


def save(widget: QWidget, path: Path) -> None:
    spec = importlib.util.spec_from_file_location("screens", ROOT / "packaging" / "screens.py")
    if spec is None or spec.loader is None:
        raise SystemExit("screens: packaging/screens.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.save(widget, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--look", default="light", choices=list(theme.COLOURS))
    parser.add_argument("--font", type=float, default=1.0, help="size of text, 1 is the usual")
    arguments = parser.parse_args()
    running, said = app.start("Open Proctor", arguments.lang)
    theme.apply(running, arguments.look)
    font = running.font()
    font.setPointSizeF(font.pointSizeF() * arguments.font)
    running.setFont(font)
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    recording = arguments.recording.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROCTOR_HOME"] = str(Path(folder) / "home")
        attempt = Attempt(said.lang, Devices(recording=recording))
        window = open_window(attempt)
        prepared: list[Policy] = []
        attempt.prepare(lambda ready: prepared.append(ready.plan.policy))
        wait(lambda: bool(prepared))
        for name, widget in steps(window):
            save(widget, out / f"student-{name}.png")
        for name, widget in try_out(attempt):
            save(widget, out / f"student-{name}.png")
        window.begin()
        wait(lambda: window.exam is not None)
        exam = window.exam
        if exam is not None:
            rest(EXAM_S)
            save(exam, out / "student-exam.png")
            exam.end()
        wait(lambda: window.receipt is not None)
        rest(0.1)
        save(window, out / "student-receipt.png")
        window.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
