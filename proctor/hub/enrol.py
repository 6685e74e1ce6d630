"""Exams, one-time codes and who may speak for an attempt.

A policy is the institution's signed envelope, kept and served byte for byte: whoever runs the hub can
add no recipient to it. A code is known here by its hash only. It binds itself to the first attempt
that uses it; what belongs to which student is known to whoever handed the invitations out.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, func, insert, or_, select, update

from policies import invitation, load
from policies.errors import PolicyError
from policies.root import Root
from policies.schema import Policy
from proctor.errors import CheckFailed, InputError
from proctor.evidence import layout
from proctor.hub import log
from proctor.hub.app import Hub
from proctor.hub.problems import Problem
from proctor.hub.tables import attempts, codes, exams, policies

# A code or a token; anything longer or of other characters is none of ours.
_BEARER = re.compile(r"Bearer ([A-Za-z0-9_-]{16,100})")
MOST_AT_ONCE = 10_000
# For so long (s) a worker believes what it looked up of a code, and of so many codes.
BELIEVED_S = 20.0
MOST_KNOWN = 50_000


@dataclass(frozen=True, slots=True)
class Seat:
    """For whom a request speaks: an attempt of an exam. ``label`` is what staff see instead of a name."""

    attempt: str
    exam: str
    number: int

    @property
    def label(self) -> str:
        return f"Seat {self.number:03d}"


@dataclass(frozen=True, slots=True)
class Code:
    """A fresh one-time code, in words for once."""

    seat: int
    code: str


def publish(hub: Hub, envelope: bytes, root: Root | None) -> tuple[str, str]:
    """Take in a signed policy; returns the exam's short name and the policy's SHA-256.

    Again is the same as once. Raises :class:`InputError` where it is no usable policy of this hub, and
    :class:`CheckFailed` where ``root`` did not sign it or a newer version is there.
    """
    try:
        payload = root.open(envelope) if root else load.payload_of(envelope, "given")
        policy = load.parse(payload, "given")
    except PolicyError as error:
        raise CheckFailed(str(error)) if root else InputError(str(error)) from error
    _check_address(hub, policy)
    digest = hashlib.sha256(payload).hexdigest()
    with hub.store.transaction() as tx:
        now = hub.now()
        tx.insert_once(
            exams,
            {
                "exam": policy.id,
                "institution": policy.institution,
                "title": policy.exam,
                "made": now,
            },
        )
        there = tx.execute(select(exams).where(exams.c.exam == policy.id).with_for_update()).one()
        if there.institution != policy.institution:
            raise CheckFailed(
                f"The exam '{policy.id}' here is of '{there.institution}', this policy of "
                f"'{policy.institution}'; give one of them another short name."
            )
        newest = tx.execute(
            select(func.max(policies.c.version)).where(policies.c.exam == policy.id)
        ).scalar()
        row = tx.execute(select(policies.c.exam).where(policies.c.sha256 == digest)).one_or_none()
        if row is not None:
            return policy.id, digest
        if newest is not None and policy.version <= newest:
            raise CheckFailed(
                f"Version {newest} of the policy '{policy.id}' is here; another one needs a higher "
                f"version than {policy.version}."
            )
        tx.execute(
            insert(policies).values(
                sha256=digest,
                exam=policy.id,
                policy_id=policy.id,
                version=policy.version,
                envelope=envelope,
                published=now,
            )
        )
        tx.execute(update(exams).where(exams.c.exam == policy.id).values(title=policy.exam))
        said = {"exam": policy.id, "version": policy.version, "policy": digest}
        log.append(tx, "policy.published", said, at=now)
    return policy.id, digest


def _check_address(hub: Hub, policy: Policy) -> None:
    if not policy.hub:
        raise InputError(
            f"The policy '{policy.id}' names no hub, so nobody would send anything here."
        )
    if hub.settings.address and policy.hub.rstrip("/") != hub.settings.address.rstrip("/"):
        raise InputError(
            f"The policy '{policy.id}' names the hub {policy.hub}, and this one is reached at "
            f"{hub.settings.address}; students would send to the other one."
        )


def new_codes(
    hub: Hub,
    exam: str,
    digest: str,
    count: int,
    begins: datetime | None = None,
    ends: datetime | None = None,
) -> list[Code]:
    """``count`` fresh one-time codes for an exam's policy, each for the next seat."""
    if not 1 <= count <= MOST_AT_ONCE:
        raise InputError(f"Ask for 1 to {MOST_AT_ONCE} invitations at once.")
    with hub.store.transaction() as tx:
        now = hub.now()
        # Seats are counted; the exam's row is the lock.
        tx.execute(select(exams.c.exam).where(exams.c.exam == exam).with_for_update()).one()
        last = tx.execute(select(func.max(codes.c.seat)).where(codes.c.exam == exam)).scalar() or 0
        made = [Code(last + n, invitation.new_code()) for n in range(1, count + 1)]
        tx.execute(
            insert(codes),
            [
                {
                    "code_sha256": hash_of(one.code),
                    "exam": exam,
                    "policy_sha256": digest,
                    "seat": one.seat,
                    "made": now,
                    "begins": begins,
                    "ends": ends,
                }
                for one in made
            ],
        )
        said = {"exam": exam, "policy": digest, "seats": [last + 1, last + count]}
        log.append(tx, "codes.made", said, at=now)
    return made


