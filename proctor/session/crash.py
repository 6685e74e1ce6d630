"""A report of a mistake in this program: written beside the log, for its user to read, and sent by nobody but them.

It holds where in the program it happened and nothing of what the program held: no values, no messages (they may name
a file or a person), no pictures, no sound. Files of the program are named from its own folders on.
"""

from __future__ import annotations

import platform
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

from proctor.errors import InputError
from proctor.session import logs

# A mistake inside a program, as sysexits.h numbers it; 0 to 3 mean other things here.
INTERNAL = 70
PREFIX, SUFFIX = "crash-", ".txt"
MOST_REPORTS = 20
LOG_LINES = 15
_OURS = ("proctor", "detectors", "policies", "models", "ui")

HEAD = """\
A mistake happened inside Open Proctor. This report was written on this computer and sent to nobody.
It holds no name, no picture, no sound, no file of yours. Read it; if you like, send it to whoever helps you.
"""


def text_of(error: BaseException, moment: datetime) -> str:
    """The report of ``error``."""
    lines = [
        HEAD,
        f"when      {moment.astimezone(UTC).isoformat(timespec='seconds')}",
        f"version   {version('open-proctor')}{' (packed)' if getattr(sys, 'frozen', False) else ''}",
        f"system    {platform.system()} {platform.release()}, {platform.machine()}",
        f"python    {platform.python_version()}",
        "",
    ]
    for link in _chain(error):
        lines.append(f"{type(link).__module__}.{type(link).__qualname__}, raised in")
        lines += [
            f"  {_where(frame.filename)}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(link.__traceback__)
        ]
    lines += [
        "",
        "The last lines of the log:",
        *(f"  {line}" for line in logs.last_lines(LOG_LINES)),
    ]
    return "\n".join(lines) + "\n"


def _chain(error: BaseException) -> list[BaseException]:
    """The error and those that it came from."""
    found = [error]
    while (
        before := found[-1].__cause__ or found[-1].__context__
    ) is not None and before not in found:
        found.append(before)
    return found


def _where(file: str) -> str:
    """A file's name from the package on; of others' files, only what they are called."""
    parts = Path(file).parts
    for package in _OURS:
        if package in parts:
            return "/".join(parts[len(parts) - 1 - parts[::-1].index(package) :])
    return parts[-1] if parts else "?"


def write(error: BaseException, moment: datetime | None = None) -> Path | None:
    """Write the report; where that cannot be done there is none, and ``None``."""
    moment = moment or datetime.now(UTC)
    target = logs.folder() / f"{PREFIX}{moment.astimezone(UTC):%Y%m%d-%H%M%S-%f}{SUFFIX}"
    logs.logger.error("a mistake in the program: %s", type(error).__name__)
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in reports()[MOST_REPORTS - 1 :]:
            old.unlink()
        target.write_text(text_of(error, moment), encoding="utf-8")
        return target
    return None


def reports() -> list[Path]:
    """The reports on this computer, newest first."""
    return sorted(logs.folder().glob(f"{PREFIX}*{SUFFIX}"), reverse=True)


def named(name: str) -> Path:
    """The report of that file name. Raises :class:`InputError` where there is none."""
    for report in reports():
        if report.name == name:
            return report
    raise InputError(f"No report is called {name}; `proctor crash list` shows them.")


def tell(error: BaseException) -> int:
    """Write the report and say in the terminal where it is; returns the exit code."""
    _say(error, write(error))
    return INTERNAL


def _say(error: BaseException, report: Path | None) -> None:
    said = f"proctor: a mistake happened inside this program ({type(error).__name__})."
    if report is None:
        said += f" No report could be written in {logs.folder()}."
    else:
        said += (
            f" What is known of it, without names, is in {report}; nothing was sent. "
            "`proctor crash show` prints it, and who helps you may ask for it."
        )
    sys.stderr.write(said + "\n")


def watch_threads() -> None:
    """A mistake on a thread is written down, too. What that thread was for says its own watchdog."""

    def hook(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None and not isinstance(told.exc_value, SystemExit):
            tell(told.exc_value)

    threading.excepthook = hook


def in_windows(seen: Callable[[Path], object]) -> None:
    """Mistakes inside a window are written down and handed to ``seen(path)``; the window goes on.

    Where no report can be written, the terminal is told.
    """

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        report = write(error)
        if report is None:
            _say(error, report)
        else:
            seen(report)

    sys.excepthook = hook
