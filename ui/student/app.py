"""``proctor exam`` with a window: from the invitation to the receipt."""

from __future__ import annotations

from PySide6.QtCore import QTimer

from proctor.session.devices import Devices
from proctor.session.preview import forget_left_overs
from ui import app
from ui.student.attempt import Attempt
from ui.student.window import StudentWindow
from ui.texts import texts


def main(
    invitation: str = "",
    lang: str | None = None,
    devices: Devices | None = None,
) -> int:
    """Run until the window is closed; returns the exit code.

    ``devices``: this computer's own where none are given. Raises :class:`proctor.errors.MissingError` where there
    is no display.
    """
    running, said = app.begin(lang)
    # The small window of the exam stays when the large one is hidden.
    running.setQuitOnLastWindowClosed(False)
    attempt = Attempt(said.lang, devices)
    window = open_window(attempt, invitation)

    window.spoke.connect(lambda wanted: app.speak(running, wanted))
    window.gone.connect(running.quit)
    return running.exec()


def open_window(attempt: Attempt, invitation: str = "") -> StudentWindow:
    """The window, shown; an invitation that was given is opened once it is there."""
    attempt.t = texts(attempt.t.lang)
    attempt.worker.run(forget_left_overs, lambda _: None)
    window = StudentWindow(attempt)
    window.show()
    if invitation:
        QTimer.singleShot(0, lambda: window.join(invitation))
    return window
