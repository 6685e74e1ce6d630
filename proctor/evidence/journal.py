"""The journal: one CloudEvents-shaped JSON line per record, only ever appended, hashed into a tree.

A line is on the disk when :meth:`Journal.append` returns, and is hashed as stored, so that what an
auditor hashes is what lies in the file.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proctor.errors import InputError, MissingError
from proctor.evidence.disk import read_bounded, said_plainly, sync_file, sync_folder
from proctor.evidence.tree import Tree, leaf_hash

# A record of ten seconds of scores takes 2 kB; a line of megabytes is damage or an attack.
MAX_LINE = 1_000_000
# Three hours with every score take about 5 MB.
MAX_JOURNAL = 256_000_000
MAX_RECORDS = 1_000_000
SOURCE = "urn:proctor:attempt:"
_TYPE = re.compile(r"[a-z]+(\.[a-z_]+)*")


class JournalError(InputError):
    """A journal cannot be read: ``str`` says which line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line. ``time`` is the wall clock (UTC); ``event`` the whole line as read."""

    number: int
    type: str
    source: str
    time: datetime
    data: Mapping[str, Any]
    event: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stored:
    """A journal file as it lies there: whole lines without their newline, and what follows the last."""

    lines: tuple[bytes, ...]
    torn: bytes

    def records(self) -> list[Record]:
        """Every line parsed. Raises :class:`JournalError` at the first that is no record."""
        return [parse(line, number) for number, line in enumerate(self.lines, start=1)]


class Journal:
    """A journal open for appending. Any thread may append."""

    def __init__(
        self, path: Path, descriptor: int, source: str, wall: Callable[[float], datetime]
    ) -> None:
        self.path = path
        self.source = source
        self.tree = Tree()
        self._descriptor = descriptor
        self._wall = wall
        self._lock = threading.Lock()
        self._length = 0
        self._time = datetime.min.replace(tzinfo=UTC)
        self._unsynced = False
        self._broken = False

    @classmethod
    def create(cls, path: Path, *, attempt: str, wall: Callable[[float], datetime]) -> Journal:
        """Start the journal of ``attempt`` at ``path``, which must not exist.

        ``wall`` gives the wall-clock moment of a session second.
        """
        with said_plainly(f"the journal {path}"):
            descriptor = os.open(path, _FLAGS | os.O_EXCL, 0o600)
            sync_folder(path.parent)
        return cls(path, descriptor, SOURCE + attempt, wall)

    @classmethod
    def reopen(
        cls, path: Path, *, wall: Callable[[float], datetime]
    ) -> tuple[Journal, list[Record], int]:
        """Go on with a journal: it, its records, and how many torn bytes were cut from its end.

        Raises :class:`JournalError` when it was changed or damaged.
        """
        stored = load(path)
        records = stored.records()
        if not records:
            raise JournalError(f"The journal {path} holds no whole record, so nothing can go on.")
        with said_plainly(f"the journal {path}"):
            descriptor = os.open(path, _FLAGS & ~os.O_CREAT, 0o600)
            if stored.torn:
                os.ftruncate(descriptor, sum(len(line) + 1 for line in stored.lines))
                sync_file(descriptor)
        journal = cls(path, descriptor, records[0].source, wall)
        for line in stored.lines:
            journal.tree.append(leaf_hash(line))
            journal._length += len(line) + 1
        journal._time = max(record.time for record in records)
        return journal, records, len(stored.torn)

    def append(
        self, type: str, data: Mapping[str, Any], t: float | None = None, *, sync: bool = True
    ) -> int:
        """Write one record and return its number (from 1).

        ``t`` is the session second it speaks of (``data["t"]`` where it has one); its wall-clock time
        never goes back. With ``sync`` it is on the disk when this returns; without, with the next
        synced one. Raises :class:`MissingError` when the disk does not take it.
        """
        if not _TYPE.fullmatch(type):
            raise ValueError(f"'{type}' is no record type")
        known = data.get("t") if t is None else float(t)
        with self._lock:
            if self._broken:
                raise MissingError(
                    f"The journal {self.path} could not be written before, so nothing more is added; "
                    f"mend the disk and resume the case."
                )
            if known is not None:
                self._time = max(self._time, self._wall(float(known)).astimezone(UTC))
            elif self.tree.size == 0:
                self._time = self._wall(0.0).astimezone(UTC)
            number = self.tree.size + 1
            line = _encode(
                {
                    "specversion": "1.0",
                    "id": str(number),
                    "source": self.source,
                    "type": type,
                    "time": self._time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "data": dict(data) if known is None else {"t": round(known, 3), **data},
                }
            )
            self._write(line + b"\n", sync)
            self.tree.append(leaf_hash(line))
            return number

    @property
    def broken(self) -> bool:
        """Whether the disk refused a record, so that no more are taken."""
        return self._broken

    def state(self) -> tuple[int, bytes]:
        """How many records there are, and the tree's root over them."""
        with self._lock:
            return self.tree.size, self.tree.root()

    def sync(self) -> None:
        """Return when every record so far is on the disk."""
        with self._lock, said_plainly(f"the journal {self.path}"):
            if self._unsynced and not self._broken:
                self._flush()

    def close(self) -> None:
        """Sync and close; safe to call twice."""
        if self._descriptor < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, line: bytes, sync: bool) -> None:
        with said_plainly(f"the journal {self.path}"):
            try:
                written = 0
                while written < len(line):
                    written += os.write(self._descriptor, line[written:])
            except OSError:
                # Half a line must not stay: the next record would be glued to it.
                self._broken = True
                os.ftruncate(self._descriptor, self._length)
                self._broken = False
                raise
            self._length += len(line)
            self._unsynced = True
            if sync:
                self._flush()

    def _flush(self) -> None:
        try:
            sync_file(self._descriptor)
        except OSError:
            # After a failed fsync nobody knows what is on the disk (and a second one would lie).
            self._broken = True
            raise
        self._unsynced = False


