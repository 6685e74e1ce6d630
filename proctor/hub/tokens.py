"""Log-ins of staff: opaque random tokens, of which the hub keeps only a hash."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from proctor.hub.accounts import Person, by_id
from proctor.hub.secret import digest
from proctor.hub.staff_tables import staff_tokens

# A working day, and a long meeting without a request (OWASP ASVS 5, 7.3: both limits, documented).
LASTS = timedelta(hours=12)
IDLE = timedelta(hours=1)
# Whoever changes the key that signs has shown who they are this recently.
RECENT = timedelta(minutes=10)
# Longest time in which an account that must change its password can do that.
LIMITED = timedelta(minutes=10)
_BYTES = 32
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")
# Uses are noted this coarsely, so that reading does not write.
_NOTED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LogIn:
    """A log-in: ``token`` is said once; ``expires`` is when it ends in any case."""

    token: str
    expires: datetime
    person: Person


def issue(connection: Connection, person: Person, now: datetime) -> LogIn:
    """A new log-in of ``person``."""
    token = secrets.token_urlsafe(_BYTES)
    expires = now + (LIMITED if person.limited else LASTS)
    connection.execute(
        insert(staff_tokens).values(
            token=digest(token),
            person=person.id,
            created=now,
            used=now,
            expires=expires,
            limited=person.limited,
        )
    )
    return LogIn(token, expires.astimezone(UTC), person)


@dataclass(frozen=True, slots=True)
class Standing:
    """A log-in that holds: whose it is, since when; ``stale`` when its use is to be noted."""

    person: Person
    since: datetime
    stale: bool


def whose(connection: Connection, token: str, now: datetime) -> Standing | None:
    """Who logged in with ``token``; ``None`` when it is unknown, over, idle too long, or the account shut."""
    if not _FORM.fullmatch(token):
        return None
    row = connection.execute(
        select(staff_tokens).where(staff_tokens.c.token == digest(token))
    ).first()
    if row is None or now >= row.expires or now - row.used > IDLE:
        return None
    person = by_id(connection, row.person)
    if person is None or person.disabled:
        return None
    found = replace(person, limited=bool(row.limited))
    return Standing(found, row.created, now - row.used > _NOTED)


def touch(connection: Connection, token: str, now: datetime) -> None:
    """Note that ``token`` was used."""
    table = staff_tokens
    connection.execute(update(table).where(table.c.token == digest(token)).values(used=now))


def revoke(connection: Connection, token: str) -> None:
    """End one log-in; nothing happens where there is none."""
    connection.execute(delete(staff_tokens).where(staff_tokens.c.token == digest(token)))


@dataclass(frozen=True, slots=True)
class Open:
    """One of a person's log-ins that hold. ``id`` names it to its owner and opens nothing."""

    id: str
    created: datetime
    used: datetime
    expires: datetime
    this: bool


def of_person(connection: Connection, person: str, now: datetime, token: str = "") -> list[Open]:
    """The log-ins of ``person`` that hold, the newest first; ``token`` is the one that asks."""
    rows = connection.execute(
        select(staff_tokens)
        .where(staff_tokens.c.person == person, staff_tokens.c.expires > now)
        .order_by(staff_tokens.c.created.desc(), staff_tokens.c.token)
    )
    mine = digest(token)
    return [
        Open(_name(row.token), row.created, row.used, row.expires, row.token == mine)
        for row in rows
        if now - row.used <= IDLE
    ]


def end(connection: Connection, person: str, names: Collection[str]) -> int:
    """End the log-ins of ``person`` that ``names`` name; how many there were."""
    own = select(staff_tokens.c.token).where(staff_tokens.c.person == person)
    found = [one for one in connection.execute(own).scalars() if _name(one) in names]
    connection.execute(delete(staff_tokens).where(staff_tokens.c.token.in_(found)))
    return len(found)


def _name(hashed: str) -> str:
    return digest(f"log-in:{hashed}")[:16]
