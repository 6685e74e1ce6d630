"""Short documents that a person signs: looks, access records, commands. One reader for all of them.

Each is a flat JSON object in a DSSE envelope (Ed25519). A *self-signed* one names the key that signed it, so that
it can be read anywhere; whose key that is, and what they may do, is for the caller to know.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies import sign as dsse
from policies.errors import PolicyError
from proctor.errors import InputError
from proctor.evidence import layout
from proctor.evidence.untrusted import text

# Such a document has a few lines; the envelope around it stays below this.
MAX_BYTES = 20_000
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of document: what it is called in a sentence, its payload type, its fields.

    Those in ``no_text`` hold something else than a text. ``error`` is raised where one is none.
    """

    name: str
    payload_type: str
    fields: frozenset[str]
    error: type[InputError] = InputError
    no_text: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed: its fields, and ``id``, the SHA-256 (hex) of the signed payload."""

    said: Mapping[str, Any]
    id: str


def self_signed(envelope: bytes, form: Form, key: str = "") -> Statement:
    """The document in ``envelope``, signed by the key in its field ``key``; ``key`` (base64): by that one.

    Raises the form's error.
    """
    payload, said = _unsigned(envelope, form)
    with reading(form):
        named = _key(said)
    if key and key != said["key"]:
        raise form.error(f"The {form.name} is signed with another key than the one expected.")
    return _signed(envelope, form, payload, said, [named])


def signed_by(envelope: bytes, form: Form, keys: Sequence[Ed25519PublicKey]) -> Statement:
    """The document in ``envelope``, signed by one of ``keys``. Raises the form's error."""
    payload, said = _unsigned(envelope, form)
    return _signed(envelope, form, payload, said, keys)


def sign(said: Mapping[str, Any], form: Form, key: Ed25519PrivateKey) -> bytes:
    """``said`` with the public half of ``key`` as its field ``key``, in an envelope that ``key`` signs."""
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")
    payload = json.dumps({**said, "key": public}, ensure_ascii=False, sort_keys=True)
    return dsse.envelope(payload.encode("utf-8"), form.payload_type, [key])


@contextmanager
def reading(form: Form) -> Iterator[None]:
    """Makes what is wrong with a field one sentence, as the form's error."""
    try:
        yield
    except (ValueError, TypeError, RecursionError, OverflowError, binascii.Error) as error:
        raise form.error(f"The {form.name} cannot be read: {str(error)[:200]}.") from error


# What fields of several forms have in common; each raises ValueError.


def of_a_flag(said: Mapping[str, Any]) -> tuple[str, str]:
    """The attempt and the flag that it is about."""
    attempt, flag = said["attempt"], said["flag"]
    if not layout.ATTEMPT.fullmatch(attempt) or not layout.FLAG_ID.fullmatch(flag):
        raise ValueError("it names no attempt or no flag")
    return attempt, flag


def one_line(said: Mapping[str, Any], name: str, most: int) -> str:
    """A text that is one printable line as it stands, and no longer than ``most``; it may be empty."""
    line = text(said[name], most)
    if line != said[name]:
        raise ValueError(f"its field {name} is not one plain line of at most {most} letters")
    return line


def who(said: Mapping[str, Any], most: int) -> str:
    """Who says it."""
    name = one_line(said, "who", most)
    if not name:
        raise ValueError("it does not say who")
    return name


def when(said: Mapping[str, Any]) -> datetime:
    """When it was said, in UTC."""
    moment = datetime.fromisoformat(said["when"])
    if moment.utcoffset() is None:
        raise ValueError("its time names no time zone")
    return moment.astimezone(UTC)


def _key(said: Mapping[str, Any]) -> Ed25519PublicKey:
    raw = base64.b64decode(said["key"], validate=True)
    if len(raw) != _KEY_BYTES or base64.b64encode(raw).decode("ascii") != said["key"]:
        raise ValueError("its key is none")
    return Ed25519PublicKey.from_public_bytes(raw)


def _unsigned(envelope: bytes, form: Form) -> tuple[bytes, dict[str, Any]]:
    """The payload and its fields; no signature is checked yet."""
    if len(envelope) > MAX_BYTES:
        raise form.error(f"The {form.name} cannot be read: it is larger than {MAX_BYTES:,} bytes.")
    try:
        payload, kind, _ = dsse.inspect(envelope)
    except PolicyError as error:
        raise form.error(f"The {form.name} does not count: {error}") from error
    if kind != form.payload_type:
        raise form.error(f"The envelope holds no {form.name}.")
    with reading(form):
        said = json.loads(payload, object_pairs_hook=_once)
        if not isinstance(said, dict) or set(said) != form.fields:
            raise ValueError(
                f"it does not have exactly the fields {', '.join(sorted(form.fields))}"
            )
        if not all(
            isinstance(value, str) for name, value in said.items() if name not in form.no_text
        ):
            raise ValueError("one of its fields is no text")
    return payload, said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Fields by name; one that stands there twice could mean two things to two readers."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a field stands there twice")
    return dict(pairs)


def _signed(
    envelope: bytes,
    form: Form,
    payload: bytes,
    said: Mapping[str, Any],
    keys: Sequence[Ed25519PublicKey],
) -> Statement:
    try:
        dsse.open_envelope(envelope, keys, 1, form.payload_type)
    except PolicyError as error:
        raise form.error(f"The {form.name} does not count: {error}") from error
    return Statement(said, hashlib.sha256(payload).hexdigest())
