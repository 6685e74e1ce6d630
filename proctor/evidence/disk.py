"""Writing so that it is still there after the power goes, and saying so when it cannot be done."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from proctor.errors import MissingError

# Added to a file's name while it is being written.
PART = ".part"

# Three hours flagged from end to end at 3.1 MB a minute, the dearest ring measured (FACTS.md section 4,
# VP8), make 560 MB; twice that.
CASE_BYTES = 1_200_000_000
# Left to the journal, to what else runs, and to the student's own work.
RESERVE_BYTES = 200_000_000
# It is said when this share of either is used up, while there is time to do something about it.
SAID_AT = 0.8


@contextmanager
def said_plainly(what: str) -> Iterator[None]:
    """Turn an :class:`OSError` into one sentence about ``what`` (a :class:`MissingError`, exit code 3)."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            mend = "the disk is full; free some space, or choose another place"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            mend = "it is not writable for you; choose another place"
        else:
            mend = f"{error.strerror or error}; check the disk, or choose another place"
        raise MissingError(f"Cannot write {what}: {mend}.") from error


class DiskBudget:
    """How much of the disk the clips of one case may take, said before it is reached.

    ``most`` are bytes of clips, ``reserve`` bytes of the disk that stay free. ``free`` gives the free
    bytes of the disk that a folder is on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        used: int = 0,
        most: int = CASE_BYTES,
        reserve: int = RESERVE_BYTES,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folder = folder
        self._used = used
        self._most = most
        self._reserve = reserve
        self._free = free
        self._said = False

    def refuses(self, size: int) -> str:
        """Why a clip of ``size`` bytes is not kept; empty when there is room."""
        if self._used + size > self._most:
            return f"the clips of this exam may take {_megabytes(self._most)}, which are used up"
        if self._free(self._folder) - size < self._reserve:
            return f"less than {_megabytes(self._reserve)} are free on the disk"
        return ""

    def took(self, size: int) -> str:
        """A clip of ``size`` bytes was written; returns the one warning, when it is time for it."""
        self._used += size
        free = self._free(self._folder)
        low = free - self._reserve < (1 - SAID_AT) * self._most
        if self._said or not (low or self._used > SAID_AT * self._most):
            return ""
        self._said = True
        left = max(0, min(self._most - self._used, free - self._reserve))
        return (
            f"There is room for {_megabytes(left)} more of clips; after that, notes are kept without "
            f"them. Free some space on the disk of {self._folder.resolve().anchor} if you can: the exam "
            f"goes on either way."
        )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


def sync_file(descriptor: int) -> None:
    """Return only when the file's bytes have left this machine's caches."""
    if sys.platform == "darwin":
        import fcntl

        # On macOS fsync leaves the bytes in the drive's own cache.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Return only when the folder's list of names is on the disk. Windows does that by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` in one step: a reader, also after a crash, sees all of it or nothing."""
    part = path.with_name(path.name + PART)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            sync_file(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """Like :func:`write_whole`, for a file that must not be there yet (:class:`FileExistsError`)."""
    _put_new(path, data, 0o666)


def write_secret(path: Path, data: bytes) -> None:
    """:func:`write_new` for what its owner alone may read; makes the folder, too.

    A program that is killed leaves the whole secret or none, and can make another then.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _put_new(path, data, 0o600)


def write_in_place(path: Path, data: bytes) -> None:
    """Create ``path`` for its owner alone and fill it: for what may lie under no other name, not even
    for a moment. Raises :class:`FileExistsError` where it exists.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _fill_new(path, data, 0o600)
    sync_folder(path.parent)


def _put_new(path: Path, data: bytes, mode: int) -> None:
    if path.is_symlink() or path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    # A name of this process alone; what a killed one left under its own is in nobody's way.
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}{PART}")
    part.unlink(missing_ok=True)
    try:
        _fill_new(part, data, mode)
        _name_new(part, path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def _fill_new(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        sync_file(descriptor)


def _name_new(part: Path, path: Path) -> None:
    """Give ``part`` its true name in one step, unless another program has given it meanwhile."""
    if sys.platform == "win32":
        part.rename(path)  # refuses a name that is taken
        return
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Some memory cards and network folders know no second name for a file. There, two programs
        # that make the same new file in the same moment are not told apart.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        part.replace(path)


_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes.

    A case may come from a stranger: a link, a pipe or a device in it is refused and never waited for.
    Raises :class:`OSError` when the file cannot be read, :class:`ValueError` when it is not such a file.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or path.is_symlink():
            raise ValueError(f"{path.name} is not a plain file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path.name} is larger than {limit:,} bytes")
    return data