def hash_of(secret: str) -> str:
    """How a code or token is kept: they are random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def bearer(authorization: str | None) -> str:
    """The code or token of a request; 401 where there is none."""
    found = _BEARER.fullmatch(authorization or "")
    if found is None:
        raise _who("This request brings no code of an invitation.")
    return found.group(1)


def attempt_of(hub: Hub, authorization: str | None, attempt: str) -> Seat:
    """For whom a request speaks, after its code was bound to ``attempt`` where it was free.

    Raises :class:`Problem` 401 (no such code), 403 (of another attempt, not its time) or 404.
    """
    if not layout.ATTEMPT.fullmatch(attempt):
        raise Problem(404, "attempt.none", "This names no attempt: 32 hexadecimal digits.")
    if (seat := believed(hub, authorization, attempt)) is not None:
        return seat
    secret = bearer(authorization)
    with hub.store.reading() as connection:
        row = connection.execute(_by_secret(secret)).one_or_none()
    if row is None:
        raise _who("No invitation has this code.")
    found = _bind(hub, secret, attempt) if row.attempt is None else _seat(row, attempt)
    if len(hub.known) >= MOST_KNOWN:
        hub.known.clear()
    hub.known[hash_of(secret), attempt] = (time.monotonic() + BELIEVED_S, found)
    return found


def believed(hub: Hub, authorization: str | None, attempt: str) -> Seat | None:
    """For whom a request speaks, where that was looked up a moment ago; touches no database.

    A bound code changes no more, but for being taken back. Raises :class:`Problem` 401 without a code.
    """
    until, seat = hub.known.get((hash_of(bearer(authorization)), attempt), (0.0, None))
    return seat if isinstance(seat, Seat) and time.monotonic() < until else None


def redeem(hub: Hub, authorization: str | None, attempt: str) -> dict[str, Any]:
    """Bind a code to ``attempt`` and give the token that speaks for it; again gives the same."""
    seat = attempt_of(hub, authorization, attempt)
    with hub.store.transaction() as tx:
        row = tx.execute(_by_secret(bearer(authorization)).with_for_update()).one()
        token = _token(hub, row.code_sha256, attempt)
        tx.execute(
            update(codes)
            .where(codes.c.code_sha256 == row.code_sha256)
            .values(token_sha256=hash_of(token))
        )
    return {"token": token, "policy": row.policy_sha256, "exam": seat.exam, "seat": seat.label}


def policy_for(hub: Hub, authorization: str | None, attempt: str | None) -> tuple[str, bytes]:
    """The published policy to which a code invites: its SHA-256 and the institution's envelope.

    Once the code is bound, only for that ``attempt``: an agent learns early that it was used elsewhere.
    """
    with hub.store.reading() as connection:
        row = connection.execute(_by_secret(bearer(authorization))).one_or_none()
        if row is None:
            raise _who("No invitation has this code.")
        _check_revoked(row)
        if row.attempt is not None:
            _seat(row, attempt or "")
        found = connection.execute(
            select(policies.c.envelope).where(policies.c.sha256 == row.policy_sha256)
        ).scalar_one()
    return row.policy_sha256, bytes(found)


def revoke(hub: Hub, exam: str, seat: int) -> None:
    """Let the code of a seat be used no more, within :data:`BELIEVED_S`; what arrived stays.

    Raises :class:`InputError` where there is no such code.
    """
    with hub.store.transaction() as tx:
        done = tx.execute(
            update(codes)
            .where(codes.c.exam == exam, codes.c.seat == seat, codes.c.revoked.is_(None))
            .values(revoked=hub.now())
        )
        if done.rowcount != 1:
            raise InputError(f"The exam '{exam}' has no invitation in force for seat {seat}.")
        log.append(tx, "code.revoked", {"exam": exam, "seat": seat}, at=hub.now())


@lru_cache(maxsize=200)
def parsed(envelope: bytes) -> Policy:
    """The policy in an envelope that was checked when it came."""
    return load.parse(load.payload_of(envelope, "stored"), "stored")


def _by_secret(secret: str) -> Any:
    known = hash_of(secret)
    return select(codes).where(or_(codes.c.code_sha256 == known, codes.c.token_sha256 == known))


def _bind(hub: Hub, secret: str, attempt: str) -> Seat:
    with hub.store.transaction() as tx:
        now = hub.now()
        row = tx.execute(_by_secret(secret).with_for_update()).one()
        if row.attempt is not None:  # another request of the same agent was quicker
            return _seat(row, attempt)
        _check_time(row, now)
        fresh = {
            "attempt": attempt,
            "exam": row.exam,
            "seat": row.seat,
            "policy_sha256": row.policy_sha256,
            "lines": 0,
            "frontier": b"",
            "signed": 0,
            "state": "enrolled",
            "enrolled": now,
            "last_heard": now,
        }
        if not tx.insert_once(attempts, fresh):
            raise Problem(403, "attempt.taken", "This attempt belongs to another invitation.")
        bound = update(codes).where(codes.c.code_sha256 == row.code_sha256)
        tx.execute(bound.values(attempt=attempt, bound=now))
        said = {"exam": row.exam, "seat": row.seat, "policy": row.policy_sha256}
        log.append(tx, "enrolled", said, attempt=attempt, at=now)
    return Seat(attempt, row.exam, row.seat)


def _seat(row: Row[Any], attempt: str) -> Seat:
    _check_revoked(row)
    if row.attempt != attempt:
        raise Problem(403, "code.used", "This invitation was used for another attempt.")
    return Seat(attempt, row.exam, row.seat)


def _check_revoked(row: Row[Any]) -> None:
    if row.revoked is not None:
        raise Problem(403, "code.revoked", "This invitation was taken back; ask the institution.")


def _check_time(row: Row[Any], now: datetime) -> None:
    _check_revoked(row)
    if row.begins is not None and now < row.begins:
        raise Problem(403, "code.early", f"This invitation holds from {row.begins.isoformat()} on.")
    if row.ends is not None and now > row.ends:
        raise Problem(403, "code.late", f"This invitation held until {row.ends.isoformat()}.")


def _token(hub: Hub, code_sha256: str, attempt: str) -> str:
    """The same for the same code and attempt, so that asking again changes nothing."""
    secret = hub.key.private_bytes_raw()
    made = hmac.digest(secret, f"token\n{code_sha256}\n{attempt}".encode("ascii"), "sha256")
    return urlsafe_b64encode(made).decode("ascii").rstrip("=")


def _who(detail: str) -> Problem:
    return Problem(401, "code.unknown", detail, headers={"WWW-Authenticate": "Bearer"})
