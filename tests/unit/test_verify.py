"""Verification: every kind of tampering is found, each by its own check; hostile folders only fail."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.sign import PAYLOAD_TYPE, envelope
from proctor.evidence import checkpoint, keys, tree
from proctor.evidence.case import Case
from proctor.evidence.checkpoint import Checkpoint
from proctor.evidence.verify import Check, verify

Tamper = Callable[[Path], object]
CLIPS = "clips/object.phone-00{}.mp4.age"


def failed(folder: Path) -> list[str]:
    return [check.code for check in verify(folder) if not check.ok]


def detail(folder: Path, code: str) -> str:
    return next(check.detail for check in verify(folder) if check.code == code)


def test_a_whole_case_passes_every_check(finished_case: Path) -> None:
    checks = verify(finished_case)
    assert [check.code for check in checks if not check.ok] == []
    assert [check.number for check in checks] == list(range(1, len(checks) + 1))
    assert len({check.code for check in checks}) == len(checks)
    assert all(check.detail.endswith(".") for check in checks)


def test_the_institutions_key_is_checked_when_given(finished_case: Path) -> None:
    def signature(key: bytes | None) -> Check:
        return next(c for c in verify(finished_case, root_key=key) if c.code == "policy-signature")

    own = keys.local_signing_key().public_key().public_bytes_raw()
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert signature(own).detail == "The institution key given signed it."
    assert signature(None).detail.startswith("Warning: no institution key was given")
    assert not signature(other).ok
    assert not signature(b"short").ok


# Tampering. Each tampers with one thing and names the checks that must say no.


def edit_journal(change: Callable[[list[bytes]], list[bytes]]) -> Tamper:
    def tamper(folder: Path) -> None:
        path = folder / "journal.jsonl"
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return tamper


def renumbered(lines: list[bytes]) -> list[bytes]:
    return [
        json.dumps(
            {**json.loads(line), "id": str(i)}, separators=(",", ":"), ensure_ascii=False
        ).encode()
        + b"\n"
        for i, line in enumerate(lines, start=1)
    ]


def without(kind: str) -> Tamper:
    def change(lines: list[bytes]) -> list[bytes]:
        at = next(i for i, line in enumerate(lines) if json.loads(line)["type"] == kind)
        return renumbered(lines[:at] + lines[at + 1 :])

    return edit_journal(change)


def edit_file(name: str, change: Callable[[bytes], bytes]) -> Tamper:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def swap(one: str, other: str) -> Tamper:
    def tamper(folder: Path) -> None:
        first, second = (folder / one).read_bytes(), (folder / other).read_bytes()
        (folder / one).write_bytes(second)
        (folder / other).write_bytes(first)

    return tamper


def flip(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


def signed_by_another(folder: Path) -> None:
    """A whole journal and tree, but signed by a key that record 1 does not name."""
    attempt = Case.read(folder).attempt
    lines = (folder / "journal.jsonl").read_bytes().splitlines()
    root = tree.root(tree.leaf_hash(line) for line in lines)
    made = Checkpoint(attempt, len(lines), root)
    last = max((folder / "checkpoints").iterdir())
    last.write_bytes(checkpoint.sign(made, Ed25519PrivateKey.generate()))


def forked(folder: Path) -> None:
    """The true key signs an earlier state that never was."""
    view = Case.read(folder)
    first = min((folder / "checkpoints").iterdir())
    made = Checkpoint(view.attempt, int(first.stem), b"\x07" * 32)
    first.write_bytes(checkpoint.sign(made, keys.attempt_key(view.attempt)))


def other_policy(folder: Path) -> None:
    raw = envelope(b"version = 9\n", PAYLOAD_TYPE, [keys.local_signing_key()])
    (folder / "policy.dsse").write_bytes(raw)


def resign(change: Callable[[list[bytes]], list[bytes]]) -> Tamper:
    """What a dishonest holder of the attempt's key could do: alter the journal and sign again."""

    def tamper(folder: Path) -> None:
        attempt = Case.read(folder).attempt
        edit_journal(change)(folder)
        for path in (folder / "checkpoints").iterdir():
            path.unlink()
        lines = (folder / "journal.jsonl").read_bytes().splitlines()
        made = Checkpoint(attempt, len(lines), tree.root(tree.leaf_hash(line) for line in lines))
        note = checkpoint.sign(made, keys.attempt_key(attempt))
        (folder / "checkpoints" / f"{len(lines):08d}.note").write_bytes(note)

    return tamper


def replaced(kind: str, old: str, new: str) -> Callable[[list[bytes]], list[bytes]]:
    def change(lines: list[bytes]) -> list[bytes]:
        assert any(f'"{kind}"'.encode() in line and old.encode() in line for line in lines)
        return [
            line.replace(old.encode(), new.encode())
            if f'"type":"{kind}"'.encode() in line
            else line
            for line in lines
        ]

    return change


