"""A hub's receipts in a case: its key, its countersigned checkpoints, and the newest state of its log.

They lie in ``hub/`` of the case. A countersigned note says: at this time the hub saw this journal in this
state. The key is the one that the hub showed first; another one later is told, never taken over.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from proctor.errors import CheckFailed
from proctor.evidence import checkpoint, cosignature, layout
from proctor.evidence.checkpoint import Checkpoint, NoteError
from proctor.evidence.disk import read_bounded, said_plainly, write_whole
from proctor.evidence.tree import Tree

KEY, LOG = "hub.json", "log.note"
MAX_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class HubKey:
    """Who a hub says it is: the name of its log, and its Ed25519 key (32 bytes)."""

    name: str
    public: bytes


def key_of(said: object) -> HubKey | None:
    """A hub's name and key from JSON; ``None`` where it holds none."""
    if not isinstance(said, Mapping):
        return None
    name, encoded = said.get("name"), said.get("public_key")
    if not isinstance(name, str) or not 0 < len(name) <= 100 or not isinstance(encoded, str):
        return None
    try:
        public = base64.b64decode(encoded, validate=True)
        Ed25519PublicKey.from_public_bytes(public)
    except (binascii.Error, ValueError):
        return None
    return HubKey(name, public)


def kept_key(folder: Path) -> HubKey | None:
    """The key that the hub of the case in ``folder`` showed first; ``None`` before that."""
    try:
        return key_of(json.loads(read_bounded(folder / layout.HUB / KEY, MAX_BYTES)))
    except (OSError, ValueError, RecursionError):
        return None


def keep_key(folder: Path, key: HubKey) -> None:
    """Keep what the hub showed first."""
    said = {"name": key.name, "public_key": base64.b64encode(key.public).decode("ascii")}
    _write(folder, KEY, json.dumps(said).encode("ascii"))


def kept_log(folder: Path, key: HubKey) -> Checkpoint | None:
    """The newest state of the hub's log that was seen, if any."""
    try:
        note = read_bounded(folder / layout.HUB / LOG, MAX_BYTES)
        return checkpoint.read(note, key.name, key.public)
    except (OSError, ValueError, NoteError):
        return None


def keep_log(folder: Path, note: bytes) -> None:
    """Keep the newest state of the hub's log, as it signed it."""
    _write(folder, LOG, note)


def keep(folder: Path, size: int, note: bytes) -> None:
    """Keep a countersigned checkpoint."""
    _write(folder, f"{size:08d}{layout.NOTE_SUFFIX}", note)


def notes(folder: Path) -> dict[int, bytes]:
    """Every countersigned checkpoint that is kept, by the number of lines that it is over."""
    found = {}
    for path in files(folder):
        stem = path.name.removesuffix(layout.NOTE_SUFFIX)
        if stem.isascii() and stem.isdigit():
            found[int(stem)] = read_bounded(path, MAX_BYTES)
    return found


def files(folder: Path) -> list[Path]:
    """What a hub gave for the case in ``folder``; nothing where its folder is a link."""
    below = folder / layout.HUB
    if below.is_symlink() or not below.is_dir():
        return []
    return sorted(path for path in below.iterdir() if layout.expected(f"{layout.HUB}/{path.name}"))


def wrong_with(note: bytes, size: int, attempt: str, public: bytes, key: HubKey) -> str:
    """What is wrong with a countersigned checkpoint over ``size`` lines; empty where nothing is."""
    try:
        made = checkpoint.read(note, attempt, public)
        cosignature.check(note, key.name, key.public)
    except NoteError as error:
        return str(error)
    return "" if made.size == size else f"it is over {made.size} lines, not {size}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A countersigned checkpoint that holds: over ``size`` lines, seen by the hub at ``when``."""

    size: int
    note: bytes
    when: datetime


def receipts(
    folder: Path, attempt: str, public: bytes, tree: Tree
) -> tuple[HubKey | None, list[Receipt]]:
    """The key that the hub of a case showed, and its receipts, smallest first, once all of them hold.

    ``attempt`` and ``public`` are the name and key of the attempt, ``tree`` the one over the lines of its
    journal. Raises :class:`CheckFailed` at a receipt, or a state of the hub's log, that does not hold.
    """
    key = kept_key(folder)
    try:
        found = notes(folder)
        log = folder / layout.HUB / LOG
        state = read_bounded(log, MAX_BYTES) if log.exists() else None
    except (OSError, ValueError) as error:
        raise CheckFailed(f"A receipt of the hub cannot be read: {error}.") from error
    if key is None:
        if found or state is not None:
            raise CheckFailed("There are receipts of a hub, and not the key that it showed.")
        return None, []
    held = []
    for size, note in sorted(found.items()):
        reason = wrong_with(note, size, attempt, public, key)
        if not reason and size > tree.size:
            reason = f"it is over {size} lines, and the journal has {tree.size}"
        if not reason:
            made = checkpoint.read(note, attempt, public)
            reason = "" if made.root == tree.root(size) else "it is over other lines"
        if reason:
            raise CheckFailed(f"The hub's receipt over {size} lines does not hold: {reason}.")
        held.append(Receipt(size, note, cosignature.check(note, key.name, key.public)))
    try:
        if state is not None:
            checkpoint.read(state, key.name, key.public)
    except NoteError as error:
        raise CheckFailed(f"The state of the hub's log does not hold: {error}.") from error
    return key, held


class _Evidence(Protocol):
    folder: Path
    tree: Tree

    def key(self) -> tuple[str, bytes]: ...


def question(evidence: _Evidence) -> str:
    """One check of ``proctor case verify``: every receipt of a hub is over this very journal."""
    from proctor.evidence.verify import Failed

    try:
        key, held = receipts(evidence.folder, *evidence.key(), evidence.tree)
    except CheckFailed as error:
        raise Failed(str(error)) from error
    if key is None:
        return "No hub has given receipts for this case."
    if not held:
        return f"The hub {key.name} is known, and has given no receipt yet."
    encoded, last = base64.b64encode(key.public).decode("ascii"), held[-1]
    return (
        f"{len(held)} receipts of {key.name}, the last over {last.size} records at "
        f"{last.when:%Y-%m-%d %H:%M:%S} UTC, signed with key {encoded}. Ask the hub whether it is its."
    )


def _write(folder: Path, name: str, data: bytes) -> None:
    with said_plainly(f"the hub's receipts in {folder}"):
        (folder / layout.HUB).mkdir(exist_ok=True, mode=0o700)
        write_whole(folder / layout.HUB / name, data)


Proof = Mapping[str, Any]
