"""The queue of flags and what people say of them. Part of the staff API."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy import Connection, Row, and_, case, false, or_, select

from proctor.hub import extra_looks, reviewing
from proctor.hub import flags as found_flags
from proctor.hub.app import Hub
from proctor.hub.enrol import Seat
from proctor.hub.problems import Problem
from proctor.hub.secret import Box
from proctor.hub.staff_auth import Acting, acting
from proctor.hub.staff_cases import TAKES_ENVELOPE, Attempt, OneHub, Raw, coverage
from proctor.hub.staff_login import Given
from proctor.hub.staff_tables import assignments, flags
from proctor.hub.tables import attempts

router = APIRouter(prefix="/v1/staff", tags=["staff"])
State = Literal[
    "waiting", "looked", "second", "disagreed", "may_comment", "done", "expired", "erased"
]
Order = Literal["age", "deadline"]


class Take(Given):
    exam: str | None = Field(None, max_length=64)
    kind: str | None = Field(None, max_length=60)
    n: int = Field(1, ge=1, le=reviewing.MOST_TAKEN)


class Which(Given):
    attempt: str = Field(pattern=r"^[0-9a-f]{32}$")
    flag: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")


@router.get("/queue")
def queue(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("queue.read"))],
    exam: Annotated[str | None, Query(max_length=64)] = None,
    attempt: Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$")] = None,
    kind: Annotated[str | None, Query(max_length=60)] = None,
    state: State | None = None,
    mine: bool = False,
    order: Order = "deadline",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: Annotated[str, Query(max_length=400)] = "",
) -> dict[str, Any]:
    """Flags by deadline or age, with how many there are and how far they are looked at."""
    now = hub.now()
    with hub.store.transaction() as tx:
        found_flags.ripen(tx, now)
    by = flags.c.deadline if order == "deadline" else flags.c.at
    disguised = _disguised(who)
    query = (
        select(
            flags,
            attempts.c.seat,
            assignments.c.person,
            assignments.c.until.label("lease"),
            disguised.label("disguised"),
        )
        .join(attempts, attempts.c.attempt == flags.c.attempt)
        .outerjoin(
            assignments,
            and_(
                assignments.c.attempt == flags.c.attempt,
                assignments.c.flag == flags.c.flag,
                assignments.c.until > now,
            ),
        )
        .order_by(by, flags.c.attempt, flags.c.flag)
        .limit(limit)
    )
    if exam is not None:
        query = query.where(flags.c.exam == exam)
    if attempt is not None:
        query = query.where(flags.c.attempt == attempt)
    if kind is not None:
        query = query.where(flags.c.kind == kind)
    if state == "expired":
        query = query.where(or_(flags.c.state == "expired", ~reviewing.in_time(now)))
    elif state is not None:
        shown = case((disguised, flags.c.extra), else_=flags.c.state)
        query = query.where(shown == state, reviewing.in_time(now))
    if mine:
        query = query.where(assignments.c.person == who.id)
    if after:
        moment, last_attempt, last_flag = _place(after)
        query = query.where(
            or_(
                by > moment,
                and_(by == moment, flags.c.attempt > last_attempt),
                and_(by == moment, flags.c.attempt == last_attempt, flags.c.flag > last_flag),
            )
        )
    with hub.store.reading() as connection:
        rows = connection.execute(query).all()
        last = rows[-1] if len(rows) == limit else None
        return {
            "items": [_item(row, who, now) for row in rows],
            "next": _marker(last, order) if last is not None else None,
            "coverage": coverage(hub, connection, exam),
        }


@router.post("/queue/take")
def take(
    hub: OneHub, who: Annotated[Acting, Depends(acting("queue.take"))], given: Take
) -> dict[str, Any]:
    """Put flags on the own desk; what is there already counts. Nobody else gets them meanwhile."""
    now = hub.now()
    with hub.store.transaction() as tx:
        rows = reviewing.take(tx, who, given.exam, given.kind, given.n, now)
        return {"items": [_taken(tx.connection, row, who, now) for row in rows]}


@router.post("/queue/release", status_code=204)
def release(
    hub: OneHub, who: Annotated[Acting, Depends(acting("queue.take"))], given: Which
) -> Response:
    """Give a flag back to the queue."""
    with hub.store.transaction() as tx:
        if not reviewing.release(tx, who, given.attempt, given.flag):
            raise Problem(404, "desk", "That flag is not on your desk.")
    return Response(status_code=204)


@router.post("/attempts/{attempt}/decisions", openapi_extra=TAKES_ENVELOPE)
def decide(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("decision.first"))],
    attempt: Attempt,
    body: Raw,
) -> dict[str, Any]:
    """Store a signed statement about a flag, or the signed withdrawal of one's own."""
    with hub.store.transaction() as tx:
        stands, name = reviewing.decide(tx, who, attempt, body, hub.now(), _draw(hub))
    return {
        "id": name,
        "state": stands.state,
        "verdict": stands.verdict,
        "until": stands.until.isoformat() if stands.until else None,
    }


