"""What a reviewer signs before a hub lets go of what opens a clip: who, which clip, why, when (record 0027).

The local access log (:mod:`proctor.evidence.access`) is one machine's own; this is the single statement that a
hub writes into its log first. It is signed by the same key of that machine, in a DSSE envelope.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies import sign as dsse
from policies.errors import PolicyError
from proctor.errors import InputError
from proctor.evidence import layout
from proctor.evidence.untrusted import text

PAYLOAD_TYPE = "application/vnd.proctor.access+json"
MAX_REASON = 300
MAX_WHO = 100
# A record has a few lines; the envelope around it stays below this.
MAX_BYTES = 20_000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PROPOSAL = re.compile(r"[0-9a-f]{32}|")
_FIELDS = {"attempt", "flag", "clip", "reason", "who", "key", "when", "export"}


class AccessError(InputError):
    """A record cannot be read, or is not signed by the key it names."""


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody is about to open the clip of ``flag``, whose sealed bytes have the SHA-256 ``clip`` (hex).

    ``export``: the id of the approved export that it is for; empty: to look at it. ``key`` is the signer's
    raw Ed25519 public key in base64, ``id`` the SHA-256 (hex) of the signed payload; :func:`read` sets both.
    """

    attempt: str
    flag: str
    clip: str
    reason: str
    who: str
    when: datetime
    export: str = ""
    key: str = ""
    id: str = ""


def sign(access: Access, key: Ed25519PrivateKey) -> bytes:
    """``access`` in an envelope signed with ``key``; raises :class:`AccessError` where it is none."""
    document = {
        "attempt": access.attempt,
        "flag": access.flag,
        "clip": access.clip,
        "reason": access.reason,
        "who": access.who,
        "key": base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii"),
        "when": access.when.isoformat(),
        "export": access.export,
    }
    payload = json.dumps(document, ensure_ascii=False, sort_keys=True).encode("utf-8")
    _parse(payload)
    return dsse.envelope(payload, PAYLOAD_TYPE, [key])


def read(envelope: bytes, key: str = "") -> Access:
    """The record in ``envelope``, signed by the key that it names; ``key`` (base64): by that one.

    Whose key it is, and whether they may look, is for the caller to know. Raises :class:`AccessError`.
    """
    if len(envelope) > MAX_BYTES:
        raise AccessError(f"The access record cannot be read: it is larger than {MAX_BYTES} bytes.")
    try:
        payload, kind, _ = dsse.inspect(envelope)
        if kind != PAYLOAD_TYPE:
            raise AccessError("The envelope holds no access record.")
        access = _parse(payload)
        if key and key != access.key:
            raise AccessError("The access record is signed with another key than the one expected.")
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(access.key))
        dsse.open_envelope(envelope, [public], 1, PAYLOAD_TYPE)
    except PolicyError as error:
        raise AccessError(f"The access record does not count: {error}") from error
    return access


def _parse(payload: bytes) -> Access:
    try:
        document: Any = json.loads(payload)
        if not isinstance(document, dict) or set(document) != _FIELDS:
            raise ValueError(f"it does not have exactly the fields {', '.join(sorted(_FIELDS))}")
        if not all(isinstance(value, str) for value in document.values()):
            raise ValueError("one of its fields is no text")
        attempt, flag, clip = document["attempt"], document["flag"], document["clip"]
        if not layout.ATTEMPT.fullmatch(attempt) or not layout.FLAG_ID.fullmatch(flag):
            raise ValueError("it names no attempt or no flag")
        if not _DIGEST.fullmatch(clip) or not _PROPOSAL.fullmatch(document["export"]):
            raise ValueError("its clip or its export is none")
        who, reason = text(document["who"], MAX_WHO), text(document["reason"], MAX_REASON)
        if not who or not reason or (who, reason) != (document["who"], document["reason"]):
            raise ValueError("it does not say who and why in one plain line each")
        key = base64.b64decode(document["key"], validate=True)
        if len(key) != 32 or base64.b64encode(key).decode("ascii") != document["key"]:
            raise ValueError("its key is none")
        when = datetime.fromisoformat(document["when"])
        if when.utcoffset() is None:
            raise ValueError("its time names no time zone")
        return Access(
            attempt,
            flag,
            clip,
            reason,
            who,
            when.astimezone(UTC),
            document["export"],
            document["key"],
            hashlib.sha256(payload).hexdigest(),
        )
    except (ValueError, TypeError, RecursionError, OverflowError, binascii.Error) as error:
        raise AccessError(f"The access record cannot be read: {str(error)[:200]}.") from error
