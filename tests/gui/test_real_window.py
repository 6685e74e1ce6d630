"""The command itself, in a real window on a virtual display that the test starts and ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")
STARTS_S = 120.0
ENDS_S = 400.0

# Runs inside the command's own process: waits for its window, types into it, takes a picture of the
# whole screen, saves with the keyboard, and closes.
PERSON = """
import sys
from pathlib import Path
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from proctor.cli.main import main
from ui.institution.window import Window

picture, policy = sys.argv[1:]
steps = []

def window():
    return next((w for w in QApplication.topLevelWidgets() if isinstance(w, Window)), None)

def tick():
    found = window()
    if found is None or not found.windowHandle() or not found.windowHandle().isExposed():
        return
    draft = found.desk.draft
    if not draft.is_open or not draft.settled or found.desk.worker.busy:
        return
    if "typed" not in steps:
        steps.append("typed")
        found.activateWindow()
        found.show_field(("exam",))
        line = found.pages["general"].row_of(("exam",)).input.main
        QTest.keyClick(line, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        QTest.keyClicks(line, "Geometry")
    elif "saved" not in steps:
        steps.append("saved")
        QApplication.primaryScreen().grabWindow(0).save(picture)
        QTest.keyClick(found, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    elif not draft.unsaved:
        found.close()

timer = QTimer()
timer.setInterval(30)
timer.timeout.connect(tick)
QTimer.singleShot(0, timer.start)
sys.exit(main(["institution", policy, "--lang", "en"]))
"""


@pytest.fixture
def display() -> Iterator[str]:
    """A virtual display of 1600 by 1000 points."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    try:
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(STARTS_S)


@pytest.mark.parametrize("scale", ["1", "2", "3"])
def test_a_person_at_a_real_window(
    display: str, policy_file: Path, tmp_path: Path, scale: str
) -> None:
    from PySide6.QtGui import QColor, QImage

    from ui import theme

    picture = tmp_path / "screen.png"
    environment = os.environ | {
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "QT_SCALE_FACTOR": scale,
        "PROCTOR_HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    # A timer needs an application; it is started by the command, so the first tick waits for it.
    script = PERSON.replace("timer = QTimer()", "app = QApplication([])\ntimer = QTimer()")
    done = subprocess.run(
        [sys.executable, "-c", script, str(picture), str(policy_file)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=ENDS_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'exam = "Geometry"' in policy_file.read_text(encoding="utf-8")
    shot = QImage(str(picture))
    assert (shot.width(), shot.height()) == (1600, 1000)
    wanted = {
        QColor(theme.COLOURS["light"].ground).rgb(),
        QColor(theme.COLOURS["light"].surface).rgb(),
    }
    seen = {shot.pixelColor(x, y).rgb() for x in range(0, 1600, 20) for y in range(0, 1000, 20)}
    assert wanted <= seen
