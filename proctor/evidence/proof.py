"""Proofs that others can check without the rest of a case, in the forms of C2SP.

Inclusion: ``c2sp.org/tlog-proof@v1``, that one record stands in the journal a checkpoint signs.
Consistency: the body that ``c2sp.org/tlog-witness`` posts, that a later checkpoint extends an earlier
one; ``tlog-proof`` itself has no form for it.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path

from proctor.errors import CheckFailed, InputError
from proctor.evidence import checkpoint, cosignature, hub_receipts, journal, layout, tree
from proctor.evidence.checkpoint import Checkpoint, NoteError
from proctor.evidence.disk import read_bounded
from proctor.evidence.hub_receipts import HubKey, Receipt
from proctor.evidence.view import public_key

INCLUSION = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
# No specification gives the body that a witness is posted a suffix.
CONSISTENCY_SUFFIX = ".consistency"
# Both forms bound the number of hashes: a tree of 2**63 leaves needs no more.
MAX_HASHES = 63
MAX_BYTES = checkpoint.MAX_BYTES + 10_000


class ProofError(CheckFailed):
    """A proof is malformed or does not hold; ``str`` says which."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint, and the note (as stored) that signs it."""

    checkpoint: Checkpoint
    note: bytes


@dataclass(frozen=True, slots=True)
class Provable:
    """The journal of a case with the checkpoints that hold for it, smallest first.

    ``hub`` is the key of the hub that countersigned some of them, ``receipts`` those, smallest first.
    """

    lines: tuple[bytes, ...]
    tree: tree.Tree
    signed: tuple[Signed, ...]
    hub: HubKey | None = None
    receipts: tuple[Receipt, ...] = ()

    def _towards(self, size: int) -> Signed:
        """The checkpoint to prove with that covers ``size`` records: the newest that a hub countersigned, for
        its word is worth more to a stranger than some records more; else the newest."""
        if self.receipts and self.receipts[-1].size >= size:
            last = self.receipts[-1]
            return Signed(
                Checkpoint(self.signed[-1].checkpoint.origin, last.size, self.tree.root(last.size)),
                last.note,
            )
        return self.signed[-1]

    def inclusion(self, number: int) -> bytes:
        """The proof that record ``number`` (from 1) is in the journal of a checkpoint (see :meth:`_towards`)."""
        if not 1 <= number <= len(self.lines):
            raise InputError(
                f"This case has no record {number}; they are numbered 1 to {len(self.lines)}."
            )
        newest = self._towards(number)
        if number > newest.checkpoint.size:
            raise InputError(
                f"Record {number} is not signed yet: the last checkpoint covers "
                f"{newest.checkpoint.size} records."
            )
        hashes = self.tree.inclusion_proof(number - 1, newest.checkpoint.size)
        return _write([INCLUSION, f"index {number - 1}"], hashes, newest.note)

    def consistency(self, size: int) -> bytes:
        """The proof that a newer checkpoint (see :meth:`_towards`) extends the one over ``size`` records."""
        newest = self._towards(size)
        sizes = [one.checkpoint.size for one in self.signed]
        if size not in sizes:
            known = ", ".join(map(str, sizes[-5:]))
            raise InputError(f"No checkpoint covers {size} records; the last ones cover {known}.")
        hashes = self.tree.consistency_proof(size, newest.checkpoint.size)
        return _write([f"old {size}"], hashes, newest.note)


