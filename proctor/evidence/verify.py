"""Verify a case: a numbered list that an auditor reads from top to bottom.

Each check stands alone, has its own reason code, and ends in one sentence, whatever the folder
holds: it may come from a stranger. What a case that passes proves is that nothing was altered,
removed, reordered or added since its checkpoints were signed; not that the camera saw a real scene.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policies import sign
from policies.errors import PolicyError
from policies.load import document_of
from policies.root import Root
from proctor.errors import ProctorError
from proctor.evidence import (
    access_checks,
    checkpoint,
    consent_checks,
    deciding,
    hub_receipts,
    journal,
    layout,
    tree,
)
from proctor.evidence.checkpoint import Checkpoint, NoteError
from proctor.evidence.disk import read_bounded
from proctor.evidence.erasure import is_room_scan
from proctor.evidence.hold import HoldError
from proctor.evidence.journal import JournalError, Record

# No case comes near; a folder of millions of names would take minutes to list.
MAX_FILES = 10_000
# An auditor reads three examples, not a thousand.
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One answered question. ``detail`` is what was found, as a sentence."""

    number: int
    code: str
    title: str
    ok: bool
    detail: str


class Failed(Exception):
    """The answer is no; ``str`` is the sentence."""


@dataclass(slots=True)
class _Evidence:
    """What earlier checks have read, for later ones."""

    folder: Path
    root_key: bytes | None
    root: Root | None
    files: dict[str, int] = field(default_factory=dict)  # path below the folder: bytes
    envelope: bytes = b""
    policy: bytes = b""
    stored: journal.Stored | None = None
    records: list[Record] = field(default_factory=list)
    tree: tree.Tree = field(default_factory=tree.Tree)
    notes: list[Checkpoint] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def lines(self) -> Sequence[bytes]:
        if self.stored is None:
            raise Failed("Not checked: the journal cannot be read.")
        return self.stored.lines

    def read_records(self) -> list[Record]:
        if self.stored is None or len(self.records) != len(self.stored.lines) or not self.records:
            raise Failed("Not checked: the journal has lines that are no records.")
        return self.records

    def events(self) -> list[Mapping[str, Any]]:
        """The journal's lines as mappings."""
        return [record.event for record in self.read_records()]

    def of(self, type: str) -> list[Mapping[str, Any]]:
        return [record.data for record in self.read_records() if record.type == type]

    def consent(self) -> Mapping[str, Any]:
        first = self.read_records()[0]
        if first.type != "consent.recorded":
            raise Failed("Not checked: the journal does not begin with the consent.")
        return first.data

    def key(self) -> tuple[str, bytes]:
        """Attempt and public key that the consent record names."""
        attempt = self.consent().get("attempt")
        try:
            public = base64.b64decode(str(self.consent().get("public_key")), validate=True)
            Ed25519PublicKey.from_public_bytes(public)
        except (binascii.Error, ValueError) as error:
            raise Failed("The consent record holds no usable public key.") from error
        if not isinstance(attempt, str) or not layout.ATTEMPT.fullmatch(attempt):
            raise Failed("The consent record names no attempt.")
        return attempt, public

    def sealed(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every sealed record with its flag; the file name must be the one that follows from it."""
        for data in self.of("sealed"):
            flag = data.get("flag")
            if not isinstance(flag, str) or not layout.FLAG_ID.fullmatch(flag):
                raise Failed("A sealed record names no flag.")
            yield flag, data


def verify(folder: Path, *, root_key: bytes | None = None, root: Root | None = None) -> list[Check]:
    """Every check on the case in ``folder``, in order.

    ``root`` is what the institution's root file says, or ``root_key`` one raw Ed25519 public key of it
    (32 bytes), if the auditor has them.
    """
    evidence = _Evidence(folder, root_key, root)
    checks = []
    for number, (code, title, question) in enumerate(_CHECKS, start=1):
        try:
            ok, detail = True, question(evidence)
        except Failed as failed:
            ok, detail = False, str(failed)
        checks.append(Check(number, code, title, ok, detail))
    return checks


# The folder.


def _folder(evidence: _Evidence) -> str:
    """List what is there, without following a link."""
    unexpected = []
    try:
        for path in _walk(evidence.folder):
            name = path.relative_to(evidence.folder).as_posix()
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode) and name in layout.FOLDERS:
                continue
            evidence.files[name] = status.st_size
            if not stat.S_ISREG(status.st_mode) or not layout.expected(name):
                unexpected.append(name)
            if len(evidence.files) > MAX_FILES:
                raise Failed(f"The folder holds more than {MAX_FILES} files; no case does.")
    except OSError as error:
        raise Failed(f"The folder cannot be read ({error.strerror}).") from error
    if unexpected:
        raise Failed(f"There is what no case holds: {_some(unexpected)}.")
    missing = {layout.POLICY, layout.JOURNAL} - set(evidence.files)
    if missing:
        raise Failed(f"This is no case: {_some(sorted(missing))} is missing.")
    return f"{len(evidence.files)} files, each of a kind that a case holds."


def _walk(folder: Path) -> Iterator[Path]:
    """Everything in the folder and its known subfolders."""
    for below in (folder, *(folder / name for name in layout.FOLDERS)):
        if below != folder and (below.is_symlink() or not below.is_dir()):
            continue
        with os.scandir(below) as entries:
            yield from (Path(entry.path) for entry in entries)


# The journal's form.


def _journal_whole(evidence: _Evidence) -> str:
    try:
        evidence.stored = stored = journal.load(evidence.folder / layout.JOURNAL)
    except JournalError as error:
        raise Failed(str(error)) from error
    for line in stored.lines:
        evidence.tree.append(tree.leaf_hash(line))
    if stored.torn:
        raise Failed(
            f"The journal ends in the middle of a record ({len(stored.torn)} bytes), as after a crash."
        )
    if not stored.lines:
        raise Failed("The journal is empty.")
    return f"{len(stored.lines)} whole lines."


def _records(evidence: _Evidence) -> str:
    wrong = []
    for number, line in enumerate(evidence.lines(), start=1):
        try:
            evidence.records.append(journal.parse(line, number))
        except JournalError as error:
            wrong.append(str(error).rstrip("."))
            if len(wrong) > EXAMPLES:
                break
    if wrong:
        raise Failed(f"{_some(wrong)}.")
    return f"Every line is a record; they are numbered 1 to {len(evidence.records)} without a hole."


def _consent_first(evidence: _Evidence) -> str:
    first = evidence.read_records()[0]
    if first.type != "consent.recorded":
        raise Failed(f"Record 1 is '{first.type}': something was recorded before consent was.")
    granted = first.data.get("granted")
    if not isinstance(granted, Mapping):
        raise Failed("Record 1 does not say what was agreed to.")
    evidence.key()
    # What was said in it is not told here: this list is shown to reviewers (rule C2).
    return "Record 1 is the consent, before anything was captured."


def _one_source(evidence: _Evidence) -> str:
    attempt, _ = evidence.key()
    others = [
        str(record.number)
        for record in evidence.read_records()
        if record.source != journal.SOURCE + attempt
    ]
    if others:
        raise Failed(f"Records of another attempt stand in the journal: {_some(others)}.")
    return f"Every record is of attempt {attempt}."


def _time(evidence: _Evidence) -> str:
    records = evidence.read_records()
    back = [
        f"record {after.number}" for before, after in pairwise(records) if after.time < before.time
    ]
    if back:
        raise Failed(f"The time goes back at {_some(back)}.")
    return f"From {records[0].time.isoformat()} to {records[-1].time.isoformat()}, never back."


# The policy.


def _policy_envelope(evidence: _Evidence) -> str:
    try:
        envelope = read_bounded(evidence.folder / layout.POLICY, sign.MAX_BYTES)
        payload, kind, _ = sign.inspect(envelope)
    except OSError as error:
        raise Failed(f"The policy cannot be read ({error.strerror}).") from error
    except (ValueError, PolicyError) as error:
        raise Failed(str(error)) from error
    if kind != sign.PAYLOAD_TYPE:
        raise Failed(f"The envelope holds '{kind[:100]}', which is no policy.")
    evidence.envelope, evidence.policy = envelope, payload
    return f"A policy of {len(payload)} bytes in a signed envelope."


def _policy_agreed(evidence: _Evidence) -> str:
    agreed = evidence.consent().get("policy")
    if not isinstance(agreed, Mapping) or not evidence.policy:
        raise Failed("Not checked: the consent names no policy, or there is none.")
    for name, data in (("sha256", evidence.policy), ("envelope_sha256", evidence.envelope)):
        if agreed.get(name) != hashlib.sha256(data).hexdigest():
            raise Failed("The policy in the folder is not the one that was agreed to.")
    return f"It is the policy that was agreed to ({str(agreed.get('id'))[:64]})."


def _policy_signed(evidence: _Evidence) -> str:
    if not evidence.envelope:
        raise Failed("Not checked: there is no policy envelope.")
    if evidence.root is not None:
        return _signed_under(evidence.root, evidence)
    signers = ", ".join(name[:16] for name in sign.inspect(evidence.envelope)[2][:EXAMPLES])
    if evidence.root_key is None:
        return (
            f"Warning: no institution key was given, so who signed it was not checked (it names key "
            f"{signers})."
        )
    try:
        sign.open_envelope(
            evidence.envelope, [Ed25519PublicKey.from_public_bytes(evidence.root_key)]
        )
    except ValueError as error:
        raise Failed("The institution key given is no Ed25519 public key.") from error
    except PolicyError as error:
        raise Failed("The policy is not signed by the institution key given.") from error
    return "The institution key given signed it."


def _signed_under(root: Root, evidence: _Evidence) -> str:
    try:
        root.open(evidence.envelope)
        _, policy = document_of(evidence.policy, "of the case")
    except PolicyError as error:
        raise Failed(f"The policy is not signed as the root file asks: {error}") from error
    if policy.get("institution") != root.institution:
        raise Failed(f"The policy is not one of '{root.institution}', whose root file was given.")
    return f"Signed as the root file of '{root.institution}' asks: {root.threshold} of its keys or more."


# The checkpoints.


def _checkpoints_signed(evidence: _Evidence) -> str:
    attempt, public = evidence.key()
    names = sorted(n for n in evidence.files if n.startswith(f"{layout.CHECKPOINTS}/"))
    if not names:
        raise Failed("There is no checkpoint, so nothing vouches for the journal.")
    for name in names:
        try:
            raw = read_bounded(evidence.folder / name, checkpoint.MAX_BYTES)
            note = checkpoint.read(raw, attempt, public)
        except (OSError, ValueError, NoteError) as error:
            raise Failed(f"{name}: {str(error)[:200]}.") from error
        if name != layout.note_name(note.size):
            raise Failed(f"{name} is the checkpoint of {note.size} records under another name.")
        evidence.notes.append(note)
    return f"{len(names)} checkpoints, each signed by the key that record 1 names."


def _noted(evidence: _Evidence) -> list[Checkpoint]:
    names = sum(name.startswith(f"{layout.CHECKPOINTS}/") for name in evidence.files)
    if not evidence.notes or len(evidence.notes) != names:
        raise Failed("Not checked: there are no checkpoints that hold.")
    return sorted(evidence.notes, key=lambda note: note.size)


def _roots(evidence: _Evidence) -> str:
    lines = evidence.lines()
    for note in _noted(evidence):
        if note.size > len(lines):
            raise Failed(
                f"A checkpoint counts {note.size} records, but the journal has {len(lines)}: its end "
                f"was cut off."
            )
        if evidence.tree.root(note.size) != note.root:
            raise Failed(
                f"The first {note.size} records are not those that were signed: one was altered, "
                f"removed, added or moved."
            )
    return "The journal's hash tree has the signed root at every checkpoint."


def _consistent(evidence: _Evidence) -> str:
    for old, new in pairwise(_noted(evidence)):
        if new.size > evidence.tree.size:
            raise Failed(f"The journal is shorter than checkpoint {new.size}.")
        proof = evidence.tree.consistency_proof(old.size, new.size)
        if not tree.verify_consistency(old.size, new.size, proof, old.root, new.root):
            raise Failed(f"Checkpoint {new.size} does not extend checkpoint {old.size}.")
    return "Each checkpoint extends the one before."


def _covered(evidence: _Evidence) -> str:
    last = _noted(evidence)[-1].size
    records = evidence.read_records()
    if last >= len(records):
        return f"The last checkpoint covers all {len(records)} records."
    left = len(records) - last
    if any(record.type == "session.ended" for record in records):
        raise Failed(f"{left} records stand after the last checkpoint of a session that has ended.")
    return (
        f"Warning: nothing vouches for the last {left} records yet; the session is still open, or the "
        f"program stopped."
    )


# The clips.


def _clips_agreed(evidence: _Evidence) -> str:
    agreed = evidence.consent().get("recipients")
    for flag, purpose in consent_checks.kept_without_leave(evidence.events()):
        raise Failed(f"The clip of {flag[:100]} was kept, but '{purpose}' was not agreed to.")
    flags = {str(data.get("id")) for data in evidence.of("flag")}
    known = set(map(str, agreed)) if isinstance(agreed, list) else set()
    count = 0
    try:
        scans = consent_checks.wrong_room_scans(evidence.policy, evidence.events())
    except PolicyError as error:
        raise Failed(f"Not checked: {str(error)[:200]}") from error
    if scans:
        raise Failed(f"Room scans do not hold: {_some(scans)}.")
    for flag, data in evidence.sealed():
        if is_room_scan(data):
            continue
        count += 1
        if flag not in flags:
            raise Failed(f"The clip of {flag} was kept, but there is no such flag.")
        recipients = data.get("recipients")
        if not isinstance(recipients, list) or not set(map(str, recipients)) <= known:
            raise Failed(f"The clip of {flag} was sealed for someone who was not agreed to.")
    return f"{count} clips, each of a flag and for agreed recipients only."


def _clips_there(evidence: _Evidence) -> str:
    erased = {str(data.get("flag")) for data in evidence.of("erased")}
    missing = [
        flag
        for flag, _ in evidence.sealed()
        if layout.clip_name(flag) not in evidence.files and flag not in erased
    ]
    if missing:
        raise Failed(f"The journal has clips that the folder has not: {_some(missing)}.")
    return "Every sealed record has its file, or the record of its erasure."


def _clips_erased(evidence: _Evidence) -> str:
    events = evidence.events()
    wrong = list(consent_checks.wrong_erasures(events, evidence.files))
    if wrong:
        raise Failed(f"Erasures do not hold: {_some(wrong)}.")
    left = consent_checks.not_erased(events)
    if left and evidence.of("session.ended"):
        raise Failed(f"Clips stayed although they should have been erased: {_some(left)}.")
    if left:
        return "Warning: the session has not ended, and a clip is still to be erased."
    return "Every erasure says what, when, why and by which rule."


def _receipts(evidence: _Evidence) -> str:
    names = sorted(n for n in evidence.files if n.startswith(f"{layout.RECEIPTS}/"))
    if not names:
        return "There are no receipts to check."
    try:
        wrong = consent_checks.wrong_receipts(
            evidence.folder, evidence.policy, evidence.events(), names
        )
    except PolicyError as error:
        raise Failed(f"Not checked: {str(error)[:200]}") from error
    if wrong:
        raise Failed(f"Receipts that do not say what the journal says: {_some(wrong)}.")
    return "Every receipt says what the policy and the journal say."


def _clips_in_place(evidence: _Evidence) -> str:
    owner = _owners(evidence)
    swapped = [
        f"{flag} holds the clip of {owner[flag]}"
        for flag, _ in evidence.sealed()
        if owner.get(flag, flag) != flag
    ]
    if swapped:
        raise Failed(f"Clips were swapped: {_some(swapped)}.")
    return "No clip stands in the place of another."


def _owners(evidence: _Evidence) -> dict[str, str]:
    """Whose clip each file holds, by its hash; files that hold nobody's are left out."""
    owner = {str(data.get("sha256")): flag for flag, data in evidence.sealed()}
    digests = {flag: _clip_digest(evidence, flag) for flag, _ in evidence.sealed()}
    return {flag: owner[digest] for flag, digest in digests.items() if digest in owner}


def _clips_length(evidence: _Evidence) -> str:
    swapped = _owners(evidence)
    wrong = []
    for flag, data in evidence.sealed():
        found = evidence.files.get(layout.clip_name(flag))
        if found not in (None, data.get("length")) and swapped.get(flag, flag) == flag:
            wrong.append(f"{flag} has {found} bytes, not {str(data.get('length'))[:20]}")
    if wrong:
        raise Failed(f"Clips were cut or something was appended: {_some(wrong)}.")
    return "Every clip has the length that its record says."


def _clips_hash(evidence: _Evidence) -> str:
    owner = _owners(evidence)
    wrong = [
        flag
        for flag, data in evidence.sealed()
        if evidence.files.get(layout.clip_name(flag)) == data.get("length") and flag not in owner
    ]
    if wrong:
        raise Failed(f"Clips were altered after they were sealed: {_some(wrong)}.")
    return "Every clip has the SHA-256 that its record says."


def _clip_digest(evidence: _Evidence, flag: str) -> str:
    name = layout.clip_name(flag)
    if name not in evidence.files:
        return ""
    try:
        if name not in evidence.digests:
            data = read_bounded(evidence.folder / name, layout.MAX_SEALED)
            evidence.digests[name] = hashlib.sha256(data).hexdigest()
        return evidence.digests[name]
    except (OSError, ValueError) as error:
        raise Failed(f"The clip of {flag} cannot be read ({str(error)[:200]}).") from error


def _clips_recorded(evidence: _Evidence) -> str:
    recorded = {layout.clip_name(flag) for flag, _ in evidence.sealed()}
    others = sorted(
        n for n in evidence.files if n.startswith(f"{layout.CLIPS}/") and n not in recorded
    )
    if others:
        raise Failed(f"There are clips that the journal does not know: {_some(others)}.")
    return "There is no clip that the journal does not know."


def _flags_settled(evidence: _Evidence) -> str:
    settled = {str(d.get("flag")) for kind in ("sealed", "clip.skipped") for d in evidence.of(kind)}
    flags = [str(data.get("id")) for data in evidence.of("flag")]
    if len(set(flags)) != len(flags):
        raise Failed("Two flags have the same name.")
    unsettled = [flag for flag in flags if flag not in settled]
    if unsettled and not evidence.of("session.ended"):
        return f"Warning: the session has not ended; {len(unsettled)} flags have no clip yet."
    if unsettled:
        raise Failed(f"Flags with neither a clip nor a reason for having none: {_some(unsettled)}.")
    return f"{len(flags)} flags, each with a clip or with the reason why it has none."


# What others than the student add.


def _access(evidence: _Evidence) -> str:
    logs = _logs(evidence)
    if logs.wrong:
        raise Failed(f"Access logs do not hold: {_some(logs.wrong)}.")
    return access_checks.told_logs(logs)


def _logs(evidence: _Evidence) -> access_checks.Logs:
    attempt, _ = evidence.key()
    return access_checks.check_logs(evidence.folder, evidence.files, attempt, evidence.tree)


def _holds(evidence: _Evidence) -> str:
    try:
        recorded = _logs(evidence).held
        wrong = access_checks.wrong_holds(evidence.folder, evidence.key()[0], recorded)
        found = list(access_checks.holds(evidence.folder, evidence.root))
    except HoldError as error:
        raise Failed(str(error)) from error
    if wrong:
        raise Failed(f"Holds do not hold: {_some(wrong)}.")
    return access_checks.told_holds(found, evidence.root)


def _decisions(evidence: _Evidence) -> str:
    flags = {str(data.get("id")) for data in evidence.of("flag")}
    sealed = {flag: str(data.get("sha256")) for flag, data in evidence.sealed()}
    try:
        return deciding.check(evidence.folder, evidence.key()[0], flags, sealed)
    except ProctorError as error:
        raise Failed(str(error)) from error


def _some(items: Sequence[str]) -> str:
    """The first few, readable whatever a stranger put into them."""
    shown = ", ".join(
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in item[:200])
        for item in items[:EXAMPLES]
    )
    return shown if len(items) <= EXAMPLES else f"{shown} and {len(items) - EXAMPLES} more"


