"""Waiting for a window on a virtual display, and what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

# The smallest side of what counts as a window; toolkits make tiny ones of their own.
_SMALLEST = 200
# As many colours as an empty window has with its frame and shadow, and then some.
_PLAIN = 20
# How often is looked; a start is told no finer than this.
_LOOK_S = 0.02
_LINE = re.compile(r"^\s+(0x[0-9a-f]+) \"(.*)\": .*?(\d+)x(\d+)\+")


def wait_for_window(
    display: str, title: str, process: subprocess.Popen[str], patience_s: float
) -> tuple[float, float]:
    """Seconds of processor, and by the clock since this call, until a window with ``title`` in its title is mapped.

    On a busy machine only the first is the program's own. Fails when the program ends before.
    """
    began = time.monotonic()
    while time.monotonic() - began < patience_s:
        assert process.poll() is None, f"the program ended by itself:\n{process.communicate()[1]}"
        for line in _xwininfo(display, "-root", "-tree").splitlines():
            match = _LINE.match(line)
            if (
                match is None
                or title not in match[2]
                or min(int(match[3]), int(match[4])) < _SMALLEST
            ):
                continue
            if "IsViewable" in _xwininfo(display, "-id", match[1]):
                return cpu_seconds(process.pid), time.monotonic() - began
        time.sleep(_LOOK_S)
    raise AssertionError(
        f"no window is called '{title}' after {patience_s:g} s, of which the program had "
        f"{cpu_seconds(process.pid):.1f} s of processor"
    )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _xwininfo(display: str, *words: str) -> str:
    return subprocess.run(
        ["xwininfo", "-display", display, *words], capture_output=True, text=True, check=False
    ).stdout


# Taken from outside, as a person sees it: by another process, of the whole display.
_LOOK = """
import sys
from PySide6.QtGui import QGuiApplication
app = QGuiApplication([])
image = app.primaryScreen().grabWindow(0).toImage()
if len(sys.argv) > 1:
    image.save(sys.argv[1])
spots = range(0, image.height(), 3)
print(len({image.pixel(x, y) for x in range(0, image.width(), 3) for y in spots}))
"""


def colours(display: str, picture: Path) -> int:
    """How many colours the display shows: one where nothing was drawn, hundreds where there is text."""
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, str(picture)], check=True, capture_output=True, text=True,
        env={**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"},
    )  # fmt: skip
    return int(done.stdout)


def wait_until_drawn(
    display: str, picture: Path, process: subprocess.Popen[str], patience_s: float
) -> int:
    """The colours of the display once it shows more than frames and backgrounds; ``picture`` holds what was seen last.

    A window is there before it is painted, and on a busy machine that takes a while.
    """
    began = time.monotonic()
    while (seen := colours(display, picture)) <= _PLAIN:
        assert process.poll() is None, f"the program ended by itself:\n{process.communicate()[1]}"
        assert time.monotonic() - began < patience_s, f"only {seen} colours are shown: {picture}"
    return seen
