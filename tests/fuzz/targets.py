"""What reads bytes that a stranger may have made, each as one function of those bytes.

A target returns, or the test fails: every refusal of ours is expected, any other exception is a finding.
The first byte often chooses a way in, so that a fuzzer also gets behind signatures, which it cannot forge.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import struct
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import addendum, consent, invitation, load, receipts, revoked, root, sign
from policies.errors import PolicyError
from proctor.errors import ProctorError
from proctor.evidence import (
    access,
    checkpoint,
    clip,
    escrow,
    hold,
    journal,
    layout,
    proof,
    tombstone,
    tree,
    verify,
    verify_case,
    view,
)
from proctor.evidence.attestation import attest
from proctor.evidence.checkpoint import NoteError
from proctor.evidence.story_reader import read_story

# One key for everything: what counts here is the form of what it signs.
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ATTEMPT = "0123456789abcdef" * 2
SOURCE = journal.SOURCE + ATTEMPT
WHEN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
# Refusals of ours; what else a target raises is a finding.
REFUSALS = (ProctorError, PolicyError, NoteError)
LONGEST_SENTENCE = 3_000


@contextlib.contextmanager
def refused():
    """A refusal is fine when it is one printable sentence."""
    try:
        yield
    except REFUSALS as error:
        said = str(error)
        assert said, "a refusal says nothing"
        assert len(said) < LONGEST_SENTENCE, f"a refusal of {len(said)} characters"


def split(data: bytes) -> tuple[int, bytes]:
    """The first byte, which chooses, and the rest."""
    return (data[0], data[1:]) if data else (0, b"")


# Small parsers.


def a_record(data: bytes) -> None:
    for number, line in enumerate(data.split(b"\n"), start=1):
        with refused():
            journal.parse(line, number)


def a_checkpoint(data: bytes) -> None:
    way, rest = split(data)
    if way % 2:  # signed: what is in it is read
        text = rest.decode("utf-8", "ignore") + "\n"
        rest = checkpoint.sign_note(text, ATTEMPT, KEY)
    with refused():
        checkpoint.read(rest, ATTEMPT, PUBLIC)


def a_proof(data: bytes) -> None:
    way, rest = split(data)
    if way % 2:
        note = checkpoint.sign(checkpoint.Checkpoint(ATTEMPT, way, tree.EMPTY_ROOT), KEY)
        rest = rest + b"\n\n" + note
    line = json.dumps({"source": SOURCE}).encode()
    old = checkpoint.sign(checkpoint.Checkpoint(ATTEMPT, 3, bytes(32)), KEY)
    for shown in (line, old, rest):
        with refused():
            proof.check_alone(rest, shown, PUBLIC)
    case = verify_case.Case(Path("nowhere"), None)
    case.lines = [line, line, line]
    case.records = json.loads(journal_of())["records"]
    with contextlib.suppress(verify_case.No):
        verify_case.proves(case, rest)


def an_envelope(data: bytes) -> None:
    rest = data[1:]
    with refused():
        sign.open_envelope(rest, [KEY.public_key()], payload_type=sign.PAYLOAD_TYPE)
    with refused():
        sign.add_signatures(rest, [KEY])
    with contextlib.suppress(verify_case.No):
        verify_case.envelope(rest, verify_case.POLICY_TYPE)


def a_policy(data: bytes) -> None:
    with refused():
        load.parse(data, "of a stranger")


def a_paper(data: bytes) -> None:
    """The institution's other papers, as they are and signed."""
    way, rest = split(data)
    digest = hashlib.sha256(b"").hexdigest()
    ways: list[Callable[[], object]] = [
        lambda: addendum.parse(rest, "of a stranger"),
        lambda: addendum.open_addendum(
            sign.envelope(rest, addendum.PAYLOAD_TYPE, [KEY]), "x", [KEY.public_key()], digest, WHEN
        ),
        lambda: root.parse(rest, "of a stranger"),
        lambda: revoked.parse(rest, "of a stranger"),
        lambda: invitation.parse(rest, "of a stranger"),
        lambda: invitation.parse_link(
            invitation.SCHEME + base64.urlsafe_b64encode(rest).decode().rstrip("=")
        ),
        lambda: consent.from_file(load.read("standard")[0], _file("consent.toml", rest)),
        lambda: escrow.peel(rest, []),
    ]
    with refused():
        ways[way % len(ways)]()


