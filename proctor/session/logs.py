"""What this program writes down about itself: a few lines in the user's own log folder, without names.

Not a second journal: which command ran and how it ended, so that somebody who helps can follow. No word of a policy,
no file name, no address and no device is in it. Three files of 100 kB at most; the oldest goes.
"""

from __future__ import annotations

import getpass
import logging
import os
import platform
import re
import socket
from contextlib import suppress
from importlib.metadata import version
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

NAME = "proctor.log"
MOST_BYTES, MOST_FILES = 100_000, 3
# A name shorter than this would be found inside other words.
_SHORTEST_NAME = 3
HIDDEN = "…"

_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*:[^\s'\"<>]+", re.IGNORECASE)
_MAIL = re.compile(r"[^\s@'\"<>]+@[^\s@'\"<>]+")
_PATH = re.compile(r"(?:[A-Za-z]:)?[\\/][^\s'\"<>:|]*[\\/][^\s'\"<>:|]*|~[\\/][^\s'\"<>:|]*")
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|‘[^’\n]*’|“[^”\n]*”")

logger = logging.getLogger("proctor")


def folder() -> Path:
    """Where logs and crash reports are: below ``PROCTOR_HOME`` if that is set, else the user's log folder."""
    home = os.environ.get("PROCTOR_HOME")
    if home:
        return Path(home) / "logs"
    return Path(platformdirs.user_log_dir("open-proctor", appauthor=False))


def scrubbed(text: str) -> str:
    """``text`` without what may name a person or their things.

    Whatever stands in quotes, addresses, paths, the user's name and the computer's, become ``…``.
    """
    for pattern in (_QUOTED, _ADDRESS, _MAIL, _PATH):
        text = pattern.sub(HIDDEN, text)
    for name in _names():
        text = re.sub(re.escape(name), HIDDEN, text, flags=re.IGNORECASE)
    return text


def _names() -> list[str]:
    """What this user and this computer are called; longest first."""
    found = {socket.gethostname(), socket.gethostname().partition(".")[0], Path.home().name}
    with suppress(OSError, KeyError, ImportError):
        # An account may have no name; then there is none to hide.
        found.add(getpass.getuser())
    return sorted((name for name in found if len(name) >= _SHORTEST_NAME), key=len, reverse=True)


class _Plain(logging.Formatter):
    """One line for each record, scrubbed; tracebacks belong into crash reports and are left out."""

    def format(self, record: logging.LogRecord) -> str:
        line = " ".join(scrubbed(record.getMessage()).split())
        return f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')} {record.levelname.lower()} {line}"


def begin(command: str) -> None:
    """Open the log for this process, and say that ``command`` (one word) began.

    Where the folder cannot be written there is no log: a program that watches an exam must not fail for that.
    """
    if logger.handlers:
        return
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = RotatingFileHandler(
            folder() / NAME,
            maxBytes=MOST_BYTES,
            backupCount=MOST_FILES - 1,
            encoding="utf-8",
            delay=True,
        )
        handler.setFormatter(_Plain())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logging.raiseExceptions = False
        logger.info(
            "%s began, version %s, %s, Python %s",
            command,
            version("open-proctor"),
            platform.system(),
            platform.python_version(),
        )


def end(code: int, error: BaseException | None = None) -> None:
    """Say how it ended: the code, and of an error only what kind it was, for its sentence may hold names."""
    kind = f", {type(error).__name__}" if error is not None else ""
    logger.info("ended with %d%s", code, kind)


def last_lines(count: int) -> list[str]:
    """The newest lines of the log; none where there is no log."""
    with suppress(OSError):
        # A machine that lost its power may leave half a letter; a report is written all the same.
        text = (folder() / NAME).read_text(encoding="utf-8", errors="replace")
        return text.splitlines()[-count:]
    return []
