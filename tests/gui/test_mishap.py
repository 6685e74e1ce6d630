"""A mistake inside the window: a report to read, copy, keep or erase; the window goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog

from policies.texts import LANGUAGES
from proctor.session import crash
from ui.texts import texts
from ui.widgets.mishap import MishapDialog, Watch


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def watch(qapp: QApplication, home: Path) -> Iterator[Watch]:
    before = sys.excepthook
    made = Watch(qapp)
    yield made
    sys.excepthook = before
    if made.dialog is not None:
        made.dialog.reject()
    made.deleteLater()


@pytest.mark.qt_no_exception_capture
def test_a_mistake_in_a_window_is_shown_and_the_window_goes_on(qtbot, watch: Watch) -> None:
    def broken() -> None:
        raise LookupError("the secret of Anna")

    # pytest-qt sets a hook of its own, so ours is put back, as it stands in the app.
    crash.in_windows(watch.happened.emit)
    QTimer.singleShot(0, broken)
    qtbot.waitUntil(lambda: watch.dialog is not None and watch.dialog.isVisible())
    dialog = watch.dialog
    assert isinstance(dialog, QDialog)
    assert "LookupError" in dialog.text.toPlainText()
    assert "Anna" not in dialog.text.toPlainText()
    assert dialog.text.isReadOnly()
    # Further mistakes are written down, and do not pile up dialogs.
    QTimer.singleShot(0, broken)
    qtbot.waitUntil(lambda: len(crash.reports()) == 2)
    assert watch.dialog is dialog
    dialog.done_with.click()
    qtbot.waitUntil(lambda: watch.dialog is None)
    assert len(crash.reports()) == 2


def test_where_no_report_can_be_written_the_terminal_is_told(
    home: Path, watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "home").write_text("a file in the way")
    sys.excepthook(LookupError, LookupError("the secret of Anna"), None)
    said = capsys.readouterr().err
    assert "No report could be written" in said
    assert "Anna" not in said
    assert watch.dialog is None


def test_a_report_is_copied_saved_or_erased_by_its_reader_only(
    qtbot, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = crash.write(ValueError("x"))
    assert report is not None
    dialog = MishapDialog(report, texts("en"))
    qtbot.addWidget(dialog)
    dialog.show()
    text = report.read_text(encoding="utf-8")
    dialog.copy.click()
    assert QGuiApplication.clipboard().text() == text
    target = home / "for-help.txt"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    dialog.save.click()
    assert target.read_text(encoding="utf-8") == text
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    dialog.save.click()
    dialog.erase.click()
    assert crash.reports() == []
    assert not dialog.isVisible()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_speaks_the_readers_language(qtbot, home: Path, lang: str) -> None:
    report = crash.write(ValueError("x"))
    assert report is not None
    dialog = MishapDialog(report, texts(lang))
    qtbot.addWidget(dialog)
    said = [dialog.windowTitle(), *(b.text() for b in (dialog.copy, dialog.save, dialog.erase))]
    english = MishapDialog(report, texts("en"))
    qtbot.addWidget(english)
    other = [
        english.windowTitle(),
        *(b.text() for b in (english.copy, english.save, english.erase)),
    ]
    assert (said == other) == (lang == "en")
    assert dialog.text.accessibleName()


# Every window that a command opens, in one process, in Dutch: a mistake in its event loop must be shown and
# leave the window as it is. Without a report on the screen a window is closed after a while, and told.
WINDOWS = """
import sys
import time
from pathlib import Path
from PySide6.QtCore import QTimer
import ui
from PySide6.QtWidgets import QApplication
from proctor.evaluate.dataset import read
from ui.console.app import main as console
from ui.institution.app import main as institution
from ui.researcher.app import main as researcher
from ui.student.app import main as student
from ui.widgets.mishap import MishapDialog

LONGEST_S = 60.0
app = QApplication([])
apps = {
    "student": lambda: student(lang="nl"),
    "institution": lambda: institution(lang="nl"),
    "console": lambda: console(who="Ada", lang="nl"),
    "console at a hub": lambda: console(who="Ada", lang="nl", hub=""),
    "researcher": lambda: researcher(read(Path(sys.argv[1])), lang="nl"),
}

def shown():
    return [w for w in app.topLevelWidgets() if isinstance(w, MishapDialog) and w.isVisible()]

def others():
    return [w for w in app.topLevelWidgets() if w.isWindow() and w.isVisible() and w not in shown()]

def broken():
    raise LookupError("a slip")

for name, main in apps.items():
    began, seen = time.monotonic(), []

    def look():
        if not seen and shown():
            (dialog,) = shown()
            seen.append((dialog.windowTitle(), "LookupError" in dialog.text.toPlainText(), bool(others())))
            dialog.done_with.click()
        elif seen or time.monotonic() - began > LONGEST_S:
            for one in others():
                one.close()
            app.quit()

    timer = QTimer(interval=20)
    timer.timeout.connect(look)
    QTimer.singleShot(0, timer.start)
    QTimer.singleShot(50, broken)
    main()
    timer.stop()
    sys.excepthook = sys.__excepthook__
    print(name, *seen[0] if seen else ("nothing",), sep="|")
for one in app.topLevelWidgets():
    one.deleteLater()
"""


def test_every_window_shows_a_mistake_in_its_language_and_goes_on(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "sessions.csv").write_text(
        "session,person,arm,media\none,p1,instructed,one.mp4\n", encoding="utf-8"
    )
    header = "session,start_s,end_s,kind,annotator,certain\n"
    (study / "truth.csv").write_text(header, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS, str(study)],
        env=os.environ | {"PROCTOR_HOME": str(tmp_path / "home"), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    title = texts("nl").say("Something went wrong in this program")
    told = [line.split("|") for line in done.stdout.splitlines()]
    assert [one[0] for one in told] == [
        "student", "institution", "console", "console at a hub", "researcher",
    ], done.stderr  # fmt: skip
    assert [one[1:] for one in told] == [[title, "True", "True"]] * 5
