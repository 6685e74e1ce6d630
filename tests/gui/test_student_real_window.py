"""The student's ways in real windows on a virtual display: a practice exam to the receipt, and other ends."""

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
# Who declines, who takes a yes back, who has no camera, whose disk is full, who has no network.
WAYS = (
    "test_C2_who_declines_everything_is_told_what_comes_instead",
    "test_C4_A2_a_break_and_a_withdrawal_release_the_camera",
    "test_without_a_camera_the_check_says_so_and_the_exam_can_begin",
    "test_a_full_disk_ends_the_exam_in_a_sentence_and_loses_nothing_sealed",
    "test_without_a_network_the_exam_runs_and_says_where_things_are",
)

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
    for name in ("check", "exam", "receipt"):
        on_the_screen(tmp_path / f"{name}.png")


def on_the_screen(picture: Path) -> None:
    """That a window stands in the picture of the whole screen."""
    from PySide6.QtGui import QColor, QImage

    from ui import theme

    ground = QColor(theme.COLOURS["light"].ground).rgb()
    surface = QColor(theme.COLOURS["light"].surface).rgb()
    shot = QImage(str(picture))
    assert (shot.width(), shot.height()) == (1600, 1000)
    seen = {shot.pixelColor(x, y).rgb() for x in range(0, 1600, 10) for y in range(0, 1000, 10)}
    assert {ground, surface} <= seen, f"{picture.stem} is not on the screen"


def test_the_ways_that_end_otherwise(display: str, tmp_path: Path) -> None:
    """The very tests that run without a display, once on one; what the screen showed at the end is kept."""
    environment = os.environ | {
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        kit.SHOTS: str(tmp_path),
    }
    given = ("-q", "-n", "0", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "inside"))
    tests = [f"{HERE / 'test_student_way.py'}::{way}" for way in WAYS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *given, *tests],
        cwd=HERE.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        timeout=4 * real.ENDS_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"{len(WAYS)} passed" in done.stdout
    for way in WAYS:
        on_the_screen(tmp_path / f"{way}.png")
