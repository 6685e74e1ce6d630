"""What is going on now: heartbeats in batches, the states of the live wall, and who waits for commands.

A heartbeat is kept in memory and written with those of all other agents twice a second; one that a killed
worker had not written yet is no loss, because the next one says the same. States are neutral: an attempt
that was not heard of for a while is *unheard*, which says nothing about the student.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from proctor.hub import alerts, tables
from proctor.hub.alerts import Alert, Follower
from proctor.hub.app import Hub
from proctor.hub.live_tables import commands, heartbeats
from proctor.hub.staff_tables import flags
from proctor.hub.store import Transaction

# What an agent says of itself; "paused" is a break that a person on duty began.
Said = Literal["running", "break", "paused", "ended"]
SAID: tuple[Said, ...] = get_args(Said)
State = Literal["waiting", "running", "break", "paused", "help", "ended", "unheard"]
Delivery = Literal["all", "events_only"]

FLUSH_S = 0.5
# Agents say something every ten seconds; four in a row that did not come are told (s).
UNHEARD_S = 45.0

_LOG = logging.getLogger("proctor.hub.live")


@dataclass(frozen=True, slots=True)
class Beat:
    """What one heartbeat said, and when it was heard (seconds since 1970, the hub's clock)."""

    state: Said
    delivery: Delivery
    help: bool
    heard: float
    skew: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt sits: what an alert says of it."""

    exam: str
    seat: str


def seat_label(number: int) -> str:
    """A seat as people on duty call it; it names nobody."""
    return f"Seat {number:03d}"


def place_of(connection: Connection, attempt: str) -> Place | None:
    """Exam and seat of an attempt, if there is one."""
    row = connection.execute(
        sa.select(tables.attempts.c.exam, tables.attempts.c.seat).where(
            tables.attempts.c.attempt == attempt
        )
    ).one_or_none()
    return None if row is None else Place(row.exam, seat_label(row.seat))


def state_of(kept: str, beat: Any, now: float) -> State:
    """The neutral state of an attempt. ``kept``: what the attempts' table says; ``beat``: its row, if any."""
    if kept in ("ended", "erased") or (beat is not None and beat.state == "ended"):
        return "ended"
    if beat is None:
        return "waiting"
    if now - beat.heard > UNHEARD_S:
        return "unheard"
    if beat.help:
        return "help"
    state: State = beat.state
    return state


class Live:
    """What one worker has running beside its requests. ``start`` and ``close`` belong to its life."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.follower = Follower(hub.store)
        self._beats: dict[str, Beat] = {}
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, asyncio.Event] = {}
        # Set when this worker ends: nobody waits here any more.
        self.leaving = asyncio.Event()

    def now(self) -> float:
        """Seconds since 1970 by the hub's clock."""
        return self.hub.now().timestamp()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.follower.listen(self._heard)
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what was heard last, and end the threads."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10.0)
        self.follower.close()

    # Heartbeats.

    def beat(self, attempt: str, beat: Beat) -> None:
        """Keep a heartbeat; it is written within :data:`FLUSH_S`."""
        with self._guard:
            self._beats[attempt] = beat

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._try_to_flush()
        self._try_to_flush()

    def _try_to_flush(self) -> None:
        with self._guard:
            beats, self._beats = self._beats, {}
        if not beats:
            return
        try:
            self.flush(beats)
        except sa.exc.SQLAlchemyError as error:
            _LOG.warning("heartbeats could not be written", extra={"fault": type(error).__name__})
            with self._guard:
                self._beats = beats | self._beats

    def flush(self, beats: Mapping[str, Beat]) -> None:
        """Write heartbeats in one transaction, with an alert for every change that a person wants to see."""
        # In one order on every worker, so that two of them never wait for each other's rows.
        names = sorted(beats)
        with self.hub.store.transaction() as tx:
            told = sa.select(heartbeats).where(heartbeats.c.attempt.in_(names))
            before = {row.attempt: row for row in tx.execute(told)}
            places = {
                row.attempt: Place(row.exam, seat_label(row.seat))
                for row in tx.execute(
                    sa.select(
                        tables.attempts.c.attempt, tables.attempts.c.exam, tables.attempts.c.seat
                    ).where(tables.attempts.c.attempt.in_(names))
                )
            }
            changed, renewed = [], []
            for name in names:
                if name not in places:
                    continue
                beat, old = beats[name], before.get(name)
                same = old is not None and old.state == beat.state
                values = {
                    "heard": beat.heard, "state": beat.state, "delivery": beat.delivery,
                    "help": int(beat.help), "skew": beat.skew,
                    "since": old.since if old is not None and same else beat.heard,
                }  # fmt: skip
                new = old is None and tx.insert_once(heartbeats, {"attempt": name, **values})
                if not new:
                    renewed.append({"whose": name, **values})
                if old is None or _told(old) != (beat.state, beat.delivery, beat.help):
                    changed.append((name, old, beat))
            if renewed:
                # In one go: a way to the database and back for each is what a full worker has no time for.
                tx.execute(
                    sa.update(heartbeats).where(heartbeats.c.attempt == sa.bindparam("whose")),
                    renewed,
                )
            for name, old, beat in changed:
                self._tell(tx, name, places[name], old, beat)

    def _tell(self, tx: Transaction, attempt: str, place: Place, old: Any, beat: Beat) -> None:
        data = {"seat": place.seat, "state": beat.state, "delivery": beat.delivery}
        if old is None or (old.state, old.delivery) != (beat.state, beat.delivery):
            alerts.publish(tx, "state", exam=place.exam, attempt=attempt, data=data)
        if beat.help != bool(old is not None and old.help):
            asked = {"seat": place.seat, "asked": beat.help}
            alerts.publish(tx, "help", exam=place.exam, attempt=attempt, data=asked)

    # Commands by long poll.

    def let_go(self) -> None:
        """The worker ends: whoever waits asks another one. Called on the event loop."""
        if not self.leaving.is_set():
            self.leaving.set()
            for event in self._waiting.values():
                event.set()

    def wait_for_command(self, attempt: str) -> asyncio.Event:
        """An event that is set when something came for ``attempt``; an older waiter of it is let go.

        Take it before looking into the table, and give it back with :meth:`no_longer`.
        """
        event = asyncio.Event()
        if self.leaving.is_set():
            event.set()
        older = self._waiting.get(attempt)
        if older is not None:
            older.set()
        self._waiting[attempt] = event
        return event

    def no_longer(self, attempt: str, event: asyncio.Event) -> None:
        """Nobody waits with ``event`` any more."""
        if self._waiting.get(attempt) is event:
            del self._waiting[attempt]

    def _heard(self, found: Sequence[Alert]) -> None:
        """On the follower's thread: wake those for whom a command came, or whose exam is over."""
        names = {
            one.attempt
            for one in found
            if one.kind == "command" or (one.kind == "state" and one.data.get("state") == "ended")
        }
        if names and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, names)

    def _wake(self, names: Collection[str]) -> None:
        for name in names:
            event = self._waiting.get(name)
            if event is not None:
                event.set()


