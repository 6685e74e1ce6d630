"""Who opened, showed or handed on what of a case: a log of its own beside the journal (0021).

The journal is the student's and is signed by the attempt's key, which no reviewer has. So each machine
that opens something keeps its own log, ``access/NAME.jsonl``: lines like the journal's, in a tree of
their own, with a checkpoint ``access/NAME.note`` signed by that machine's reviewer key. ``NAME`` is the
begin of the key's SHA-256. Its first record names the key and binds the log to this very journal.

A record is on the disk and signed before what it speaks of happens. Whoever owns the machine can remove
the log and its key; only a server that countersigns could tell.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from filelock import FileLock, Timeout

from proctor.errors import CheckFailed, InputError
from proctor.evidence import checkpoint, journal, keys, layout, tree
from proctor.evidence.checkpoint import Checkpoint, NoteError
from proctor.evidence.disk import read_bounded, said_plainly, sync_file, sync_folder, write_whole
from proctor.evidence.journal import Journal, JournalError, Record
from proctor.evidence.untrusted import moment, strings, text

if TYPE_CHECKING:
    from proctor.evidence.view import CaseView

BEGAN, OPENED, SHOWN, EXPORTED, HELD, GONE, DECIDED = (
    "access.began",
    "access.opened",
    "access.shown",
    "access.exported",
    "access.held",
    "access.erased",
    "access.decided",
)
LOCK_S = 10.0
# No case is looked at so often; a longer log, or so many, is a broken program or an attack on the reader.
MAX_LOG = 4_000_000
MAX_LOGS = 100
MAX_NAME = 100
_NAME_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks: the name that they give, and the key of their machine."""

    name: str
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done with a case, as a log says it; nothing of it is checked here.

    ``flags`` whose clips it is about (empty: none in particular), ``what`` happened as a sentence.
    """

    log: str
    when: datetime | None
    who: str
    kind: str
    flags: tuple[str, ...]
    reason: str
    what: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy for research that was handed on: its id, the name it had, and since when it is there."""

    id: str
    name: str
    since: datetime


def local_reader(name: str | None = None) -> Reader:
    """This machine's reviewer, under ``name`` or else the name of the account."""
    if name is None:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            name = ""
    said = text(name, MAX_NAME)
    if not said:
        raise InputError("It is not known who you are; say it with --name.")
    return Reader(said, keys.reviewer_key())


def name_of(public: bytes) -> str:
    """What the log of the key ``public`` (32 bytes) is called."""
    return hashlib.sha256(public).hexdigest()[:_NAME_LENGTH]


def origin(attempt: str, name: str) -> str:
    """The name under which checkpoints of a log are signed."""
    return f"{attempt}/access/{name}"


