"""The papers that two persons sign before something is held, erased or taken out of a hub (rules T2, O4).

What is agreed to is one signed document: a hold is the paper of :mod:`proctor.evidence.hold`, the same that lies in a
case folder; erasures and exports have the form below. A console writes it without any of the hub's own packages.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import sign as dsse
from policies.errors import PolicyError
from proctor.errors import InputError
from proctor.evidence import hold, layout
from proctor.evidence.untrusted import text

HOLD: Final = "hold"
ERASURE: Final = "erasure"
EXPORT: Final = "export"
PAYLOAD_TYPE = "application/vnd.proctor.proposal+json"
MAX_REASON = 300
MAX_FLAGS = hold.MAX_FLAGS
_FIELDS = {"kind", "attempt", "flags", "name", "reason", "nonce"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proposal asks for; ``flags`` empty: all of the attempt. ``until``: a hold's end."""

    kind: str
    attempt: str
    flags: frozenset[str]
    name: str
    reason: str
    until: datetime | None = None


def write(asked: Asked, nonce: str, key: Ed25519PrivateKey) -> bytes:
    """An erasure or export in an envelope signed by who asks; holds are written by ``hold.write``."""
    document = {
        "kind": asked.kind,
        "attempt": asked.attempt,
        "flags": sorted(asked.flags),
        "name": asked.name,
        "reason": asked.reason,
        "nonce": nonce,
    }
    payload = json.dumps(document, ensure_ascii=False, sort_keys=True).encode("utf-8")
    _parse(payload)
    return dsse.envelope(payload, PAYLOAD_TYPE, [key])


def read(envelope: bytes) -> tuple[Asked, str]:
    """What an envelope asks for, and the SHA-256 (hex) of its payload; signatures are *not* checked here.

    Raises :class:`InputError`.
    """
    try:
        payload, kind, _ = dsse.inspect(envelope)
    except PolicyError as error:
        raise InputError(f"The proposal cannot be read: {error}") from error
    digest = hashlib.sha256(payload).hexdigest()
    if kind == hold.PAYLOAD_TYPE:
        held = hold.unchecked(envelope)
        asked = Asked(HOLD, held.attempt, held.flags, held.name, held.reason, held.until)
        return asked, digest
    if kind != PAYLOAD_TYPE:
        raise InputError("The envelope holds neither a hold nor a proposal.")
    return _parse(payload), digest


def _parse(payload: bytes) -> Asked:
    try:
        document: Any = json.loads(payload)
        if not isinstance(document, dict) or set(document) != _FIELDS:
            raise ValueError(f"it does not have exactly the fields {', '.join(sorted(_FIELDS))}")
        kind, attempt, listed = document["kind"], document["attempt"], document["flags"]
        if kind not in (ERASURE, EXPORT):
            raise ValueError("it asks for nothing that two persons decide")
        if not isinstance(attempt, str) or not layout.ATTEMPT.fullmatch(attempt):
            raise ValueError("it names no attempt")
        if not isinstance(listed, list) or len(listed) > MAX_FLAGS:
            raise ValueError("its flags are no list")
        if not all(isinstance(flag, str) and layout.FLAG_ID.fullmatch(flag) for flag in listed):
            raise ValueError("one of its flags is none")
        name, reason = text(document["name"], 100), text(document["reason"], MAX_REASON)
        if not name or not reason or (name, reason) != (document["name"], document["reason"]):
            raise ValueError("it needs the name of who asks and a reason, one plain line each")
        if not isinstance(document["nonce"], str) or not 16 <= len(document["nonce"]) <= 64:
            raise ValueError("its nonce is none")
        return Asked(kind, attempt, frozenset(listed), name, reason)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"The proposal cannot be read: {str(error)[:200]}.") from error