def _told(row: Any) -> tuple[str, str, bool]:
    return row.state, row.delivery, bool(row.help)


# The wall.


def wall(
    connection: Connection, now: float, *, exam: str = "", attempt: str = ""
) -> list[dict[str, Any]]:
    """The rows of the live wall: no name, no face; newest flag with its kind and second."""
    chosen = sa.select(
        tables.attempts.c.attempt,
        tables.attempts.c.exam,
        tables.attempts.c.seat,
        tables.attempts.c.state.label("kept"),
        tables.attempts.c.enrolled,
        heartbeats.c.heard,
        heartbeats.c.state,
        heartbeats.c.since,
        heartbeats.c.delivery,
        heartbeats.c.help,
        heartbeats.c.skew,
    ).select_from(
        tables.attempts.outerjoin(heartbeats, heartbeats.c.attempt == tables.attempts.c.attempt)
    )
    newest = sa.select(
        flags.c.attempt, sa.func.count().label("flags"), sa.func.max(flags.c.start).label("start")
    ).group_by(flags.c.attempt)
    if exam:
        chosen = chosen.where(tables.attempts.c.exam == exam)
        newest = newest.where(flags.c.exam == exam)
    if attempt:
        chosen = chosen.where(tables.attempts.c.attempt == attempt)
        newest = newest.where(flags.c.attempt == attempt)
    counted = newest.subquery()
    found = connection.execute(
        sa.select(
            counted.c.attempt, counted.c.flags, flags.c.flag, flags.c.kind, flags.c.start
        ).join(
            flags,
            sa.and_(flags.c.attempt == counted.c.attempt, flags.c.start == counted.c.start),
        )
    )
    by_attempt = {
        row.attempt: (row.flags, {"flag": row.flag, "kind": row.kind, "at": row.start})
        for row in found
    }
    rows = connection.execute(chosen.order_by(tables.attempts.c.exam, tables.attempts.c.seat))
    return [_row(row, by_attempt.get(row.attempt, (0, None)), now) for row in rows]


def _row(row: Any, flags: tuple[int, Mapping[str, Any] | None], now: float) -> dict[str, Any]:
    beat = None if row.heard is None else row
    return {
        "attempt": row.attempt,
        "exam": row.exam,
        "seat": seat_label(row.seat),
        "state": state_of(row.kept, beat, now),
        "since": row.since if beat else row.enrolled.timestamp(),
        "last_heard": row.heard,
        "help": bool(row.help),
        "flags": flags[0],
        "newest": flags[1],
        "delivery": row.delivery or "all",
        "clock_ahead_s": round(row.skew or 0.0, 1),
    }


def waiting(connection: Connection, attempt: str, now: float, after: int = 0) -> list[Any]:
    """The commands of an attempt that are to be handed out, in order; none whose time is over."""
    return list(
        connection.execute(
            sa.select(commands)
            .where(
                commands.c.attempt == attempt,
                commands.c.outcome == "",
                commands.c.expires > now,
                commands.c.id > after,
            )
            .order_by(commands.c.id)
        )
    )
