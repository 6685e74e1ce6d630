"""`proctor review --hub` in a real window on a virtual display: log in, take a flag, look, sign."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from proctor.evidence import decision
from proctor.hub import accounts
from proctor.hub.staff_login import box_of

HERE = Path(__file__).parent


def _module(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


kit, real = _module("hub_console_kit"), _module("test_real_window")
world, one_clip, display = kit.world, kit.kit.one_clip, real.display
pytestmark = real.pytestmark
OWN = "nine grey herons above the weir"

# Runs inside the command's own process: somebody logs in for the first time, takes what waits, takes a picture of
# the whole screen with the clip on it, presses the key for "nothing to see", and closes the window.
PERSON = """
import sys
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from proctor.cli.main import main
from ui.console.hub_window import HubWindow
from ui.console.window import ConsoleWindow

picture, hub, given, own, *codes = sys.argv[1:]
steps = []

def of(kind):
    found = [w for w in QApplication.topLevelWidgets() if isinstance(w, kind)]
    return next((w for w in found if w.windowHandle() and w.windowHandle().isExposed()), None)

def tick():
    window, case = of(HubWindow), of(ConsoleWindow)
    if window is None or window.worker.busy:
        return
    login = window.login
    if "first" not in steps:
        steps.append("first")
        window.activateWindow()
        QTest.keyClicks(login.name, "Ada Quill")
        QTest.keyClicks(login.password, given)
        QTest.keyClicks(login.code, codes[0])
        QTest.keyClick(login.code, Qt.Key.Key_Return)
    elif login.first.isVisible() and "chosen" not in steps:
        steps.append("chosen")
        QTest.keyClicks(login.new, own)
        QTest.keyClicks(login.again, own)
        QTest.keyClicks(login.next_code, codes[1])
        QTest.mouseClick(login.choose, Qt.MouseButton.LeftButton)
    elif login.who.isVisible() and "chosen" in steps and "again" not in steps:
        steps.append("again")
        QTest.keyClicks(login.password, own)
        QTest.keyClicks(login.code, codes[2])
        QTest.mouseClick(login.enter, Qt.MouseButton.LeftButton)
    elif window.queue is not None and window.queue.model.rowCount() and "taken" not in steps:
        steps.append("taken")
        QTest.mouseClick(window.queue.take, Qt.MouseButton.LeftButton)
    elif case is not None and case.page is not None and not case.worker.busy:
        if "seen" not in steps and case.page.ready:
            steps.append("seen")
            case.activateWindow()
            case.page.player.pause()
        elif "seen" in steps and "said" not in steps:
            steps.append("said")
            QApplication.primaryScreen().grabWindow(0).save(picture)
            QTest.keyClick(case.moments, Qt.Key.Key_1)
        elif case.session.looks and "1 of 1" in window.coverage.text():
            window.close()

app = QApplication([])
timer = QTimer()
timer.setInterval(50)
timer.timeout.connect(tick)
QTimer.singleShot(0, timer.start)
sys.exit(main(["review", "--hub", hub, "--lang", "en"]))
"""


def test_one_look_at_a_hub_in_real_windows(
    display: str, world: Any, one_clip: Any, tmp_path: Path
) -> None:
    from PySide6.QtGui import QColor, QImage

    from ui import theme

    attempt = world.deliver(1, one_clip)
    hub = world.running.hub
    with hub.store.transaction() as tx:
        made = accounts.add(
            tx.connection, box_of(hub), "Ada Quill", ["reviewer"], now=hub.now(),
            password=kit.PASSWORD,
        )  # fmt: skip
    environment = os.environ | {
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    picture = tmp_path / "screen.png"
    command = [sys.executable, "-c", PERSON, str(picture), world.running.url, kit.PASSWORD, OWN]
    done = subprocess.run(
        [*command, *made.recovery[:3]],
        env=environment, capture_output=True, text=True, timeout=real.ENDS_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reader, _ = world.staff("Bo Rivers", "admin", "auditor")
    (row,) = reader.decisions(attempt)
    (statement,) = [decision.read(one.encode()) for one in row["statements"]]
    assert (statement.who, statement.verdict) == ("Ada Quill", "nothing_to_see")
    kinds = [one["kind"] for one in reader.audit(attempt)]
    assert kinds.index("header.released") < kinds.index("decision")
    reader.close()
    shot = QImage(str(picture))
    assert (shot.width(), shot.height()) == (1600, 1000)
    seen = {shot.pixelColor(x, y).rgb() for x in range(0, 1600, 10) for y in range(0, 1000, 10)}
    colours = theme.COLOURS["light"]
    assert {QColor(c).rgb() for c in (colours.ground, colours.surface, colours.accent)} <= seen
