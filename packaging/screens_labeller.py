"""A picture of the labeller, for docs/pictures and for looking at.

    python packaging/screens_labeller.py RECORDING            English, light, into docs/pictures
    python packaging/screens_labeller.py RECORDING --out DIR --lang de --look dark --font 2 --rtl

RECORDING is one whose licence allows its pictures in the documentation (docs/attributions.md). Needs no display.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "packaging"))

import drawing  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402

from proctor.evaluate.labels import ready  # noqa: E402
from ui.researcher.app import Desk  # noqa: E402

WAIT_S = 60.0
SIZE = (1320, 960)
# What two people might say of that recording: they agree about one act and differ about the other.
TRUTH = (
    "session,start_s,end_s,kind,annotator,certain\n"
    "s01,3.1,6.8,gaze.away,Bo,yes\n"
    "s01,10.2,11.6,gaze.away,Bo,no\n"
    "s01,3.0,7.1,gaze.away,Ada,yes\n"
)


def wait(condition: Callable[[], bool], what: str) -> None:
    """Let the window live until ``condition`` is true."""
    until = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"screens: waited in vain for {what}")
        QApplication.processEvents()
        time.sleep(0.005)


def main() -> int:
    parser = drawing.options(__doc__)
    parser.add_argument("recording", type=Path)
    arguments = parser.parse_args()
    _, said, out = drawing.dressed(arguments)
    spec = importlib.util.spec_from_file_location(
        "screens_student", ROOT / "packaging" / "screens_student.py"
    )
    if spec is None or spec.loader is None:
        raise SystemExit("screens: packaging/screens_student.py is missing")
    student = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(student)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PROCTOR_HOME"] = str(folder / "home")
        media = arguments.recording.resolve()
        rows = [f"s0{n},p0{n},instructed,{media},none\n" for n in range(1, 5)]
        (folder / "sessions.csv").write_text(
            "session,person,arm,media,labelled\n" + "".join(rows), encoding="utf-8"
        )
        (folder / "truth.csv").write_text(TRUTH, encoding="utf-8")
        desk = Desk(ready(folder)[0], said, "Ada")
        desk.show()
        window = desk.window
        if window is None:
            raise SystemExit("screens: no window came")
        window.resize(*SIZE)
        wait(lambda: window.player.film is not None and window.settled, "the recording")
        window.choose(0)
        window.player.go(5.0)
        window.compare.show_button.click()
        wait(lambda: window.settled and window.player.view.shown, "a comparison")
        until = time.monotonic() + 0.2
        wait(lambda: time.monotonic() > until, "nothing")
        student.save(window, out / "labeller.png")
        window.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
