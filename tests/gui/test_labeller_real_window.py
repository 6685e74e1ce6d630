"""`proctor dataset label` in a real window on a virtual display, on real recordings."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def _module(name: str):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit, real = _module("labeller_kit"), _module("test_real_window")
display, folder = real.display, kit.folder
pytestmark = real.pytestmark

# Runs inside the command's own process: a person who types a name, plays the recording, marks a second of it,
# takes a picture of the whole screen, and closes the window.
PERSON = """
import sys
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from proctor.cli.main import main
from ui.researcher.app import AskName
from ui.researcher.window import LabelWindow

picture, study = sys.argv[1:]
steps = []

def shown(kind):
    found = [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]
    return found[0] if found and found[0].windowHandle().isExposed() else None

def tick():
    asking, window = shown(AskName), shown(LabelWindow)
    if asking is not None and "name" not in steps:
        steps.append("name")
        QTest.keyClicks(asking.line, "Ada")
        QTest.keyClick(asking.line, Qt.Key.Key_Return)
    if window is None or window.player.film is None:
        return
    player = window.player
    if not window.isActiveWindow():
        window.activateWindow()
    elif "begun" not in steps:
        steps.append("begun")
        QTest.keyClicks(window.recordings, "1IP")
    elif "ended" not in steps and player.at > 1.0 and player.view.shown:
        steps.append("ended")
        QTest.keyClicks(window.recordings, "PO")
    elif "ended" in steps and "seen" not in steps and window.settled:
        steps.append("seen")
        QApplication.primaryScreen().grabWindow(0).save(picture)
        window.close()

app = QApplication([])
timer = QTimer()
timer.setInterval(50)
timer.timeout.connect(tick)
QTimer.singleShot(0, timer.start)
sys.exit(main(["dataset", "label", study, "--lang", "en"]))
"""


def test_one_label_in_a_real_window(display: str, folder: Path, tmp_path: Path) -> None:
    from PySide6.QtGui import QColor, QImage

    from ui import theme

    environment = os.environ | {
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "PROCTOR_HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    done = subprocess.run(
        [sys.executable, "-c", PERSON, str(tmp_path / "screen.png"), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=real.ENDS_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (mine,) = [one for one in kit.truth(folder) if one.annotator == "Ada"]
    assert (mine.session, mine.start, mine.kind) == ("gaze", 0.0, "gaze.away")
    assert 1.0 <= mine.end < 15.0
    shot = QImage(str(tmp_path / "screen.png"))
    assert (shot.width(), shot.height()) == (1600, 1000)
    seen = {shot.pixelColor(x, y).rgb() for x in range(0, 1600, 10) for y in range(0, 1000, 10)}
    colours = theme.COLOURS["light"]
    assert {QColor(c).rgb() for c in (colours.ground, colours.surface, colours.accent)} <= seen
    # The recording is in the middle of it: many colours that no theme has.
    assert len(seen) > 300
