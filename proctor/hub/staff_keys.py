"""The keys with which staff sign on their machines: one in force a person, and all that were before."""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, insert, select, update

from proctor.errors import InputError
from proctor.hub.staff_tables import staff, staff_keys


def claim(hub: str, person: str) -> bytes:
    """What somebody signs to show that a key is theirs: for this hub, as this person."""
    return f"open-proctor staff key\n{hub}\n{person}\n".encode()


def proof(hub: str, person: str, key: Ed25519PrivateKey) -> str:
    """The signature of :func:`claim` in base64."""
    return base64.b64encode(key.sign(claim(hub, person))).decode("ascii")


def plain(public: bytes) -> str:
    """A raw public key in base64."""
    return base64.b64encode(public).decode("ascii")


def register(
    connection: Connection, hub: str, person: str, public: str, proven: str, now: datetime
) -> bool:
    """Let ``public`` (base64) be the key of ``person`` from now on; whether that is news.

    Raises :class:`InputError` when it is no key, not shown to be theirs, or was ever somebody's.
    """
    try:
        raw = base64.b64decode(public, validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(
            base64.b64decode(proven, validate=True), claim(hub, person)
        )
    except (binascii.Error, ValueError, InvalidSignature) as error:
        raise InputError("The key is none, or is not shown to be yours.") from error
    if public != plain(raw):
        raise InputError("The key is not in plain base64.")
    name = hashlib.sha256(raw).hexdigest()
    row = connection.execute(select(staff_keys).where(staff_keys.c.key == name)).first()
    if row is not None:
        if row.person == person and row.until is None:
            return False
        raise InputError(
            "That key was in use before; make a new one (a key is one person's, once)."
        )
    connection.execute(
        update(staff_keys)
        .where(staff_keys.c.person == person, staff_keys.c.until.is_(None))
        .values(until=now)
    )
    connection.execute(
        insert(staff_keys).values(key=name, person=person, public=raw, since=now, until=None)
    )
    return True


def in_force(connection: Connection, person: str) -> tuple[str, ...]:
    """The public keys (base64) with which ``person`` signs now: one, or none yet."""
    rows = connection.execute(
        select(staff_keys.c.public).where(
            staff_keys.c.person == person, staff_keys.c.until.is_(None)
        )
    )
    return tuple(plain(row.public) for row in rows)


def owners(connection: Connection) -> dict[str, str]:
    """Whose each key is that was ever registered: names by public key (base64)."""
    rows = connection.execute(
        select(staff_keys.c.public, staff.c.name).join(staff, staff.c.id == staff_keys.c.person)
    )
    return {plain(row.public): row.name for row in rows}


def keys_of(connection: Connection, person: str) -> tuple[str, ...]:
    """Every public key (base64) that ``person`` ever signed with here."""
    rows = connection.execute(select(staff_keys.c.public).where(staff_keys.c.person == person))
    return tuple(plain(row.public) for row in rows)
