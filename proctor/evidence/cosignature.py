"""A hub's countersignature: C2SP ``tlog-cosignature`` (version 1), a timestamped Ed25519 signature.

It is one more signature line of the note: ``— NAME BASE64``, whose bytes are the key's four-byte name,
the time (POSIX seconds, 8 bytes, big-endian) and the signature over ``cosignature/v1``, a line with the
time, and the note's text. So it says: at this time I saw a journal in this state, extending the last.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from proctor.evidence import checkpoint
from proctor.evidence.checkpoint import NoteError

# C2SP tlog-cosignature: the byte that says "timestamped Ed25519" in a key's name.
_TIMESTAMPED = b"\x04"
_TIME = struct.Struct(">Q")
_SIGNATURE = 64


def key_hash(name: str, public: bytes) -> bytes:
    """The four bytes that name a countersigning key in a signature line."""
    return hashlib.sha256(name.encode() + b"\n" + _TIMESTAMPED + public).digest()[:4]


def _signed(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def add(note: bytes, name: str, key: Ed25519PrivateKey, when: datetime) -> bytes:
    """``note`` (whose own signature was checked before) with the line of ``name`` after its others."""
    if not name or "+" in name or any(c.isspace() for c in name):
        raise ValueError("a key's name has no spaces or plus signs")
    text, _, _ = note.decode("utf-8").rpartition("\n\n")
    seconds = int(when.timestamp())
    signature = key.sign(_signed(f"{text}\n", seconds))
    blob = key_hash(name, key.public_key().public_bytes_raw()) + _TIME.pack(seconds) + signature
    return note + f"— {name} {base64.b64encode(blob).decode('ascii')}\n".encode()


def check(note: bytes, name: str, public: bytes) -> datetime:
    """When ``name`` countersigned ``note`` with the Ed25519 key ``public`` (32 bytes).

    Raises :class:`NoteError` where it did not.
    """
    text, signatures = checkpoint.parts(note)
    wanted = key_hash(name, public)
    for who, blob in signatures:
        if who != name or blob[:4] != wanted:
            continue
        if len(blob) != 4 + _TIME.size + _SIGNATURE:
            raise NoteError(f"the countersignature of {name} is malformed")
        (seconds,) = _TIME.unpack(blob[4 : 4 + _TIME.size])
        try:
            signed = Ed25519PublicKey.from_public_bytes(public)
            signed.verify(blob[4 + _TIME.size :], _signed(text, seconds))
            return datetime.fromtimestamp(seconds, UTC)
        except (InvalidSignature, ValueError, OverflowError, OSError) as error:
            raise NoteError(f"the countersignature of {name} does not fit the note") from error
    raise NoteError(f"the note is not countersigned by the key of {name}")