def note(
    view: CaseView,
    reader: Reader,
    kind: str,
    data: Mapping[str, Any],
    *,
    reason: str = "",
    now: datetime | None = None,
) -> None:
    """Write one record to the log of ``reader``; it is on the disk and signed when this returns.

    Raises :class:`InputError` when the case's log is in use, :class:`CheckFailed` when it was changed,
    and :class:`MissingError` when it cannot be written.
    """
    public = reader.key.public_key().public_bytes_raw()
    name = name_of(public)
    folder = view.folder / layout.ACCESS
    anchor = moment(view.records[0]["time"]) or datetime.now(UTC)
    second = ((now or datetime.now(UTC)) - anchor).total_seconds()

    def wall(t: float) -> datetime:
        return anchor + timedelta(seconds=t)

    with said_plainly(f"the access log {folder}"):
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink():
            raise InputError(f"{folder} is a link; no case has one.")
        sync_folder(view.folder)
        lock = FileLock(folder / layout.LOCK, timeout=LOCK_S, fallback_to_soft=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(f"Another program writes to the access log {folder}; wait.") from error
    try:
        log = _open(folder, view, reader, wall, second)
        try:
            log.append(kind, {"by": reader.name, "reason": text(reason), **data}, second)
            _sign(log, folder, view.attempt, reader, name)
        finally:
            log.close()
    finally:
        lock.release()


def _open(
    folder: Path, view: CaseView, reader: Reader, wall: Callable[[float], datetime], second: float
) -> Journal:
    """The reader's log, begun where there is none; it must be what was signed of it."""
    public = reader.key.public_key().public_bytes_raw()
    name = name_of(public)
    path = folder / f"{name}{layout.LOG_SUFFIX}"
    try:
        if _settled(path, origin(view.attempt, name), public):
            return Journal.reopen(path, wall=wall)[0]
    except (JournalError, NoteError, OSError, ValueError) as error:
        raise CheckFailed(
            f"The access log {path} was changed, so nothing is opened: {str(error).rstrip('.')}."
        ) from error
    lines = journal.load(view.folder / layout.JOURNAL).lines
    log = Journal.create(path, attempt=view.attempt, wall=wall)
    began = {
        "attempt": view.attempt,
        "public_key": base64.b64encode(public).decode("ascii"),
        "journal": {
            "size": len(lines),
            "root": base64.b64encode(_tree_of(lines).root()).decode("ascii"),
        },
        "by": reader.name,
    }
    log.append(BEGAN, began, second)
    return log


def _settled(path: Path, signed_as: str, public: bytes) -> bool:
    """Whether there is a log with signed records, after what a crash left unsigned was cut off.

    A record is signed before what it speaks of happens, so one that is not signed speaks of nothing.
    Raises :class:`NoteError` at a log that no crash can have left.
    """
    note_path = path.with_suffix(layout.NOTE_SUFFIX)
    if not path.exists() and not note_path.exists():
        return False
    stored = journal.load(path)
    signed = 0
    if note_path.exists():
        found = checkpoint.read(read_bounded(note_path, checkpoint.MAX_BYTES), signed_as, public)
        signed = found.size
        if signed > len(stored.lines) or _tree_of(stored.lines[:signed]).root() != found.root:
            raise NoteError("it is not what was signed")
    # A crash can come between a record and its signature; a new log has its first record besides.
    if len(stored.lines) - signed > (1 if signed else 2):
        raise NoteError("it has records that nobody signed")
    if not signed:
        path.unlink()
    elif len(stored.lines) > signed or stored.torn:
        with path.open("r+b") as file:
            file.truncate(sum(len(line) + 1 for line in stored.lines[:signed]))
            sync_file(file.fileno())
    return bool(signed)


def _tree_of(lines: Iterable[bytes]) -> tree.Tree:
    whole = tree.Tree()
    for line in lines:
        whole.append(tree.leaf_hash(line))
    return whole


def _sign(log: Journal, folder: Path, attempt: str, reader: Reader, name: str) -> None:
    size, root = log.state()
    signed = checkpoint.sign(Checkpoint(origin(attempt, name), size, root), reader.key)
    with said_plainly(f"the access log {folder}"):
        write_whole(folder / f"{name}{layout.NOTE_SUFFIX}", signed)


def logs(folder: Path) -> list[Path]:
    """The access logs of the case in ``folder``, by name; a file that is none is left out.

    Raises :class:`InputError` where there are more than a case can have.
    """
    below = folder / layout.ACCESS
    if below.is_symlink() or not below.is_dir():
        return []
    found = sorted(p for p in below.iterdir() if layout.ACCESS_LOG.fullmatch(p.name))
    if len(found) > MAX_LOGS:
        raise InputError(f"{below} holds more than {MAX_LOGS} access logs; no case does.")
    return found


def read(folder: Path) -> list[Entry]:
    """Everything that the logs of a case say, in the order of time; nothing of it is checked here.

    Raises :class:`InputError` when a log cannot be read.
    """
    found: list[Entry] = []
    for path in logs(folder):
        found += [_entry(path.stem, record) for record in _records(path) if record.type != BEGAN]
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(found, key=lambda entry: entry.when or never)


def copies(folder: Path, *, erased: bool = False) -> list[Copy]:
    """Copies for research that left the case; those on record as erased only with ``erased``.

    Raises as :func:`read` does.
    """
    found: dict[str, Copy] = {}
    gone: set[str] = set()
    for path in logs(folder):
        for record in _records(path):
            name = text(record.data.get("copy"), 40)
            if record.type == EXPORTED and name:
                label = text(record.data.get("file"), 200) or name
                found[name] = Copy(name, label, record.time.astimezone(UTC))
            elif record.type == GONE:
                gone.add(name)
    return sorted(
        (c for c in found.values() if erased or c.id not in gone), key=lambda c: (c.since, c.id)
    )


def _records(path: Path) -> list[Record]:
    try:
        return records_of(path)
    except (JournalError, OSError, ValueError) as error:
        raise InputError(f"The access log {path} cannot be read: {error}") from error


def records_of(path: Path) -> list[Record]:
    """The whole records of a log; raises :class:`JournalError`."""
    if path.stat(follow_symlinks=False).st_size > MAX_LOG:
        raise JournalError(f"{path.name} is too large to be an access log.")
    return journal.load(path).records()


def _entry(log: str, record: Record) -> Entry:
    data = record.data
    flags = strings(data.get("flags"))
    return Entry(
        log=log,
        when=record.time.astimezone(UTC),
        who=text(data.get("by"), MAX_NAME),
        kind=record.type,
        flags=flags,
        reason=text(data.get("reason")),
        what=_what(record.type, data, flags),
    )


def _what(kind: str, data: Mapping[str, Any], flags: tuple[str, ...]) -> str:
    clips = ", ".join(flags[:5]) + (f" and {len(flags) - 5} more" if len(flags) > 5 else "")
    if kind == OPENED:
        how = "written unsealed to a file" if data.get("written") else "opened in memory"
        spare = " with the spare key" if data.get("escrow") else ""
        return f"The clip of {clips or 'a flag'} was {how}{spare}."
    if kind == SHOWN:
        how = "pictures and sound" if data.get("clips_inside") else "pictures"
        return f"A page with {how} was written ({clips or 'no clip'})."
    if kind == EXPORTED:
        whom = text(data.get("recipient"))
        how = f"encrypted anew for {whom}" if whom else "as they were sealed"
        if data.get("copy"):
            return f"A copy for research was made with the clips of {clips or 'no flag'}, {how}."
        return (
            f"An export was made with the clips of {clips}, {how}."
            if clips
            else ("An export without clips was made.")
        )
    if kind == GONE:
        return f"The copy for research {text(data.get('file'), 200)} was erased."
    if kind == DECIDED:
        done = "taken back" if data.get("withdraws") else "signed"
        return f"A decision on {clips or 'a flag'} was {done}."
    if kind == HELD:
        return f"The hold {text(data.get('file'), 40)} was signed."
    return f"A record '{text(kind, 40)}'."
