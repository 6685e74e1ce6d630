"""What of a case is still to be delivered: a queue on disk that a crash cannot confuse.

Nothing is copied: an item names bytes of the case folder and their SHA-256. Only what a checkpoint signs is
queued, so a hub never has a record that a power cut took from here. An item leaves the queue when the hub has
confirmed its digest; one that was sent twice has no effect there. docs/outbox.md has the contract.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from filelock import FileLock, Timeout

from proctor.errors import CheckFailed, InputError, MissingError
from proctor.evidence import keys, layout, view
from proctor.evidence.disk import read_bounded, said_plainly

Kind = Literal["policy", "event", "journal", "checkpoint", "clip"]
State = Literal["waiting", "done", "refused", "dropped"]

# A batch of journal lines: four seconds at 128 kbit/s. A longer single line goes alone.
BATCH_BYTES = 64_000
# Records of which a person may want to hear at once; each is also in its batch.
EVENTS = frozenset({"flag", "flag.closed", "session.started", "session.ended"})
MAX_NOTES = 100_000

_TABLES = """
CREATE TABLE IF NOT EXISTS items (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL, length INTEGER NOT NULL,
  place INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'waiting',
  location TEXT NOT NULL DEFAULT '', receipt BLOB, why TEXT NOT NULL DEFAULT '',
  UNIQUE (kind, name)
);
CREATE TABLE IF NOT EXISTS read_so_far (
  one INTEGER PRIMARY KEY CHECK (one = 1), lines INTEGER NOT NULL, bytes INTEGER NOT NULL
);
INSERT OR IGNORE INTO read_so_far VALUES (1, 0, 0);
"""
_COLUMNS = "seq, kind, name, sha256, length, place, location"


class Later(Exception):
    """Not now: no answer, or one that asks to wait. ``str`` says what happened."""

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


class Refused(Exception):
    """The hub will not take this item, however often it is sent; ``str`` says why."""


class Gone(Exception):
    """The hub no longer has the beginning of this upload, or not the right one: it starts anew."""


@dataclass(frozen=True, slots=True)
class Item:
    """Bytes of a case that are to be delivered.

    ``name`` tells items of a kind apart (``1-40`` are journal lines); ``place`` is where the bytes begin
    in their file, ``location`` where an upload was begun.
    """

    seq: int
    kind: Kind
    name: str
    sha256: str
    length: int
    place: int
    location: str


class Destination(Protocol):
    """Where a case goes. Each call may raise :class:`Later`, :class:`Refused` or (uploads) :class:`Gone`."""

    def post(self, item: Item, body: bytes) -> bytes:
        """Deliver a small item whole; returns the receipt, once the digest was confirmed."""
        ...

    def begin(self, item: Item) -> str:
        """Announce an upload, or find the one that was begun; returns where its bytes go."""
        ...

    def offset(self, location: str) -> int:
        """How many bytes of the upload have arrived."""
        ...

    def put(self, location: str, offset: int, data: bytes) -> int:
        """Send bytes from ``offset`` on; returns how many have arrived now."""
        ...

    def finish(self, item: Item, location: str) -> bytes:
        """The receipt of a whole upload, once its digest was confirmed."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a delivery is. ``waiting_bytes`` are those of clips."""

    waiting: int
    waiting_bytes: int
    done: int
    refused: int


