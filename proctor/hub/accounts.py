"""Local accounts of staff: Argon2id passwords, a TOTP code beside them, and back-off against guessing.

Numbers: Argon2id as RFC 9106, section 4, second recommendation (t = 3, p = 4, 64 MiB); TOTP as RFC 6238 with
30 s steps, one step either way for clocks, and no code twice; passwords as NIST SP 800-63B-4 for those that
stand alone, since a phone can be lost.
"""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from proctor.errors import InputError, ProctorError
from proctor.evidence.untrusted import text
from proctor.hub import easy_passwords
from proctor.hub.roles import ROLES
from proctor.hub.secret import Box, digest
from proctor.hub.staff_tables import staff, staff_failures, staff_recovery, staff_tokens
from proctor.hub.store import Transaction

Begin = Callable[[], AbstractContextManager[Transaction]]

MIN_PASSWORD = 15
# Hashing a book would be a way to keep the hub busy.
MAX_PASSWORD = 256
# "aaaaaaaaaaaaaaa" is long and no password.
MIN_DIFFERENT = 6
MAX_NAME = 100
STEP_S = 30
# Free tries before waiting begins: people mistype; an address can be a whole university's.
FREE_ACCOUNT, FREE_ADDRESS = 5, 20
WAIT_S, LONGEST_WAIT_S = 30.0, 900.0
# After so long without a failure, nothing is held against anybody.
FORGET = timedelta(days=1)
RECOVERY_CODES = 10
# 120 bits each: below 112 a plain hash would not do (OWASP ASVS 5, 6.5.2).
_RECOVERY_BYTES = 15
ISSUER = "Open Proctor"
# Argon2 takes 64 MiB each: so many at once, and the others wait their turn.
_AT_ONCE = threading.BoundedSemaphore(4)
_HASHER = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
WRONG = "The name, the password or the code is wrong."


class LogInError(ProctorError):
    """No log-in: ``str`` says why, without telling which part was wrong. ``wait`` in seconds, or 0."""

    def __init__(self, sentence: str, wait: float = 0.0) -> None:
        super().__init__(sentence)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Person:
    """One of the staff. ``limited``: their password must be changed first."""

    id: str
    name: str
    roles: frozenset[str]
    limited: bool = False
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a new account, or one that was reset, is told once and never again."""

    person: Person
    uri: str
    recovery: tuple[str, ...]


def check_roles(roles: Collection[str]) -> frozenset[str]:
    """The roles as a set; :class:`InputError` when one is unknown or none is given."""
    unknown = sorted(set(roles) - ROLES.keys())
    if unknown or not roles:
        raise InputError(
            f"{'There is no role ' + repr(unknown[0][:40]) if unknown else 'A role is missing'}; there "
            f"are {', '.join(ROLES)}."
        )
    return frozenset(roles)


def check_password(password: str, name: str) -> None:
    """Raise :class:`InputError` when ``password`` is none for the account ``name``."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InputError(
            f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters; a few unrelated words make a "
            f"good one."
        )
    lowered = password.lower()
    if len(set(lowered)) < MIN_DIFFERENT or name.lower() in lowered or "proctor" in lowered:
        raise InputError(
            "The password is too easy to guess: it repeats itself, or holds your name or this program's."
        )
    if easy_passwords.is_easy(password):
        raise InputError(
            "The password is too easy to guess: it is made of words, keys or years that many people use. Choose a "
            "few words that have nothing to do with each other."
        )


def add(
    connection: Connection,
    box: Box,
    name: str,
    roles: Collection[str],
    *,
    now: datetime,
    password: str = "",
    subject: str | None = None,
) -> Enrolled:
    """A new account, with a local ``password`` or for the OpenID ``subject``, or both.

    The password is to be changed at the first log-in, since somebody else has seen it. Raises
    :class:`InputError` when a value is unusable or taken.
    """
    said = text(name, MAX_NAME)
    if not said or said != name:
        raise InputError("A name is one line of up to 100 characters without spaces at its ends.")
    wanted = check_roles(roles)
    if not password and not subject:
        raise InputError("An account needs a password, or the subject that the provider knows.")
    if connection.scalar(select(staff.c.id).where(staff.c.name == name)) is not None:
        raise InputError(f"There is an account '{name}' already; choose another name.")
    if subject and by_subject(connection, subject) is not None:
        raise InputError("That subject of the provider belongs to another account already.")
    if password:
        check_password(password, name)
    person = Person(uuid.uuid4().hex, name, wanted)
    connection.execute(
        insert(staff).values(
            id=person.id,
            name=name,
            roles=",".join(sorted(wanted)),
            password=_hashed(password) if password else "",
            must_change=bool(password),
            totp=None,
            totp_step=0,
            subject=subject,
            disabled=False,
            created=now,
        )
    )
    return _second_factor(connection, box, person) if password else Enrolled(person, "", ())


