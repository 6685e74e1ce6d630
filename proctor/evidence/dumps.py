"""Keeps what is only in memory, pictures and opened keys, out of the dump that a crash may write."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

# core(5): which mappings a dump holds; none of them.
_FILTER = Path("/proc/self/coredump_filter")
# SetErrorMode: no dialogue that offers to send a report. WerSetFlags: a report without the heap.
_NO_DIALOGUES = 0x0001 | 0x0002
_NO_HEAP = 1


def forbid() -> None:
    """Let no crash of this process, or of one that it starts, write its memory to a disk.

    On Linux and macOS no core file is written, and on Linux one that is piped to a collector, which
    may ignore that, holds no memory. Windows is asked for reports without the heap (not tried; dumps
    that its administrator has set up are beyond a program).
    """
    if sys.platform == "win32":
        import ctypes

        ctypes.windll.kernel32.SetErrorMode(_NO_DIALOGUES)
        ctypes.windll.kernel32.WerSetFlags(_NO_HEAP)
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A container may hide this file; the limit above stands in any case.
        with contextlib.suppress(OSError):
            _FILTER.write_text("0")
