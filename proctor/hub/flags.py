"""The flags of all attempts, as staff find them: what the journals say of each, and where each stands.

A row is put together from journal lines as they are stored. Where a flag stands is worked out by
:func:`proctor.evidence.decision.standing` from the statements about it and kept in the row, so that a queue over
thousands of flags is one query; whatever changes it calls :func:`refresh`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select, update

from policies import sign as dsse
from policies.errors import PolicyError
from policies.load import parse
from policies.schema import Policy
from proctor.errors import InputError
from proctor.evidence import decision, layout
from proctor.evidence.journal import Record
from proctor.evidence.untrusted import number, text
from proctor.hub import alerts, extra_looks
from proctor.hub.staff_tables import decisions, flags
from proctor.hub.store import Transaction
from proctor.hub.tables import attempts, holds, policies

Reads = Transaction | Connection

WAITING, EXPIRED, ERASED, DONE = "waiting", "expired", "erased", "done"
MAX_KIND = 60
MAX_COMMENT = 2000


def noted(tx: Transaction, attempt: str, record: Record, now: datetime) -> None:
    """Take over what a journal line or event says about a flag; again is the same as once.

    Lines come from a stranger's machine: what is malformed in one is left out, never believed. A line that
    says ``erased`` is not taken over here: :func:`erased` is called once the clip is gone, which a hold delays.
    """
    data = record.data
    if record.type == "flag":
        _opened(tx, attempt, data, now)
    elif record.type == "flag.closed":
        end = number(data.get("end"))
        if (name := _name(data.get("id"))) and end is not None:
            _change(tx, attempt, name, end=end)
    elif record.type == "flag.comment":
        name, words = _name(data.get("flag")), text(data.get("words"), MAX_COMMENT)
        row = find(tx, attempt, name) if name and words else None
        if row is not None and words != row.comment:
            first = row.commented or now
            _change(tx, attempt, name, comment=words, commented=first)
            refresh(tx, attempt, name, now)
    elif record.type == "session.ended":
        for row in of_attempt(tx, attempt):
            refresh(tx, attempt, row.flag, now)


def _opened(tx: Transaction, attempt: str, data: Any, now: datetime) -> None:
    name, kind = _name(data.get("id")), text(data.get("kind"), MAX_KIND)
    start, end = number(data.get("start")), number(data.get("end"))
    policy = policy_of(tx, attempt)
    if not name or not kind or start is None or policy is None:
        return
    exam, seat = tx.execute(
        select(attempts.c.exam, attempts.c.seat).where(attempts.c.attempt == attempt)
    ).one()
    new = tx.insert_once(
        flags,
        {
            "attempt": attempt,
            "flag": name,
            "exam": exam,
            "kind": kind,
            "start": start,
            "end": end,
            "at": now,
            "deadline": _deadline(tx, attempt, name, now, policy.review.window_days),
            "commented": None,
            "comment": "",
            "state": WAITING,
            "look": "first",
            "until": None,
            "verdict": None,
            "extra": "",
        },
    )
    if new:
        said = {"seat": f"Seat {seat:03d}", "flag": name, "kind": kind, "at": start}
        alerts.publish(tx, "alert", exam=exam, attempt=attempt, data=said)


def _deadline(tx: Transaction, attempt: str, flag: str, now: datetime, days: int) -> datetime:
    """When a flag expires unless somebody looks: the review window's end, or that of a hold on it."""
    rows = tx.execute(select(holds.c.flags, holds.c.until).where(holds.c.attempt == attempt))
    over: datetime = now + timedelta(days=days)
    for row in rows:
        if not row.flags or flag in row.flags.split("\n"):
            over = max(over, row.until)
    return over


def held(
    tx: Transaction, attempt: str, names: Collection[str], until: datetime, now: datetime
) -> None:
    """A hold is in force: flags of ``names`` (none: all) that wait do so at least ``until`` then (T2).

    A flag whose time was over before stays over.
    """
    query = update(flags).where(
        flags.c.attempt == attempt,
        flags.c.state == WAITING,
        flags.c.deadline > now,
        flags.c.deadline < until,
    )
    if names:
        query = query.where(flags.c.flag.in_(sorted(names)))
    tx.execute(query.values(deadline=until))


def erased(tx: Transaction, attempt: str, flag: str, *, expired: bool = False) -> None:
    """The clip of a flag is gone; a flag that nobody had decided on is then over, too."""
    row = find(tx, attempt, flag)
    if row is None:
        return
    if row.state == DONE:
        _change(tx, attempt, flag, extra="", extra_until=None)
        return
    _change(tx, attempt, flag, state=EXPIRED if expired else ERASED, look=None, until=None)


def forget_words(tx: Transaction, attempt: str) -> None:
    """The student's words go with the journal that they came in."""
    tx.execute(update(flags).where(flags.c.attempt == attempt).values(comment=""))


def is_over(row: Row[Any], now: datetime) -> bool:
    """Whether nobody may look at a flag any more: its clip is gone, or its time passed without a look."""
    return row.state in (EXPIRED, ERASED) or (row.state == WAITING and row.deadline <= now)