def load(folder: Path) -> Provable:
    """The journal and checkpoints of the case in ``folder``, once they are known to agree.

    Raises :class:`InputError` where they cannot be read, and :class:`CheckFailed` where they disagree.
    """
    stored = journal.load(folder / layout.JOURNAL)
    records = stored.records()
    if not records:
        raise InputError(f"The journal in {folder} is empty, so there is nothing to prove.")
    attempt = records[0].source.removeprefix(journal.SOURCE)
    public = public_key(records[0].data)
    grown = tree.Tree(tree.leaf_hash(line) for line in stored.lines)
    signed = []
    for path in sorted((folder / layout.CHECKPOINTS).glob(f"*{layout.NOTE_SUFFIX}")):
        try:
            note = read_bounded(path, checkpoint.MAX_BYTES)
            made = checkpoint.read(note, attempt, public)
        except (OSError, ValueError, NoteError) as error:
            raise CheckFailed(f"The checkpoint {path} does not hold: {error}.") from error
        if made.size > grown.size or grown.root(made.size) != made.root:
            raise CheckFailed(
                f"The journal is not the one that {path.name} signs, so nothing can be proved from it; "
                f"`proctor case verify {folder}` tells more."
            )
        signed.append(Signed(made, note))
    if not signed:
        raise InputError(f"The case in {folder} has no checkpoint yet, so nothing can be proved.")
    signed.sort(key=lambda one: one.checkpoint.size)
    hub, receipts = hub_receipts.receipts(folder, attempt, public, grown)
    return Provable(stored.lines, grown, tuple(signed), hub, tuple(receipts))


def check_inclusion(proof: bytes, line: bytes, attempt: str, public: bytes) -> tuple[int, int]:
    """The record's number and the checkpoint's size, when ``proof`` holds for ``line`` (no newline).

    Raises :class:`ProofError` otherwise.
    """
    head, hashes, note = _read(proof)
    # A line "extra" may stand before the index; nothing of ours is in it.
    if len(head) == 3 and head[1].startswith("extra "):
        del head[1]
    if len(head) != 2 or head[0] != INCLUSION or not head[1].startswith("index "):
        raise ProofError("This is no tlog-proof.")
    index, made = _number(head[1].removeprefix("index ")), _open(note, attempt, public)
    leaf = tree.leaf_hash(line)
    if not tree.verify_inclusion(leaf, index, made.size, hashes, made.root):
        raise ProofError(
            "The proof does not hold: the record is not in the journal that was signed."
        )
    return index + 1, made.size


def check_consistency(proof: bytes, old: Checkpoint, public: bytes) -> int:
    """The newer checkpoint's size, when ``proof`` shows that it extends ``old``.

    Raises :class:`ProofError` otherwise.
    """
    head, hashes, note = _read(proof)
    if len(head) != 1 or not head[0].startswith("old "):
        raise ProofError("This is no consistency proof.")
    made = _open(note, old.origin, public)
    if _number(head[0].removeprefix("old ")) != old.size or not tree.verify_consistency(
        old.size, made.size, hashes, old.root, made.root
    ):
        raise ProofError("The proof does not hold: the newer checkpoint does not extend the older.")
    return made.size


def seen_by(proof: bytes, key: HubKey | None) -> str:
    """A sentence about the countersignature that the checkpoint of ``proof`` has; empty where it has none.

    Raises :class:`ProofError` at one in the name of ``key`` that does not fit. Without ``key`` nobody's counts.
    """
    note = _read(proof)[2]
    try:
        text, lines = checkpoint.parts(note)
        names = {name for name, _ in lines} - {text.partition("\n")[0]}
        if key is None or key.name not in names:
            return "Whose countersignature it has was not checked." if names else ""
        when = cosignature.check(note, key.name, key.public)
    except NoteError as error:
        raise ProofError(f"The proof's checkpoint does not hold: {error}.") from error
    return f"{key.name} saw it in this state at {when:%Y-%m-%d %H:%M:%S} UTC."


