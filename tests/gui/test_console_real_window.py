"""`proctor review` in a real window on a virtual display, on a case that a real exam left."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from proctor.evidence import access, deciding, view
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

# Runs inside the command's own process: a person who looks at the first clip, takes a picture of the whole
# screen, presses the key for "nothing to see", and closes the window.
PERSON = """
import sys
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from proctor.cli.main import main
from ui.console.window import ConsoleWindow

picture, case = sys.argv[1:]
steps = []

def tick():
    found = [w for w in QApplication.topLevelWidgets() if isinstance(w, ConsoleWindow)]
    if not found or not found[0].windowHandle() or not found[0].windowHandle().isExposed():
        return
    window = found[0]
    page = window.page
    if page is None or window.worker.busy or not page.ready:
        return
    if "seen" not in steps:
        steps.append("seen")
        window.activateWindow()
        page.player.pause()
    elif "said" not in steps:
        steps.append("said")
        QApplication.primaryScreen().grabWindow(0).save(picture)
        QTest.keyClick(window.moments, Qt.Key.Key_1)
    elif window.session.looks:
        window.close()

app = QApplication([])
timer = QTimer()
timer.setInterval(50)
timer.timeout.connect(tick)
QTimer.singleShot(0, timer.start)
sys.exit(main(["review", case, "--name", "Ada Stone", "--lang", "en"]))
"""


def test_one_look_in_a_real_window(display: str, evening: Path, tmp_path: Path) -> None:
    from PySide6.QtGui import QColor, QImage

    from ui import theme

    environment = os.environ | {
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "PROCTOR_HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    policy, case = tmp_path / "policy.toml", tmp_path / "case"
    text = kit.POLICY.replace('stakes = "low"', 'stakes = "practice"')
    # Without recipients of its own, the clips are for this machine's practice reviewer.
    kept = [line for line in text.splitlines() if not line.startswith("recipients")]
    policy.write_text("\n".join(kept), encoding="utf-8")
    replay = ["replay", str(evening), "--policy", str(policy), "--case", str(case)]
    for command in (
        [sys.executable, "-m", "proctor.cli.main", *replay, "--consent", "all", "--json"],
        [sys.executable, "-c", PERSON, str(tmp_path / "screen.png"), str(case)],
    ):
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=real.ENDS_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    (look,) = deciding.read(case, view.read(case).attempt)
    assert (look.who, look.verdict, look.look) == ("Ada Stone", "nothing_to_see", "first")
    looks = [(entry.kind, entry.who) for entry in access.read(case)]
    assert looks[0] == (access.OPENED, "Ada Stone")
    assert (access.DECIDED, "Ada Stone") in looks
    assert [check.detail for check in verify(case) if not check.ok] == []
    shot = QImage(str(tmp_path / "screen.png"))
    assert (shot.width(), shot.height()) == (1600, 1000)
    seen = {shot.pixelColor(x, y).rgb() for x in range(0, 1600, 10) for y in range(0, 1000, 10)}
    colours = theme.COLOURS["light"]
    assert {QColor(c).rgb() for c in (colours.ground, colours.surface, colours.accent)} <= seen
