"""Proofs of inclusion and consistency: right in form, accepted by another's code, and hard to bend."""

from __future__ import annotations

import base64
from pathlib import Path

import pymerkle
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proctor.cli.main import main
from proctor.errors import CheckFailed, InputError
from proctor.evidence import checkpoint, layout, proof
from proctor.evidence.case import Case
from proctor.evidence.proof import ProofError
from proctor.evidence.view import public_key


def theirs(lines: tuple[bytes, ...]) -> pymerkle.InmemoryTree:
    # "Security" is pymerkle's name for the two prefixes of RFC 6962.
    tree = pymerkle.InmemoryTree(algorithm="sha256", disable_security=False)
    for line in lines:
        tree.append_entry(line)
    return tree


def parts(raw: bytes) -> tuple[list[str], list[bytes], int, bytes]:
    """Head, hashes, size and root of a proof, read by the words of the specification alone."""
    top, _, note = raw.decode("utf-8").partition("\n\n")
    lines = top.split("\n")
    at = 2 if lines[0].startswith("c2sp.org/") else 1
    _, size, root = note.split("\n")[:3]
    hashes = [base64.b64decode(line) for line in lines[at:]]
    return lines[:at], hashes, int(size), base64.b64decode(root)


def subproof(size: int, lines: tuple[bytes, ...], whole: bool) -> list[bytes]:
    """SUBPROOF as RFC 6962 (2.1.2) defines it, over roots that pymerkle computes."""
    if size == len(lines):
        return [] if whole else [theirs(lines).get_state()]
    k = 1
    while 2 * k < len(lines):
        k *= 2
    left, right = lines[:k], lines[k:]
    if size <= k:
        return [*subproof(size, left, whole), theirs(right).get_state()]
    return [*subproof(size - k, right, False), theirs(left).get_state()]


def test_every_record_is_proved_and_pymerkle_agrees(finished_case: Path) -> None:
    provable = proof.load(finished_case)
    other = theirs(provable.lines)
    for number in range(1, len(provable.lines) + 1):
        head, hashes, size, root = parts(provable.inclusion(number))
        assert head == ["c2sp.org/tlog-proof@v1", f"index {number - 1}"]
        assert size == len(provable.lines)
        made = other.prove_inclusion(number, size)
        leaf = other.get_leaf(number)
        made.path = [leaf, *hashes]
        pymerkle.verify_inclusion(leaf, root, made, index=number, size=size)
        made.path = [leaf, *hashes[:-1], bytes(32)]
        with pytest.raises(pymerkle.InvalidProof):
            pymerkle.verify_inclusion(leaf, root, made, index=number, size=size)


def test_checkpoints_extend_each_other_and_pymerkle_agrees(finished_case: Path) -> None:
    provable = proof.load(finished_case)
    other = theirs(provable.lines)
    first, last = provable.signed[0].checkpoint, provable.signed[-1].checkpoint
    assert first.size < last.size
    head, hashes, size, root = parts(provable.consistency(first.size))
    assert head == [f"old {first.size}"]
    assert (size, root) == (last.size, last.root)
    made = other.prove_consistency(first.size, last.size)
    assert other.get_state(first.size) == first.root
    assert hashes == subproof(first.size, provable.lines, True)
    pymerkle.verify_consistency(first.root, root, made, prior_size=first.size, later_size=size)


def test_a_proof_holds_for_its_record_alone(finished_case: Path) -> None:
    provable = proof.load(finished_case)
    view = Case.read(finished_case)
    public = public_key(view.consent)
    raw = provable.inclusion(4)
    assert proof.check_inclusion(raw, provable.lines[3], view.attempt, public) == (
        4,
        len(provable.lines),
    )
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    newest = provable.signed[-1].checkpoint
    forged = checkpoint.sign(newest, Ed25519PrivateKey.generate())
    for bent, line, key in (
        (raw, provable.lines[4], public),
        (raw.replace(b"index 3", b"index 4"), provable.lines[3], public),
        (raw.replace(b"index 3", b"index 03"), provable.lines[3], public),
        (raw, provable.lines[3], stranger),
        (raw.partition(b"\n\n")[0] + b"\n\n" + forged, provable.lines[3], public),
        (b"c2sp.org/tlog-proof@v2" + raw[22:], provable.lines[3], public),
        (raw[:40], provable.lines[3], public),
        (b"", provable.lines[3], public),
    ):
        with pytest.raises(ProofError):
            proof.check_inclusion(bent, line, view.attempt, key)


def test_a_consistency_proof_holds_for_its_checkpoint_alone(finished_case: Path) -> None:
    provable = proof.load(finished_case)
    public = public_key(Case.read(finished_case).consent)
    first = provable.signed[0].checkpoint
    raw = provable.consistency(first.size)
    assert proof.check_consistency(raw, first, public) == provable.signed[-1].checkpoint.size
    forked = checkpoint.Checkpoint(first.origin, first.size, b"\x07" * 32)
    with pytest.raises(ProofError, match="does not extend"):
        proof.check_consistency(raw, forked, public)


