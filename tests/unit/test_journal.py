"""The journal, its tree and its checkpoints, against published examples and another implementation."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pymerkle
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.errors import MissingError
from proctor.evidence import checkpoint, journal, tree
from proctor.evidence.checkpoint import Checkpoint, NoteError
from proctor.evidence.journal import Journal, JournalError

ATTEMPT = "0123456789abcdef0123456789abcdef"
ANCHOR = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

# The entries and roots of the Certificate Transparency test suite (google/certificate-transparency).
CT_ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def wall(t: float) -> datetime:
    return ANCHOR + timedelta(seconds=t)


@pytest.fixture
def written(tmp_path: Path) -> Journal:
    return Journal.create(tmp_path / "journal.jsonl", attempt=ATTEMPT, wall=wall)


# The tree.


def test_roots_are_those_of_the_published_suite() -> None:
    leaves = [tree.leaf_hash(entry) for entry in CT_ENTRIES]
    for size, expected in CT_ROOTS.items():
        assert tree.root(leaves[:size]).hex() == expected
    assert tree.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_roots_and_proofs_agree_with_pymerkle_for_1_to_200_leaves() -> None:
    # "Security" is pymerkle's name for the two prefixes of RFC 6962.
    theirs = pymerkle.InmemoryTree(algorithm="sha256", disable_security=False)
    ours = tree.Tree()
    rng = np.random.default_rng(0)
    for size in range(1, 201):
        entry = f"record {size}".encode()
        theirs.append_entry(entry)
        ours.append(tree.leaf_hash(entry))
        assert ours.root() == theirs.get_state()
        index = int(rng.integers(0, size))
        their_path = theirs.prove_inclusion(index + 1).path
        # Their path begins with the leaf itself.
        assert ours.inclusion_proof(index) == their_path[1:]
    for size in range(1, 201):
        assert ours.root(size) == theirs.get_state(size)


def test_inclusion_proofs_hold_for_their_leaf_alone() -> None:
    leaves = [tree.leaf_hash(bytes([i])) for i in range(33)]
    grown = tree.Tree(leaves)
    for size in (1, 2, 3, 7, 8, 20, 33):
        for index in range(size):
            proof = grown.inclusion_proof(index, size)
            root = grown.root(size)
            assert tree.verify_inclusion(leaves[index], index, size, proof, root)
            assert (
                not tree.verify_inclusion(leaves[index - 1], index, size, proof, root) or size == 1
            )
            assert not tree.verify_inclusion(leaves[index], index, size, [*proof, root], root)
            if proof:
                assert not tree.verify_inclusion(leaves[index], index, size, proof[:-1], root)
                assert not tree.verify_inclusion(leaves[index], index ^ 1, size, proof, root)


def test_consistency_proofs_hold_for_a_true_extension_alone() -> None:
    grown = tree.Tree(tree.leaf_hash(bytes([i])) for i in range(40))
    forked = tree.Tree(tree.leaf_hash(bytes([i if i != 3 else 99])) for i in range(40))
    for old in range(1, 41):
        for new in range(old, 41):
            proof = grown.consistency_proof(old, new)
            roots = grown.root(old), grown.root(new)
            assert tree.verify_consistency(old, new, proof, *roots)
            assert not tree.verify_consistency(old, new, [*proof, b"\0" * 32], *roots)
            if old > 3:
                assert not tree.verify_consistency(old, new, proof, forked.root(old), roots[1])
                if new > old:
                    assert not tree.verify_consistency(old, new, proof, roots[0], forked.root(new))


# Checkpoints.

# The example of the signed-note specification's reference implementation (golang.org/x/mod/sumdb/note).
NEUMANN_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NEUMANN_NOTE = (
    NEUMANN_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
).encode()
NEUMANN_PUBLIC = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
NEUMANN_SECRET = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]


def test_the_published_note_opens_and_is_what_we_would_write() -> None:
    assert checkpoint.key_hash("PeterNeumann", NEUMANN_PUBLIC).hex() == "c74f20a3"
    assert checkpoint.open_note(NEUMANN_NOTE, "PeterNeumann", NEUMANN_PUBLIC) == NEUMANN_TEXT
    key = Ed25519PrivateKey.from_private_bytes(NEUMANN_SECRET)
    assert checkpoint.sign_note(NEUMANN_TEXT, "PeterNeumann", key) == NEUMANN_NOTE


def test_any_flipped_bit_of_a_note_is_refused() -> None:
    for at in range(len(NEUMANN_NOTE)):
        damaged = bytearray(NEUMANN_NOTE)
        damaged[at] ^= 1
        with pytest.raises(NoteError):
            checkpoint.open_note(bytes(damaged), "PeterNeumann", NEUMANN_PUBLIC)


def test_a_countersigned_checkpoint_still_reads() -> None:
    key, hub = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    made = Checkpoint(ATTEMPT, 7, b"r" * 32)
    note = checkpoint.sign(made, key)
    text = note.decode().split("\n\n")[0] + "\n"
    hub_line = checkpoint.sign_note(text, "hub.example", hub).decode().split("\n\n")[1]
    both = note + hub_line.encode()
    assert checkpoint.read(both, ATTEMPT, key.public_key().public_bytes_raw()) == made
    with pytest.raises(NoteError, match="not signed by"):
        checkpoint.read(both, ATTEMPT, hub.public_key().public_bytes_raw())


@pytest.mark.parametrize(
    "body", ["x\n7\n{r}\n", "{a}\n07\n{r}\n", "{a}\n-1\n{r}\n", "{a}\n7\nAAAA\n", "{a}\n7\n"]
)
def test_a_signed_note_that_is_no_checkpoint_of_this_attempt_is_refused(body: str) -> None:
    key = Ed25519PrivateKey.generate()
    text = body.format(a=ATTEMPT, r=base64.b64encode(b"r" * 32).decode())
    note = checkpoint.sign_note(text, ATTEMPT, key)
    with pytest.raises(NoteError):
        checkpoint.read(note, ATTEMPT, key.public_key().public_bytes_raw())


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_noise_is_no_note(noise: bytes) -> None:
    with pytest.raises(NoteError):
        checkpoint.open_note(noise, "PeterNeumann", NEUMANN_PUBLIC)


# The journal.


def test_records_come_back_as_they_were_written(written: Journal) -> None:
    assert written.append("consent.recorded", {"granted": {"camera": True}}) == 1
    assert written.append("flag", {"id": "a", "why": "Gaze 42° away — \udcff"}, 3.25) == 2
    assert written.append("scores", {"x": [np.float32(0.5), None, np.int64(3)]}, sync=False) == 3
    written.close()
    raw = written.path.read_bytes()
    assert raw.count(b"\n") == 3
    assert "42° away".encode() in raw
    first, second, third = journal.load(written.path).records()
    assert first.event["specversion"] == "1.0"
    assert first.source == f"urn:proctor:attempt:{ATTEMPT}"
    assert (second.type, second.data["t"], second.data["why"][-1]) == ("flag", 3.25, "\udcff")
    assert second.time == ANCHOR + timedelta(seconds=3.25)
    assert third.data["x"] == [0.5, None, 3]
    assert third.time == second.time  # nothing is known of its time but that it is not earlier


def test_time_never_goes_back(written: Journal) -> None:
    for t in (5.0, 2.0, 6.0):
        written.append("marker", {"t": t})
    written.close()
    times = [record.time for record in journal.load(written.path).records()]
    assert times == sorted(times)
    assert times[1] == times[0]


def test_the_tree_is_over_the_stored_bytes(written: Journal) -> None:
    for i in range(5):
        written.append("marker", {"t": float(i)})
    written.close()
    lines = written.path.read_bytes().splitlines()
    assert written.state() == (5, tree.root([tree.leaf_hash(line) for line in lines]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes"])
def test_what_json_cannot_hold_is_refused_and_leaves_no_trace(
    written: Journal, value: object
) -> None:
    written.append("marker", {"t": 0.0})
    with pytest.raises((ValueError, TypeError)):
        written.append("marker", {"value": value})
    assert written.append("marker", {"t": 1.0}) == 2
    written.close()
    assert len(journal.load(written.path).records()) == 2


def test_a_torn_last_line_is_found_and_cut_when_going_on(written: Journal) -> None:
    written.append("consent.recorded", {})
    written.close()
    whole = written.path.read_bytes()
    written.path.write_bytes(whole + b'{"specversion":"1.0","id":"2"')
    assert journal.load(written.path).torn == b'{"specversion":"1.0","id":"2"'
    again, records, torn = Journal.reopen(written.path, wall=wall)
    assert (len(records), torn) == (1, 29)
    assert again.append("marker", {"t": 9.0}) == 2
    again.close()
    assert written.path.read_bytes().startswith(whole)
    assert len(journal.load(written.path).records()) == 2


LINE = {
    "specversion": "1.0",
    "id": "1",
    "source": "s",
    "type": "flag",
    "time": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'"x"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"id":"1","id":"1"}',
        json.dumps(LINE).encode(),
        json.dumps({**LINE, "data": []}).encode(),
        json.dumps({**LINE, "data": {}, "id": "2"}).encode(),
        json.dumps({**LINE, "data": {}, "id": 1}).encode(),
        json.dumps({**LINE, "data": {}, "time": "yesterday"}).encode(),
        json.dumps({**LINE, "data": {}, "time": "2026-01-01T00:00:00"}).encode(),
        json.dumps({**LINE, "data": {}, "type": "Flag\n"}).encode(),
        json.dumps({**LINE, "data": {"x": float("nan")}}).encode(),
        json.dumps({**LINE, "data": {"x": "y" * journal.MAX_LINE}}).encode(),
        json.dumps({**LINE, "data": {}}).encode().replace(b"{}", b'{"x":' + b"9" * 5000 + b"}"),
    ],
)
def test_a_line_that_is_no_record_ends_in_one_sentence(line: bytes) -> None:
    with pytest.raises(JournalError, match=r"^Line 1 of the journal is no record: ") as caught:
        journal.parse(line, 1)
    assert len(str(caught.value)) < 300


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_noise_is_no_record(noise: bytes) -> None:
    with pytest.raises(JournalError):
        journal.parse(noise, 1)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits a file's size as Linux does"
)
def test_a_disk_that_takes_half_a_line_leaves_whole_lines_only(tmp_path: Path) -> None:
    """A real short write: the file may not grow beyond 4 kB."""
    script = f"""
import resource, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from proctor.errors import MissingError
from proctor.evidence.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
journal = Journal.create(Path({str(tmp_path / "j")!r}), attempt={ATTEMPT!r}, wall=lambda t: datetime.now(UTC))
try:
    while True:
        journal.append("marker", {{"t": 0.0, "filler": "x" * 300}})
except MissingError as error:
    print(error)
small = journal.append("marker", {{"t": 0.0}}) if "fits" in sys.argv else None
journal.close()
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("Cannot write the journal")
    stored = journal.load(tmp_path / "j")
    assert stored.torn == b""
    assert len(stored.records()) >= 5


def test_a_journal_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="Cannot write the journal"):
        Journal.create(tmp_path / "missing" / "j", attempt=ATTEMPT, wall=wall)


@pytest.mark.skipif(os.name != "posix", reason="makes a pipe in the file system")
def test_a_pipe_in_place_of_a_journal_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal.jsonl")
    with pytest.raises(JournalError, match="not a plain file"):
        journal.load(tmp_path / "journal.jsonl")
