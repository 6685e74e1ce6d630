"""Taking flags, getting what opens a clip, and saying what one saw: the acts of people who review.

Each act is one transaction. The hub's own clock counts; statements whose time is far from it are refused, since
the order of statements is what a verdict comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, exists, insert, or_, select, update

from proctor.evidence import access_record, decision
from proctor.evidence.access_record import Access, AccessError
from proctor.evidence.decision import Decision, DecisionError, Standing
from proctor.hub import extra_looks, log
from proctor.hub import flags as found_flags
from proctor.hub.flags import Reads
from proctor.hub.problems import Problem
from proctor.hub.proposals import EXPORT_FOR
from proctor.hub.staff_auth import Acting
from proctor.hub.staff_tables import assignments, decisions, flags, looks, proposals
from proctor.hub.store import Transaction
from proctor.hub.tables import clips

# A flag on somebody's desk comes back to the queue after this, and nobody has more than this many.
LEASE = timedelta(hours=2)
MOST_TAKEN = 50
# How far a reviewer's clock may be from the hub's.
SKEW = timedelta(minutes=2)
OPEN = ("waiting", "looked", "second", "disagreed")
OVER = (found_flags.EXPIRED, found_flags.ERASED)


@dataclass(frozen=True, slots=True)
class Released:
    """What a signed access record let go: the digest of the clip whose header may now be read."""

    sha256: str
    position: int


# Taking.


def take(
    tx: Transaction, who: Acting, exam: str | None, kind: str | None, n: int, now: datetime
) -> list[Row[Any]]:
    """Put up to ``n`` flags that wait on the desk of ``who``, those that expire first first.

    What is on the desk already counts; two who take at once never get the same flag.
    """
    who.may("queue.take")
    found_flags.ripen(tx, now)
    n = min(n, MOST_TAKEN)
    mine = [row for row in desk(tx, who, now) if _wanted(row, exam, kind)]
    taken = list(mine[:n])
    passed: set[tuple[str, str]] = {(row.attempt, row.flag) for row in mine}
    while len(taken) < n:
        rows = [
            row
            for row in _free(tx, who, exam, kind, n - len(taken) + len(passed), now)
            if (row.attempt, row.flag) not in passed
        ]
        if not rows:
            break
        for row in rows[: n - len(taken)]:
            passed.add((row.attempt, row.flag))
            if _claimed(tx, row.attempt, row.flag, who, now):
                taken.append(row)
    return taken


def desk(tx: Transaction, who: Acting, now: datetime) -> list[Row[Any]]:
    """What ``who`` has on the desk and can still look at."""
    query = (
        select(flags)
        .join(assignments, _same_flag())
        .where(
            assignments.c.person == who.id, assignments.c.until > now,
            or_(flags.c.state.in_(OPEN), extra_for(who)), in_time(now),
        )
        .order_by(flags.c.deadline, flags.c.attempt, flags.c.flag)
    )  # fmt: skip
    return list(tx.execute(query))


def release(tx: Transaction, who: Acting, attempt: str, flag: str) -> bool:
    """Give a flag back to the queue; whether it was on the desk of ``who``."""
    table = assignments
    gone = tx.execute(
        delete(table).where(
            table.c.attempt == attempt, table.c.flag == flag, table.c.person == who.id
        )
    )
    return gone.rowcount == 1


def _free(
    tx: Transaction, who: Acting, exam: str | None, kind: str | None, most: int, now: datetime
) -> Sequence[Row[Any]]:
    own, extra = looked_by(who), extra_for(who)
    # Another person's look is another person's; an own one goes on only where the same person may.
    fitting = [flags.c.look == "first", flags.c.state == "looked"]
    fitting.append(and_(extra, flags.c.extra == "looked"))
    if "reviewer" in who.roles:
        fitting.append(and_(flags.c.look.in_(("second", "third")), ~own))
        fitting.append(extra)
    query = (
        select(flags)
        .outerjoin(assignments, _same_flag())
        .where(
            or_(flags.c.state.in_(OPEN), extra),
            in_time(now),
            or_(assignments.c.person.is_(None), assignments.c.until <= now),
            or_(*fitting),
        )
        .order_by(flags.c.deadline, flags.c.attempt, flags.c.flag)
        .limit(most)
    )
    if exam is not None:
        query = query.where(flags.c.exam == exam)
    if kind is not None:
        query = query.where(flags.c.kind == kind)
    return tx.execute(query).all()


def _claimed(tx: Transaction, attempt: str, flag: str, who: Acting, now: datetime) -> bool:
    """Whether the flag is on the desk of ``who`` from now on: it was, or nobody had it."""
    key = {"attempt": attempt, "flag": flag}
    if tx.insert_once(assignments, {**key, "person": who.id, "until": now + LEASE}):
        return True
    renewed = tx.execute(
        update(assignments)
        .where(
            assignments.c.attempt == attempt,
            assignments.c.flag == flag,
            or_(assignments.c.person == who.id, assignments.c.until <= now),
        )
        .values(person=who.id, until=now + LEASE)
    )
    return renewed.rowcount == 1


def _claim(tx: Transaction, attempt: str, flag: str, who: Acting, now: datetime) -> None:
    if not _claimed(tx, attempt, flag, who, now):
        raise Problem(409, "taken", "Somebody else has this flag on the desk; take another one.")


def _wanted(row: Row[Any], exam: str | None, kind: str | None) -> bool:
    return exam in (None, row.exam) and kind in (None, row.kind)


def in_time(now: datetime) -> Any:
    """A flag at which somebody looked does not expire any more; its clip's retention ends it (rule O2)."""
    return or_(flags.c.state != found_flags.WAITING, flags.c.deadline > now)


