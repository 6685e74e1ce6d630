"""The seeds of every target: committed as text, or as hexadecimal where they are no text.

    python tests/fuzz/corpora.py        write the seeds of well-formed things anew

A finding goes beside them under a name that says what it is.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import hostile
import targets

from policies import invitation, load, root
from proctor.evidence import checkpoint, layout, proof, tree

CORPUS = Path(__file__).with_name("corpus")
HEX = ".hex"
# Printable on every system; anything else is kept as numbers.
_TEXT = {9, 10, *range(32, 127)}


def seeds(target: str) -> dict[str, bytes]:
    """The seeds of a target by file name."""
    found = {}
    for path in sorted((CORPUS / target).iterdir()):
        raw = path.read_bytes()
        found[path.name] = bytes.fromhex(raw.decode("ascii")) if path.suffix == HEX else raw
    return found


def _made() -> Iterator[tuple[str, str, bytes]]:
    """Target, name and bytes of well-formed things."""
    files = targets.case_files()
    lines = files[layout.JOURNAL].split(b"\n")[:-1]
    for number, line in enumerate(lines, start=1):
        yield "record", f"line-{number}", b"\n" * (number - 1) + line
    note = files[layout.note_name(len(lines))]
    yield "checkpoint", "note", b"\0" + note
    yield "checkpoint", "text", b"\x01" + note.split(b"\n\n")[0]
    yield "checkpoint", "countersigned", b"\0" + note + note.split(b"\n\n")[1]
    grown = tree.Tree(map(tree.leaf_hash, lines))
    signed = proof.Signed(checkpoint.Checkpoint(targets.ATTEMPT, len(lines), grown.root()), note)
    provable = proof.Provable(tuple(lines), grown, (signed,))
    for number in (1, 5):
        inclusion = provable.inclusion(number)
        yield "proof", f"inclusion-{number}", b"\0" + inclusion
        yield "proof", f"inclusion-{number}-signed", b"\x0b" + inclusion.partition(b"\n\n")[0]
    hashes = grown.consistency_proof(3)
    older = proof._write(["old 3"], hashes, note)
    yield "proof", "consistency", b"\0" + older
    yield "proof", "consistency-signed", b"\x0b" + older.partition(b"\n\n")[0]
    yield "envelope", "policy", b"\0" + files[layout.POLICY][:3000]
    small = {"payload": "eA==", "payloadType": "x", "signatures": [{"keyid": "a", "sig": "eA=="}]}
    yield "envelope", "small", b"\0" + json.dumps(small).encode()
    yield "policy", "minimal", load.read("minimal")[1]
    public = root.public_text(targets.KEY.public_key())
    yield "paper", "root", b"\x02" + root.make("University", [public], 1).encode()
    consent = b"[consent]\ncamera = true\nmicrophone = true\nclips = false\n"
    yield "paper", "consent", b"\x06" + consent
    age = b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"
    yield "paper", "escrow", b"\x07" + age
    addendum = b'version = 1\nid = "a"\npolicy_sha256 = "%s"\n' % (b"0" * 64)
    yield "paper", "addendum", b"\0" + addendum
    yield "paper", "addendum-signed", b"\x01" + addendum
    yield "paper", "revoked", b'\x03version = 1\ninstitution = "University"\nkeys = []\n'
    for way in (4, 5):
        document = dict.fromkeys(invitation.Invitation.model_fields, "x")
        yield "paper", f"invitation-{way}", bytes([way]) + json.dumps(document).encode()
    yield "hold", "whole", b"\0" + files[layout.hold_name(1)]
    document = {"attempt": targets.ATTEMPT, "flags": ["f-1"], "name": "Ada", "reason": "An appeal."}
    yield (
        "hold",
        "inside",
        b"\x01" + json.dumps({**document, "until": "2027-01-01T00:00:00Z"}).encode(),
    )
    stone = {
        "attempt": targets.ATTEMPT,
        "flag": "f-1",
        "what": "x",
        "when": "x",
        "why": "x",
        "rule": "T1",
    }
    yield "tombstone", "inside", b"\x01" + json.dumps(stone).encode()
    yield "box", "begin", hostile.clip()[8:1500]
    for place, name in enumerate(sorted(files)):
        whole = files[name] if len(files[name]) < 4000 else files[name][:800]
        for how in (0, 4) if name == layout.JOURNAL else (0,):
            label = name.replace("/", "-")
            yield "case", f"{how}-{label}", bytes([place, how, 0, 0]) + whole
        yield (
            "case",
            f"cut-{name.replace('/', '-')}",
            bytes([place, 65]) + struct.pack(">H", 40) + b"x",
        )
    place = sorted(files).index(layout.JOURNAL)
    for number, line in enumerate(lines, start=1):
        at = files[layout.JOURNAL].index(line) + line.index(b'"data"') + 8
        bent = bytes([place, 4 + 1]) + struct.pack(">H", at) + b'"flag":{},"t":1e308,'
        yield "case", f"bent-{number}", bent
    # Found by reading, before the fuzzer was there: each ended the verifier in a traceback.
    odd = files[layout.JOURNAL].replace(targets.ATTEMPT.encode(), b"\\ud800")
    yield "case", "half-a-pair-for-an-attempt", bytes([place, 6, 0, 0]) + odd
    odd = files[layout.JOURNAL].replace(b'"type":"sealed"', b'"type":"erased"')
    odd = odd.replace(b'"flag":"f-1"', b'"flag":{}')
    yield "case", "a-table-for-a-flag", bytes([place, 6, 0, 0]) + odd
    listed = {
        "attempt": targets.ATTEMPT,
        "signer": json.loads(lines[0])["data"]["public_key"],
        "files": {f"case/{name}": "0" * 64 for name in files},
        "clips": [{"flag": "f-1", "file": "x", "sealed_sha256": "x", "recipient": "x"}],
        "left_out": ["f-1"],
    }
    yield "export", "listed", b"\x01" + json.dumps(listed).encode()
    # A list of what is there, so that the later checks are asked.
    digests = {f"case/{name}": hashlib.sha256(data).hexdigest() for name, data in files.items()}
    numbers = {**listed, "files": digests, "left_out": [], "clips": [1]}
    yield "export", "numbers-for-clips", b"\x01" + json.dumps(numbers).encode()
    whole = {**listed, "files": digests, "left_out": [], "clips": []}
    yield "export", "whole", b"\x01" + json.dumps(whole).encode()


def main() -> None:
    for target, name, data in _made():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        if set(data) <= _TEXT:
            (folder / f"{name}.txt").write_bytes(data)
        else:
            (folder / f"{name}{HEX}").write_text(data.hex() + "\n", "ascii")


if __name__ == "__main__":
    main()
