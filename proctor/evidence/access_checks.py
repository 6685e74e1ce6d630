"""What ``case verify`` asks about access logs and holds: papers that others than the student add."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policies import sign
from policies.errors import PolicyError
from policies.root import Root
from proctor.evidence import access, checkpoint, hold, journal, layout
from proctor.evidence.checkpoint import NoteError
from proctor.evidence.disk import read_bounded
from proctor.evidence.journal import JournalError
from proctor.evidence.tree import Tree, leaf_hash
from proctor.evidence.untrusted import moment, text


@dataclass(frozen=True, slots=True)
class Logs:
    """What the access logs of a case come to: what is wrong, who kept them, and the holds they name.

    ``unsigned`` counts last records that a crash left without a signature; ``held``: by the hold's file
    name, its payload's SHA-256 and its end.
    """

    wrong: tuple[str, ...]
    keepers: tuple[str, ...]
    records: int
    unsigned: int
    held: dict[str, tuple[str, datetime | None]]


def check_logs(folder: Path, files: Collection[str], attempt: str, case: Tree) -> Logs:
    """Check every access log in ``files`` (paths below ``folder``) against its checkpoint and the case.

    ``case`` is the hash tree of the case's journal.
    """
    wrong: list[str] = []
    keepers: list[str] = []
    held: dict[str, tuple[str, datetime | None]] = {}
    records = unsigned = 0
    begin = f"{layout.ACCESS}/"
    found = sorted(n.removeprefix(begin) for n in files if n.startswith(begin))
    names = {name.partition(".")[0] for name in found if name != layout.LOCK}
    if len(names) > access.MAX_LOGS:
        wrong, names = [f"there are more than {access.MAX_LOGS}"], set()
    for name in sorted(names):
        try:
            log = _check(folder / layout.ACCESS, name, attempt, case)
        except (NoteError, JournalError, OSError, ValueError, binascii.Error) as error:
            wrong.append(f"{name}: {str(error)[:200].rstrip('.')}")
            continue
        keepers.append(f"the machine with key {log.key} for {log.who}")
        records += log.records
        unsigned += log.unsigned
        held.update(log.held)
    return Logs(tuple(wrong), tuple(keepers), records, unsigned, held)


@dataclass(frozen=True, slots=True)
class _Log:
    who: str
    key: str
    records: int
    unsigned: int
    held: dict[str, tuple[str, datetime | None]]


def _check(folder: Path, name: str, attempt: str, case: Tree) -> _Log:
    path = folder / f"{name}{layout.LOG_SUFFIX}"
    if path.stat(follow_symlinks=False).st_size > access.MAX_LOG:
        raise NoteError("it is too large to be an access log")
    stored = journal.load(path)
    records = stored.records()
    if stored.torn or not records or records[0].type != access.BEGAN:
        raise NoteError("it does not begin as an access log does, or ends in half a record")
    first = records[0].data
    public = base64.b64decode(text(first.get("public_key")), validate=True)
    Ed25519PublicKey.from_public_bytes(public)
    if access.name_of(public) != name:
        raise NoteError("it is not called after the key that it names")
    note = read_bounded(folder / f"{name}{layout.NOTE_SUFFIX}", checkpoint.MAX_BYTES)
    signed = checkpoint.read(note, access.origin(attempt, name), public)
    tree = Tree()
    for line in stored.lines:
        tree.append(leaf_hash(line))
    if signed.size > tree.size or tree.root(signed.size) != signed.root:
        raise NoteError("its records are not those that its key signed")
    if tree.size > signed.size + 1:
        raise NoteError("it has records that nobody signed")
    if any(record.source != journal.SOURCE + attempt for record in records):
        raise NoteError("it has records of another attempt")
    seen = first.get("journal")
    size = seen.get("size") if isinstance(seen, dict) else None
    root = (
        base64.b64decode(text(seen.get("root")), validate=True) if isinstance(seen, dict) else b""
    )
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= case.size:
        raise NoteError("it saw more of the journal than there is")
    if case.root(size) != root:
        raise NoteError("it was kept of another journal than this one")
    held = {
        text(record.data.get("file"), 100): (
            text(record.data.get("sha256"), 100),
            moment(record.data.get("until")),
        )
        for record in records[: signed.size]
        if record.type == access.HELD
    }
    key = base64.b64encode(public).decode("ascii")
    names = dict.fromkeys(text(record.data.get("by"), access.MAX_NAME) for record in records)
    who = ", ".join(list(names)[:5]) + (" and others" if len(names) > 5 else "")
    return _Log(who, key, signed.size, tree.size - signed.size, held)


@dataclass(frozen=True, slots=True)
class Held:
    """One hold of a case: its file name, and how many of the root's keys signed it (``None``: no root)."""

    name: str
    hold: hold.Hold
    signatures: int | None

    @property
    def counts(self) -> bool:
        """Whether it is known to be signed by enough."""
        return self.signatures is not None and self.signatures >= hold.SIGNATURES