def looked_by(who: Acting) -> Any:
    """A flag about which ``who`` has said something."""
    return exists().where(
        decisions.c.attempt == flags.c.attempt,
        decisions.c.flag == flags.c.flag,
        decisions.c.person == who.id,
    )


def extra_for(who: Acting) -> Any:
    """A flag at which ``who`` could take an extra look now (:mod:`proctor.hub.extra_looks`)."""
    return and_(flags.c.extra.in_(extra_looks.READY), ~looked_by(who))


def _same_flag() -> Any:
    return and_(assignments.c.attempt == flags.c.attempt, assignments.c.flag == flags.c.flag)


# Opening.


def let_go(
    tx: Transaction, who: Acting, attempt: str, flag: str, envelope: bytes, now: datetime
) -> Released:
    """Write the signed access record into the hub's log; only then may a header be read.

    Raises the :class:`Problem` that says why nothing is let go.
    """
    who.may("clip.header")
    record = _own_record(who, attempt, flag, envelope, now)
    clip = tx.execute(select(clips).where(clips.c.attempt == attempt, clips.c.flag == flag)).first()
    if clip is None:
        raise Problem(404, "clip", "There is no clip of this flag here.")
    if clip.state == "erased":
        raise Problem(410, "clip.erased", "This clip was erased.")
    if clip.state != "stored":
        raise Problem(404, "clip", "The clip of this flag has not arrived yet.")
    if clip.sha256 != record.clip:
        raise Problem(409, "clip.other", "The record is about another clip than the one stored.")
    if record.export:
        _exported(tx, who, record, now)
    else:
        who.may("clip.look")
        _looked_at(tx, who, attempt, flag, clip.what, now)
    values = {
        "id": record.id,
        "attempt": attempt,
        "flag": flag,
        "person": who.id,
        "reason": record.reason,
        "at": now,
        "envelope": envelope,
    }
    if not tx.insert_once(looks, values):
        raise Problem(409, "record.used", "This record opened the clip before; sign a new one.")
    # The words go when their time is over; their digest, and that it happened, stay.
    said = {"person": who.name, "key": record.key, "record": record.id}
    position = log.append(tx, "header.released", said, attempt=attempt, flag=flag, at=now)
    return Released(clip.sha256, position)


