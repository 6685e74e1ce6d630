"""Holds, erasures and exports: each takes two persons, each with the own signature (rules T2, O4).

What is agreed to is one signed document. A hold is the paper of :mod:`proctor.evidence.hold`, the same that lies in
a case folder; erasures and exports have the form below. Whoever agrees adds a signature beside the first.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Row, insert, select, update

from policies import sign as dsse
from policies.errors import PolicyError
from proctor.errors import InputError
from proctor.evidence import hold, layout
from proctor.evidence.untrusted import text
from proctor.hub import log, staff_keys
from proctor.hub.flags import Reads
from proctor.hub.problems import Problem
from proctor.hub.staff_auth import Acting
from proctor.hub.staff_tables import proposals
from proctor.hub.store import Transaction
from proctor.hub.tables import attempts, holds

HOLD: Final = "hold"
ERASURE: Final = "erasure"
EXPORT: Final = "export"
KINDS = (HOLD, ERASURE, EXPORT)
PAYLOAD_TYPE = "application/vnd.proctor.proposal+json"
# Who agrees looks at it within days; later it is asked anew.
OPEN_FOR = timedelta(days=14)
# A longer hold is asked for again: an appeal and a court's first answer take less.
LONGEST_HOLD = timedelta(days=2 * 366)
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


def propose(
    tx: Transaction, who: Acting, kind: str, attempt: str, envelope: bytes, now: datetime
) -> str:
    """Ask for a hold, an erasure or an export; the proposal's id."""
    who.may(f"{kind}.propose")
    asked, digest = _asked(envelope)
    _signed(envelope, who)
    if asked.kind != kind or asked.attempt != attempt:
        raise Problem(422, "proposal", "The proposal is about something else than the address.")
    if asked.name != who.name:
        raise Problem(403, "name", "It does not carry the name under which you are known here.")
    if asked.until is not None and not now < asked.until <= now + LONGEST_HOLD:
        raise Problem(422, "hold.end", "A hold ends at a moment to come, within two years.")
    if not _locked(tx, attempt):
        raise Problem(404, "attempt", "There is no such attempt here.")
    known = tx.execute(select(proposals).where(proposals.c.payload_sha256 == digest)).first()
    if known is not None:
        if known.proposer == who.id:
            return str(known.id)
        raise Problem(409, "proposal", "Somebody asked for this very thing before.")
    proposal = uuid.uuid4().hex
    tx.execute(
        insert(proposals).values(
            id=proposal,
            kind=kind,
            attempt=attempt,
            flags="\n".join(sorted(asked.flags)),
            reason=asked.reason,
            until=asked.until,
            proposer=who.id,
            proposed=now,
            approver=None,
            approved=None,
            payload_sha256=digest,
            envelope=envelope,
        )
    )
    said = {"proposal": proposal, "person": who.name, "paper": digest}
    log.append(tx, f"{kind}.proposed", said, attempt=attempt, at=now)
    return proposal


def approve(
    tx: Transaction, who: Acting, proposal: str, envelope: bytes, now: datetime
) -> Row[Any]:
    """Agree to a proposal of another person: the same paper with both signatures. It is in force then.

    What follows from an erasure is for the caller, in the same transaction or after it.
    """
    query = select(proposals).where(proposals.c.id == proposal).with_for_update()
    row = tx.execute(query).first()
    if row is None:
        raise Problem(404, "proposal", "There is no such proposal here.")
    who.may(f"{row.kind}.approve")
    if row.proposer == who.id:
        raise Problem(403, "second.person", "You asked for this yourself; another person agrees.")
    asked, digest = _asked(envelope)
    if digest != row.payload_sha256:
        raise Problem(409, "proposal", "That is another paper than the one that was proposed.")
    if row.approved is not None:
        if row.approver == who.id:
            return row
        raise Problem(409, "proposal", "Somebody else agreed to this before.")
    if now > row.proposed + OPEN_FOR or (row.until is not None and row.until <= now):
        raise Problem(410, "proposal.over", "This was asked for too long ago; it is asked anew.")
    _both(tx, row, who, envelope)
    # A hold and an erasure that are agreed to at the same moment take turns.
    _locked(tx, row.attempt)
    tx.execute(
        update(proposals)
        .where(proposals.c.id == proposal)
        .values(approver=who.id, approved=now, envelope=envelope)
    )
    if row.kind == HOLD:
        _hold(tx, proposal, asked, now)
    said = {"proposal": proposal, "person": who.name, "paper": digest}
    log.append(tx, f"{row.kind}.approved", said, attempt=row.attempt, at=now)
    return tx.execute(select(proposals).where(proposals.c.id == proposal)).one()


def held(tx: Reads, attempt: str, flag: str | None, now: datetime) -> str:
    """Why nothing of ``flag`` (``None``: of the attempt) may be erased now; empty where nothing stops it."""
    rows = tx.execute(select(holds).where(holds.c.attempt == attempt, holds.c.until > now))
    for row in rows:
        if flag is None or not row.flags or flag in row.flags.split("\n"):
            return f"It is held until {row.until:%Y-%m-%d %H:%M} UTC (“{text(row.reason, 200)}”)."
    return ""


def of_attempt(tx: Reads, attempt: str) -> Sequence[Row[Any]]:
    """The proposals about an attempt, the oldest first."""
    query = select(proposals).where(proposals.c.attempt == attempt)
    return tx.execute(query.order_by(proposals.c.proposed, proposals.c.id)).all()


def _locked(tx: Transaction, attempt: str) -> bool:
    """Whether there is such an attempt; nobody else changes it until the transaction ends."""
    query = select(attempts.c.attempt).where(attempts.c.attempt == attempt).with_for_update()
    return tx.execute(query).first() is not None


def _hold(tx: Transaction, proposal: str, asked: Asked, now: datetime) -> None:
    tx.execute(
        insert(holds).values(
            hold=proposal,
            attempt=asked.attempt,
            flags="\n".join(sorted(asked.flags)),
            name=asked.name,
            reason=asked.reason,
            until=asked.until,
            made=now,
        )
    )


def _asked(envelope: bytes) -> tuple[Asked, str]:
    try:
        return read(envelope)
    except InputError as error:
        raise Problem(422, "proposal", str(error)) from error


def _signed(envelope: bytes, who: Acting) -> None:
    """Raise the problem where ``who`` did not sign with the key that is registered."""
    if not _signers(envelope, who.keys):
        raise Problem(403, "key", "It is not signed with the key that you have registered here.")


def _both(tx: Transaction, row: Row[Any], who: Acting, envelope: bytes) -> None:
    _signed(envelope, who)
    # The proposer's signature is checked with the key under which it was taken in, replaced or not.
    owners = staff_keys.keys_of(tx.connection, row.proposer)
    first = [key for key in _signers(bytes(row.envelope), owners) if key not in who.keys]
    if not set(first) & set(_signers(envelope, owners)):
        raise Problem(422, "proposal", "The signature of the person who asked is gone from it.")


def _signers(envelope: bytes, keys: Sequence[str]) -> list[str]:
    kind = dsse.inspect(envelope)[1]
    found = []
    for key in keys:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))
        try:
            dsse.open_envelope(envelope, [public], 1, kind)
        except PolicyError:
            continue
        found.append(key)
    return found


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