def reset(connection: Connection, box: Box, name: str, password: str) -> Enrolled:
    """A new password, second factor and recovery codes; every log-in of the account ends."""
    person = named(connection, name)
    check_password(password, name)
    connection.execute(
        update(staff)
        .where(staff.c.id == person.id)
        .values(password=_hashed(password), must_change=True)
    )
    connection.execute(delete(staff_failures).where(staff_failures.c.what == _account(name)))
    end_log_ins(connection, person.id)
    return _second_factor(connection, box, person)


def change_roles(connection: Connection, name: str, roles: Collection[str]) -> Person:
    """Give an account other roles; its log-ins end, so that nobody goes on with the old ones."""
    person, wanted = named(connection, name), check_roles(roles)
    stays = bool(wanted & {"admin"}) or person.disabled
    if not stays and "admin" in person.roles and _admins(connection) == [person.id]:
        raise InputError(f"'{name}' is the last admin; make another one first.")
    values = {"roles": ",".join(sorted(wanted))}
    connection.execute(update(staff).where(staff.c.id == person.id).values(values))
    end_log_ins(connection, person.id)
    return Person(person.id, name, wanted, disabled=person.disabled)


def disable(connection: Connection, name: str, disabled: bool = True) -> Person:
    """Shut an account, or open it again. It is never removed: what it signed must stay explained."""
    person = named(connection, name)
    if disabled and _admins(connection) == [person.id]:
        raise InputError(f"'{name}' is the last admin; make another one first.")
    connection.execute(update(staff).where(staff.c.id == person.id).values(disabled=disabled))
    end_log_ins(connection, person.id)
    return Person(person.id, name, person.roles, disabled=disabled)


def people(connection: Connection) -> list[Person]:
    """Every account, by name."""
    return [_person(row) for row in connection.execute(select(staff).order_by(staff.c.name))]


def named(connection: Connection, name: str) -> Person:
    """The account called ``name``; :class:`InputError` where there is none."""
    row = connection.execute(select(staff).where(staff.c.name == name)).first()
    if row is None:
        raise InputError(f"There is no account '{text(name, MAX_NAME)}'; see the list of accounts.")
    return _person(row)


def by_id(connection: Connection, person: str) -> Person | None:
    """The account with this id."""
    row = connection.execute(select(staff).where(staff.c.id == person)).first()
    return None if row is None else _person(row)


def by_subject(connection: Connection, subject: str) -> Person | None:
    """The account of a subject at the OpenID provider."""
    row = connection.execute(select(staff).where(staff.c.subject == subject)).first()
    return None if row is None else _person(row)


def log_in(
    begin: Begin, box: Box, name: str, password: str, code: str, address: str, now: datetime
) -> Person:
    """The person, when password and code (TOTP or a recovery code) are right.

    Every try is counted before it is looked at, so that many at once gain nothing. Raises
    :class:`LogInError`; an unknown name takes as long as a wrong password.
    """
    with begin() as tx:
        connection = tx.connection
        wait = max(
            _count(connection, _account(name), FREE_ACCOUNT, now),
            _count(connection, digest(f"address:{address}"), FREE_ADDRESS, now),
        )
        row = connection.execute(select(staff).where(staff.c.name == name)).first()
    if wait > 0:
        raise LogInError(f"Too many tries. Wait {wait:.0f} seconds and try again.", wait)
    right = _verified(row.password if row is not None else "", password)
    if row is None or not right or not row.password or row.totp is None:
        raise LogInError(WRONG)
    with begin() as tx:
        connection = tx.connection
        if not _second(connection, box, row, code, now):
            raise LogInError(WRONG)
        if row.disabled:
            raise LogInError("This account is shut; ask an admin of the institution.")
        connection.execute(delete(staff_failures).where(staff_failures.c.what == _account(name)))
        _uncount(connection, digest(f"address:{address}"))
    return _person(row)


def change_password(begin: Begin, box: Box, person: Person, old: str, new: str, code: str,
                    address: str, now: datetime) -> None:  # fmt: skip
    """Another password, after the old one and a fresh code; every log-in of the account ends.

    Raises :class:`LogInError` as :func:`log_in` does, and :class:`InputError` at a bad new password.
    """
    check_password(new, person.name)
    if new == old:
        raise InputError("The new password is the old one; choose another.")
    log_in(begin, box, person.name, old, code, address, now)
    hashed = _hashed(new)
    with begin() as tx:
        tx.execute(
            update(staff).where(staff.c.id == person.id).values(password=hashed, must_change=False)
        )
        end_log_ins(tx.connection, person.id)


def end_log_ins(connection: Connection, person: str) -> None:
    """End every log-in of a person."""
    connection.execute(delete(staff_tokens).where(staff_tokens.c.person == person))


# Inside.


def _person(row: Row[tuple[object, ...]]) -> Person:
    roles = frozenset(str(row.roles).split(",")) & ROLES.keys()
    return Person(row.id, row.name, roles, bool(row.must_change), bool(row.disabled))