def _own_record(who: Acting, attempt: str, flag: str, envelope: bytes, now: datetime) -> Access:
    try:
        record = access_record.read(envelope)
    except AccessError as error:
        raise Problem(422, "record", str(error)) from error
    _own(who, record.key, record.who, record.when, now)
    if (record.attempt, record.flag) != (attempt, flag):
        raise Problem(422, "record", "The record is about another flag than the address.")
    return record


def _looked_at(
    tx: Transaction, who: Acting, attempt: str, flag: str, what: str, now: datetime
) -> None:
    row = found_flags.find(tx, attempt, flag)
    if row is None:
        if what == "room_scan":
            return
        raise Problem(404, "flag", "There is no such flag here.")
    if found_flags.is_over(row, now):
        raise Problem(410, "flag.expired", "The time to look at this flag is over.")
    waits = row.state in OPEN or row.extra in extra_looks.READY
    if waits and not _has_looked(tx, who, attempt, flag):
        _claim(tx, attempt, flag, who, now)


def _has_looked(tx: Reads, who: Acting, attempt: str, flag: str) -> bool:
    made = found_flags.statements(tx, attempt, flag)
    return any(one.who == who.name for one in decision.in_force(made))


def _exported(tx: Transaction, who: Acting, record: Access, now: datetime) -> None:
    row = tx.execute(select(proposals).where(proposals.c.id == record.export)).first()
    fits = row is not None and row.kind == "export" and row.attempt == record.attempt
    if not fits or row is None or row.approved is None or row.proposer != who.id:
        raise Problem(
            403, "export", "There is no export of yours here that a second person agreed to."
        )
    if now > row.approved + EXPORT_FOR:
        raise Problem(410, "export.over", "That export was agreed to too long ago; ask anew.")
    if row.flags and record.flag not in row.flags.split("\n"):
        raise Problem(403, "export", "The export that was agreed to is not about this flag.")


# Deciding.


def decide(
    tx: Transaction,
    who: Acting,
    attempt: str,
    envelope: bytes,
    now: datetime,
    draw: Callable[[str, str], bool],
) -> tuple[Standing, str]:
    """Store a signed statement about a flag; where the flag stands then, and the statement's id.

    ``draw`` says of an attempt and a flag whether a second person looks although nobody doubts. The same envelope
    again is no second statement. Raises the :class:`Problem` that says why it is refused.
    """
    said = _own_statement(who, attempt, envelope, now)
    row = found_flags.find(tx, attempt, said.flag, lock=True)
    if row is None:
        raise Problem(404, "flag", "There is no such flag here.")
    made = found_flags.statements(tx, attempt, said.flag)
    if any(one.id == said.id for one in made):
        return found_flags.standing(tx, row, now), said.id
    # Whoever has not looked yet is answered, in all things, as if the first look had been adverse.
    extra = bool(row.extra) and not said.withdraws and not _has_looked(tx, who, attempt, said.flag)
    _allowed(tx, who, row, said, extra_looks.as_if_adverse(made) if extra else made, now)
    if row.drawn is None:
        here = (flags.c.attempt == attempt, flags.c.flag == said.flag)
        tx.execute(update(flags).where(*here).values(drawn=draw(attempt, said.flag)))
    values = {
        "id": said.id,
        "attempt": attempt,
        "flag": said.flag,
        "person": who.id,
        "at": now,
        "envelope": envelope,
        "extra": extra,
    }
    tx.execute(insert(decisions).values(**values))
    stands = found_flags.refresh(tx, attempt, said.flag, now)
    counts = extra or (stands is not None and said.id in {one.id for one in stands.counted})
    if stands is None or (not said.withdraws and not counts):
        raise Problem(409, "order", "Something else was said of this flag just now; look again.")
    if not said.withdraws:
        release(tx, who, attempt, said.flag)
    kind = "decision.withdrawn" if said.withdraws else "decision"
    body = {"person": who.name, "key": said.key, "statement": said.id}
    log.append(tx, kind, body, attempt=attempt, flag=said.flag, at=now)
    return stands, said.id


