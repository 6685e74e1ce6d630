"""The databases: engines, transactions and what differs between SQLite and PostgreSQL.

A writing transaction takes SQLite's one write lock at its begin (``BEGIN IMMEDIATE``), so that no two
workers ever read the same state and both write; PostgreSQL's rows are locked where they are read for
that (``with_for_update``). A commit returns when it is on the disk (``synchronous = FULL``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite

from proctor.errors import MissingError
from proctor.hub import tables

# Another worker's transaction takes milliseconds; a backup or a full disk longer (s).
BUSY_S = 30.0
POOL = 20
# Pages of the database that one SQLite connection keeps (KB); the system keeps the file as well.
CACHE_KB = 400
POOL_WAIT_S = 15.0
_READ = "proctor_read"
# A connection that lay in the pool for longer is asked before it is used (s).
ASK_S = 2.0
_BACK = "proctor_back"


class Transaction:
    """A connection within a transaction, and what is to happen once it is on the disk."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.execute = connection.execute
        self._after: list[Callable[[], None]] = []

    def after(self, act: Callable[[], None]) -> None:
        """Call ``act`` after the commit; not at all where there is none."""
        self._after.append(act)

    def insert_once(self, table: Table, values: Mapping[str, Any]) -> bool:
        """Insert a row unless one with such a key is there; whether it was inserted."""
        dialect = self.connection.dialect.name
        make = postgresql.insert if dialect == "postgresql" else sqlite.insert
        first = next(iter(table.primary_key.columns))
        done = self.execute(make(table).values(**values).on_conflict_do_nothing().returning(first))
        return done.first() is not None


class Store:
    """The hub's database, and that of the clips' headers (the same one or another)."""

    def __init__(self, database: str, headers: str) -> None:
        self.engine = _engine(database)
        self.headers_engine = self.engine if headers == database else _engine(headers)
        # SQLite's own way of waiting for its write lock is not fair; within one process this is.
        self._turns = {
            engine: threading.Lock() if engine.dialect.name == "sqlite" else None
            for engine in (self.engine, self.headers_engine)
        }

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Everything in it is stored, or nothing; what was registered with ``after`` runs then."""
        with self._writing(self.engine) as connection:
            transaction = Transaction(connection)
            yield transaction
        for act in transaction._after:
            act()

    @contextmanager
    def headers(self) -> Iterator[Connection]:
        """A transaction on the headers' database. Never begin one inside :meth:`transaction`'s block
        on SQLite with one file for both: settings give it a file of its own."""
        with self._writing(self.headers_engine) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A look at one state of the database; nothing is written."""
        said: dict[str, Any] = {_READ: True}
        if self.engine.dialect.name == "postgresql":
            # By default each statement would see another state.
            said["isolation_level"] = "REPEATABLE READ"
        with self.engine.connect().execution_options(**said) as connection:
            yield connection

    @contextmanager
    def _writing(self, engine: Engine) -> Iterator[Connection]:
        turn = self._turns[engine]
        if turn is None:
            with engine.begin() as connection:
                yield connection
            return
        with turn, engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        self.headers_engine.dispose()

    def create_headers(self) -> None:
        """Make the headers' one table where it is missing."""
        tables.headers_metadata.create_all(self.headers_engine)


def _engine(url: str) -> Engine:
    parts = make_url(url)
    if parts.get_backend_name() == "sqlite":
        path = Path(str(parts.database))
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise MissingError(
                f"The folder {path.parent} cannot be made ({error.strerror})."
            ) from error
        engine = create_engine(
            url,
            connect_args={"timeout": BUSY_S},
            pool_size=POOL,
            max_overflow=POOL,
            pool_timeout=POOL_WAIT_S,
        )
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
        return engine
    engine = create_engine(
        url,
        pool_size=POOL,
        max_overflow=POOL,
        pool_timeout=POOL_WAIT_S,
        connect_args={"connect_timeout": 5},
    )
    event.listen(engine, "checkout", _still_there)
    event.listen(engine, "checkin", _put_back)
    return engine


def _put_back(connection: Any, record: Any) -> None:
    record.info[_BACK] = time.monotonic()


def _still_there(connection: Any, record: Any, proxy: object) -> None:
    """Ask a connection that nobody used for a while whether it is still one; the pool makes another if not.

    Asking each time costs a way to the database and back for every request. One that broke a moment ago fails a
    request, which is answered "come again" (503), and the pool makes all of its connections anew.
    """
    if time.monotonic() - record.info.get(_BACK, time.monotonic()) < ASK_S:
        return
    try:
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except Exception as error:
        # Whatever the driver says of it: this connection is none any more.
        raise exc.DisconnectionError from error


def _set_up(connection: Any, record: object) -> None:
    # The driver begins no transactions by itself; _begin does.
    connection.isolation_level = None
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        # Each of the pool's connections keeps pages; 2 MB each, the default, is what a worker grew by.
        f"cache_size = -{CACHE_KB}",
        # What was deleted is overwritten: a header must not stay readable in a free page.
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
