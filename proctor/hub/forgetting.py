"""What the staff's side lets go of in its time: statements, looks and papers, and old log-ins.

Decisions have a clock of their own in every policy (rule T1). The hub's log keeps that somebody decided, looked or
asked, and the digest of what was signed; the signed words go here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, or_, select, update

from proctor.hub import accounts, log, proposals, retention
from proctor.hub import flags as found_flags
from proctor.hub.app import Hub
from proctor.hub.staff_tables import assignments, decisions, flags, looks
from proctor.hub.staff_tables import proposals as papers
from proctor.hub.tables import attempts


def tick(hub: Hub) -> int:
    """Let go of everything that is due now; of how many attempts."""
    now = hub.now()
    with hub.store.transaction() as tx:
        found_flags.expire(tx, now)
        tx.execute(delete(assignments).where(assignments.c.until <= now))
        accounts.forget(tx.connection, now)
    with hub.store.reading() as connection:
        since = func.coalesce(attempts.c.ended, attempts.c.last_heard, attempts.c.enrolled)
        something = [
            exists().where(table.c.attempt == attempts.c.attempt)
            for table in (decisions, looks, papers)
        ]
        query = select(attempts.c.attempt).where(since <= now - retention.SHORTEST, or_(*something))
        names = connection.execute(query).scalars().all()
    return sum(retention.apart("forgetting", _attempt, hub, name, now) for name in names)


def _attempt(hub: Hub, attempt: str, now: datetime) -> int:
    with hub.store.transaction() as tx:
        row = tx.execute(
            select(attempts).where(attempts.c.attempt == attempt).with_for_update()
        ).one()
        policy = found_flags.policy_of(tx, attempt)
        since = row.ended or row.last_heard or row.enrolled
        if policy is None or now < since + timedelta(days=policy.retention.decisions_days):
            return 0
        if proposals.held(tx, attempt, None, now):
            return 0
        gone = 0
        for table in (decisions, looks, papers):
            gone += tx.execute(delete(table).where(table.c.attempt == attempt)).rowcount
        if not gone:  # another worker was quicker
            return 0
        forgotten = {"verdict": None, "extra": "", "extra_until": None}
        tx.execute(update(flags).where(flags.c.attempt == attempt).values(**forgotten))
        said = {"what": "decisions", "why": "Their time is over.", "rule": "T1"}
        log.append(tx, "erased", said, attempt=attempt, at=now)
    return 1