class Outbox:
    """The queue of one case for one hub. Used by one thread of one process; close it at the end."""

    def __init__(self, folder: Path, path: Path) -> None:
        self.folder = folder
        self.path = path
        self._checked = False
        with said_plainly(f"the outbox {path}"):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FileLock(path.with_suffix(".lock"), timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise InputError(
                f"Another program is sending the case {folder}; let it finish, or close it first."
            ) from error
        try:
            self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._base.execute("PRAGMA journal_mode = WAL")
            # A confirmed item must not be forgotten again by a power cut.
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.executescript(_TABLES)
        except sqlite3.Error as error:
            self._lock.release()
            raise MissingError(
                f"The outbox {path} cannot be used ({error}); remove it: what it knows is found again "
                f"in the case, and nothing arrives twice."
            ) from error

    @classmethod
    def of(cls, folder: Path, hub: str) -> Outbox:
        """The outbox of the case in ``folder`` for the address ``hub``, on this machine."""
        attempt = str(view.read(folder).consent.get("attempt"))
        if not layout.ATTEMPT.fullmatch(attempt):
            raise InputError(f"The case {folder} names no attempt, so it cannot be delivered.")
        which = hashlib.sha256(hub.encode()).hexdigest()[:12]
        return cls(folder, _queues() / f"{attempt}-{which}.sqlite")

    def close(self) -> None:
        """Let go of the queue; safe to call twice."""
        self._base.close()
        self._lock.release()

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # What comes in.

    def collect(self) -> int:
        """Queue what the case's checkpoints sign and was not queued before; returns how many items.

        Raises :class:`CheckFailed` where something is in the queue already with another content.
        """
        if not self._checked:
            self._check_unchanged()
            self._checked = True
        lines, start = self._base.execute("SELECT lines, bytes FROM read_so_far").fetchone()
        signed = [size for size in self._checkpoints() if size > lines]
        if not signed:
            return 0
        with self._transaction():
            added = self._add("policy", layout.POLICY, self._file(layout.POLICY), 0)
            for size in signed:
                for batch in self._batches(lines, start, size):
                    added += self._queue(lines + 1, start, batch)
                    lines += len(batch)
                    start += sum(len(line) for line in batch)
                if lines < size:
                    break  # the file is shorter than its checkpoint: `case verify` says so
                note = layout.note_name(size)
                added += self._add("checkpoint", note, self._file(note), 0)
            self._base.execute("UPDATE read_so_far SET lines = ?, bytes = ?", (lines, start))
        return added

    def _check_unchanged(self) -> None:
        """What was queued from the journal must still stand there, sent or not."""
        rows = self._base.execute(f"SELECT {_COLUMNS} FROM items WHERE kind = 'journal'").fetchall()  # noqa: S608
        for row in rows:
            self.body(Item(*row))

    def _checkpoints(self) -> list[int]:
        names = (self.folder / layout.CHECKPOINTS).glob(f"*{layout.NOTE_SUFFIX}")
        stems = (path.name.removesuffix(layout.NOTE_SUFFIX) for path in names)
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())

    def _batches(self, lines: int, start: int, size: int) -> Iterator[list[bytes]]:
        """Lines ``lines + 1`` to ``size`` from byte ``start`` on, in batches."""
        batch: list[bytes] = []
        length = 0
        with (self.folder / layout.JOURNAL).open("rb") as file:
            file.seek(start)
            for _ in range(size - lines):
                line = file.readline()
                if not line.endswith(b"\n"):
                    break
                if batch and length + len(line) > BATCH_BYTES:
                    yield batch
                    batch, length = [], 0
                batch.append(line)
                length += len(line)
        if batch:
            yield batch

    def _queue(self, number: int, start: int, batch: list[bytes]) -> int:
        """Items of one batch, whose first line is ``number`` at byte ``start``: events, it, clips."""
        added = 0
        clips: list[Mapping[str, Any]] = []
        for line in batch:
            record = _record(line)
            data = record.get("data")
            data = data if isinstance(data, dict) else {}
            if record.get("type") in EVENTS:
                added += self._add("event", str(number), line.rstrip(b"\n"), start)
            elif record.get("type") == "sealed":
                clips.append(data)
            elif record.get("type") == "erased":
                self._drop(str(data.get("flag")))
                clips = [clip for clip in clips if clip.get("flag") != data.get("flag")]
            number += 1
            start += len(line)
        first = number - len(batch)
        whole = b"".join(batch)
        added += self._add("journal", f"{first}-{number - 1}", whole, start - len(whole))
        for data in clips:
            added += self._add_clip(data)
        return added

    def _add(self, kind: Kind, name: str, body: bytes, place: int) -> int:
        return self._insert(kind, name, hashlib.sha256(body).hexdigest(), len(body), place)

    def _add_clip(self, data: Mapping[str, Any]) -> int:
        flag, digest, length = data.get("flag"), data.get("sha256"), data.get("length")
        if not (isinstance(flag, str) and layout.FLAG_ID.fullmatch(flag)):
            raise CheckFailed(
                f"A sealed record of {self.folder} names no flag; nothing more is sent."
            )
        if not isinstance(digest, str) or not isinstance(length, int):
            raise CheckFailed(f"The sealed record of '{flag}' is damaged; nothing more is sent.")
        return self._insert("clip", flag, digest, length, 0)

    def _insert(self, kind: Kind, name: str, digest: str, length: int, place: int) -> int:
        known = self._base.execute(
            "SELECT sha256 FROM items WHERE kind = ? AND name = ?", (kind, name)
        ).fetchone()
        if known is None:
            self._base.execute(
                "INSERT INTO items (kind, name, sha256, length, place) VALUES (?, ?, ?, ?, ?)",
                (kind, name, digest, length, place),
            )
            return 1
        if known[0] != digest:
            raise CheckFailed(
                f"{kind} {name} of the case {self.folder} is not what was queued before: the case was "
                f"changed, so nothing more is sent. `proctor case verify {self.folder}` tells more."
            )
        return 0

    def _drop(self, flag: str) -> None:
        """What was erased is not sent any more."""
        self._base.execute(
            "UPDATE items SET state = 'dropped', why = 'erased' "
            "WHERE kind = 'clip' AND name = ? AND state = 'waiting'",
            (flag,),
        )

    # What goes out.

    def next(self, *, clips: bool = True) -> Item | None:
        """What is to be sent now: everything small in its order, then (``clips``) clip after clip."""
        row = self._base.execute(
            f"SELECT {_COLUMNS} FROM items WHERE state = 'waiting' AND (? OR kind != 'clip') "  # noqa: S608
            "ORDER BY kind = 'clip', seq LIMIT 1",
            (clips,),
        ).fetchone()
        return None if row is None else Item(*row)

    def body(self, item: Item, start: int = 0, most: int | None = None) -> bytes:
        """The bytes of an item, or of a clip those from ``start`` on.

        Raises :class:`CheckFailed` when they are not those that were queued, and :class:`Refused` when
        a clip is no longer there.
        """
        if item.kind == "clip":
            return self._clip(item, start, most)
        if item.kind in ("journal", "event"):
            with (self.folder / layout.JOURNAL).open("rb") as file:
                file.seek(item.place)
                data = file.read(item.length)
        else:
            data = self._file(item.name)
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise CheckFailed(
                f"{item.kind} {item.name} of the case {self.folder} was changed after it was signed, so "
                f"nothing more is sent. `proctor case verify {self.folder}` tells more."
            )
        return data

    def _clip(self, item: Item, start: int, most: int | None) -> bytes:
        path = self.folder / layout.clip_name(item.name)
        try:
            if start == 0:
                # Before its first byte goes out; later ones are checked by the hub's digest.
                whole = read_bounded(path, layout.MAX_SEALED)
                if hashlib.sha256(whole).hexdigest() != item.sha256:
                    raise Refused("it is not the clip that was sealed")
                return whole if most is None else whole[:most]
            with path.open("rb") as file:
                file.seek(start)
                return file.read(-1 if most is None else most)
        except (OSError, ValueError) as error:
            raise Refused(f"its file cannot be read ({error})") from error

    def done(self, item: Item, receipt: bytes) -> None:
        """The hub has confirmed the item."""
        self._set(item, "state = 'done', receipt = ?, location = ''", receipt)

    def refuse(self, item: Item, why: str) -> None:
        """The item is set aside; the next one goes on."""
        self._set(item, "state = 'refused', why = ?", why)

    def locate(self, item: Item, location: str) -> None:
        """Remember where the upload of a clip was begun; empty: it begins anew."""
        self._set(item, "location = ?", location)

    def _set(self, item: Item, change: str, value: object) -> None:
        with said_plainly(f"the outbox {self.path}"), self._transaction():
            self._base.execute(f"UPDATE items SET {change} WHERE seq = ?", (value, item.seq))  # noqa: S608

    # What there is.

    def counts(self) -> Counts:
        """How far the delivery is."""
        rows = self._base.execute(
            "SELECT state, COUNT(*), SUM(CASE WHEN kind = 'clip' THEN length ELSE 0 END) "
            "FROM items GROUP BY state"
        ).fetchall()
        by = {state: (count, size) for state, count, size in rows}
        waiting, size = by.get("waiting", (0, 0))
        return Counts(waiting, size, by.get("done", (0, 0))[0], by.get("refused", (0, 0))[0])

    def refused(self) -> list[tuple[str, str, str]]:
        """Kind, name and reason of every item that was set aside."""
        rows = self._base.execute(
            "SELECT kind, name, why FROM items WHERE state = 'refused' ORDER BY seq"
        )
        return [(kind, name, why) for kind, name, why in rows]

    def receipts(self) -> list[tuple[str, str, bytes]]:
        """Kind, name and receipt of every confirmed item, in order."""
        rows = self._base.execute(
            "SELECT kind, name, receipt FROM items WHERE state = 'done' ORDER BY seq"
        )
        return [(kind, name, receipt) for kind, name, receipt in rows]

    # Inside.

    def _file(self, name: str) -> bytes:
        try:
            return read_bounded(self.folder / name, MAX_NOTES * 10)
        except (OSError, ValueError) as error:
            raise CheckFailed(f"{self.folder / name} cannot be read: {error}.") from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        try:
            self._base.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._base.execute("ROLLBACK")
            raise MissingError(f"Cannot write the outbox {self.path}: {error}.") from error


def forget(attempt: str) -> None:
    """Remove the queues of an attempt whose case was erased as a whole; they name its flags."""
    if layout.ATTEMPT.fullmatch(attempt):
        for path in _queues().glob(f"{attempt}-*"):
            path.unlink(missing_ok=True)


def _queues() -> Path:
    return keys.data_dir() / "outbox"


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}  # not ours to judge: the batch goes as it is, and the hub's checks say what is wrong
    return record if isinstance(record, dict) else {}
