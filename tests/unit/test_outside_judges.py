"""Vectors of others through our own wrappers: C2SP's age files, securesystemslib's envelopes."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pyrage import IdentityError, x25519

from policies import sign
from policies.sign import SignatureError
from proctor.errors import CheckFailed
from proctor.evidence.seal import NoKeyError, unseal
from proctor.evidence.tombstone import header_length

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
OPENED, NO_KEY, REFUSED = "opened", "no key", "refused"
# Where pyrage 1.4.0 (rage) answers otherwise than the vector expects. None opens for a wrong key.
DIFFERENT = {
    "armor_empty": (NO_KEY, "it holds no recipient, so no key fits"),
    "empty": (NO_KEY, "it holds no recipient, so no key fits"),
    "armor_whitespace_outside": (REFUSED, "our clips are never armored"),
    "stanza_missing_body": (OPENED, "a recipient without its last line; its MAC is checked"),
    "stanza_missing_final_line": (OPENED, "a recipient without its last line; its MAC is checked"),
}


@dataclass(frozen=True)
class Vector:
    """One age file, the keys for it, and what opening it must do."""

    name: str
    file: bytes
    expect: str
    payload: str
    identities: tuple[str, ...]
    passphrase: bool
    armored: bool


def _vector(name: str, encoded: str) -> Vector:
    head, _, file = base64.b64decode(encoded).partition(b"\n\n")
    fields = [line.partition(": ")[::2] for line in head.decode().split("\n")]
    values = dict(fields)
    return Vector(
        name,
        zlib.decompress(file) if values.get("compressed") else file,
        values["expect"],
        values.get("payload", ""),
        tuple(value for key, value in fields if key == "identity"),
        "passphrase" in values,
        "armored" in values,
    )


def _all() -> list[Vector]:
    raw: dict[str, str] = json.loads((VECTORS / "age.json").read_text("ascii"))
    return [_vector(name, encoded) for name, encoded in raw.items()]


ALL = _all()


def of_our_kind(vector: Vector) -> bool:
    """X25519 is the one kind of key that clips are sealed for; passphrases and hybrid keys are not."""
    try:
        for identity in vector.identities:
            x25519.Identity.from_str(identity)
    except IdentityError:
        return False
    return not vector.passphrase


def opened(vector: Vector, identities: list[x25519.Identity]) -> str:
    try:
        data = unseal(vector.file, identities, sha256=hashlib.sha256(vector.file).hexdigest())
    except NoKeyError:
        return NO_KEY
    except CheckFailed:
        return REFUSED
    assert vector.payload in ("", hashlib.sha256(data).hexdigest()), "other bytes than were sealed"
    return OPENED


def test_the_vectors_are_all_there() -> None:
    assert len(ALL) == 143
    assert sum(of_our_kind(vector) for vector in ALL) == 98
    assert set(DIFFERENT) <= {vector.name for vector in ALL}


@pytest.mark.parametrize(
    "vector", [v for v in ALL if of_our_kind(v)], ids=lambda vector: vector.name
)
def test_an_age_vector_does_what_it_must(vector: Vector) -> None:
    wanted = {"success": OPENED, "no match": NO_KEY}.get(vector.expect, REFUSED)
    got = opened(vector, [x25519.Identity.from_str(name) for name in vector.identities])
    if vector.name in DIFFERENT:
        assert got != wanted, "it does what the vector asks now: take it off the list"
        wanted = DIFFERENT[vector.name][0]
    assert got == wanted


def test_no_age_vector_opens_with_a_key_that_is_not_its_own() -> None:
    stranger = x25519.Identity.generate()
    assert [vector.name for vector in ALL if opened(vector, [stranger]) == OPENED] == []


def test_where_keys_end_and_bytes_begin_is_found_in_every_good_file() -> None:
    good = [v for v in ALL if v.expect == "success" and not v.armored]
    assert len(good) > 15
    for vector in good:
        header = vector.file[: header_length(vector.file)]
        assert header.rpartition(b"\n--- ")[2].endswith(b"\n"), vector.name
        # What follows is a nonce of 16 bytes and at least one chunk's tag of 16.
        assert len(vector.file) - len(header) >= 32, vector.name


# DSSE.

DSSE: dict[str, Any] = json.loads((VECTORS / "dsse.json").read_text("utf-8"))


@pytest.mark.parametrize(("kind", "payload", "expected"), DSSE["pae"])
def test_what_is_signed_is_what_securesystemslib_signs(
    kind: str, payload: str, expected: str
) -> None:
    assert sign.pae(kind, payload.encode()) == expected.encode("utf-8")


@pytest.mark.parametrize("case", DSSE["envelopes"], ids=lambda case: case["about"])
def test_envelopes_of_securesystemslib_open_where_ed25519_signed_them(case: dict[str, Any]) -> None:
    key = load_pem_public_key(DSSE["ed25519_public"].encode())
    assert isinstance(key, Ed25519PublicKey)
    envelope = case["envelope"]
    raw, kind = json.dumps(envelope).encode(), envelope["payloadType"]
    payload = base64.b64decode(envelope["payload"])
    if not case["opens"]:
        with pytest.raises(SignatureError, match="has 0"):
            sign.open_envelope(raw, [key], payload_type=kind)
        return
    assert sign.open_envelope(raw, [key], payload_type=kind) == payload
    stranger = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(SignatureError):
        sign.open_envelope(raw, [stranger], payload_type=kind)
    changed = json.dumps(
        {**envelope, "payload": base64.b64encode(payload + b"!").decode()}
    ).encode()
    with pytest.raises(SignatureError):
        sign.open_envelope(changed, [key], payload_type=kind)


def test_securesystemslib_opens_our_envelopes() -> None:
    dsse = pytest.importorskip("securesystemslib.dsse", reason="securesystemslib is not installed")
    signer = pytest.importorskip("securesystemslib.signer")
    keys = [Ed25519PrivateKey.generate() for _ in range(2)]
    ours = json.loads(sign.envelope(b"version = 1\n", sign.PAYLOAD_TYPE, keys))
    theirs = dsse.Envelope.from_dict(ours)
    known = [
        signer.SSlibKey.from_crypto(key.public_key(), keyid=sign.key_id(key.public_key()))
        for key in keys
    ]
    assert len(theirs.verify(known, 2)) == 2