def a_hold(data: bytes) -> None:
    way, rest = split(data)
    if way % 2:
        rest = sign.envelope(rest, hold.PAYLOAD_TYPE, [KEY])
    with refused():
        hold.unchecked(rest)
    with refused():
        hold.read(rest, [KEY.public_key()])


def a_tombstone(data: bytes) -> None:
    way, rest = split(data)
    if way % 2:
        rest = sign.envelope(rest, tombstone.PAYLOAD_TYPE, [KEY])
    _file(f"home/tombstones/{ATTEMPT}/f-1{tombstone.SUFFIX}", rest)
    with _at_home(), refused():
        tombstone.known(ATTEMPT, PUBLIC)


def a_box(data: bytes) -> None:
    """The tables of an MP4 file, before FFmpeg sees it."""
    with refused():
        clip._check_tables(b"\0\0\0\x08ftyp" + data)


# Whole cases.

_JOURNAL = (
    ("consent.recorded", {
        "attempt": ATTEMPT, "public_key": base64.b64encode(PUBLIC).decode(),
        "granted": {"camera": True, "microphone": True, "clips": True}, "recipients": ["age1x"],
        "language": "en", "how": "file", "agent": {"name": "open-proctor", "version": "0"},
    }),
    ("session.started", {"t": 0.0, "anchor": WHEN.isoformat(), "detectors": [
        {"name": "faces", "kinds": [{"name": "face.absent", "title": "No face"}], "models": {}}],
        "rules": {"face.absent": {"on": 0.6, "off": 0.4, "min_s": 5.0, "gap_s": 1.0}},
        "not_measured": [{"detector": "wake", "kinds": ["speech.wake_phrase"], "why": "x", "mend": "y"}]}),
    ("flag", {"t": 11.0, "id": "f-1", "kind": "face.absent", "rule": "face.absent", "start": 10.0,
              "peak": 0.8, "why": "Nobody was in view.", "box": [0.1, 0.1, 0.5, 0.5], "peak_t": 10.5}),
    ("flag.closed", {"t": 12.0, "id": "f-1", "start": 10.0, "end": 12.0, "peak": 0.9}),
    ("sealing", {}),
    ("sealed", {}),
    ("scores", {"t0": 0.0, "step": 1.0, "kinds": {"face.absent": [0.0, None, 0.5]}}),
    ("marker", {"t": 20.0, "kind": "question.shown", "data": {}}),
    ("agent.gap", {"t": 40.0, "start": 30.0, "end": 40.0, "why": "It was not running."}),
    ("purpose.withdrawn", {"t": 50.0, "purpose": "microphone"}),
    ("session.ended", {"t": 60.0, "summary": {"seconds": 60.0, "flags": 1, "clips": 1}}),
)  # fmt: skip
CLIP = b"age-encryption.org/v1\n-> X25519 x\ny\n--- z\n" + bytes(100)


@cache
def journal_of() -> bytes:
    """The records of the small case, as one JSON text."""
    policy = load.read("standard")[1]
    envelope = sign.envelope(policy, sign.PAYLOAD_TYPE, [KEY])
    sealed = {
        "flag": "f-1", "file": layout.clip_name("f-1"), "sha256": hashlib.sha256(CLIP).hexdigest(),
        "length": len(CLIP), "start": 5.0, "end": 15.0, "mime": "video/mp4",
        "sensors": ["camera"], "recipients": ["age1x"], "policy_sha256": "p", "models": {},
    }  # fmt: skip
    records = []
    for number, (kind, data) in enumerate(_JOURNAL, start=1):
        told = dict(sealed) if kind in ("sealing", "sealed") else dict(data)
        if number == 1:
            told["policy"] = {
                "id": "standard",
                "version": 1,
                "sha256": hashlib.sha256(policy).hexdigest(),
                "envelope_sha256": hashlib.sha256(envelope).hexdigest(),
            }
        moment = WHEN.replace(second=min(59, 5 * number)).isoformat(timespec="milliseconds")
        records.append(
            {
                "specversion": "1.0",
                "id": str(number),
                "source": SOURCE,
                "type": kind,
                "time": moment.replace("+00:00", "Z"),
                "data": told,
            }
        )
    return json.dumps({"records": records}).encode()