_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


def _encode(event: Mapping[str, Any]) -> bytes:
    text = json.dumps(
        event, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
    )
    # A lone surrogate (an undecodable file name) becomes the JSON escape of itself.
    line = text.encode("utf-8", "backslashreplace")
    if len(line) > MAX_LINE:
        raise ValueError(f"a record of {len(line)} bytes is larger than {MAX_LINE}")
    return line


def _plain(value: Any) -> Any:
    """numpy's numbers as Python's."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot stand in a journal")


def load(path: Path) -> Stored:
    """Read a journal file without judging its lines. Raises :class:`JournalError` when it cannot be."""
    try:
        raw = read_bounded(path, MAX_JOURNAL)
    except OSError as error:
        raise JournalError(f"The journal {path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise JournalError(f"The journal {path} cannot be one: {error}.") from error
    if raw.count(b"\n") > MAX_RECORDS:
        raise JournalError(f"{path} has more than {MAX_RECORDS} lines; no journal has.")
    *lines, torn = raw.split(b"\n")
    return Stored(tuple(lines), torn)


def parse(line: bytes, number: int) -> Record:
    """The record in line ``number``. Raises :class:`JournalError` with what is wrong."""
    try:
        if len(line) > MAX_LINE:
            raise ValueError(f"it is longer than {MAX_LINE} bytes")
        event = json.loads(
            line.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
        if not isinstance(event, dict):
            raise TypeError("it is no object")
        for name in ("specversion", "id", "source", "type", "time"):
            if not isinstance(event.get(name), str):
                raise TypeError(f"its '{name}' is no text")
        if event["specversion"] != "1.0" or not _TYPE.fullmatch(event["type"]):
            raise ValueError("it is no record of a kind we know")
        if not isinstance(event.get("data"), dict):
            raise TypeError("its 'data' is no object")
        if event["id"] != str(number):
            raise ValueError(f"it calls itself number {event['id'][:20]}")
        when = datetime.fromisoformat(event["time"])
        if when.utcoffset() is None:
            raise ValueError("its time names no zone")
    except RecursionError as error:
        raise JournalError(
            f"Line {number} of the journal is no record: nested too deeply."
        ) from error
    except (ValueError, TypeError) as error:
        reason = str(error)[:200]
        raise JournalError(f"Line {number} of the journal is no record: {reason}.") from error
    return Record(number, event["type"], event["source"], when, event["data"], event)


def _no_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _no_constant(name: str) -> Iterator[None]:
    raise ValueError(f"{name} is no JSON number")
