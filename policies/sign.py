"""Signed documents as DSSE envelopes with Ed25519 (DSSE protocol 1.0.2, secure-systems-lab)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies.errors import PolicyError

PAYLOAD_TYPE = "application/vnd.proctor.policy+toml"
# A policy is a few kilobytes; base64 and signatures on top stay well below this.
MAX_BYTES = 2_000_000
MAX_SIGNATURES = 100


class SignatureError(PolicyError):
    """The envelope is malformed or too few of the given keys signed it."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: type and payload with their lengths, so neither can pose as other."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(public: Ed25519PublicKey) -> str:
    """The SHA-256 of the raw public key, in hex."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()


def envelope(payload: bytes, payload_type: str, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """``payload`` in an envelope signed by every one of ``keys`` (at least one)."""
    if not keys:
        raise ValueError("an envelope needs at least one signature")
    return _write(payload, payload_type, _sign(pae(payload_type, payload), keys))


def add_signatures(raw: bytes, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """The envelope ``raw`` with the signatures of ``keys`` beside those that it has.

    Those are kept as they are and not checked. Raises :class:`SignatureError` when ``raw`` is no
    envelope, or one of ``keys`` signed it already or is given twice: a key counts once.
    """
    payload, kind, signatures = _parse(raw)
    signed = pae(kind, payload)
    there = {name for name, _ in signatures}
    for key in keys:
        public = key.public_key()
        if key_id(public) in there or any(_fits(public, s, signed) for _, s in signatures):
            raise SignatureError(
                f"The key {key_id(public)[:16]} signed it already; it counts once."
            )
        there.add(key_id(public))
    return _write(payload, kind, [*signatures, *_sign(signed, keys)])


def _sign(signed: bytes, keys: Sequence[Ed25519PrivateKey]) -> list[tuple[str, bytes]]:
    return [(key_id(key.public_key()), key.sign(signed)) for key in keys]


def _write(payload: bytes, payload_type: str, signatures: Sequence[tuple[str, bytes]]) -> bytes:
    document = {
        "payload": base64.b64encode(payload).decode("ascii"),
        "payloadType": payload_type,
        "signatures": [
            {"keyid": name, "sig": base64.b64encode(signature).decode("ascii")}
            for name, signature in signatures
        ],
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def open_envelope(
    raw: bytes,
    keys: Sequence[Ed25519PublicKey],
    threshold: int = 1,
    payload_type: str = PAYLOAD_TYPE,
) -> bytes:
    """The payload, when at least ``threshold`` different ones of ``keys`` signed it.

    Raises :class:`SignatureError` with the reason otherwise.
    """
    if threshold < 1:
        raise ValueError("a threshold below one would accept an envelope that nobody signed")
    payload, kind, signatures = _parse(raw)
    if kind != payload_type:
        raise SignatureError(f"The envelope holds '{kind[:100]}', not '{payload_type}'.")
    signed = pae(kind, payload)
    # Key ids are only hints, so every key is tried; a key counts once, however often it signed.
    agreed = {
        key_id(key)
        for key in keys
        if any(_fits(key, signature, signed) for _, signature in signatures)
    }
    if len(agreed) < threshold:
        raise SignatureError(
            f"The envelope needs {threshold} of the {len(keys)} expected signatures and has {len(agreed)}."
        )
    return payload


def inspect(raw: bytes) -> tuple[bytes, str, tuple[str, ...]]:
    """Payload, payload type and key ids of an envelope whose signatures were *not* checked."""
    payload, kind, signatures = _parse(raw)
    return payload, kind, tuple(name for name, _ in signatures)


def _fits(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _parse(raw: bytes) -> tuple[bytes, str, list[tuple[str, bytes]]]:
    if len(raw) > MAX_BYTES:
        raise SignatureError(f"The envelope is larger than {MAX_BYTES // 1_000_000} MB.")
    try:
        document: Any = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates)
        kind, listed = document["payloadType"], document["signatures"]
        payload = _decode(document["payload"])
        if not isinstance(kind, str) or not isinstance(listed, list) or not listed:
            raise TypeError("payloadType must be a text and signatures a list that is not empty")
        if len(listed) > MAX_SIGNATURES:
            raise ValueError(f"more than {MAX_SIGNATURES} signatures")
        signatures = [(str(item.get("keyid", "")), _decode(item["sig"])) for item in listed]
    except RecursionError as error:
        raise SignatureError("The envelope is nested too deeply to be one.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SignatureError(
            f"This is not a signed envelope (DSSE): {str(error)[:200]}."
        ) from error
    return payload, kind, signatures


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _decode(text: object) -> bytes:
    """Strict standard base64: one text has one meaning, and one meaning one text."""
    if not isinstance(text, str):
        raise TypeError("base64 text was expected")
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"base64 is damaged ({error})") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise ValueError("base64 is not in its plain form")
    return raw
