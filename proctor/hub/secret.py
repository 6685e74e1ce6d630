"""What the hub has to keep secret and needs again (TOTP secrets), encrypted with a key of its own.

The key comes from the hub's key file, which is not in the database, so a stolen database alone gives no
second factor away. AES-256-GCM; the key by HKDF-SHA-256 (RFC 5869).
"""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from proctor.errors import InputError

# NIST SP 800-38D, 8.2.2: 96 random bits for each of far fewer than 2**32 messages.
_NONCE = 12


class Box:
    """Encrypts with a key derived from ``master`` for one ``purpose``."""

    def __init__(self, master: bytes, purpose: str) -> None:
        derived = HKDF(SHA256(), 32, None, f"open-proctor {purpose}".encode("ascii"))
        self.key = derived.derive(master)

    def seal(self, secret: bytes, whose: str) -> bytes:
        """``secret``, bound to ``whose`` it is: it opens in nobody else's row."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self.key).encrypt(nonce, secret, whose.encode("utf-8"))

    def open(self, sealed: bytes, whose: str) -> bytes:
        """The secret. Raises :class:`InputError` when key, owner or bytes are others."""
        try:
            return AESGCM(self.key).decrypt(sealed[:_NONCE], sealed[_NONCE:], whose.encode("utf-8"))
        except (InvalidTag, ValueError) as error:
            raise InputError(
                "A secret in the hub's database does not open with the hub's key file; start the hub with "
                "the key file that belongs to this database."
            ) from error


def digest(secret: str) -> str:
    """How a random secret of full strength is kept: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()
