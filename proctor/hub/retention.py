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

from policies.errors import PolicyError
from proctor.errors import ProctorError
from proctor.evidence.retention import Due, Item, Kept, deadline, due
from proctor.evidence.tombstone import WHOLE
from proctor.hub import enrol, erasing, uploads
from proctor.hub.app import Background, Hub
from proctor.hub.store import Transaction
from proctor.hub.tables import attempts, clips, log_records, policies

# Kinds of records in the hub's log that say that a person decided on a flag, or took that back.
DECIDED = "decision"

# No clock of any policy is shorter (policies.schema: every one is at least a day).
SHORTEST = timedelta(days=1)

_log = logging.getLogger("proctor.hub")


def tick(hub: Hub) -> int:
    """Erase everything that is due now; returns how many things went."""
    now, gone = hub.now(), 0
    with hub.store.reading() as connection:
        names = connection.execute(_candidates(now)).scalars().all()
    for attempt in names:
        gone += apart("retention", _attempt, hub, attempt, now)
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
        return 1
    return int(
        erasing.clip(
            hub, tx, one.attempt, one.item.name, why=one.why, rule=one.rule, now=now,
            expired=one.rule == "O2",
        )
    )  # fmt: skip


def apart(
    what: str, act: Callable[[Hub, str, datetime], int], hub: Hub, attempt: str, now: datetime
) -> int:
    """What ``act`` says, or 0 where it fails at its one attempt: the others must not be kept longer for it.

    A database or store that does not answer ends the whole round.
    """
    try:
        return act(hub, attempt, now)
    except (PolicyError, ProctorError) as error:
        _fault(what, error)
        return 0


def regularly(hub: Hub, what: str, act: Callable[[Hub], int]) -> Background:
    """What runs beside the requests: ``act`` every so often, a little apart from other workers'."""

    async def forever() -> None:
        while True:
            await asyncio.sleep(hub.settings.retention_s * random.uniform(0.8, 1.2))  # noqa: S311
            try:
                await asyncio.to_thread(act, hub)
            except Exception as error:
                # Whatever it is: a round that ended the worker's task would let everything be kept for
                # good, and nobody would know. The next round tries again, and the log says so meanwhile.
                _fault(what, error)

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        task = asyncio.create_task(forever(), name=what)
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return run


def _fault(what: str, error: Exception) -> None:
    _log.error(what, extra={"fault": f"{type(error).__name__}: {error}".partition("\n")[0][:300]})
