"""What a hub signed for travels with a case: in exports, in proofs, and both verifiers hold it to its word."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cryptography
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proctor.cli.main import main
from proctor.errors import CheckFailed
from proctor.evidence import (
    access,
    checkpoint,
    cosignature,
    hub_receipts,
    keys,
    layout,
    proof,
    verify_case,
    view,
)
from proctor.evidence.checkpoint import Checkpoint
from proctor.evidence.export import export
from proctor.evidence.hub_receipts import HubKey
from proctor.evidence.verify import verify

SEEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
HUB, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (7, 8))
NAME = "hub.example.org/log"
KEY = HubKey(NAME, HUB.public_key().public_bytes_raw())


def sizes(folder: Path) -> list[int]:
    return [one.checkpoint.size for one in proof.load(folder).signed]


def receive(folder: Path, size: int, by: Ed25519PrivateKey = HUB, name: str = NAME) -> None:
    """Keep a receipt over ``size`` records, as the agent does."""
    note = (folder / layout.note_name(size)).read_bytes()
    hub_receipts.keep_key(folder, KEY)
    hub_receipts.keep(folder, size, cosignature.add(note, name, by, SEEN))
    log = checkpoint.sign(Checkpoint(NAME, 5, bytes(32)), HUB)
    hub_receipts.keep_log(folder, log)


@pytest.fixture
def received(finished_case: Path) -> Path:
    """A case whose checkpoints a hub countersigned."""
    for size in sizes(finished_case):
        receive(finished_case, size)
    return finished_case


def unpacked(folder: Path, target: Path) -> Path:
    export(folder, target, reader=access.Reader("Dr Ada Stone", keys.reviewer_key()))
    with zipfile.ZipFile(target) as archive:
        archive.extractall(target.with_suffix(""))
    return target.with_suffix("")


def answer(folder: Path) -> tuple[bool, str]:
    """What ``case verify`` says of the receipts."""
    (check,) = (one for one in verify(folder) if one.code == "hub")
    return check.ok, check.detail


def test_an_export_holds_every_receipt_and_both_verifiers_check_them(
    received: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = unpacked(received, tmp_path / "out.zip")
    below = sorted(path.name for path in (folder / "case" / "hub").iterdir())
    assert below == sorted(path.name for path in (received / "hub").iterdir())
    assert {"hub.json", "log.note"} < set(below)
    listed = json.loads(
        base64.b64decode(json.loads((folder / "export.dsse").read_bytes())["payload"])
    )
    assert {f"case/hub/{name}" for name in below} < set(listed["files"])

    ok, told = answer(folder / "case")
    assert ok
    encoded = base64.b64encode(KEY.public).decode()
    last = max(sizes(received))
    assert f"receipts of {NAME}, the last over {last} records at 2026-03-01 12:30:00 UTC" in told
    assert f"signed with key {encoded}. Ask the hub" in told
    assert verify_case.main([str(folder), "--hub-key", encoded]) == 0
    out = capsys.readouterr().out
    seconds = int(SEEN.timestamp())
    assert f"receipts of {NAME} (the last over {last} records, {seconds} s after" in out
    assert "signed with the key given" in out
    foreign = base64.b64encode(OTHER.public_key().public_bytes_raw()).decode()
    assert verify_case.main([str(folder), "--hub-key", foreign]) == 1
    assert "of another hub's key than the one given" in capsys.readouterr().out


def test_the_verifier_in_the_export_needs_nothing_of_ours(received: Path, tmp_path: Path) -> None:
    folder = unpacked(received, tmp_path / "out.zip")
    run = (
        "import runpy, sys; sys.path.append(sys.argv[1]); sys.argv = sys.argv[2:];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    libraries, script = Path(cryptography.__file__).parents[1], folder / "verify_case.py"
    command = [sys.executable, "-I", "-S", "-c", run, str(libraries), str(script), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok  What a hub signed for is this journal" in done.stdout


def _other_key(folder: Path) -> None:
    receive(folder, sizes(folder)[-1], OTHER)


def _other_name(folder: Path) -> None:
    receive(folder, sizes(folder)[-1], HUB, "hub.example.com/log")


def _other_time(folder: Path) -> None:
    path = folder / "hub" / Path(layout.note_name(sizes(folder)[-1])).name
    text, _, lines = path.read_text("utf-8").rpartition("\n\n")
    own, hubs = lines.splitlines()
    name, blob = hubs.rsplit(" ", 1)
    raw = bytearray(base64.b64decode(blob))
    raw[11] ^= 1
    path.write_text(f"{text}\n\n{own}\n{name} {base64.b64encode(raw).decode()}\n", "utf-8")


def _other_size(folder: Path) -> None:
    path = folder / "hub" / Path(layout.note_name(sizes(folder)[-1])).name
    path.rename(path.with_name("00000001.note"))


def _no_key(folder: Path) -> None:
    (folder / "hub" / "hub.json").unlink()


def _no_countersignature(folder: Path) -> None:
    size = sizes(folder)[-1]
    hub_receipts.keep(folder, size, (folder / layout.note_name(size)).read_bytes())


def _other_log(folder: Path) -> None:
    hub_receipts.keep_log(folder, checkpoint.sign(Checkpoint(NAME, 5, bytes(32)), OTHER))


def _longer(folder: Path) -> None:
    """A receipt over records that were cut off the journal and its checkpoints afterwards."""
    first = sizes(folder)[0]
    path = folder / layout.JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:first]))
    for size in sizes_there(folder):
        if size > first:
            (folder / layout.note_name(size)).unlink()


def sizes_there(folder: Path) -> list[int]:
    return [int(path.stem) for path in (folder / layout.CHECKPOINTS).iterdir()]


@pytest.mark.parametrize(
    "bend",
    [
        _other_key, _other_name, _other_time, _other_size, _no_key, _no_countersignature, _other_log, _longer,
    ],
)  # fmt: skip
def test_a_receipt_that_does_not_hold_is_seen_by_both_verifiers_and_proves_nothing(
    received: Path, bend: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    bend(received)
    ok, told = answer(received)
    assert not ok, told
    assert verify_case.main([str(received)]) == 1
    assert "NO  What a hub signed for is this journal" in capsys.readouterr().out
    with pytest.raises(CheckFailed, match="hub"):
        proof.load(received)


def test_a_proof_carries_the_hubs_countersignature(
    received: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, line = tmp_path / "3.tlog-proof", tmp_path / "line.json"
    assert main(["case", "prove", str(received), "3", "--to", str(made)]) == 0
    line.write_bytes(proof.load(received).lines[2])
    capsys.readouterr()
    assert main(["case", "prove", str(received), "--check", str(made)]) == 0
    assert f"{NAME} saw it in this state at 2026-03-01 12:30:00 UTC." in capsys.readouterr().out
    assert verify_case.main([str(received), "--proof", str(made)]) == 0
    capsys.readouterr()

    public = base64.b64encode(view.public_key(view.read(received).consent)).decode()
    alone = ["case", "prove", str(line), "--check", str(made), "--key", public]
    assert main(alone) == 0
    out = capsys.readouterr().out
    assert "that was signed. Whose countersignature it has was not checked." in out
    assert main([*alone, "--hub", str(received / "hub" / "hub.json")]) == 0
    assert f"{NAME} saw it in this state" in capsys.readouterr().out
    # Another key under the same name, and a file that holds none.
    foreign = tmp_path / "hub.json"
    encoded = base64.b64encode(OTHER.public_key().public_bytes_raw()).decode()
    foreign.write_text(json.dumps({"name": NAME, "public_key": encoded}))
    assert main([*alone, "--hub", str(foreign)]) == 1
    foreign.write_text("[]")
    assert main([*alone, "--hub", str(foreign)]) == 2
    assert "holds no hub's name and key" in capsys.readouterr().err
    assert main(["case", "prove", str(received), "--check", str(made), "--hub", str(foreign)]) == 2
    assert main(["case", "prove", str(received), "3", "--hub", str(foreign)]) == 2


def test_a_proof_is_made_with_the_newest_checkpoint_that_a_hub_saw(finished_case: Path) -> None:
    there = sizes(finished_case)
    assert len(there) > 1
    first, newest = there[0], there[-1]
    receive(finished_case, first)
    provable = proof.load(finished_case)

    def towards(made: bytes) -> tuple[int, bool]:
        note = made.partition(b"\n\n")[2]
        return int(note.split(b"\n")[1]), NAME.encode() in note

    assert towards(provable.inclusion(1)) == (first, True)
    assert towards(provable.inclusion(first + 1)) == (newest, False)
    assert towards(provable.consistency(first)) == (first, True)
    public = view.public_key(view.read(finished_case).consent)
    attempt = view.read(finished_case).attempt
    made = provable.inclusion(1)
    assert proof.check_inclusion(made, provable.lines[0], attempt, public) == (1, first)
    assert proof.seen_by(made, provable.hub).startswith(f"{NAME} saw it")
    assert proof.seen_by(provable.inclusion(newest), provable.hub) == ""
