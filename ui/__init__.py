"""The apps with windows. Importing any of them first keeps ``None`` alive, see :func:`_hold_none`."""

from __future__ import annotations

import ctypes
import sys


def _hold_none() -> None:
    """On Python 3.11, lend ``None`` more references than any program can lose.

    PySide6 6.12 is built as if ``None`` were immortal, which it is from Python 3.12 on. On 3.11 each call
    of Qt that returns nothing takes one of the few thousand references away that a process has, and at the
    last one the interpreter ends itself ("none_dealloc"). Measured: docs/decisions/0022.
    """
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
        # The count is the first field of every object (CPython 3.11, Include/object.h).
        ctypes.c_ssize_t.from_address(id(None)).value += sys.maxsize // 4


_hold_none()
