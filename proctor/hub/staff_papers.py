"""What takes two persons (holds, erasures, exports), the log for auditors, and numbers for researchers."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response
from sqlalchemy import Connection, Row, select

from proctor.hub import accounts, erasing, log, proposals
from proctor.hub import flags as found_flags
from proctor.hub.app import Hub
from proctor.hub.flags import Reads
from proctor.hub.log import LogError
from proctor.hub.problems import Problem
from proctor.hub.proposals import ERASURE, EXPORT, HOLD
from proctor.hub.staff_auth import Acting, acting
from proctor.hub.staff_cases import TAKES_ENVELOPE, Attempt, OneHub, Raw
from proctor.hub.staff_tables import decisions, flags, looks
from proctor.hub.staff_tables import proposals as papers
from proctor.hub.store import Transaction
from proctor.hub.tables import attempts, clips

router = APIRouter(prefix="/v1/staff", tags=["staff"])
NOTE: Final = "text/plain"
MOST_RECORDS = 500
# Fewer people than this could be picked out of a number; counts are told in steps of as many.
SMALLEST_GROUP = 5
Position = Annotated[int, Query(ge=-1, lt=2**53)]
Size = Annotated[int, Query(ge=1, lt=2**53)]


@router.post("/attempts/{attempt}/holds", status_code=201, openapi_extra=TAKES_ENVELOPE)
def propose_hold(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("hold.propose"))],
    attempt: Attempt,
    body: Raw,
) -> dict[str, Any]:
    """Ask that clips and records of an attempt are kept until a date; a second person agrees."""
    return _proposed(hub, who, HOLD, attempt, body)


@router.post("/attempts/{attempt}/erasures", status_code=201, openapi_extra=TAKES_ENVELOPE)
def propose_erasure(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("erasure.propose"))],
    attempt: Attempt,
    body: Raw,
) -> dict[str, Any]:
    """Ask that clips of an attempt are erased before their time; a second person agrees."""
    return _proposed(hub, who, ERASURE, attempt, body)


@router.post("/attempts/{attempt}/exports", status_code=201, openapi_extra=TAKES_ENVELOPE)
def propose_export(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("export.propose"))],
    attempt: Attempt,
    body: Raw,
) -> dict[str, Any]:
    """Ask to take clips of an attempt out of the hub; a second person agrees."""
    return _proposed(hub, who, EXPORT, attempt, body)


def _proposed(hub: Hub, who: Acting, kind: str, attempt: str, body: bytes) -> dict[str, Any]:
    with hub.store.transaction() as tx:
        name = proposals.propose(tx, who, kind, attempt, body, hub.now())
    return {"id": name}


@router.get("/attempts/{attempt}/proposals")
def proposals_of(
    hub: OneHub, who: Annotated[Acting, Depends(acting("decision.read"))], attempt: Attempt
) -> list[dict[str, Any]]:
    """What was asked for an attempt and who agreed, each with its signed paper."""
    with hub.store.reading() as connection:
        rows = proposals.of_attempt(connection, attempt)
        known = accounts.names(connection, [r.proposer for r in rows] + [r.approver for r in rows])
    return [_told(row, known) for row in rows]


@router.post("/proposals/{proposal}/approve", openapi_extra=TAKES_ENVELOPE)
def approve(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting())],
    proposal: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")],
    body: Raw,
) -> dict[str, Any]:
    """Agree to what another person asked for: the same paper with a second signature. It is done then."""
    now = hub.now()
    with hub.store.transaction() as tx:
        row = proposals.approve(tx, who, proposal, body, now)
        erased = _erase(hub, tx, row, who) if row.kind == ERASURE else []
        known = accounts.names(tx.connection, [row.proposer, row.approver])
    return {**_told(row, known), "erased": erased}


def _erase(hub: Hub, tx: Transaction, row: Row[Any], who: Acting) -> list[str]:
    """Erase what two persons agreed to; a hold on any of it stops the whole."""
    now = hub.now()
    wanted = row.flags.split("\n") if row.flags else list(
        tx.execute(select(clips.c.flag).where(clips.c.attempt == row.attempt)).scalars()
    )  # fmt: skip
    for flag in wanted:
        if why := proposals.held(tx, row.attempt, flag, now):
            raise Problem(409, "held", f"{flag} cannot be erased. {why}")
    gone = []
    for flag in wanted:
        said = {"why": row.reason, "rule": "T2", "now": now, "by": who.name}
        if erasing.clip(hub, tx, row.attempt, flag, **said):
            gone.append(flag)
    return gone


def _told(row: Row[Any], known: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "attempt": row.attempt,
        "flags": row.flags.split("\n") if row.flags else [],
        "reason": row.reason,
        "until": row.until.isoformat() if row.until else None,
        "proposed_by": known.get(row.proposer),
        "proposed": row.proposed.isoformat(),
        "approved_by": known.get(row.approver),
        "approved": row.approved.isoformat() if row.approved else None,
        "paper": bytes(row.envelope).decode("utf-8"),
    }


# The log.


@router.get("/attempts/{attempt}/audit")
def audit(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("audit.read"))],
    attempt: Attempt,
    after: Position = -1,
) -> dict[str, Any]:
    """The log's records about an attempt, each with the proof that it stands under the checkpoint."""
    with hub.store.reading() as connection:
        size, note = log.signed(connection, hub.name, hub.key)
        found = log.of_attempt(connection, attempt, after, MOST_RECORDS)
        records = [
            {
                "position": one.position,
                "record": one.body.decode("utf-8"),
                "proof": _texts(log.inclusion_proof(connection, one.position, size)),
            }
            for one in found
            if one.position < size
        ]
        signed = _signed(connection, attempt)
    more = records[-1]["position"] if len(records) == MOST_RECORDS else None
    return {
        "checkpoint": note.decode("utf-8"),
        "records": records,
        "signed": signed,
        "next": more,
    }


