"""Looks, access records and commands are read by one reader: what one of them refuses, all do, in the same words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import sign as dsse
from proctor.errors import InputError
from proctor.evidence import access_record, decision
from proctor.evidence.access_record import Access
from proctor.evidence.decision import Decision
from proctor.evidence.statement import MAX_BYTES, Form
from proctor.hub import commands

ADA, EVE = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
WHEN = datetime(2026, 3, 9, 12, tzinfo=UTC)
ATTEMPT, FLAG = "ab" * 16, "object.phone-001"
COMMAND = commands.checked("message", "Read 7 for 1.", 0.0)


@dataclass(frozen=True)
class Kind:
    form: Form
    made: bytes
    read: Callable[[bytes], Any]


def _command(envelope: bytes) -> None:
    commands.check_signed(envelope.decode("latin-1"), [ADA.public_key()], ATTEMPT, COMMAND)


KINDS = (
    Kind(
        decision.FORM,
        decision.sign(Decision(ATTEMPT, FLAG, "", "first", "cannot_tell", "", "Ada", WHEN), ADA),
        decision.read,
    ),
    Kind(
        access_record.FORM,
        access_record.sign(Access(ATTEMPT, FLAG, "0" * 64, "a look", "Ada", WHEN), ADA),
        access_record.read,
    ),
    Kind(
        commands.FORM,
        dsse.envelope(
            commands.payload(ATTEMPT, COMMAND, nonce="n", at=1.0), commands.PAYLOAD_TYPE, [ADA]
        ),
        _command,
    ),
)
each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.form.name)


def payload(kind: Kind) -> bytes:
    return dsse.inspect(kind.made)[0]


def signed(kind: Kind, payload: bytes, by: Ed25519PrivateKey = ADA) -> bytes:
    return dsse.envelope(payload, kind.form.payload_type, [by])


def refused(kind: Kind, envelope: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as told:
        kind.read(envelope)
    assert isinstance(told.value, kind.form.error)


@each
def test_what_was_signed_is_read(kind: Kind) -> None:
    kind.read(kind.made)


@each
def test_what_nobody_signed_like_this_does_not_count(kind: Kind) -> None:
    name = kind.form.name
    refused(kind, signed(kind, payload(kind), EVE), f"The {name} does not count: .* expected")
    document = json.loads(kind.made)
    turned = base64.b64encode(payload(kind).replace(b"ab" * 16, b"cd" * 16)).decode()
    raw = json.dumps(document | {"payload": turned}).encode()
    refused(kind, raw, f"The {name} does not count: .* expected")
    refused(kind, b"no envelope", f"The {name} does not count: This is not a signed envelope")


@each
def test_an_envelope_of_something_else_is_refused(kind: Kind) -> None:
    for other in KINDS:
        if other is not kind:
            refused(kind, other.made, f"The envelope holds no {kind.form.name}")


@each
def test_it_has_its_fields_once_and_no_others(kind: Kind) -> None:
    whole, says = json.loads(payload(kind)), f"The {kind.form.name} cannot be read: "
    for changed in (whole | {"more": "x"}, {**whole, "attempt": 7}, [whole], "x"):
        refused(kind, signed(kind, json.dumps(changed).encode()), says)
    fewer = {name: value for name, value in whole.items() if name != "attempt"}
    refused(kind, signed(kind, json.dumps(fewer).encode()), f"{says}it does not have exactly")
    twice = json.dumps(whole)[:-1] + ', "attempt": "' + "cd" * 16 + '"}'
    refused(kind, signed(kind, twice.encode()), f"{says}a field stands there twice")
    refused(kind, signed(kind, b"[" * 5000), says)
    refused(kind, signed(kind, b'{"a": "\xff"}'), says)


@each
def test_it_is_small(kind: Kind) -> None:
    refused(
        kind, kind.made + b" " * MAX_BYTES, f"The {kind.form.name} cannot be read: it is larger"
    )


@each
@given(raw=st.binary(max_size=200))
@settings(max_examples=30, deadline=None)
def test_noise_is_refused_in_a_sentence(kind: Kind, raw: bytes) -> None:
    with pytest.raises(InputError):
        kind.read(raw)


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.form.name)
def test_a_self_signed_one_names_a_key_and_is_signed_by_that_one(kind: Kind) -> None:
    whole = json.loads(payload(kind))
    for key in ("", "AAAA", "é", whole["key"].rstrip("="), whole["key"] + "\n"):
        refused(kind, signed(kind, json.dumps(whole | {"key": key}).encode()), "cannot be read")
    eves = base64.b64encode(EVE.public_key().public_bytes_raw()).decode()
    refused(kind, signed(kind, json.dumps(whole | {"key": eves}).encode()), "does not count")
    read: Any = kind.read
    with pytest.raises(kind.form.error, match="another key than the one expected"):
        read(kind.made, eves)
    assert read(kind.made, whole["key"]).key == whole["key"]


def test_a_command_is_signed_by_a_registered_key_and_by_no_other() -> None:
    made = KINDS[2].made.decode()
    for known in ([], [EVE.public_key()]):
        with pytest.raises(InputError, match="on the machine whose key you registered"):
            commands.check_signed(made, known, ATTEMPT, COMMAND)
    commands.check_signed(made, [EVE.public_key(), ADA.public_key()], ATTEMPT, COMMAND)
    with pytest.raises(InputError, match="another command"):
        commands.check_signed(made, [ADA.public_key()], "cd" * 16, COMMAND)
