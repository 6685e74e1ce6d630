"""What happens once before a hub's workers begin, and what its other commands open."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from proctor.errors import MissingError, ProctorError
from proctor.hub import erasing, migrate
from proctor.hub.app import Hub, open_hub
from proctor.hub.blobs import BlobError, Blobs, open_blobs
from proctor.hub.settings import HubSettings
from proctor.hub.store import Store


def start(said: HubSettings) -> int:
    """Make ready to serve; returns how many clips a restored backup had brought back.

    Raises :class:`MissingError` where database or clips cannot be used, or must be migrated first.
    """
    with opened(said) as hub:
        return erasing.reconcile(hub)


@contextmanager
def opened(said: HubSettings) -> Iterator[Hub]:
    """The hub of ``said``, with its tables up to date; the embedded database is brought up to date."""
    if said.on_sqlite:
        migrate.prepare(said)
    hub = open_hub(said)
    try:
        with hub.store.reading() as connection:
            current = migrate.is_current(connection)
        if not current:
            raise MissingError(
                "The hub's database is not up to date; run `proctor hub migrate` first."
            )
        yield hub
    except SQLAlchemyError as error:
        raise migrate.unreachable(said, error) from error
    except BlobError as error:
        raise MissingError(f"{error} Look at the settings blobs and ledger.") from error
    finally:
        hub.close()


def check(said: HubSettings) -> list[tuple[str, str]]:
    """What the hub needs, each with why it cannot be used (empty: it can)."""
    return [
        ("database", _tried(lambda: _ask(said))),
        ("clips", _tried(lambda: _try_blobs(open_blobs(said.blobs, said)))),
        ("ledger", _tried(lambda: _try_blobs(open_blobs(said.ledger, said)))),
        ("key", "" if said.key_file.exists() else f"{said.key_file} is made at the first start"),
    ]


def _tried(act: Callable[[], None]) -> str:
    try:
        act()
    except (SQLAlchemyError, BlobError, ProctorError, OSError) as error:
        return str(getattr(error, "orig", error)).partition("\n")[0][:300]
    return ""


def _ask(said: HubSettings) -> None:
    store = Store(said.database, said.headers)
    try:
        with store.reading() as connection:
            if not migrate.is_current(connection):
                raise MissingError("it is not up to date: proctor hub migrate")
        with store.headers() as connection:
            connection.execute(text("SELECT count(*) FROM clip_headers"))
    finally:
        store.close()


def _try_blobs(blobs: Blobs) -> None:
    name, said = f"health/{secrets.token_hex(8)}", secrets.token_bytes(32)
    blobs.put(name, said)
    if blobs.get(name) != said:
        raise BlobError("it gives back another thing than was put")
    blobs.delete(name)
