"""Kills a forked program, or fails its disk, at its N-th system call of one kind, with strace.

The program is forked from one that has everything imported, so that a moment costs a fraction of a
second and every call counted is one of its own. What it says is kept in memory, not written.
"""

from __future__ import annotations

import ctypes
import io
import mmap
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Calls that change a disk; of openat only those that open for writing.
CALLS = (
    "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "write", "writev",
    "pwrite64", "unlink", "unlinkat", "rmdir", "openat", "ftruncate", "truncate",
)  # fmt: skip
KILL, CRASH, EIO, ENOSPC = "KILL", "SEGV", "EIO", "ENOSPC"
FAULTS = (KILL, CRASH, EIO, ENOSPC)
SIGNALS = (KILL, CRASH)
# Only opening for writing changes a disk; the other calls of this name are not moments.
_CHANGING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
_SAID = 60_000
# A program that takes longer hangs: it takes about a second with strace attached.
LONGEST_S = 240.0
_ANY_TRACER = (0x59616D61, ctypes.c_ulong(-1))  # prctl(2): PR_SET_PTRACER, PR_SET_PTRACER_ANY

Work = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code (negative: the signal), what it said, when it was gone."""

    code: int
    said: str
    at: float
    struck: str = ""


def strace_works() -> str:
    """Why strace cannot be used here; empty when it can."""
    if not sys.platform.startswith("linux"):
        return "strace is there on Linux only"
    try:
        done = subprocess.run(["strace", "-qq", "true"], capture_output=True)
    except FileNotFoundError:
        return "strace is not installed (`apt install strace`)"
    return "" if done.returncode == 0 else "strace may not trace here"


def moments(work: Work, log: Path) -> dict[str, list[int]]:
    """At which of its calls of each name ``work`` changes a disk (from 1), in an undisturbed run."""
    ended = _traced(work, log, ["-e", f"trace={','.join(CALLS)}"])
    if ended.code != 0:
        raise RuntimeError(f"the undisturbed run failed ({ended.code}): {ended.said}")
    seen: dict[tuple[str, str], int] = {}
    found: dict[str, set[int]] = {}
    for line in log.read_text("utf-8", "replace").splitlines():
        match = re.match(r"(\d+)\s+(\w+)\(", line)
        if match is None:
            continue
        # strace counts the calls of each thread for themselves.
        number = seen[match.groups()] = seen.get(match.groups(), 0) + 1
        if changes_disk(line):
            found.setdefault(match[2], set()).add(number)
    return {name: sorted(found[name]) for name in CALLS if name in found}


def changes_disk(call: str) -> bool:
    """Whether a line of strace shows a call that changes a disk."""
    return "openat(" not in call or _CHANGING.search(call) is not None


def strike(
    work: Work, log: Path, name: str, number: int, fault: str, only: Path | None = None
) -> Ended:
    """Run ``work`` and let ``fault`` come at its ``number``-th call of ``name`` (``only``: on this path)."""
    what = f"signal={fault}" if fault in SIGNALS else f"error={fault}"
    inject = f"inject={name}:{what}:when={number}"
    options = ["-P", str(only)] if only else []
    ended = _traced(work, log, [*options, "-e", f"trace={name}", "-e", inject])
    lines = log.read_text("utf-8", "replace").splitlines()
    struck = [line for line in lines if "(INJECTED)" in line]
    if fault in SIGNALS and ended.code == -signal.Signals[f"SIG{fault}"]:
        struck = [line for line in lines if re.match(r"\d+ +\w+\(", line)][-1:]
    return Ended(ended.code, ended.said, ended.at, struck[0] if struck else "")


def run(work: Work) -> Ended:
    """Run ``work`` in a process of its own, undisturbed."""
    said = mmap.mmap(-1, _SAID)
    child = os.fork()
    if child == 0:
        _be(work, said, wait=False)
    return _wait(child, said)


def _traced(work: Work, log: Path, options: list[str]) -> Ended:
    said = mmap.mmap(-1, _SAID)
    child = os.fork()
    if child == 0:
        _be(work, said, wait=True)
    os.waitpid(child, os.WUNTRACED)  # it has stopped itself
    tracer = subprocess.Popen(
        ["strace", "-f", "-q", "-y", "-o", str(log), *options, "-p", str(child)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + LONGEST_S
    while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text():
        if tracer.poll() is not None or time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise RuntimeError(f"strace did not attach: {tracer.communicate()[1].decode()}")
        time.sleep(0.002)
    os.kill(child, signal.SIGCONT)
    ended = _wait(child, said)
    tracer.communicate(timeout=LONGEST_S)
    return ended


def _be(work: Work, said: mmap.mmap, *, wait: bool) -> None:
    """The forked program: never returns."""
    code = 70
    out = io.StringIO()
    try:
        sys.stdout = sys.stderr = out
        # As on a machine that keeps every core; what is dumped is dumped where the program works.
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        if wait:
            ctypes.CDLL(None).prctl(*_ANY_TRACER, 0, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
        code = work()
    except BaseException:
        traceback.print_exc(file=out)
    text = out.getvalue().encode("utf-8", "replace")[: _SAID - 4]
    said[: 4 + len(text)] = struct.pack("<I", len(text)) + text
    os._exit(code)


def _wait(child: int, said: mmap.mmap) -> Ended:
    deadline = time.monotonic() + LONGEST_S
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        at = time.time()
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Ended(-signal.SIGALRM, "it hung", time.time())
        time.sleep(0.002)
    (length,) = struct.unpack("<I", said[:4])
    return Ended(os.waitstatus_to_exitcode(status), said[4 : 4 + length].decode("utf-8"), at)
