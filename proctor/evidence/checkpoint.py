"""Signed checkpoints of a journal: C2SP ``tlog-checkpoint`` as a C2SP ``signed-note`` (Ed25519)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# C2SP signed-note: the byte that says Ed25519, and the sign before a signature (em dash, space).
_ED25519 = b"\x01"
_DASH = "— "
# A note of ours has one signature, one countersigned by a hub and witnesses a few more.
MAX_BYTES = 100_000
MAX_SIGNATURES = 100


class NoteError(Exception):
    """The note is malformed or not signed by the key it should be; ``str`` says which."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A journal's state: ``root`` (32 bytes) over its first ``size`` lines; ``origin`` is the attempt."""

    origin: str
    size: int
    root: bytes


def key_hash(name: str, public: bytes) -> bytes:
    """The four bytes that name a key in a signature line."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> bytes:
    """``text`` (which ends with a newline), a blank line, and the signature of ``key`` as ``name``."""
    if not text.endswith("\n") or not name or "+" in name or any(c.isspace() for c in name):
        raise ValueError(
            "a note's text ends with a newline; a key's name has no spaces or plus signs"
        )
    signature = key_hash(name, key.public_key().public_bytes_raw()) + key.sign(text.encode())
    return f"{text}\n{_DASH}{name} {base64.b64encode(signature).decode()}\n".encode()


def parts(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note, and who signed with which bytes; none of the signatures is checked.

    Raises :class:`NoteError` where it is malformed.
    """
    if len(note) > MAX_BYTES:
        raise NoteError(f"the note is larger than {MAX_BYTES // 1000} kB")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("the note is not UTF-8 text") from error
    if any(ord(c) < 0x20 and c != "\n" for c in whole):
        raise NoteError("the note holds control characters")
    text, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteError("the note has no signature")
    text += "\n"
    lines = tail.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"the note has more than {MAX_SIGNATURES} signatures")
    return text, [_signature(line) for line in lines]


def open_note(note: bytes, name: str, public: bytes) -> str:
    """The note's text, when ``name`` signed it with the Ed25519 key ``public`` (32 bytes).

    Signatures of others are left alone, as the specification asks. Raises :class:`NoteError`.
    """
    text, signatures = parts(note)
    for who, blob in signatures:
        if who == name and blob[:4] == key_hash(name, public):
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(blob[4:], text.encode())
            except (InvalidSignature, ValueError) as error:
                raise NoteError(f"the signature of {name} does not fit the note") from error
            return text
    raise NoteError(f"the note is not signed by the key of {name}")


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("a signature line of the note is not base64") from error
    if not line.startswith(_DASH) or not name or len(blob) < 5:
        raise NoteError("a signature line of the note is malformed")
    return name, blob


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    """The checkpoint as a note, signed under the name of its origin."""
    encoded = base64.b64encode(checkpoint.root).decode()
    return sign_note(f"{checkpoint.origin}\n{checkpoint.size}\n{encoded}\n", checkpoint.origin, key)


def read(note: bytes, origin: str, public: bytes) -> Checkpoint:
    """The checkpoint in a note, after its signature was checked. Raises :class:`NoteError`."""
    lines = open_note(note, origin, public).split("\n")
    if len(lines) < 4 or lines[0] != origin:
        raise NoteError("the note is no checkpoint of this attempt")
    size, encoded = lines[1], lines[2]
    if not (size.isascii() and size.isdigit()) or len(size) > 12 or str(int(size)) != size:
        raise NoteError("the checkpoint's size is not a plain number")
    try:
        root = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("the checkpoint's root is not base64") from error
    if len(root) != hashlib.sha256().digest_size:
        raise NoteError("the checkpoint's root is not 32 bytes")
    return Checkpoint(origin, int(size), root)
