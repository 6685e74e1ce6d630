"""What a reviewer signs before a hub lets go of what opens a clip: who, which clip, why, when (record 0027).

The local access log (:mod:`proctor.evidence.access`) is one machine's own; this is the single statement that a
hub writes into its log first. It is signed by the same key of that machine, in a DSSE envelope.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proctor.errors import InputError
from proctor.evidence import statement

PAYLOAD_TYPE = "application/vnd.proctor.access+json"
MAX_REASON = 300
MAX_WHO = 100
MAX_BYTES = statement.MAX_BYTES
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PROPOSAL = re.compile(r"[0-9a-f]{32}|")


class AccessError(InputError):
    """A record cannot be read, or is not signed by the key it names."""


FORM = statement.Form(
    "access record",
    PAYLOAD_TYPE,
    frozenset(("attempt", "flag", "clip", "reason", "who", "key", "when", "export")),
    AccessError,
)


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
    said = {
        "attempt": access.attempt,
        "flag": access.flag,
        "clip": access.clip,
        "reason": access.reason,
        "who": access.who,
        "when": access.when.isoformat(),
        "export": access.export,
    }
    envelope = statement.sign(said, FORM, key)
    read(envelope)
    return envelope


def read(envelope: bytes, key: str = "") -> Access:
    """The record in ``envelope``, signed by the key that it names; ``key`` (base64): by that one.

    Whose key it is, and whether they may look, is for the caller to know. Raises :class:`AccessError`.
    """
    found = statement.self_signed(envelope, FORM, key)
    said = found.said
    with statement.reading(FORM):
        attempt, flag = statement.of_a_flag(said)
        if not _DIGEST.fullmatch(said["clip"]) or not _PROPOSAL.fullmatch(said["export"]):
            raise ValueError("its clip or its export is none")
        reason = statement.one_line(said, "reason", MAX_REASON)
        if not reason:
            raise ValueError("it does not say why")
        return Access(
            attempt=attempt,
            flag=flag,
            clip=said["clip"],
            reason=reason,
            who=statement.who(said, MAX_WHO),
            when=statement.when(said),
            export=said["export"],
            key=said["key"],
            id=found.id,
        )
