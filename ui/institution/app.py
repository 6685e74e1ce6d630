"""``proctor institution``: the window over the same functions as ``proctor policy`` and ``proctor keys``."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QTimer

from ui import app
from ui.institution.desk import Desk
from ui.institution.window import Window
from ui.texts import texts


def main(file: Path | None = None, lang: str | None = None) -> int:
    """Run until the window is closed; returns the exit code.

    ``file``: a policy to open; ``lang``: the window's language (default: the system's). Raises
    :class:`proctor.errors.MissingError` where there is no display.
    """
    running, said = app.begin(lang)
    windows = [open_window(said.lang, file)]

    def speak(wanted: str) -> None:
        old = windows.pop()
        app.speak(running, wanted)
        windows.append(replace(old, wanted))
        windows[0].speak.connect(speak)

    windows[0].speak.connect(speak)
    return running.exec()


def open_window(lang: str, file: Path | None = None, folder: Path | None = None) -> Window:
    """A window, shown; plug-ins and keys are looked for once it is there."""
    window = Window(Desk(texts(lang), folder))
    window.restore_place()
    window.show()
    QTimer.singleShot(0, window.desk.learn)
    if file is not None:
        QTimer.singleShot(0, lambda: window.open_file(file))
    return window


def replace(old: Window, lang: str) -> Window:
    """The same work in a window of another language: text, file, place and section stay."""
    draft, section = old.desk.draft, old.section
    new = open_window(lang)
    new.setGeometry(old.geometry())
    if draft.is_open:
        new.desk.draft.take_over(draft)
        new.go(section)
    draft.close()
    old.close()
    old.deleteLater()
    return new
