"""Legal holds: a signed paper that stops erasure until a date (rule T2).

A hold is a DSSE envelope beside the case. It names who asks, why, and until when, and counts only
with the signatures of two different keys of the institution's root file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies import sign
from policies.errors import PolicyError
from proctor.errors import InputError
from proctor.evidence import layout
from proctor.evidence.untrusted import text

PAYLOAD_TYPE = "application/vnd.proctor.hold+json"
# Rule T2: a single person, or a single stolen key, cannot keep evidence from being erased.
SIGNATURES = 2
# A hold has a few lines; the envelope around it stays below this.
MAX_BYTES = 100_000
# An appeal takes months; whoever needs longer asks again. Also bounds what a hold can list.
MAX_FLAGS = 10_000
_FIELDS = {"attempt", "flags", "name", "reason", "until"}


class HoldError(InputError):
    """A hold is not in force: ``str`` says why."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held: clips of ``flags`` (none named: all) of ``attempt``, and its journal, to ``until``."""

    attempt: str
    flags: frozenset[str]
    name: str
    reason: str
    until: datetime

    def stops(self, attempt: str, flag: str | None, now: datetime) -> bool:
        """Whether it stops the erasure of the clip of ``flag``; ``None``: of the case's records."""
        if attempt != self.attempt or now >= self.until:
            return False
        # Without its journal a clip proves nothing, so holding one clip holds the journal.
        return flag is None or not self.flags or flag in self.flags


def write(hold: Hold, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """The hold in an envelope signed by ``keys`` (at least one; a second can be added later)."""
    document = {
        "attempt": hold.attempt,
        "flags": sorted(hold.flags),
        "name": hold.name,
        "reason": hold.reason,
        "until": hold.until.isoformat(),
    }
    payload = json.dumps(document, ensure_ascii=False).encode("utf-8")
    _parse(payload)
    return sign.envelope(payload, PAYLOAD_TYPE, keys)


def read(envelope: bytes, keys: Sequence[Ed25519PublicKey]) -> Hold:
    """The hold in ``envelope``, once two of ``keys`` are known to have signed it.

    Raises :class:`HoldError` otherwise.
    """
    try:
        return _parse(sign.open_envelope(envelope, keys, SIGNATURES, PAYLOAD_TYPE))
    except PolicyError as error:
        raise HoldError(f"The hold is not in force: {error}") from error


def signatures(envelope: bytes, keys: Sequence[Ed25519PublicKey]) -> int:
    """How many different keys of ``keys`` signed ``envelope``; 0 where it is no envelope."""
    found = 0
    for key in keys:
        try:
            sign.open_envelope(envelope, [key], 1, PAYLOAD_TYPE)
        except PolicyError:
            continue
        found += 1
    return found


def unchecked(envelope: bytes) -> Hold:
    """The hold in ``envelope``, whose signatures are *not* checked."""
    try:
        payload, kind, _ = sign.inspect(envelope)
    except PolicyError as error:
        raise HoldError(f"The hold cannot be read: {error}") from error
    if kind != PAYLOAD_TYPE:
        raise HoldError("The envelope holds no hold.")
    return _parse(payload)


def _parse(payload: bytes) -> Hold:
    try:
        document: Any = json.loads(payload)
        if not isinstance(document, dict) or set(document) != _FIELDS:
            raise ValueError(f"it does not have exactly the fields {', '.join(sorted(_FIELDS))}")
        attempt, flags = document["attempt"], document["flags"]
        if not isinstance(attempt, str) or not layout.ATTEMPT.fullmatch(attempt):
            raise ValueError("it names no attempt")
        if not isinstance(flags, list) or len(flags) > MAX_FLAGS:
            raise ValueError("its flags are no list")
        if not all(isinstance(flag, str) and layout.FLAG_ID.fullmatch(flag) for flag in flags):
            raise ValueError("one of its flags is none")
        name, reason = text(document["name"]), text(document["reason"])
        if not name or not reason:
            raise ValueError("it needs the name of who asks, and a reason")
        until = datetime.fromisoformat(text(document["until"], 40))
        if until.utcoffset() is None:
            raise ValueError("its end names no time zone")
        return Hold(attempt, frozenset(flags), name, reason, until.astimezone(UTC))
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise HoldError(f"The hold cannot be read: {str(error)[:200]}.") from error