def _allowed(
    tx: Transaction, who: Acting, row: Row[Any], said: Decision, made: list[Decision], now: datetime
) -> None:
    if found_flags.is_over(row, now):
        raise Problem(410, "flag.expired", "The time to look at this flag is over.")
    policy = found_flags.policy_of(tx, row.attempt)
    if policy is None:
        raise Problem(409, "policy", "The policy of this attempt is not here.")
    if not said.withdraws:
        who.may("decision.first" if said.look == "first" else "decision.second")
        if said.verdict == decision.ADVERSE:
            who.may("decision.adverse")
        if any(one.when >= said.when for one in made):
            raise Problem(
                409, "order", "A later statement about this flag is here; check this clock."
            )
    comments, readable = found_flags.heard(tx, row)
    # Its own time has to allow it as well, since that is what decides whether it counts.
    for moment in (now, said.when):
        if reason := decision.refusal(said, made, policy.review, comments, readable, moment):
            raise Problem(409, "decision", reason)
    if not said.withdraws:
        _saw(tx, who, said)
        _claim(tx, row.attempt, row.flag, who, now)


def _saw(tx: Transaction, who: Acting, said: Decision) -> None:
    """Nobody decides on a clip that they did not open: their access record must stand in the log."""
    clip = tx.execute(
        select(clips).where(clips.c.attempt == said.attempt, clips.c.flag == said.flag)
    ).first()
    stored = clip is not None and clip.state == "stored"
    if said.clip != (clip.sha256 if clip is not None and stored else ""):
        raise Problem(409, "clip.other", "The statement is not about the clip that is stored here.")
    if not stored:
        return
    seen = tx.execute(
        select(looks.c.number).where(
            looks.c.attempt == said.attempt,
            looks.c.flag == said.flag,
            looks.c.person == who.id,
        )
    ).first()
    if seen is None:
        raise Problem(428, "look.first", "You have not opened this clip; look at it first.")


def _own_statement(who: Acting, attempt: str, envelope: bytes, now: datetime) -> Decision:
    try:
        said = decision.read(envelope)
    except DecisionError as error:
        raise Problem(422, "statement", str(error)) from error
    _own(who, said.key, said.who, said.when, now)
    if said.attempt != attempt:
        raise Problem(422, "statement", "The statement is about another attempt than the address.")
    return said


def _own(who: Acting, key: str, name: str, when: datetime, now: datetime) -> None:
    if key not in who.keys:
        raise Problem(403, "key", "It is not signed with the key that you have registered here.")
    if name != who.name:
        raise Problem(403, "name", "It does not carry the name under which you are known here.")
    if abs(when - now) > SKEW:
        raise Problem(
            409,
            "clock",
            "Its time is not the hub's time; set this computer's clock and sign again.",
        )


def visible(tx: Reads, who: Acting, attempt: str, flag: str) -> list[tuple[str, bytes]]:
    """Statements about a flag that ``who`` may see: names and envelopes. Others' only after an own look."""
    rows = tx.execute(
        select(decisions)
        .where(decisions.c.attempt == attempt, decisions.c.flag == flag)
        .order_by(decisions.c.number)
    ).all()
    if is_blind(who) and not _has_looked(tx, who, attempt, flag):
        rows = [row for row in rows if row.person == who.id]
    return [(row.person, bytes(row.envelope)) for row in rows]


def is_blind(who: Acting) -> bool:
    """Whether ``who`` is somebody who looks at flags, so that a first look has to come first (rule O3)."""
    return bool(who.roles & {"proctor", "reviewer"})


def not_yet(tx: Reads, who: Acting, attempt: str) -> list[str]:
    """Flags of an attempt of which ``who`` has to give a first look before reading its scores."""
    rows = found_flags.of_attempt(tx, attempt)
    return [
        row.flag
        for row in rows
        if (row.state in (*OPEN, "may_comment") or row.extra)
        and not _has_looked(tx, who, attempt, row.flag)
    ]
