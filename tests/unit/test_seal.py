"""Sealing: whole, or not at all; for whom it was asked, and nobody else."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from pyrage import x25519

from proctor.errors import CheckFailed, InputError
from proctor.evidence.seal import NoKeyError, check_recipient, seal, unseal
from proctor.types import Clip


@pytest.fixture(scope="module")
def keys() -> list[x25519.Identity]:
    return [x25519.Identity.generate() for _ in range(3)]


def public(identity: x25519.Identity) -> str:
    return str(identity.to_public())


def test_each_recipient_opens_it_and_others_do_not(
    real_clip: Clip, keys: list[x25519.Identity]
) -> None:
    sealed = seal(real_clip, [public(keys[0]), public(keys[1]), public(keys[0])])
    assert sealed.recipients == (public(keys[0]), public(keys[1]))
    assert sealed.length == len(sealed.ciphertext)
    assert sealed.sha256 == hashlib.sha256(sealed.ciphertext).hexdigest()
    assert sealed.plaintext_sha256 == real_clip.sha256
    for key in keys[:2]:
        assert unseal(sealed.ciphertext, [key], sha256=sealed.sha256) == real_clip.data
    for identities in ([keys[2]], []):
        with pytest.raises(NoKeyError, match="None of the keys"):
            unseal(sealed.ciphertext, identities, sha256=sealed.sha256)


def test_the_ciphertext_holds_nothing_of_the_clip(
    real_clip: Clip, keys: list[x25519.Identity]
) -> None:
    sealed = seal(real_clip, [public(keys[0])])
    for at in range(0, len(real_clip.data) - 16, 997):
        assert real_clip.data[at : at + 16] not in sealed.ciphertext


def test_bytes_that_the_journal_does_not_name_are_not_opened(
    real_clip: Clip, keys: list[x25519.Identity]
) -> None:
    """Also when they are a perfectly good age file for the right key."""
    first, second = (seal(real_clip, [public(keys[0])]) for _ in range(2))
    with pytest.raises(CheckFailed, match="not the one that the journal names"):
        unseal(second.ciphertext, [keys[0]], sha256=first.sha256)


def test_damage_with_a_matching_hash_is_still_refused(
    real_clip: Clip, keys: list[x25519.Identity]
) -> None:
    """200 flips, 40 truncations and appended bytes: never plaintext, never another exception."""
    sealed = seal(real_clip, [public(keys[0])])
    rng = np.random.default_rng(1)
    for i in range(241):
        damaged = bytearray(sealed.ciphertext)
        if i < 200:
            damaged[int(rng.integers(0, len(damaged)))] ^= 1 << int(rng.integers(0, 8))
        elif i < 240:
            del damaged[int(rng.integers(0, len(damaged))) :]
        else:
            damaged += b"more"
        digest = hashlib.sha256(damaged).hexdigest()
        with pytest.raises(CheckFailed):
            unseal(bytes(damaged), [keys[0]], sha256=digest)


@pytest.mark.parametrize(
    "text", ["", "age1", "age1" + "q" * 58, "ssh-ed25519 AAAAC3Nz", "x" * 5000, "age1é"]
)
def test_what_is_no_key_is_refused_with_a_sentence(text: str, real_clip: Clip) -> None:
    for attempt in (lambda: check_recipient(text), lambda: seal(real_clip, [text])):
        with pytest.raises(InputError, match="is no recipient") as caught:
            attempt()
        assert len(str(caught.value)) < 300


def test_a_secret_key_given_as_recipient_is_not_repeated(keys: list[x25519.Identity]) -> None:
    with pytest.raises(InputError, match="secret key was given") as caught:
        check_recipient(str(keys[0]))
    assert str(keys[0])[20:40] not in str(caught.value)


def test_nobody_is_no_recipient(real_clip: Clip) -> None:
    with pytest.raises(InputError, match="for nobody"):
        seal(real_clip, [])
