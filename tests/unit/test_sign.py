"""DSSE envelopes: the specification's example, and everything that must not count as signed."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.sign import (
    PAYLOAD_TYPE,
    SignatureError,
    envelope,
    inspect,
    key_id,
    open_envelope,
    pae,
)

PAYLOAD = b'version = 1\nid = "x"\n'


@pytest.fixture(scope="module")
def keys() -> list[Ed25519PrivateKey]:
    return [Ed25519PrivateKey.generate() for _ in range(3)]


def test_what_is_signed_is_the_example_of_the_specification() -> None:
    signed = pae("http://example.com/HelloWorld", b"hello world")
    assert signed == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("é", b"\0\n") == b"DSSEv1 2 \xc3\xa9 2 \0\n"


def test_an_envelope_opens_for_a_key_that_signed_it(keys: list[Ed25519PrivateKey]) -> None:
    raw = envelope(PAYLOAD, PAYLOAD_TYPE, keys[:1])
    assert open_envelope(raw, [keys[0].public_key()]) == PAYLOAD
    assert inspect(raw) == (PAYLOAD, PAYLOAD_TYPE, (key_id(keys[0].public_key()),))
    with pytest.raises(SignatureError, match="1 of the 1 expected signatures and has 0"):
        open_envelope(raw, [keys[1].public_key()])


def test_the_signature_is_plain_ed25519_over_the_encoding(keys: list[Ed25519PrivateKey]) -> None:
    """So that any other DSSE tool agrees."""
    document = json.loads(envelope(PAYLOAD, PAYLOAD_TYPE, keys[:1]))
    signature = base64.b64decode(document["signatures"][0]["sig"])
    keys[0].public_key().verify(signature, pae(PAYLOAD_TYPE, PAYLOAD))


def test_two_of_three(keys: list[Ed25519PrivateKey]) -> None:
    public = [key.public_key() for key in keys]
    assert open_envelope(envelope(PAYLOAD, PAYLOAD_TYPE, keys[:2]), public, 2) == PAYLOAD
    with pytest.raises(SignatureError, match="needs 2 of the 3 expected signatures and has 1"):
        open_envelope(envelope(PAYLOAD, PAYLOAD_TYPE, keys[:1]), public, 2)


def test_one_key_counts_once_however_often_it_signs_or_is_listed(
    keys: list[Ed25519PrivateKey],
) -> None:
    raw = envelope(PAYLOAD, PAYLOAD_TYPE, [keys[0], keys[0]])
    disguised = json.loads(raw)
    disguised["signatures"][1]["keyid"] = key_id(keys[1].public_key())
    for same in (raw, json.dumps(disguised).encode()):
        with pytest.raises(SignatureError, match="and has 1"):
            open_envelope(
                same, [keys[0].public_key(), keys[0].public_key(), keys[1].public_key()], 2
            )


def test_a_wrong_or_missing_key_id_is_only_a_hint(keys: list[Ed25519PrivateKey]) -> None:
    document = json.loads(envelope(PAYLOAD, PAYLOAD_TYPE, keys[:1]))
    document["signatures"][0]["keyid"] = "of somebody else"
    assert open_envelope(json.dumps(document).encode(), [keys[0].public_key()]) == PAYLOAD
    del document["signatures"][0]["keyid"]
    assert open_envelope(json.dumps(document).encode(), [keys[0].public_key()]) == PAYLOAD


def test_payload_and_type_cannot_be_exchanged(keys: list[Ed25519PrivateKey]) -> None:
    public = [keys[0].public_key()]
    document = json.loads(envelope(PAYLOAD, PAYLOAD_TYPE, keys[:1]))
    other = {**document, "payload": base64.b64encode(PAYLOAD + b" ").decode()}
    with pytest.raises(SignatureError, match="has 0"):
        open_envelope(json.dumps(other).encode(), public)
    other = {**document, "payloadType": "application/other"}
    with pytest.raises(SignatureError, match="holds 'application/other'"):
        open_envelope(json.dumps(other).encode(), public)
    with pytest.raises(SignatureError, match="has 0"):
        open_envelope(json.dumps(other).encode(), public, payload_type="application/other")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: text.rstrip("="),
        lambda text: text[:4] + " " + text[4:],
        lambda text: text.replace("A", "-", 1) if "A" in text else "-",
        lambda text: 7,
        lambda text: None,
    ],
)
@pytest.mark.parametrize("where", ["payload", "sig"])
def test_base64_has_one_form_only(change, where: str, keys: list[Ed25519PrivateKey]) -> None:
    document = json.loads(envelope(PAYLOAD + b"!", PAYLOAD_TYPE, keys[:1]))
    place = document if where == "payload" else document["signatures"][0]
    place[where] = change(place[where])
    with pytest.raises(SignatureError):
        open_envelope(json.dumps(document).encode(), [keys[0].public_key()])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b'"x"',
        b"{}",
        b"[" * 100_000,
        b'{"payload":"","payload":"","payloadType":"x","signatures":[]}',
        b'{"payload":"","payloadType":"x","signatures":[]}',
        b'{"payload":"","payloadType":"x","signatures":[7]}',
        b'{"payload":"","payloadType":"x","signatures":{"sig":""}}',
        b'{"payload":"","payloadType":7,"signatures":[{"sig":""}]}',
        b'{"payload":"","payloadType":"x","signatures":[' + b'{"sig":""},' * 200 + b'{"sig":""}]}',
        b" " * 3_000_000,
    ],
)
def test_what_is_no_envelope_ends_in_one_sentence(raw: bytes) -> None:
    with pytest.raises(SignatureError) as caught:
        inspect(raw)
    assert len(str(caught.value)) < 300


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_noise_is_no_envelope(noise: bytes) -> None:
    with pytest.raises(SignatureError):
        inspect(noise)


def test_a_threshold_of_nobody_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="threshold"):
        open_envelope(b"{}", [], 0)
