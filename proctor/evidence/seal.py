"""Seal a clip for its recipients with age, and open one: two verbs (docs/decisions/0006)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import pyrage
from pyrage import x25519

from proctor.errors import CheckFailed, InputError
from proctor.types import Clip, Sealed


class NoKeyError(CheckFailed):
    """None of the keys given opens this clip."""


def check_recipient(text: str) -> None:
    """Raise :class:`InputError` unless ``text`` is an age X25519 public key."""
    _recipient(text)


def _recipient(text: str) -> x25519.Recipient:
    if text.upper().startswith("AGE-SECRET-KEY-"):
        raise InputError(
            "A secret key was given where a recipient's public key belongs; give the line that "
            "begins with 'age1', and make a new key if the secret one was sent to anyone."
        )
    try:
        return x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        shown = text if len(text) <= 80 else text[:77] + "…"
        raise InputError(
            f"'{shown}' is no recipient: an age public key begins with 'age1' and has 62 characters; "
            f"`proctor keys list` prints yours."
        ) from error


def seal(clip: Clip, recipients: Sequence[str]) -> Sealed:
    """Encrypt ``clip`` so that each of ``recipients`` (age public keys), and nobody else, can open it.

    Raises :class:`InputError` when there is no recipient or one is no key.
    """
    names = tuple(dict.fromkeys(recipients))
    if not names:
        raise InputError("A clip cannot be sealed for nobody: name at least one recipient.")
    ciphertext = pyrage.encrypt(clip.data, [_recipient(name) for name in names])
    return Sealed(
        flag_id=clip.flag_id,
        start=clip.start,
        end=clip.end,
        mime=clip.mime,
        ciphertext=ciphertext,
        sha256=hashlib.sha256(ciphertext).hexdigest(),
        length=len(ciphertext),
        recipients=names,
        plaintext_sha256=clip.sha256,
        sensors=clip.sensors,
    )


def unseal(ciphertext: bytes, identities: Sequence[x25519.Identity], *, sha256: str) -> bytes:
    """The clip's bytes, in memory, released only when all of it was checked.

    ``sha256`` is the ciphertext's hash as the journal has it: age alone does not say who wrote a
    file. Raises :class:`CheckFailed` when it differs or the file is damaged, :class:`NoKeyError`
    when no key fits.
    """
    if not hmac.compare_digest(hashlib.sha256(ciphertext).hexdigest(), sha256.lower()):
        raise CheckFailed(
            "The sealed clip is not the one that the journal names; it was not opened."
        )
    try:
        return bytes(pyrage.decrypt(ciphertext, list(identities)))
    except (pyrage.DecryptError, OSError) as error:  # pyrage raises either, by where it fails
        if "No matching keys" in str(error) or not identities:
            raise NoKeyError("None of the keys given opens this clip.") from error
        raise CheckFailed(f"The sealed clip is damaged and was not opened ({error}).") from error