def test_nothing_is_proved_from_a_journal_that_was_changed(finished_case: Path) -> None:
    path = finished_case / layout.JOURNAL
    path.write_bytes(path.read_bytes().replace(b'"peak":0.8', b'"peak":0.1', 1))
    with pytest.raises(CheckFailed, match="not the one that"):
        proof.load(finished_case)


def test_what_is_not_there_is_said(finished_case: Path) -> None:
    provable = proof.load(finished_case)
    for number in (0, -1, 10_000):
        with pytest.raises(InputError, match="no record"):
            provable.inclusion(number)
    with pytest.raises(InputError, match="No checkpoint covers 2 records"):
        provable.consistency(2)


def test_the_command_prints_or_writes(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["case", "prove", str(finished_case), "1"]) == 0
    printed = capsys.readouterr().out.encode("utf-8")
    view = Case.read(finished_case)
    line = (finished_case / layout.JOURNAL).read_bytes().splitlines()[0]
    assert proof.check_inclusion(printed, line, view.attempt, public_key(view.consent))[0] == 1
    target = tmp_path / "1.tlog-proof"
    assert main(["case", "prove", str(finished_case), "1", "--to", str(target)]) == 0
    assert target.read_bytes() == printed
    assert main(["case", "prove", str(finished_case), "1", "--to", str(target)]) == 2
    size = proof.load(finished_case).signed[0].checkpoint.size
    capsys.readouterr()
    assert main(["case", "prove", str(finished_case), "--since", str(size)]) == 0
    assert capsys.readouterr().out.startswith(f"old {size}\n")


def test_a_proof_can_be_checked_with_the_case_or_without(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view, provable = Case.read(finished_case), proof.load(finished_case)
    key = base64.b64encode(public_key(view.consent)).decode()
    old = provable.signed[0].checkpoint.size
    one, since = tmp_path / "4.tlog-proof", tmp_path / "since.consistency"
    assert main(["case", "prove", str(finished_case), "4", "--to", str(one)]) == 0
    assert main(["case", "prove", str(finished_case), "--since", str(old), "--to", str(since)]) == 0
    line, note = tmp_path / "line.json", finished_case / layout.note_name(old)
    line.write_bytes(provable.lines[3] + b"\n")
    capsys.readouterr()
    for shown, given in ((finished_case, []), (line, ["--key", key])):
        assert main(["case", "prove", str(shown), "--check", str(one), *given]) == 0
        assert capsys.readouterr().out.startswith("Record 4 stands in the journal of ")
    for shown, given in ((finished_case, []), (note, ["--key", key])):
        assert main(["case", "prove", str(shown), "--check", str(since), *given]) == 0
        assert f"extends the one of {old}" in capsys.readouterr().out


def test_a_proof_of_something_else_is_answered_with_no(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view, provable = Case.read(finished_case), proof.load(finished_case)
    key = base64.b64encode(public_key(view.consent)).decode()
    stranger = base64.b64encode(bytes(32)).decode()
    made, line = tmp_path / "4.tlog-proof", tmp_path / "line.json"
    made.write_bytes(provable.inclusion(4))
    line.write_bytes(provable.lines[4])
    old = tmp_path / "old.note"
    old.write_bytes(provable.signed[-1].note.replace(b"\n", b"\n1", 1))
    since = tmp_path / "since"
    since.write_bytes(provable.consistency(provable.signed[0].checkpoint.size))
    for shown, checked, given in (
        (line, made, ["--key", key]),
        (line, made, ["--key", stranger]),
        (old, since, ["--key", key]),
        (finished_case, line, []),
    ):
        assert main(["case", "prove", str(shown), "--check", str(checked), *given]) == 1
    other = tmp_path / "other"
    other.write_bytes(provable.inclusion(4).replace(b"index 3", b"index 99"))
    assert main(["case", "prove", str(finished_case), "--check", str(other)]) == 1
    (tmp_path / "noise").write_bytes(b'{"source": "urn:proctor:attempt:\\ud800"}')
    noise = str(tmp_path / "noise")
    assert main(["case", "prove", noise, "--check", str(made), "--key", key]) == 1
    capsys.readouterr()
    for wrong in (
        [str(line), "--check", str(made)],
        [str(line), "--check", str(made), "--key", "short"],
        [str(finished_case), "--check", str(made), "--key", key],
        [str(finished_case), "--check", str(tmp_path / "none")],
        [str(finished_case), "--check", str(made), "--to", str(other)],
        [str(finished_case), "1", "--key", key],
    ):
        assert main(["case", "prove", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