def expire(tx: Transaction, now: datetime) -> list[tuple[str, str]]:
    """Let flags expire whose review window is over without a look (rule O2); those that did."""
    # One statement: a hold or a look that is being written at this moment is waited for and counts.
    over = tx.execute(
        update(flags)
        .where(flags.c.state == WAITING, flags.c.deadline <= now)
        .values(state=EXPIRED, look=None, until=None)
        .returning(flags.c.attempt, flags.c.flag)
    )
    return [(row.attempt, row.flag) for row in over]


def refresh(tx: Transaction, attempt: str, flag: str, now: datetime) -> decision.Standing | None:
    """Work out where a flag stands and keep it; ``None`` where nothing can be decided any more."""
    row = find(tx, attempt, flag)
    if row is None or row.state in (EXPIRED, ERASED):
        return None
    stands = standing(tx, row, now)
    shown = _disguise(tx, row, stands, now)
    _change(
        tx,
        attempt,
        flag,
        state=stands.state,
        look=stands.look,
        until=stands.until,
        verdict=stands.verdict,
        extra=shown.state if shown else "",
        extra_until=shown.until if shown else None,
    )
    return stands


def _disguise(
    tx: Transaction, row: Row[Any], stands: decision.Standing, now: datetime
) -> decision.Standing | None:
    """How a flag whose extra look is still to come shows itself to others; ``None`` where none is."""
    policy = policy_of(tx, row.attempt)
    if not row.drawn or policy is None:
        return None
    extra = decisions.c.attempt == row.attempt, decisions.c.flag == row.flag, decisions.c.extra
    given = set(tx.execute(select(decisions.c.id).where(*extra)).scalars())
    everything = statements(tx, row.attempt, row.flag)
    if any(one.id in given for one in decision.in_force(everything)):
        return None
    return extra_looks.mask(stands, policy.review, *heard(tx, row), now)


def ripen(tx: Transaction, now: datetime) -> None:
    """Refresh the flags whose time for a comment has ended since they were looked at last."""
    ripe = tx.execute(
        select(flags.c.attempt, flags.c.flag).where(
            or_(
                and_(flags.c.state == "may_comment", flags.c.until <= now),
                and_(flags.c.extra == "may_comment", flags.c.extra_until <= now),
            )
        )
    ).all()
    for attempt, flag in ripe:
        refresh(tx, attempt, flag, now)


def standing(tx: Reads, row: Row[Any], now: datetime) -> decision.Standing:
    """Where the flag in ``row`` stands at ``now`` by its policy's review rules."""
    policy = policy_of(tx, row.attempt)
    if policy is None:
        raise InputError("The policy of this attempt is not here, so nothing can be decided on it.")
    counting = statements(tx, row.attempt, row.flag, extra=False)
    return decision.standing(counting, policy.review, *heard(tx, row), now)


def heard(tx: Reads, row: Row[Any]) -> tuple[list[datetime], datetime | None]:
    """When the student commented on a flag, and since when they could, by the hub's clock."""
    ended = tx.execute(
        select(attempts.c.ended).where(attempts.c.attempt == row.attempt)
    ).scalar_one_or_none()
    return [row.commented] if row.commented else [], ended


def statements(
    tx: Reads, attempt: str, flag: str, *, extra: bool = True
) -> list[decision.Decision]:
    """Every statement about a flag, withdrawn ones and withdrawals too; each signature is checked anew.

    ``extra``: also those of extra looks, which change nothing.
    """
    query = (
        select(decisions.c.envelope)
        .where(decisions.c.attempt == attempt, decisions.c.flag == flag)
        .order_by(decisions.c.number)
    )
    if not extra:
        query = query.where(~decisions.c.extra)
    return [decision.read(row.envelope) for row in tx.execute(query)]


def find(tx: Reads, attempt: str, flag: str, *, lock: bool = False) -> Row[Any] | None:
    """The row of a flag; ``lock`` keeps others from changing it until the transaction ends."""
    query = select(flags).where(flags.c.attempt == attempt, flags.c.flag == flag)
    return tx.execute(query.with_for_update() if lock else query).first()


def of_attempt(tx: Reads, attempt: str) -> list[Row[Any]]:
    """All flags of an attempt, in the order in which they began."""
    query = select(flags).where(flags.c.attempt == attempt).order_by(flags.c.start, flags.c.flag)
    return list(tx.execute(query))


def policy_of(tx: Reads, attempt: str) -> Policy | None:
    """The published policy of an attempt; ``None`` where there is no such attempt."""
    envelope = tx.execute(
        select(policies.c.envelope)
        .join(attempts, attempts.c.policy_sha256 == policies.c.sha256)
        .where(attempts.c.attempt == attempt)
    ).scalar_one_or_none()
    return None if envelope is None else _policy(envelope)


@lru_cache(maxsize=200)
def _policy(envelope: bytes) -> Policy:
    try:
        return parse(dsse.inspect(envelope)[0], "of this exam")
    except PolicyError as error:
        raise InputError(f"A policy of the hub cannot be read: {error}") from error


def _name(value: object) -> str:
    return value if isinstance(value, str) and layout.FLAG_ID.fullmatch(value) else ""


def _change(tx: Transaction, attempt: str, flag: str, **values: Any) -> None:
    tx.execute(
        update(flags).where(flags.c.attempt == attempt, flags.c.flag == flag).values(**values)
    )