def holds(folder: Path, root: Root | None) -> Iterator[Held]:
    """The holds of a case, by name; raises :class:`~proctor.evidence.hold.HoldError` at one that is none."""
    below = folder / layout.HOLDS
    if below.is_symlink() or not below.is_dir():
        return
    for path in sorted(below.glob(f"*{layout.HOLD_SUFFIX}")):
        try:
            raw = read_bounded(path, hold.MAX_BYTES)
        except (OSError, ValueError) as error:
            raise hold.HoldError(f"The hold {path.name} cannot be read: {error}.") from error
        found = hold.unchecked(raw)
        signatures = None if root is None else hold.signatures(raw, root.public_keys())
        yield Held(path.name, found, signatures)


def wrong_holds(
    folder: Path,
    attempt: str,
    recorded: Mapping[str, tuple[str, datetime | None]],
    now: datetime | None = None,
) -> list[str]:
    """Holds of another attempt, and those that an access log names and that are gone or changed.

    With ``now``, of the latter only those that are not over.
    """
    wrong = [
        f"{one.name} is of another attempt"
        for one in holds(folder, None)
        if one.hold.attempt != attempt
    ]
    for name, (digest, until) in sorted(recorded.items()):
        if now is not None and until is not None and until <= now:
            continue
        try:
            raw = read_bounded(folder / layout.HOLDS / Path(name).name, hold.MAX_BYTES)
            payload = sign.inspect(raw)[0]
        except (OSError, ValueError, PolicyError):
            wrong.append(f"{name} is on record and not there")
            continue
        if hashlib.sha256(payload).hexdigest() != digest:
            wrong.append(f"{name} is not the one that is on record")
    return wrong


def missing_holds(folder: Path, attempt: str, now: datetime) -> list[str]:
    """What :func:`wrong_holds` finds in the case ``folder`` at ``now``, and logs that cannot be believed."""
    tree = Tree()
    for line in journal.load(folder / layout.JOURNAL).lines:
        tree.append(leaf_hash(line))
    names = [f"{layout.ACCESS}/{path.name}" for path in access.logs(folder)]
    logs = check_logs(folder, names, attempt, tree)
    return [*logs.wrong, *wrong_holds(folder, attempt, logs.held, now)]


def told_logs(logs: Logs) -> str:
    """The answer of ``case verify`` about logs that hold."""
    if not logs.keepers:
        return "There is no access log: nobody opened anything, or it was taken out."
    left = f" Warning: {logs.unsigned} last records are not signed." if logs.unsigned else ""
    return (
        f"{logs.records} signed records, kept by {', '.join(logs.keepers[:3])}. Ask them whether it is "
        f"their key.{left}"
    )


def told_holds(found: Sequence[Held], root: Root | None) -> str:
    """The answer of ``case verify`` about holds that are there."""
    if not found:
        return "There is no hold."
    if root is None:
        return f"Warning: who signed was not checked (no root file given); holds there are: {len(found)}."
    few = [one.name for one in found if not one.counts]
    less = f" Not in force: {', '.join(few[:3])}." if few else ""
    return f"Signed by two keys of the root file or more: {len(found) - len(few)} of {len(found)}.{less}"