def _signed(connection: Connection, attempt: str) -> dict[str, str]:
    """What was signed about an attempt and is still kept, by the digest that stands in the log."""
    found: dict[str, str] = {}
    for table, name in (
        (looks, looks.c.id),
        (decisions, decisions.c.id),
        (papers, papers.c.payload_sha256),
    ):
        rows = connection.execute(
            select(name, table.c.envelope).where(table.c.attempt == attempt)
        ).all()
        found |= {digest: bytes(envelope).decode("utf-8") for digest, envelope in rows}
    return found


@router.get("/log/checkpoint", response_class=Response)
def checkpoint_of_log(hub: OneHub, who: Annotated[Acting, Depends(acting())]) -> Response:
    """The log's state, signed by the hub."""
    with hub.store.reading() as connection:
        _, note = log.signed(connection, hub.name, hub.key)
    return Response(note, media_type=NOTE)


@router.get("/log/consistency")
def consistency(
    hub: OneHub, who: Annotated[Acting, Depends(acting())], old: Size, size: Size
) -> list[str]:
    """The proof that the log of ``size`` records extends the one of ``old``: nothing was taken out."""
    with hub.store.reading() as connection:
        try:
            return _texts(log.consistency_proof(connection, old, size))
        except LogError as error:
            raise Problem(404, "log", str(error)) from error


def _texts(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(one).decode("ascii") for one in hashes]


# Numbers.


@router.get("/statistics")
def statistics(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("statistics.read"))],
    exam: Annotated[str | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """How many flags of which kind there were and what people decided; small groups are left out."""
    with hub.store.reading() as connection:
        return aggregate(connection, exam)


def aggregate(connection: Reads, exam: str | None) -> dict[str, Any]:
    """Counts by kind, in steps of :data:`SMALLEST_GROUP`; a group of fewer people, or a count that
    fewer people make up, is left out."""
    people = select(attempts.c.attempt)
    rows = select(flags.c.attempt, flags.c.kind, flags.c.state, flags.c.verdict)
    if exam is not None:
        people, rows = people.where(attempts.c.exam == exam), rows.where(flags.c.exam == exam)
    all_of_them = len(connection.execute(people).all())
    if all_of_them < SMALLEST_GROUP:
        return {"attempts": None, "groups": [], "left_out": None, "step": SMALLEST_GROUP}
    persons: dict[str, set[str]] = {}
    made: dict[str, Counter[str]] = {}
    behind: dict[tuple[str, str], set[str]] = {}
    for row in connection.execute(rows):
        outcome = row.verdict if row.state == found_flags.DONE and row.verdict else row.state
        outcome = outcome if outcome in _OUTCOMES else "open"
        persons.setdefault(row.kind, set()).add(row.attempt)
        made.setdefault(row.kind, Counter())[outcome] += 1
        behind.setdefault((row.kind, outcome), set()).add(row.attempt)
    groups = [
        {
            "kind": kind,
            "persons": _coarse(len(persons[kind])),
            "flags": _coarse(sum(counts.values())),
            "outcomes": {
                outcome: _coarse(count)
                for outcome, count in sorted(counts.items())
                if len(behind[kind, outcome]) >= SMALLEST_GROUP
            },
        }
        for kind, counts in sorted(made.items())
        if len(persons[kind]) >= SMALLEST_GROUP
    ]
    return {
        "attempts": _coarse(all_of_them),
        "groups": groups,
        "left_out": len(made) > len(groups),
        "step": SMALLEST_GROUP,
    }


_OUTCOMES = frozenset(
    {"nothing_to_see", "please_discuss", "confirmed", "cannot_tell", "expired", "erased"}
)


def _coarse(count: int) -> int:
    """The nearest multiple of the step, so that one person more or less shows seldom."""
    return SMALLEST_GROUP * round(count / SMALLEST_GROUP)