def check_in_case(proof: bytes, folder: Path) -> str:
    """What ``proof`` proves of the case in ``folder``, as sentences. Raises :class:`ProofError`.

    The journal, the checkpoints and a hub's receipts are known to agree before.
    """
    provable = load(folder)
    first = journal.parse(provable.lines[0], 1)
    attempt, public = first.source.removeprefix(journal.SOURCE), public_key(first.data)
    head = _read(proof)[0]
    if head[0].startswith("old "):
        size = _number(head[0].removeprefix("old "))
        old = [one.checkpoint for one in provable.signed if one.checkpoint.size == size]
        if not old:
            raise ProofError(f"The case has no checkpoint over {size} records to hold it against.")
        proved = _extends(size, check_consistency(proof, old[0], public))
        return f"{proved} {seen_by(proof, provable.hub)}".rstrip()
    indices = [line for line in head if line.startswith("index ")]
    number = _number(indices[0].removeprefix("index ")) + 1 if indices else 0
    if not 1 <= number <= len(provable.lines):
        raise ProofError("The proof is of a record that the case does not have.")
    proved = _stands(*check_inclusion(proof, provable.lines[number - 1], attempt, public))
    return f"{proved} {seen_by(proof, provable.hub)}".rstrip()


def check_alone(proof: bytes, shown: bytes, public: bytes, hub: HubKey | None = None) -> str:
    """What ``proof`` proves without the case, as sentences. Raises :class:`ProofError`.

    ``shown`` is the record's line, or the older checkpoint (a note); ``public`` the attempt's Ed25519
    key (32 bytes); ``hub`` whose countersignature is looked for.
    """
    return f"{_alone(proof, shown, public)} {seen_by(proof, hub)}".rstrip()


def _alone(proof: bytes, shown: bytes, public: bytes) -> str:
    if _read(proof)[0][0].startswith("old "):
        attempt = _attempt(shown.partition(b"\n")[0].decode("utf-8", "replace"))
        old = _open(shown, attempt, public)
        return _extends(old.size, check_consistency(proof, old, public))
    line = shown.removesuffix(b"\n")
    try:
        source = json.loads(line)["source"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProofError("What the proof is to be held against is no line of a journal.") from error
    return _stands(*check_inclusion(proof, line, _attempt(str(source)), public))


def _attempt(source: str) -> str:
    attempt = source.removeprefix(journal.SOURCE)
    if not layout.ATTEMPT.fullmatch(attempt):
        raise ProofError("What the proof is to be held against names no attempt.")
    return attempt


def _stands(number: int, size: int) -> str:
    return f"Record {number} stands in the journal of {size} records that was signed."


def _extends(old: int, new: int) -> str:
    return (
        f"The signed journal of {new} records extends the one of {old}: nothing before was changed."
    )


def _write(head: list[str], hashes: list[bytes], note: bytes) -> bytes:
    lines = [*head, *(base64.b64encode(one).decode("ascii") for one in hashes)]
    return "\n".join(lines).encode("ascii") + b"\n\n" + note


def _read(proof: bytes) -> tuple[list[str], list[bytes], bytes]:
    """The lines before the hashes, the hashes, and the note."""
    top, blank, note = proof.partition(b"\n\n")
    if not blank or len(proof) > MAX_BYTES:
        raise ProofError("This is no proof: it has no checkpoint, or is far too large.")
    try:
        lines = top.decode("ascii").split("\n")
        head = [line for line in lines if " " in line or line == INCLUSION]
        if not head:
            raise ValueError("it does not say what it proves")
        hashes = [base64.b64decode(line, validate=True) for line in lines[len(head) :]]
    except (UnicodeDecodeError, binascii.Error, ValueError) as error:
        raise ProofError(f"This is no proof: {error}.") from error
    if len(hashes) > MAX_HASHES or any(len(one) != 32 for one in hashes):
        raise ProofError("This is no proof: its hashes are not at most 63 of 32 bytes.")
    if lines[: len(head)] != head:
        raise ProofError("This is no proof: its lines are not in order.")
    return head, hashes, note


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or str(int(text)) != text:
        raise ProofError("This is no proof: a number in it is not a plain one.")
    return int(text)


def _open(note: bytes, attempt: str, public: bytes) -> Checkpoint:
    try:
        return checkpoint.read(note, attempt, public)
    except NoteError as error:
        raise ProofError(f"The proof's checkpoint does not hold: {error}.") from error