_CHECKS: Sequence[tuple[str, str, Callable[[_Evidence], str]]] = (
    ("folder", "The folder can be read and holds only what a case holds", _folder),
    ("journal-whole", "The journal can be read to its end", _journal_whole),
    ("journal-records", "Every line is a record, numbered without a hole", _records),
    ("consent-first", "Consent was recorded before anything else", _consent_first),
    ("journal-source", "Every record is of the same attempt", _one_source),
    ("journal-time", "Time never goes back", _time),
    ("policy-envelope", "The policy is a signed document", _policy_envelope),
    ("policy-agreed", "It is the policy that was agreed to", _policy_agreed),
    ("policy-signature", "The institution signed the policy", _policy_signed),
    (
        "checkpoint-signatures",
        "Every checkpoint is signed by the attempt's key",
        _checkpoints_signed,
    ),
    ("checkpoint-roots", "The journal is what the checkpoints say", _roots),
    ("checkpoint-consistency", "Every checkpoint extends the one before", _consistent),
    ("checkpoint-coverage", "The last checkpoint covers every record", _covered),
    ("clips-agreed", "Only what was agreed to was kept, for whom it was agreed", _clips_agreed),
    ("clips-present", "Every sealed clip is there", _clips_there),
    ("clips-erased", "What was taken back is erased, and says why", _clips_erased),
    ("clips-in-place", "No clip stands in the place of another", _clips_in_place),
    ("clips-length", "No clip was cut or added to", _clips_length),
    ("clips-hash", "No clip was altered", _clips_hash),
    ("clips-recorded", "There is no clip without a record", _clips_recorded),
    ("receipts", "The student's receipts say what the journal says", _receipts),
    ("flags-settled", "Every flag has a clip or a reason for having none", _flags_settled),
    ("access", "The logs of who opened what are whole, and of this case", _access),
    ("holds", "Every hold that was signed is there, and is one", _holds),
    ("decisions", "Every decision is signed, and none is missing", _decisions),
    ("hub", "What a hub signed for is this journal", hub_receipts.question),
)
