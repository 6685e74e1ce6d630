"""The worker that lets go: what a policy lets nobody keep any longer is erased, header first.

:mod:`proctor.evidence.retention` decides, purely; here its questions are answered from the tables, and its
answer is carried out. Any number of workers may do so at once: erasing twice is the same as once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from proctor.errors import ProctorError
from proctor.evidence.retention import Due, Item, Kept, deadline, due
from proctor.evidence.tombstone import WHOLE
from proctor.hub import enrol, erasing, uploads
from proctor.hub.app import Background, Hub
from proctor.hub.blobs import BlobError
from proctor.hub.store import Transaction
from proctor.hub.tables import attempts, clips, log_records, policies

# Kinds of records in the hub's log that say that a person decided on a flag, or took that back.
DECIDED = "decision"

# No clock of any policy is shorter (policies.schema: every one is at least a day).
SHORTEST = timedelta(days=1)

_log = logging.getLogger("proctor.hub")

# What other parts of the hub keep of an attempt goes with its records; each is called within the transaction.
WITH_JOURNAL: list[Callable[[Transaction, str], None]] = []


def tick(hub: Hub) -> int:
    """Erase everything that is due now; returns how many things went."""
    now, gone = hub.now(), 0
    with hub.store.reading() as connection:
        names = connection.execute(_candidates(now)).scalars().all()
    for attempt in names:
        gone += _attempt(hub, attempt, now)
    uploads.sweep(hub)
    erasing.finish(hub)
    erasing.keep_head(hub)
    if gone:
        _log.info("retention", extra={"erased": gone})
    return gone


def _candidates(now: datetime) -> Select[str]:
    """Attempts at which something may be due: those never looked at, and those whose moment has come."""
    return select(attempts.c.attempt).where(
        attempts.c.state != "erased", or_(attempts.c.due.is_(None), attempts.c.due <= now)
    )


def _attempt(hub: Hub, attempt: str, now: datetime) -> int:
    with hub.store.transaction() as tx:
        row = tx.execute(
            select(attempts, policies.c.envelope)
            .join(policies, policies.c.sha256 == attempts.c.policy_sha256)
            .where(attempts.c.attempt == attempt)
            .with_for_update(of=attempts)
        ).one()
        if row.state == "erased":
            return 0
        since = row.ended or row.last_heard or row.enrolled
        case, policy = kept(tx, attempt, since, now), enrol.parsed(bytes(row.envelope))
        found = due([case], policy, now)
        going = {one.item.name for one in found}
        left = [deadline(case, item, policy).at for item in case.items if item.name not in going]
        # What a hold keeps is due already: it is looked at again at every tick.
        soon = bool(case.holds) or not left
        tx.execute(
            update(attempts)
            .where(attempts.c.attempt == attempt)
            .values(due=now if soon else min(left))
        )
        return sum(_erase(hub, tx, one, now) for one in found)


def kept(tx: Transaction, attempt: str, since: datetime, now: datetime) -> Kept:
    """What the hub keeps of one attempt whose records' clock began at ``since``."""
    holds = tuple(erasing.holds_of(tx, attempt))
    rows = tx.execute(
        select(clips).where(clips.c.attempt == attempt, clips.c.state != "erased")
    ).all()
    # Erased by the student while a hold kept it; once no hold does any more, it goes.
    asked = {row.flag for row in rows if row.why}
    free = {flag for flag in asked if not any(h.stops(attempt, flag, now) for h in holds)}
    return Kept(
        attempt=attempt,
        items=(
            *(Item(row.what, row.flag, row.sealed) for row in rows),
            Item("journal", WHOLE, since),
        ),
        decided=decided(tx.connection, attempt),
        holds=holds,
        erased=frozenset(free),
    )


def decided(connection: Connection, attempt: str) -> frozenset[str]:
    """Flags of an attempt on which the hub's log has a decision."""
    rows = connection.execute(
        select(log_records.c.flag).where(
            log_records.c.attempt == attempt, log_records.c.kind == DECIDED
        )
    )
    return frozenset(flag for flag in rows.scalars() if flag)


def _erase(hub: Hub, tx: Transaction, one: Due, now: datetime) -> int:
    if one.item.kind == "journal":
        erasing.journal(hub, tx, one.attempt, why=one.why, rule=one.rule, now=now)
        for also in WITH_JOURNAL:
            also(tx, one.attempt)
        return 1
    return int(
        erasing.clip(
            hub, tx, one.attempt, one.item.name, why=one.why, rule=one.rule, now=now,
            expired=one.rule == "O2",
        )
    )  # fmt: skip


def working(hub: Hub) -> Background:
    """What runs beside the requests: a tick every so often, a little apart from other workers'."""

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        task = asyncio.create_task(_forever(hub), name="retention")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return run


async def _forever(hub: Hub) -> None:
    while True:
        await asyncio.sleep(hub.settings.retention_s * random.uniform(0.8, 1.2))  # noqa: S311
        try:
            await asyncio.to_thread(tick, hub)
        except (SQLAlchemyError, BlobError, ProctorError) as error:
            # The next tick tries again; meanwhile the log, and what counts its lines, say so.
            _log.error("retention", extra={"fault": f"{type(error).__name__}: {error}"[:300]})