@cache
def case_files() -> dict[str, bytes]:
    """The small case: paths below its folder, and what stands there."""
    policy, raw = load.read("standard")
    records = json.loads(journal_of())["records"]
    lines = [json.dumps(record, separators=(",", ":")).encode() for record in records]
    found = {
        layout.POLICY: sign.envelope(raw, sign.PAYLOAD_TYPE, [KEY]),
        layout.JOURNAL: b"".join(line + b"\n" for line in lines),
        layout.note_name(len(lines)): _note(lines),
        layout.clip_name("f-1"): CLIP,
        layout.hold_name(1): hold.write(
            hold.Hold(ATTEMPT, frozenset({"f-1"}), "Ada", "An appeal.", WHEN.replace(year=2027)),
            [KEY],
        ),
    }
    for number, receipt in enumerate(receipts.receipts(policy, records), start=1):
        found[layout.consent_name(number)] = receipt
    return found


def _note(lines: list[bytes]) -> bytes:
    root_hash = tree.root(tree.leaf_hash(line) for line in lines)
    return checkpoint.sign(checkpoint.Checkpoint(ATTEMPT, len(lines), root_hash), KEY)


def a_case(data: bytes) -> None:
    """A case of which one file was replaced, or cut open and filled; perhaps signed anew afterwards."""
    if len(data) < 4:
        return
    files, which, how = dict(case_files()), data[0], data[1]
    names = sorted(files)
    name, rest = names[which % len(names)], data[4:]
    (at,) = struct.unpack(">H", data[2:4])
    old = files[name]
    at %= len(old) + 1
    files[name] = rest if how % 3 == 0 else old[:at] + rest + old[at + (how // 8) * (how % 3 - 1) :]
    if name == layout.JOURNAL and how & 4:
        lines = files[name].split(b"\n")[:-1]
        files = {n: d for n, d in files.items() if not n.startswith(layout.CHECKPOINTS)}
        files[layout.note_name(len(lines))] = _note(lines)
    _read_case(_laid_out("case", files))


def an_export(data: bytes) -> None:
    """An export whose signed list says what it likes."""
    way, rest = split(data)
    raw = sign.envelope(rest, verify_case.EXPORT_TYPE, [KEY]) if way % 2 else rest
    files = {f"case/{path}": content for path, content in case_files().items()}
    _alone(_laid_out("export", {**files, "export.dsse": raw}))


def _read_case(folder: Path) -> None:
    with _at_home():
        checks = verify.verify(folder, root_key=PUBLIC)
        assert len(checks) == len(verify._CHECKS)
        assert all(check.detail for check in checks)
        with refused():
            case = view.read(folder)
            read_story(case.records, None)
            attest(case.records, listed=None, models={})
        with refused():
            proof.load(folder)
        with refused():
            access.read(folder)
    _alone(folder)


def _alone(folder: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = verify_case.main([str(folder)])
    assert code in (0, 1)
    assert said.getvalue().isascii()


# A place to work in.


# A folder in memory, where there is one: thousands of small files are written.
MEMORY = next((path for path in (Path("/dev/shm"),) if path.is_dir()), None)  # noqa: S108
_PLACES: list[tempfile.TemporaryDirectory[str]] = []


def work_in(folder: Path) -> None:
    """Write below ``folder``, which whoever calls removes: the fuzzer ends without tidying up."""
    _folder.cache_clear()
    global _given
    _given = folder


_given: Path | None = None


@cache
def _folder() -> Path:
    if _given is not None:
        return _given
    # Removed when this module goes.
    _PLACES.append(tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY))
    return Path(_PLACES[-1].name)


# What lies in a folder now: only what differs is written.
_LAID_OUT: dict[str, dict[str, bytes]] = {}


def _laid_out(place: str, files: dict[str, bytes]) -> Path:
    there = _LAID_OUT.setdefault(place, {})
    for name in there.keys() - files.keys():
        (_folder() / place / name).unlink()
    for name, data in files.items():
        if there.get(name) != data:
            _file(f"{place}/{name}", data)
    _LAID_OUT[place] = files
    return _folder() / place


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@contextlib.contextmanager
def _at_home():
    before = os.environ.get("PROCTOR_HOME")
    os.environ["PROCTOR_HOME"] = str(_folder() / "home")
    try:
        yield
    finally:
        if before is None:
            del os.environ["PROCTOR_HOME"]
        else:
            os.environ["PROCTOR_HOME"] = before


TARGETS: dict[str, Callable[[bytes], None]] = {
    "record": a_record,
    "checkpoint": a_checkpoint,
    "proof": a_proof,
    "envelope": an_envelope,
    "policy": a_policy,
    "paper": a_paper,
    "hold": a_hold,
    "tombstone": a_tombstone,
    "box": a_box,
    "case": a_case,
    "export": an_export,
}
