"""Holds, erasures and exports: each takes two persons, each with the own signature (rules T2, O4).

What is agreed to is one signed document. A hold is the paper of :mod:`proctor.evidence.hold`, the same that lies in
a case folder; erasures and exports have the form of
:mod:`proctor.hub.papers`. Whoever agrees adds a signature beside the first.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Row, insert, select, update

from policies import sign as dsse
from policies.errors import PolicyError
from proctor.errors import InputError
from proctor.evidence.untrusted import text
from proctor.hub import flags as found_flags
from proctor.hub import log, staff_keys
from proctor.hub.flags import Reads
from proctor.hub.papers import ERASURE, EXPORT, HOLD, Asked, read, write
from proctor.hub.problems import Problem
from proctor.hub.staff_auth import Acting
from proctor.hub.staff_tables import proposals
from proctor.hub.store import Transaction
from proctor.hub.tables import attempts, clips, holds

__all__ = [
    "ERASURE",
    "EXPORT",
    "HOLD",
    "Asked",
    "approve",
    "held",
    "of_attempt",
    "propose",
    "read",
    "write",
]
# Who agrees looks at it within days; later it is asked anew.
OPEN_FOR = timedelta(days=14)
# How long an approved export may be carried out.
EXPORT_FOR = timedelta(days=7)
# A longer hold is asked for again: an appeal and a court's first answer take less.
LONGEST_HOLD = timedelta(days=2 * 366)


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
    found = tx.execute(query).first() is not None
    # Its clips, too, before the log's head is locked: two transactions never wait for each other.
    own = select(clips.c.flag).where(clips.c.attempt == attempt).order_by(clips.c.flag)
    tx.execute(own.with_for_update()).all()
    return found


def may_export(tx: Reads, person: str, attempt: str, now: datetime) -> bool:
    """Whether an export of ``attempt`` that ``person`` asked for was agreed to, not too long ago."""
    rows = tx.execute(
        select(proposals.c.approved).where(
            proposals.c.attempt == attempt,
            proposals.c.kind == EXPORT,
            proposals.c.proposer == person,
            proposals.c.approved.is_not(None),
        )
    )
    return any(now <= row.approved + EXPORT_FOR for row in rows)


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
    if asked.until is not None:
        found_flags.held(tx, asked.attempt, asked.flags, asked.until, now)


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
