"""Bring a hub's databases up to date, and say whether they are."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import SQLAlchemyError

from proctor.errors import MissingError
from proctor.hub import log, tables
from proctor.hub.settings import HubSettings
from proctor.hub.store import Store

# Modules that add tables of their own to the same metadata.
TABLES = ("proctor.hub.staff_tables", "proctor.hub.live_tables")
# Any number that nothing else in the database locks: two hubs that start at once take turns.
_LOCK = 0x70726F63


def whole_metadata() -> MetaData:
    """The metadata with the tables of every part of the hub."""
    for name in TABLES:
        importlib.import_module(name)
    return tables.metadata


def prepare(settings: HubSettings) -> None:
    """Make or update every table. Safe to repeat, also by several at once.

    Raises :class:`MissingError` where the database does not answer.
    """
    store = Store(settings.database, settings.headers)
    try:
        with store.transaction() as tx:
            if tx.connection.dialect.name == "postgresql":
                tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            command.upgrade(_config(tx.connection), "heads")
            log.prepare(tx)
        store.create_headers()
    except SQLAlchemyError as error:
        raise unreachable(settings, error) from error
    finally:
        store.close()


def is_current(connection: Connection) -> bool:
    """Whether the database is at the newest step of every part."""
    script = ScriptDirectory.from_config(_config(connection))
    there = MigrationContext.configure(connection).get_current_heads()
    return set(there) == set(script.get_heads())


def unreachable(settings: HubSettings, error: SQLAlchemyError) -> MissingError:
    """What to say where the database cannot be used; never its password."""
    kind = "SQLite file" if settings.on_sqlite else "PostgreSQL database"
    said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
    return MissingError(f"The hub's {kind} cannot be used: {said[:200]}.")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    attributes: dict[str, Any] = config.attributes
    attributes["connection"] = connection
    return config