TAMPERING: dict[str, tuple[Tamper, list[str]]] = {
    "journal: a value altered": (
        edit_journal(replaced("flag.closed", '"peak":0.9', '"peak":0.1')),
        ["checkpoint-roots", "checkpoint-consistency"],
    ),
    "journal: an inner record removed": (
        without("scores"),
        ["checkpoint-roots", "checkpoint-consistency"],
    ),
    "journal: two records exchanged": (
        edit_journal(lambda lines: renumbered([*lines[:2], lines[3], lines[2], *lines[4:]])),
        ["journal-time", "checkpoint-roots", "checkpoint-consistency"],
    ),
    "journal: two records exchanged with their numbers": (
        edit_journal(lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]]),
        ["journal-records"],
    ),
    "journal: the end cut off": (
        edit_journal(lambda lines: lines[:-1]),
        ["checkpoint-roots", "checkpoint-consistency"],
    ),
    "journal: a record appended": (
        edit_journal(lambda lines: renumbered([*lines, lines[-1]])),
        ["checkpoint-coverage"],
    ),
    "journal: a record copied from another attempt": (
        edit_journal(replaced("marker", "urn:proctor:attempt:", "urn:proctor:attempt:0")),
        ["journal-source", "checkpoint-roots", "checkpoint-consistency"],
    ),
    "journal: half a line": (
        edit_file("journal.jsonl", lambda data: data + b'{"spec'),
        ["journal-whole"],
    ),
    "journal: emptied": (edit_file("journal.jsonl", lambda data: b""), ["journal-whole"]),
    "consent: not first": (
        resign(lambda lines: renumbered([lines[1], lines[0], *lines[2:]])),
        ["consent-first"],
    ),
    "consent: clips not agreed to": (
        resign(replaced("consent.recorded", '"clips":true', '"clips":false')),
        ["clips-agreed"],
    ),
    "consent: recipient added later": (
        resign(replaced("sealed", '"recipients":["', '"recipients":["age1other","')),
        ["clips-agreed"],
    ),
    "policy: exchanged": (other_policy, ["policy-agreed"]),
    "policy: not an envelope": (
        edit_file("policy.dsse", lambda data: data[:-9]),
        ["policy-envelope"],
    ),
    "policy: signature exchanged": (
        edit_file("policy.dsse", lambda data: data.replace(b'"sig": "', b'"sig": "AAAA')),
        ["policy-agreed"],
    ),
    "checkpoint: signed by another key": (signed_by_another, ["checkpoint-signatures"]),
    "checkpoint: altered": (
        lambda folder: edit_file(
            f"checkpoints/{max((folder / 'checkpoints').iterdir()).name}",
            lambda data: data.replace(b"\n", b" \n", 1),
        )(folder),
        ["checkpoint-signatures"],
    ),
    "checkpoint: under another name": (
        lambda folder: min((folder / "checkpoints").iterdir()).rename(
            folder / "checkpoints" / "00000002.note"
        ),
        ["checkpoint-signatures"],
    ),
    "checkpoint: forked": (forked, ["checkpoint-roots", "checkpoint-consistency"]),
    "checkpoint: all removed": (
        lambda folder: [path.unlink() for path in (folder / "checkpoints").iterdir()],
        ["checkpoint-signatures"],
    ),
    "checkpoint: last one removed": (
        lambda folder: max((folder / "checkpoints").iterdir()).unlink(),
        ["checkpoint-coverage"],
    ),
    "clip: a bit flipped": (edit_file(CLIPS.format(1), flip), ["clips-hash"]),
    "clip: cut": (edit_file(CLIPS.format(1), lambda data: data[:-1]), ["clips-length"]),
    "clip: appended to": (edit_file(CLIPS.format(1), lambda data: data + b"x"), ["clips-length"]),
    "clip: swapped": (swap(CLIPS.format(1), CLIPS.format(2)), ["clips-in-place"]),
    "clip: replaced by another of the case": (
        lambda folder: shutil.copy(folder / CLIPS.format(1), folder / CLIPS.format(2)),
        ["clips-in-place"],
    ),
    "clip: removed": (lambda folder: (folder / CLIPS.format(1)).unlink(), ["clips-present"]),
    "clip: one added": (
        lambda folder: (folder / "clips" / "object.phone-007.mp4.age").write_bytes(b"x"),
        ["clips-recorded"],
    ),
    "clip: the record removed and signed again": (
        resign(lambda lines: renumbered([x for x in lines if b'"sealed"' not in x])),
        ["clips-recorded", "flags-settled"],
    ),
    "folder: something else in it": (
        lambda folder: (folder / "clips" / "holiday.mp4").write_bytes(b"x"),
        ["folder", "clips-recorded"],
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_found_by_the_checks_that_are_for_it(finished_case: Path, name: str) -> None:
    tamper, expected = TAMPERING[name]
    tamper(finished_case)
    found = [
        c for c in verify(finished_case) if not c.ok and not c.detail.startswith("Not checked")
    ]
    codes = [check.code for check in found]
    assert codes == expected


def test_each_kind_of_tampering_with_a_clip_has_a_reason_of_its_own() -> None:
    first = {name: codes[0] for name, (_, codes) in TAMPERING.items() if name.startswith("clip:")}
    assert len(set(first.values())) == 5


def test_an_unfinished_case_passes_with_a_warning(begin_case: Callable[..., Case]) -> None:
    case = begin_case()
    case.record("flag", {"id": "f-1", "t": 1.0})
    case.checkpoint()
    case.record("marker", {"t": 2.0})
    case._journal.close()
    case._lock.release()
    assert failed(case.folder) == []
    assert detail(case.folder, "checkpoint-coverage").startswith("Warning: nothing vouches")
    assert detail(case.folder, "flags-settled").startswith("Warning: the session has not ended")


# Hostile folders: every check answers, soon, and none raises.


def hostile_journal(data: bytes) -> Tamper:
    return lambda folder: (folder / "journal.jsonl").write_bytes(data)


HOSTILE: dict[str, Tamper] = {
    "no folder": shutil.rmtree,
    "a file": lambda folder: (shutil.rmtree(folder), folder.write_text("x")),
    "empty": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
    "binary journal": hostile_journal(os.urandom(100_000)),
    "one huge line": hostile_journal(b"x" * 5_000_000 + b"\n"),
    "deep json": hostile_journal((b'{"data":' * 50_000 + b"\n") * 3),
    "many lines": hostile_journal(b"{}\n" * 200_000),
    "too many lines": hostile_journal(b"\n" * 1_100_000),
    "null bytes": hostile_journal(b"\0" * 1_000_000),
    "policy of noise": edit_file("policy.dsse", lambda data: os.urandom(5000)),
    "huge policy": edit_file("policy.dsse", lambda data: b"[" * 3_000_000),
    "huge note": lambda folder: (folder / "checkpoints" / "00000001.note").write_bytes(
        b"x" * 10**6
    ),
    "note of noise": lambda folder: (folder / "checkpoints" / "00000001.note").write_bytes(
        os.urandom(100)
    ),
    "journal is a folder": lambda folder: (
        (folder / "journal.jsonl").unlink(),
        (folder / "journal.jsonl").mkdir(),
    ),
    "clips is a file": lambda folder: (
        shutil.rmtree(folder / "clips"),
        (folder / "clips").write_text("x"),
    ),
    "many files": lambda folder: [
        (folder / "clips" / f"f-{i}.mp4.age").touch() for i in range(10_500)
    ],
}
if os.name == "posix":
    HOSTILE |= {
        "pipe as clip": lambda folder: (
            (folder / CLIPS.format(1)).unlink(),
            os.mkfifo(folder / CLIPS.format(1)),
        ),
        "link as clip": lambda folder: (
            (folder / CLIPS.format(1)).unlink(),
            (folder / CLIPS.format(1)).symlink_to("/dev/zero"),
        ),
        "link as journal": lambda folder: (
            (folder / "journal.jsonl").unlink(),
            (folder / "journal.jsonl").symlink_to("/dev/zero"),
        ),
        "link as clips folder": lambda folder: (
            shutil.rmtree(folder / "clips"),
            (folder / "clips").symlink_to("/"),
        ),
        "pipe as policy": lambda folder: (
            (folder / "policy.dsse").unlink(),
            os.mkfifo(folder / "policy.dsse"),
        ),
    }


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder_ends_in_failed_checks(finished_case: Path, name: str) -> None:
    HOSTILE[name](finished_case)
    checks = verify(finished_case)
    assert len(checks) == 26
    assert any(not check.ok for check in checks)
    assert all(check.detail and len(check.detail) < 1500 for check in checks)


@pytest.mark.parametrize(
    "data",
    [
        {"attempt": None},
        {"attempt": "../../etc"},
        {"public_key": "AAAA"},
        {"public_key": base64.b64encode(b"\xff" * 32).decode()},
        {"public_key": 7},
        {"granted": []},
        {"granted": {"clips": "yes"}},
        {"policy": None},
        {"policy": {"sha256": []}},
        {"recipients": {"a": 1}},
        {"recipients": None},
    ],
)
def test_a_consent_record_of_wrong_shape_only_fails_checks(
    finished_case: Path, data: dict[str, object]
) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        first = json.loads(lines[0])
        first["data"] |= data
        return [json.dumps(first).encode() + b"\n", *lines[1:]]

    edit_journal(change)(finished_case)
    assert failed(finished_case)


@pytest.mark.parametrize(
    "data",
    [
        {"flag": None},
        {"flag": "../x"},
        {"flag": ["a"]},
        {"sha256": 7},
        {"length": "1"},
        {"recipients": 3},
    ],
)
def test_a_sealed_record_of_wrong_shape_only_fails_checks(
    finished_case: Path, data: dict[str, object]
) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        changed = []
        for line in lines:
            record = json.loads(line)
            if record["type"] == "sealed":
                record["data"] |= data
            changed.append(json.dumps(record).encode() + b"\n")
        return changed

    resign(change)(finished_case)
    assert failed(finished_case)
