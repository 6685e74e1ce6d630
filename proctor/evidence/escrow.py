"""Escrow: a spare key to the clips that only several people together can use (docs/decisions/0021).

The escrow identity exists nowhere but inside nested age files: for every choice of ``threshold``
holders one file, encrypted for the last of them, then for the one before, and so on outwards. Each
holder takes one layer off with their own identity; the last gets the identity into memory. Any age
tool can do the same, since every layer is an armored age file by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pyrage
from pyrage import x25519

from policies.schema import MAX_ESCROW_HOLDERS, MIN_ESCROW_THRESHOLD
from proctor.errors import InputError
from proctor.evidence.keys import AGE_FILE, identities_in, identity_text
from proctor.evidence.seal import NoKeyError, check_recipient

SUFFIX = ".age"
# Nine layers of armored age take 22 kB.
MAX_BYTES = 100_000
_AGE = tuple(begin.encode("ascii") for begin in AGE_FILE)


@dataclass(frozen=True, slots=True)
class Escrow:
    """A new escrow: its public key, and the nested files by name (``escrow-1-3.age``: holders 1 and 3)."""

    recipient: str
    holders: tuple[str, ...]
    threshold: int
    files: dict[str, bytes]


def make(holders: Sequence[str], threshold: int) -> Escrow:
    """A new escrow key for ``threshold`` of ``holders`` (age public keys); no disk is touched.

    There is a file of ``k`` layers for each choice of ``k`` of the ``n`` holders. Raises
    :class:`InputError` outside the ceilings, or when one holder stands there twice.
    """
    for holder in holders:
        check_recipient(holder)
    if len(set(holders)) != len(holders):
        raise InputError("One escrow holder is named twice; two people need two keys.")
    if not MIN_ESCROW_THRESHOLD <= threshold <= len(holders) <= MAX_ESCROW_HOLDERS:
        raise InputError(
            f"An escrow has at most {MAX_ESCROW_HOLDERS} holders, of whom at least "
            f"{MIN_ESCROW_THRESHOLD} are needed together, and no more than there are; "
            f"{threshold} of {len(holders)} cannot be."
        )
    identity = x25519.Identity.generate()
    text = identity_text(identity)
    files = {}
    for chosen in itertools.combinations(range(len(holders)), threshold):
        layered = text
        for place in reversed(chosen):
            layered = pyrage.encrypt(
                layered, [x25519.Recipient.from_str(holders[place])], armored=True
            )
        name = "-".join(str(place + 1) for place in chosen)
        files[f"escrow-{name}{SUFFIX}"] = bytes(layered)
    return Escrow(str(identity.to_public()), tuple(holders), threshold, files)


def peel(layered: bytes, identities: Sequence[x25519.Identity]) -> bytes:
    """What is left of a nested file for the next holder, once one layer was taken off.

    Raises :class:`NoKeyError` when the layer is another holder's, and :class:`InputError` when it is
    the last one: what is in that must not become a file.
    """
    inner = _layer(layered, identities)
    if not inner.startswith(_AGE):
        raise InputError(
            "This is the last layer: the escrow key itself is in it and is not written to a disk. "
            "`proctor case open --escrow` uses it in memory."
        )
    return inner


def last(layered: bytes, identities: Sequence[x25519.Identity], recipient: str) -> x25519.Identity:
    """The escrow identity, in memory, out of the last layer; ``recipient`` is its public key.

    Raises :class:`NoKeyError` when the layer is another holder's, and :class:`InputError` when layers
    are left or it is the identity of another escrow.
    """
    inner = _layer(layered, identities)
    if inner.startswith(_AGE):
        raise InputError(
            "Another holder's layer is left in this file: take yours off with `proctor keys escrow peel` "
            "and pass the result on."
        )
    found = identities_in(inner, "the escrow file")
    for identity in found:
        if str(identity.to_public()) == recipient:
            return identity
    raise InputError(
        f"The escrow file holds the key {found[0].to_public()}, but {recipient} is asked for: it is of "
        f"another escrow."
    )


def _layer(layered: bytes, identities: Sequence[x25519.Identity]) -> bytes:
    if len(layered) > MAX_BYTES or not layered.startswith(_AGE):
        raise InputError(
            "This is no escrow file: those are age files, which begin with "
            "'-----BEGIN AGE ENCRYPTED FILE-----'."
        )
    try:
        return bytes(pyrage.decrypt(layered, list(identities)))
    except (pyrage.DecryptError, OSError) as error:  # pyrage raises either, by where it fails
        if "No matching keys" in str(error) or not identities:
            raise NoKeyError(
                "The key given does not open the outer layer of this escrow file: it is another "
                "holder's turn. The numbers in its name say whose, in this order."
            ) from error
        raise InputError(f"The escrow file is damaged ({error}).") from error
