"""What a student learns of what people did with their exam (rule O4): decisions, reasons, and who looked.

Everything is told with the statement that was signed, so that the student's own program can check it. Whose
key it is, the hub says; the same keys stand in its log.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from sqlalchemy import Connection, Row, select

from proctor.evidence import access_record, decision
from proctor.hub import accounts, enrol, proposals, staff_keys
from proctor.hub import flags as found_flags
from proctor.hub.app import Hub, hub_of
from proctor.hub.staff_cases import Attempt
from proctor.hub.staff_tables import decisions, looks

router = APIRouter(prefix="/v1/attempts/{attempt}", tags=["attempts"])
# States in which a student is told what was said: when it is decided, or when they are asked for their side.
TOLD = (found_flags.DONE, "may_comment")


@router.get("/outcome")
def outcome(
    hub: Annotated[Hub, Depends(hub_of)],
    attempt: Attempt,
    authorization: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """What was decided on the flags of this attempt and why, who looked at which clip, when and why."""
    enrol.attempt_of(hub, authorization, attempt)
    now = hub.now()
    with hub.store.reading() as connection:
        return gather(connection, attempt, now)


def gather(connection: Connection, attempt: str, now: datetime) -> dict[str, Any]:
    """The whole answer; see :func:`outcome`. Of staff it names those alone who had to do with this attempt."""
    flags: list[dict[str, Any]] = []
    for row in found_flags.of_attempt(connection, attempt):
        over = found_flags.is_over(row, now)
        told = row.state in TOLD and not over
        flags.append(
            {
                "flag": row.flag,
                "kind": row.kind,
                "state": "expired" if over and row.state == found_flags.WAITING else row.state,
                "verdict": row.verdict if row.state == found_flags.DONE else None,
                "comment_until": row.until.isoformat() if row.until else None,
                "expires": row.deadline.isoformat(),
                "statements": _counted(connection, row, now) if told else [],
            }
        )
    seen = connection.execute(
        select(looks).where(looks.c.attempt == attempt).order_by(looks.c.number)
    ).all()
    signed = [decision.read(text.encode()).key for one in flags for text in one["statements"]]
    signed += [access_record.read(bytes(row.envelope)).key for row in seen]
    asked = proposals.of_attempt(connection, attempt)
    known = accounts.names(connection, [one.proposer for one in asked])
    return {
        "attempt": attempt,
        "flags": flags,
        "looks": [
            {
                "flag": row.flag,
                "at": row.at.isoformat(),
                "record": bytes(row.envelope).decode("utf-8"),
            }
            for row in seen
        ],
        "papers": [
            {
                "kind": one.kind,
                "flags": one.flags.split("\n") if one.flags else [],
                "reason": one.reason,
                "by": known.get(one.proposer),
                "in_force": one.approved is not None,
                "until": one.until.isoformat() if one.until else None,
            }
            for one in asked
        ],
        "keys": {key: name for key, name in staff_keys.owners(connection).items() if key in signed},
    }


def _counted(connection: Connection, row: Row[Any], now: datetime) -> list[str]:
    """The statements that count, as they were signed."""
    stands = found_flags.standing(connection, row, now)
    counted = {one.id for one in stands.counted}
    rows = connection.execute(
        select(decisions.c.id, decisions.c.envelope)
        .where(decisions.c.attempt == row.attempt, decisions.c.flag == row.flag)
        .order_by(decisions.c.number)
    )
    return [bytes(one.envelope).decode("utf-8") for one in rows if one.id in counted]
