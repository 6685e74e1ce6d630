"""What every app does first: is there a display, which language, which look."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from PySide6.QtCore import QLibraryInfo, QLocale, Qt, QTranslator
from PySide6.QtWidgets import QApplication

from policies.texts import LANGUAGES
from proctor.errors import MissingError
from ui import theme
from ui.texts import Texts, texts
from ui.widgets.mishap import Watch

NAME = "Open Proctor"
# Where X servers listen (X(7), "display names"), and the port of display 0.
X_SOCKETS, X_PORT = Path("/tmp/.X11-unix"), 6000  # noqa: S108
REACH_S = 2.0


def begin(lang: str | None = None) -> tuple[QApplication, Texts]:
    """As every command with a window begins: :func:`start`, and a mistake of ours is shown and not lost."""
    running, said = start(NAME, lang)
    Watch(running)
    return running, said


def start(name: str, lang: str | None = None) -> tuple[QApplication, Texts]:
    """The one application object, dressed and speaking; ``lang`` overrules the system's language.

    Raises :class:`MissingError` where no window could be shown.
    """
    need_display()
    running = QApplication.instance()
    app = running if isinstance(running, QApplication) else QApplication(sys.argv[:1])
    app.setApplicationName("open-proctor")
    app.setApplicationDisplayName(name)
    app.setStyle("Fusion")
    # Nothing moves by itself, whatever the system prefers.
    for effect in Qt.UIEffect:
        app.setEffectEnabled(effect, False)
    said = speak(app, lang or system_language())
    theme.apply(app, theme.system_name())
    hints = app.styleHints()
    hints.colorSchemeChanged.connect(_follow)
    hints.accessibility().contrastPreferenceChanged.connect(_follow)
    return app, said


def speak(app: QApplication, lang: str) -> Texts:
    """Use ``lang`` for our texts, Qt's own dialogs, numbers, dates and the reading direction."""
    said = texts(lang)
    locale = QLocale(said.lang)
    QLocale.setDefault(locale)
    app.setLayoutDirection(locale.textDirection())
    for old in app.findChildren(QTranslator):
        app.removeTranslator(old)
        old.deleteLater()
    translator = QTranslator(app)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if translator.load(f"qtbase_{said.lang}", folder):
        app.installTranslator(translator)
    return said


def system_language() -> str:
    """The first language of the system that we have texts in, else English."""
    for wanted in QLocale.system().uiLanguages():
        short = wanted.partition("-")[0]
        if short in LANGUAGES:
            return short
    return "en"


def need_display() -> None:
    """Raise :class:`MissingError` where Qt would end the process because it finds no display."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return
    if _wayland() or _x11(os.environ.get("DISPLAY", "")):
        return
    raise MissingError(
        "There is no display to show a window on; run this on a desktop. `proctor --help` lists the "
        "commands that do the same in a terminal."
    )


def _wayland() -> bool:
    name = os.environ.get("WAYLAND_DISPLAY")
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    return bool(name) and (Path(folder) / str(name)).is_socket()


def _x11(display: str) -> bool:
    """Whether somebody listens at ``display``, such as ``:0`` or ``host:10.0``."""
    host, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdigit():
        return False
    try:
        if host in ("", "unix"):
            with socket.socket(socket.AF_UNIX) as local:
                local.settimeout(REACH_S)
                local.connect(str(X_SOCKETS / f"X{number}"))
        else:
            socket.create_connection((host, X_PORT + int(number)), REACH_S).close()
    except OSError:
        return False
    return True


def _follow() -> None:
    app = QApplication.instance()
    if isinstance(app, QApplication):
        theme.apply(app, theme.system_name())


def centred_on(width: int, height: int) -> tuple[int, int]:
    """A window's size that fits the screen it will open on, from the one wished for."""
    screen = QApplication.primaryScreen()
    if screen is None:
        return width, height
    room = screen.availableSize()
    return min(width, int(room.width() * 0.95)), min(height, int(room.height() * 0.92))


def right_to_left() -> bool:
    """Whether the reading direction of the app is from right to left."""
    return QApplication.layoutDirection() == Qt.LayoutDirection.RightToLeft
