"""Limits that a process lays on itself before it touches what a stranger made."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from proctor.evidence import dumps

# JOBOBJECT_EXTENDED_LIMIT_INFORMATION (winnt.h): its class, its size on 64 bits, where the flags and
# the bytes a process may have stand in it, and the flags for memory and for dying with the job.
_JOB_LIMITS, _JOB_SIZE, _FLAGS_AT, _MEMORY_AT = 9, 144, 16, 112
_PROCESS_MEMORY, _KILL_ON_CLOSE = 0x100, 0x2000


def confine(*, memory: int, seconds: int, files: int) -> None:
    """Let this process grow by ``memory`` bytes, compute for ``seconds``, and open ``files`` more files.

    It can write no file and leave no dump. On Linux all of that holds. On macOS the system takes the
    limit of memory but may not keep it; on Windows a job object holds memory alone. Neither of the two
    was tried. Whoever started this process ends it when its time is over, on every system.
    """
    dumps.forbid()
    if sys.platform == "win32":
        _confine_by_job(memory)
        return
    import resource

    descriptors = len(os.listdir("/dev/fd"))  # noqa: PTH208 (one of them is that of the listing)
    limits = {
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: descriptors + files,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: _size() + memory,
    }
    for what, most in limits.items():
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # macOS refuses some of these; the time is watched from outside in any case.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


def _size() -> int:
    """Bytes of address space in use (Linux), or a size that no decoder's libraries reach."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:
        return 4_000_000_000
    return pages * os.sysconf("SC_PAGE_SIZE")


def _confine_by_job(memory: int) -> None:
    """Put this process into a job object of Windows that bounds its memory (not tried)."""
    if sys.platform != "win32":
        return
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = kernel.GetCurrentProcess.restype = ctypes.c_void_p
    information = bytearray(_JOB_SIZE)
    information[_FLAGS_AT : _FLAGS_AT + 4] = (_PROCESS_MEMORY | _KILL_ON_CLOSE).to_bytes(
        4, "little"
    )
    # What the libraries take up before counts as well here.
    information[_MEMORY_AT : _MEMORY_AT + 8] = (memory + 300_000_000).to_bytes(8, "little")
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
    buffer = (ctypes.c_char * _JOB_SIZE).from_buffer(information)
    if not (
        kernel.SetInformationJobObject(job, _JOB_LIMITS, buffer, _JOB_SIZE)
        and kernel.AssignProcessToJobObject(job, ctypes.c_void_p(kernel.GetCurrentProcess()))
    ):
        raise ctypes.WinError(ctypes.get_last_error())
