"""What a packed program does before anything else of ours is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

# The name by which the window is opened.
WINDOW = "open-proctor"
# The commands that open one.
WINDOWS = ("exam", "institution", "review")


def clean() -> None:
    """Programs that we start (a browser, say) must not load our libraries in place of their own."""
    # PyInstaller keeps what stood there before in a variable of its own.
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
        if (before := os.environ.pop(f"{name}_ORIG", None)) is not None:
            os.environ[name] = before
        else:
            os.environ.pop(name, None)


def plugin_folder() -> Path:
    """Where detectors from elsewhere are put: ``PROCTOR_PLUGINS``, else a folder among the user's data."""
    if named := os.environ.get("PROCTOR_PLUGINS"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("open-proctor", appauthor=False)) / "plugins"


def open_to_plugins() -> None:
    """Let wheels unpacked in that folder be found by their entry points, after everything of ours."""
    folder = plugin_folder()
    if folder.is_dir():
        sys.path.append(str(folder))


def lend_streams() -> None:
    """A program without a terminal has no streams on Windows; what is said there is of no use to anybody.

    What a person must know, the windows say; what went wrong is in the log file and the crash report.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def words_of_window(words: Sequence[str]) -> list[str]:
    """What a double click means as words of the command: an invitation comes as one; nothing opens the start page."""
    asked = [as_path(word) for word in words]
    return asked if asked and asked[0] in WINDOWS else ["exam", *asked]


def as_path(word: str) -> str:
    """Some desktops name a file that is opened by its address (``file:///…``)."""
    if not word.startswith("file:"):
        return word
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    return url2pathname(urlsplit(word).path)