@router.get("/attempts/{attempt}/decisions")
def decisions_of(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("decision.read"))],
    attempt: Attempt,
    flag: Annotated[str | None, Query(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")] = None,
) -> list[dict[str, Any]]:
    """Signed statements by flag; whoever looks at flags sees others' only after an own look."""
    with hub.store.reading() as connection:
        found = []
        for row in found_flags.of_attempt(connection, attempt):
            if flag not in (None, row.flag):
                continue
            shown = reviewing.visible(connection, who, attempt, row.flag)
            if not shown:
                continue
            own = any(person == who.id for person, _ in shown)
            verdict = row.verdict if own or not reviewing.is_blind(who) else None
            texts = [envelope.decode("utf-8") for _, envelope in shown]
            found.append(
                {"flag": row.flag, "state": row.state, "verdict": verdict, "statements": texts}
            )
    return found


def _draw(hub: Hub) -> Callable[[str, str], bool]:
    key = Box(hub.key.private_bytes_raw(), extra_looks.PURPOSE).key
    return lambda attempt, flag: extra_looks.is_drawn(key, attempt, flag, hub.settings.second_looks)


def _disguised(who: Acting) -> Any:
    """Flags that ``who`` sees as if they waited for a second look: an extra one is to come."""
    if not reviewing.is_blind(who):
        return false()
    return and_(flags.c.extra != "", ~reviewing.looked_by(who))


def _item(row: Row[Any], who: Acting, now: datetime) -> dict[str, Any]:
    """A flag as the queue shows it: nothing that a machine scored, and nobody's name."""
    over = found_flags.is_over(row, now)
    state, until, look = row.state, row.until, row.look
    if row.disguised:
        state, until = row.extra, row.extra_until
        look = "second" if state in extra_looks.READY else None
    assigned = None if row.person is None else ("mine" if row.person == who.id else "taken")
    return {
        "attempt": row.attempt,
        "seat": Seat(row.attempt, row.exam, row.seat).label,
        "exam": row.exam,
        "flag": row.flag,
        "kind": row.kind,
        "start": row.start,
        "end": row.end,
        "at": row.at.isoformat(),
        "deadline": row.deadline.isoformat(),
        "assigned": assigned,
        "state": "expired" if over and row.state == found_flags.WAITING else state,
        "look": None if over else look,
        "until": until.isoformat() if until else None,
        "commented": row.commented is not None,
    }


def _taken(connection: Connection, row: Row[Any], who: Acting, now: datetime) -> dict[str, Any]:
    query = (
        select(flags, attempts.c.seat, assignments.c.person, _disguised(who).label("disguised"))
        .join(attempts, attempts.c.attempt == flags.c.attempt)
        .outerjoin(
            assignments,
            and_(assignments.c.attempt == flags.c.attempt, assignments.c.flag == flags.c.flag),
        )
        .where(flags.c.attempt == row.attempt, flags.c.flag == row.flag)
    )
    return _item(connection.execute(query).one(), who, now)


def _marker(row: Row[Any], order: Order) -> str:
    moment = row.deadline if order == "deadline" else row.at
    raw = json.dumps([moment.isoformat(), row.attempt, row.flag]).encode("ascii")
    return base64.urlsafe_b64encode(raw).decode("ascii")


def _place(marker: str) -> tuple[datetime, str, str]:
    try:
        moment, attempt, flag = json.loads(base64.urlsafe_b64decode(marker.encode("ascii")))
        found = datetime.fromisoformat(moment)
        if found.tzinfo is None or not isinstance(attempt, str) or not isinstance(flag, str):
            raise ValueError("it is none of ours")
        if "\0" in attempt + flag or found.year < 1970:
            raise ValueError("it is none of ours")
        return found, attempt, flag
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Problem(
            422, "after", "The place to go on from is none that this hub gave."
        ) from error
