"""Live alerts: stored with what they tell of, and carried to every worker that somebody listens to.

An alert is a row that is written in the same transaction as the event it tells of, so neither is ever
there without the other. One thread a worker follows the table while anybody listens; what wakes it depends
on the database (docs/decisions/0028):

* PostgreSQL: ``LISTEN``/``NOTIFY``; a notification leaves when its transaction commits.
* SQLite: ``PRAGMA data_version``, which changes when another connection has committed, looked at ten times
  a second; it reads no table.

Numbers rise in the order of the commits, which is what resuming by ``Last-Event-ID`` needs: SQLite has one
writer at a time, and on PostgreSQL a lock of the transaction makes it so.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from proctor.hub.live_tables import alerts
from proctor.hub.store import Store, Transaction

Kind = Literal["alert", "state", "help", "command"]

CHANNEL = "proctor_alerts"
# A number of our own for PostgreSQL's advisory locks.
ORDER_LOCK = 7_041_776_231
# How often SQLite is asked whether anybody has committed (s).
LOOK_S = 0.1
# Without any notification, PostgreSQL is asked all the same after this long (s).
LISTEN_S = 5.0
# After a failure of the database the next attempt waits this long (s).
MEND_S = 1.0
# Rows that are read at once, and how long they are kept (s).
MOST_ROWS = 1000
KEPT_S = 86_400.0
PRUNE_S = 600.0

_LOG = logging.getLogger("proctor.hub.alerts")


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person on duty wants to hear of. ``at``: seconds since 1970 by the hub's clock."""

    id: int
    kind: str
    exam: str
    attempt: str
    at: float
    data: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"attempt": self.attempt, "exam": self.exam, "received": self.at, **self.data}


def publish(
    transaction: Transaction, kind: Kind, *, exam: str, attempt: str, data: Mapping[str, Any]
) -> None:
    """Store an alert in the caller's transaction; it is carried on once that commits.

    Call it near the end, before a record goes into the hub's log: on PostgreSQL other transactions with
    alerts wait from here to the commit.
    """
    postgres = transaction.connection.dialect.name == "postgresql"
    if postgres:
        transaction.execute(sa.select(sa.func.pg_advisory_xact_lock(ORDER_LOCK)))
    transaction.execute(
        sa.insert(alerts).values(
            at=time.time(),
            kind=kind,
            exam=exam,
            attempt=attempt,
            data=json.dumps(data, ensure_ascii=False),
        )
    )
    if postgres:
        transaction.execute(sa.select(sa.func.pg_notify(CHANNEL, attempt)))


def newest(connection: Connection) -> int:
    """The number of the last alert; 0 where there is none."""
    return int(connection.execute(sa.select(sa.func.max(alerts.c.id))).scalar() or 0)


def oldest(connection: Connection) -> int:
    """The number of the first alert that is still kept; 0 where there is none."""
    return int(connection.execute(sa.select(sa.func.min(alerts.c.id))).scalar() or 0)


def after(connection: Connection, number: int, *, most: int = MOST_ROWS) -> list[Alert]:
    """The alerts after ``number``, in order."""
    rows = connection.execute(
        sa.select(alerts).where(alerts.c.id > number).order_by(alerts.c.id).limit(most)
    )
    return [
        Alert(row.id, row.kind, row.exam, row.attempt, row.at, json.loads(row.data)) for row in rows
    ]


Listener = Callable[[Sequence[Alert]], None]


class Bell(Protocol):
    """Wakes whoever follows the table."""

    def wait(self) -> None:
        """Return when something may have been committed, or after a while."""
        ...

    def close(self) -> None: ...


class DataVersion:
    """SQLite: a connection of its own sees that others have committed, without reading a table."""

    def __init__(self, store: Store, stop: threading.Event) -> None:
        self._connection = store.engine.raw_connection()
        self._stop = stop
        self._seen = -1

    def wait(self) -> None:
        driver: Any = self._connection.driver_connection
        while not self._stop.is_set():
            (version,) = driver.execute("PRAGMA data_version").fetchone()
            if version != self._seen:
                self._seen = version
                return
            self._stop.wait(LOOK_S)

    def close(self) -> None:
        self._connection.close()


class Listening:
    """PostgreSQL: a connection of its own that listens."""

    def __init__(self, store: Store, stop: threading.Event) -> None:
        connection = store.engine.connect()
        self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        self._connection.exec_driver_sql(f"LISTEN {CHANNEL}")
        self._stop = stop
        self._first = True

    def wait(self) -> None:
        # What was committed before LISTEN took hold rang no bell.
        if self._first:
            self._first = False
            return
        driver: Any = self._connection.connection.driver_connection
        ends = time.monotonic() + LISTEN_S
        while not self._stop.is_set() and time.monotonic() < ends:
            # In short turns, so that an ending worker does not wait for it.
            if list(driver.notifies(timeout=0.5, stop_after=1)):
                return

    def close(self) -> None:
        self._connection.close()


class Follower:
    """Follows the alerts of all workers on a thread, for as long as somebody listens here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: list[Listener] = []
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last = 0
        self._pruned = time.monotonic()

    def listen(self, listener: Listener) -> int:
        """Have ``listener`` called with every alert from now on, on the follower's thread.

        Returns the number after which it hears: what has a smaller or the same number it must read itself.
        """
        with self._guard:
            if self._thread is None:
                with self._store.reading() as connection:
                    self._last = newest(connection)
                self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
                self._thread.start()
            self._listeners.append(listener)
            return self._last

    def leave(self, listener: Listener) -> None:
        """Stop calling ``listener``; safe when it is not called anyway."""
        with self._guard:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except sa.exc.SQLAlchemyError as error:
                _LOG.warning("the alerts cannot be read (%s); trying again", type(error).__name__)
            except Exception as error:
                # The driver's own errors, while it waits for notifications, are no SQLAlchemyError.
                driver = self._store.engine.dialect.loaded_dbapi
                if not isinstance(error, driver.Error):
                    raise
                _LOG.warning("the alerts cannot be heard (%s); trying again", type(error).__name__)
            self._stop.wait(MEND_S)

    def _follow(self) -> None:
        postgres = self._store.engine.dialect.name == "postgresql"
        bell: Bell = (Listening if postgres else DataVersion)(self._store, self._stop)
        try:
            while not self._stop.is_set():
                bell.wait()
                self._hand_on()
                self._prune()
        finally:
            bell.close()

    def _hand_on(self) -> None:
        while not self._stop.is_set():
            with self._store.reading() as connection:
                found = after(connection, self._last)
            if not found:
                return
            with self._guard:
                self._last = found[-1].id
                listeners = list(self._listeners)
            for listener in listeners:
                listener(found)

    def _prune(self) -> None:
        if time.monotonic() - self._pruned < PRUNE_S:
            return
        self._pruned = time.monotonic()
        with self._store.transaction() as transaction:
            transaction.execute(sa.delete(alerts).where(alerts.c.at < time.time() - KEPT_S))
