"""Signatures of files in minisign's format (jedisct1.github.io/minisign), so that others' tools check ours.

Only what is needed for releases: one Ed25519 key, the file's BLAKE2b-512 digest signed ("ED"), and a trusted
comment that is signed together with that signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from proctor.errors import CheckFailed, InputError

_KEY, _SIGNED = b"Ed", b"ED"
_ID_BYTES, _KEY_BYTES, _SIGNATURE_BYTES = 8, 32, 64
_TRUSTED = "trusted comment: "


def key_id(public: bytes) -> bytes:
    """Eight bytes that tell keys apart: minisign draws them at random, ours follow from the key."""
    return hashlib.blake2b(public, digest_size=_ID_BYTES).digest()


def public_text(key: Ed25519PrivateKey) -> str:
    """The file of the public key, two lines, as ``minisign -p`` reads it."""
    public = key.public_key().public_bytes_raw()
    line = base64.b64encode(_KEY + key_id(public) + public).decode("ascii")
    return f"untrusted comment: minisign public key {key_id(public).hex().upper()}\n{line}\n"


def sign(data: bytes, key: Ed25519PrivateKey, comment: str) -> str:
    """The text of the ``.minisig`` file over ``data``; ``comment`` is one line, signed with it."""
    if "\n" in comment or "\r" in comment:
        raise InputError("A signature's comment is one line.")
    public = key.public_key().public_bytes_raw()
    signature = key.sign(hashlib.blake2b(data).digest())
    whole = key.sign(signature + comment.encode("utf-8"))
    return (
        "untrusted comment: signature from open-proctor\n"
        f"{base64.b64encode(_SIGNED + key_id(public) + signature).decode('ascii')}\n"
        f"{_TRUSTED}{comment}\n{base64.b64encode(whole).decode('ascii')}\n"
    )


def verify(data: bytes, signature_text: str, public_key: str) -> str:
    """The trusted comment of a good signature. ``public_key`` is the second line of the key's file, or the file.

    Raises :class:`InputError` for what is no key, :class:`CheckFailed` for a signature that is not good.
    """
    raw = _decoded(public_key.strip().splitlines()[-1] if public_key.strip() else "")
    if raw is None or len(raw) != 2 + _ID_BYTES + _KEY_BYTES or raw[:2] != _KEY:
        raise InputError("This is no public key of minisign; it has 56 letters and begins with RW.")
    lines = signature_text.splitlines()
    signed = _decoded(lines[1]) if len(lines) >= 4 else None
    whole = _decoded(lines[3]) if len(lines) >= 4 else None
    if (
        signed is None
        or whole is None
        or len(signed) != 2 + _ID_BYTES + _SIGNATURE_BYTES
        or signed[:2] != _SIGNED
        or not lines[2].startswith(_TRUSTED)
    ):
        raise CheckFailed("The signature is not one of minisign over a digest; it proves nothing.")
    if signed[2:10] != raw[2:10]:
        raise CheckFailed("The signature was made with another key than the one you trust.")
    comment = lines[2].removeprefix(_TRUSTED)
    key = Ed25519PublicKey.from_public_bytes(raw[10:])
    try:
        key.verify(signed[10:], hashlib.blake2b(data).digest())
        key.verify(whole, signed[10:] + comment.encode("utf-8"))
    except InvalidSignature as error:
        raise CheckFailed(
            "The signature is not right: the file or its comment was changed."
        ) from error
    return comment


def _decoded(line: str) -> bytes | None:
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return None
