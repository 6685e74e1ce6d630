"""A practice exam in a real window on a virtual display, from the first click to the receipt."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from proctor.evidence.verify import verify

HERE = Path(__file__).parent


def _module(name: str):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit, real = _module("student_kit"), _module("test_real_window")
evening, display = kit.evening, real.display
pytestmark = real.pytestmark
EXAM_S = 3.0

# Runs inside the command's own process: a person who clicks through a practice exam, and takes a picture
# of the whole screen in the check, in the exam and at the receipt.
PERSON = """
import sys
from pathlib import Path
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from proctor.cli.main import main
from ui.student.window import StudentWindow

folder, recording, lasts = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
done = []

def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)

def shoot(name):
    QApplication.primaryScreen().grabWindow(0).save(str(folder / f"{name}.png"))

def once(what):
    if what in done:
        return False
    done.append(what)
    return True

def tick():
    window = next((w for w in QApplication.topLevelWidgets() if isinstance(w, StudentWindow)), None)
    if window is None or not window.windowHandle():
        return
    if window.receipt is not None:
        if window.windowHandle().isExposed() and once("receipt"):
            QTimer.singleShot(300, lambda: (shoot("receipt"), window.close()))
    elif window.exam is not None:
        exam = window.exam
        if exam.windowHandle() and exam.windowHandle().isExposed() and exam.runner.seconds > lasts:
            if once("exam"):
                shoot("exam")
                exam.end()
    elif not window.windowHandle().isExposed():
        return
    elif window.here == "join":
        if once("join"):
            click(window.steps["join"].practice)
    elif window.here == "notice":
        if "practice" in window.steps["notice"].view.toPlainText().lower() and once("notice"):
            click(window.next_button)
    elif window.here == "choices":
        if once("choices"):
            choices = window.steps["choices"]
            for card in (*choices.cards.values(), choices.guardian):
                if card is not None:
                    choices.ensureWidgetVisible(card.yes)
                    click(card.yes)
            click(window.next_button)
    elif window.here == "check":
        if window.steps["check"].finding("camera").state == "good" and once("check"):
            shoot("check")
            click(window.next_button)

app = QApplication([])
timer = QTimer()
timer.setInterval(30)
timer.timeout.connect(tick)
QTimer.singleShot(0, timer.start)
sys.exit(main(["exam", "--lang", "en", "--recording", recording]))
"""


def test_a_practice_exam_to_the_receipt(display: str, evening: Path, tmp_path: Path) -> None:
    from PySide6.QtGui import QColor, QImage

    from ui import theme

    home = tmp_path / "home"
    environment = os.environ | {
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "PROCTOR_HOME": str(home),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    done = subprocess.run(
        [sys.executable, "-c", PERSON, str(tmp_path), str(evening), str(EXAM_S)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=real.ENDS_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (case,) = (home / "practice").iterdir()
    assert [check.detail for check in verify(case) if not check.ok] == []
    assert "session.ended" in (case / "journal.jsonl").read_text(encoding="utf-8")
    ground = QColor(theme.COLOURS["light"].ground).rgb()
    surface = QColor(theme.COLOURS["light"].surface).rgb()
    for name in ("check", "exam", "receipt"):
        shot = QImage(str(tmp_path / f"{name}.png"))
        assert (shot.width(), shot.height()) == (1600, 1000)
        seen = {shot.pixelColor(x, y).rgb() for x in range(0, 1600, 10) for y in range(0, 1000, 10)}
        assert {ground, surface} <= seen, f"{name} is not on the screen"
