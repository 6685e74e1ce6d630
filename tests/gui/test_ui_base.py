"""What every app stands on: a process that lives, colours that can be told apart, work off the window."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from policies import explain, load
from proctor.errors import MissingError
from ui import app, theme
from ui.bridge import Worker
from ui.widgets.notice import NoticeView

ROOT = Path(__file__).resolve().parents[2]
# More calls than a young process has references to None on Python 3.11 (some 6,400).
CALLS = 60_000


def test_qt_does_not_take_none_away() -> None:
    code = (
        "import ui\n"
        "from PySide6.QtCore import QPoint\n"
        f"for _ in range({CALLS}): QPoint().setX(1)\n"
        "print('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definition)."""
    parts = QColor(colour).getRgbF()[:3]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", theme.COLOURS)
def test_colours_can_be_told_apart(name: theme.Name) -> None:
    c = theme.COLOURS[name]
    text = 7.0 if name.startswith("contrast") else 4.5
    for ground in (c.ground, c.surface, c.raised):
        for said in (c.text, c.soft, c.accent, c.error, c.warning, c.good):
            assert ratio(said, ground) >= text, (said, ground)
    assert ratio(c.accent_text, c.accent) >= text
    for ground in (c.ground, c.surface):
        assert ratio(c.outline, ground) >= 3.0, (c.outline, ground)


def test_the_look_follows_the_system(
    dressed: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The offscreen platform has no colour scheme of its own, so its word is put into its mouth.
    signal = dressed.styleHints().colorSchemeChanged
    for name, scheme in (("dark", Qt.ColorScheme.Dark), ("light", Qt.ColorScheme.Light)):
        monkeypatch.setattr(theme, "system_name", lambda name=name: name)
        signal.emit(scheme)
        assert theme.now() == name
        assert dressed.palette().window().color() == QColor(theme.COLOURS[name].ground)


def test_qt_itself_speaks_the_language(dressed: QApplication) -> None:
    from PySide6.QtWidgets import QDialogButtonBox

    said = {}
    for lang in ("en", "de", "fr", "es", "nl"):
        app.speak(dressed, lang)
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        said[lang] = box.button(QDialogButtonBox.StandardButton.Cancel).text().replace("&", "")
    assert said["de"] == "Abbrechen"
    assert len(set(said.values())) >= 4, said


def test_work_is_done_elsewhere_and_told_here(qtbot: QtBot) -> None:
    worker, threads, told = Worker(), [], []
    worker.run(lambda: threads.append(threading.current_thread()), lambda _: told.append(1))
    worker.run(lambda: 1 // 0, lambda _: None, lambda error: told.append(type(error)))
    qtbot.waitUntil(lambda: not worker.busy)
    assert threads != [threading.main_thread()]
    assert told == [1, ZeroDivisionError]


def test_an_error_that_nobody_expects_is_seen(qtbot: QtBot) -> None:
    worker = Worker()
    with qtbot.captureExceptions() as caught:
        worker.run(lambda: 1 // 0, lambda _: None)
        qtbot.waitUntil(lambda: bool(caught))
    assert caught[0][0] is ZeroDivisionError


def test_a_closed_worker_calls_nobody(qtbot: QtBot) -> None:
    worker, told = Worker(), []
    for _ in range(50):
        worker.run(lambda: None, lambda _: told.append(1))
    worker.close()
    qtbot.wait(20)
    assert told == []


@pytest.mark.parametrize("display", ["", ":4711", "nonsense", "127.0.0.1:4711"])
@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_one_sentence(monkeypatch: pytest.MonkeyPatch, display: str) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(MissingError, match="no display"):
        app.need_display()


def test_the_command_says_so_with_code_3(tmp_path: Path) -> None:
    left = {k: v for k, v in os.environ.items() if k not in ("QT_QPA_PLATFORM", "DISPLAY")}
    code = "import sys; from proctor.cli.main import main; sys.exit(main(['institution']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=left,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if sys.platform == "linux":
        assert done.returncode == 3
        assert done.stderr.startswith("proctor: There is no display")
        assert done.stderr.count("\n") == 1


def test_without_qt_one_sentence_and_code_3(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['PySide6'] = None\n"
        "from proctor.cli.main import main; sys.exit(main(['institution']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "needs Qt" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_notice_is_text_and_fetches_nothing(dressed: QApplication, qtbot: QtBot) -> None:
    from policies import edit

    evil = '<img src="http://127.0.0.1:9/x.png"><script>alert(1)</script> & Sons'
    text = edit.set_value(load.read_bytes("standard").decode(), "institution", evil)
    policy = load.parse(text.encode(), "evil")
    view = NoticeView("Notice")
    qtbot.addWidget(view)
    view.show_notice(explain.notice(policy, "en", {}))
    assert evil in view.toPlainText()
    assert view.loadResource(2, "http://127.0.0.1:9/x.png") is None