def _admins(connection: Connection) -> list[str]:
    return [p.id for p in people(connection) if "admin" in p.roles and not p.disabled]


def _second_factor(connection: Connection, box: Box, person: Person) -> Enrolled:
    secret = pyotp.random_base32(32)
    codes = tuple(_recovery() for _ in range(RECOVERY_CODES))
    sealed = box.seal(secret.encode("ascii"), person.id)
    connection.execute(
        update(staff).where(staff.c.id == person.id).values(totp=sealed, totp_step=0)
    )
    connection.execute(delete(staff_recovery).where(staff_recovery.c.person == person.id))
    rows = [{"code": digest(code), "person": person.id, "used": None} for code in codes]
    connection.execute(insert(staff_recovery), rows)
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.name, issuer_name=ISSUER)
    return Enrolled(person, uri, codes)


def _recovery() -> str:
    raw = secrets.token_hex(_RECOVERY_BYTES)
    return "-".join(raw[at : at + 5] for at in range(0, len(raw), 5))


def _second(
    connection: Connection, box: Box, row: Row[tuple[object, ...]], code: str, now: datetime
) -> bool:
    """Whether ``code`` is right and was never used; it counts as used when this commits."""
    said = code.strip().replace(" ", "").lower()
    if "-" in said:
        spent = connection.execute(
            update(staff_recovery)
            .where(
                staff_recovery.c.code == digest(said),
                staff_recovery.c.person == row.id,
                staff_recovery.c.used.is_(None),
            )
            .values(used=now)
        )
        return spent.rowcount == 1
    totp = pyotp.TOTP(box.open(row.totp, row.id).decode("ascii"), interval=STEP_S)
    this = int(now.timestamp()) // STEP_S
    right = [step for step in (this - 1, this, this + 1) if _same(totp, step, said)]
    if not right:
        return False
    # Of two log-ins with one code at once, one finds the step taken.
    taken = connection.execute(
        update(staff)
        .where(staff.c.id == row.id, staff.c.totp_step < right[-1])
        .values(totp_step=right[-1])
    )
    return taken.rowcount == 1


def _same(totp: pyotp.TOTP, step: int, said: str) -> bool:
    return secrets.compare_digest(totp.generate_otp(step).encode(), said.encode("utf-8"))


def _hashed(password: str) -> str:
    with _AT_ONCE:
        return _HASHER.hash(password)


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_hex(16))


def _verified(hashed: str, password: str) -> bool:
    with _AT_ONCE:
        try:
            if len(password) > MAX_PASSWORD:
                password = ""
            return _HASHER.verify(hashed or _nobodys(), password) and bool(hashed)
        except (VerificationError, InvalidHashError):
            return False


def _account(name: str) -> str:
    return digest(f"account:{name}")


def _count(connection: Connection, what: str, free: int, now: datetime) -> float:
    """Count one more try at ``what``; seconds still to wait (then it is not counted), or 0."""
    table = staff_failures
    row = connection.execute(select(table).where(table.c.what == what).with_for_update()).first()
    if row is None:
        connection.execute(insert(table).values(what=what, tries=1, last=now))
        return 0.0
    if now - row.last > FORGET:
        connection.execute(update(table).where(table.c.what == what).values(tries=1, last=now))
        return 0.0
    pause = (
        min(LONGEST_WAIT_S, WAIT_S * 2.0 ** min(row.tries - free, 10)) if row.tries >= free else 0
    )
    left: float = pause - (now - row.last).total_seconds()
    if left > 0:
        return left
    connection.execute(
        update(table).where(table.c.what == what).values(tries=table.c.tries + 1, last=now)
    )
    return 0.0


def _uncount(connection: Connection, what: str) -> None:
    """Take back the try of a log-in that went well; the others of its address stay counted."""
    table = staff_failures
    connection.execute(
        update(table).where(table.c.what == what, table.c.tries > 0).values(tries=table.c.tries - 1)
    )


def forget(connection: Connection, now: datetime) -> int:
    """Remove what no longer counts; how many tries and log-ins went. For the hub's regular clean-up."""
    gone = connection.execute(
        delete(staff_failures).where(staff_failures.c.last < now - FORGET)
    ).rowcount
    gone += connection.execute(delete(staff_tokens).where(staff_tokens.c.expires < now)).rowcount
    return gone


def unused_recovery(connection: Connection, person: str) -> int:
    """How many recovery codes a person has left."""
    unused = select(func.count()).where(
        staff_recovery.c.person == person, staff_recovery.c.used.is_(None)
    )
    return int(connection.scalar(unused) or 0)


def names(connection: Connection, persons: Sequence[str]) -> dict[str, str]:
    """Names of people by their ids."""
    if not persons:
        return {}
    rows = connection.execute(select(staff.c.id, staff.c.name).where(staff.c.id.in_(set(persons))))
    return {row.id: row.name for row in rows}
