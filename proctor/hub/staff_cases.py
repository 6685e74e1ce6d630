"""What staff read of an attempt: its policy, journal, checkpoints and sealed clips. Part of the staff API."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Row, func, select

from proctor.evidence import journal, layout, tree
from proctor.hub import flags as found_flags
from proctor.hub import proposals, reviewing
from proctor.hub.app import Hub, hub_of
from proctor.hub.problems import Problem
from proctor.hub.staff_auth import Acting, acting
from proctor.hub.staff_keys import plain
from proctor.hub.staff_tables import flags
from proctor.hub.tables import attempts, batches, checkpoints, clips, exams, headers, policies

router = APIRouter(prefix="/v1/staff", tags=["staff"])
ENVELOPE: Final = "application/vnd.dsse.envelope.v1+json"
LINES: Final = "application/jsonl"
# As much of a journal at once; who reads it asks again from the line where it ended.
MOST_JOURNAL = 4_000_000
# Flags that expire within this many days are counted apart, everywhere.
SOON_DAYS = 3
# What somebody who has not looked yet may read: nothing of it holds a score or why a flag was raised.
NEUTRAL = frozenset({"sealed", "erased", "clip.skipped", "agent.gap", "flag.comment"})
_RANGE = re.compile(r"bytes=(\d{1,12})-(\d{0,12})")

OneHub = Annotated[Hub, Depends(hub_of)]
Attempt = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Flag = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
After = Annotated[int, Query(ge=0, lt=2**31)]


async def raw_body(request: Request) -> bytes:
    """The body as it came; how large it may be is the guard's to see to."""
    return await request.body()


Raw = Annotated[bytes, Depends(raw_body)]
# What the description of the API says about bodies that are signed envelopes.
TAKES_ENVELOPE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {ENVELOPE: {"schema": {"type": "object"}}}}
}


@router.get("/exams")
def list_exams(
    hub: OneHub, who: Annotated[Acting, Depends(acting("exams.list"))]
) -> list[dict[str, Any]]:
    """Every exam, with how many attempts it has and how far its flags are looked at."""
    with hub.store.reading() as connection:
        rows = connection.execute(select(exams).order_by(exams.c.made.desc(), exams.c.exam)).all()
        counts = {
            row.exam: row
            for row in connection.execute(
                select(
                    attempts.c.exam,
                    func.count().label("all"),
                    func.count().filter(attempts.c.state == "running").label("running"),
                ).group_by(attempts.c.exam)
            )
        }
        return [
            {
                "exam": row.exam,
                "policy_id": row.exam,
                "title": row.title,
                "institution": row.institution,
                "attempts": counts[row.exam].all if row.exam in counts else 0,
                "running": counts[row.exam].running if row.exam in counts else 0,
                "coverage": coverage(hub, connection, row.exam),
            }
            for row in rows
        ]


def coverage(hub: Hub, connection: Connection, exam: str | None) -> dict[str, int]:
    """How many flags there are, were decided, expire soon, and expired unseen (rule O2)."""
    soon = hub.now() + timedelta(days=SOON_DAYS)
    query = select(
        func.count().label("all"),
        func.count().filter(flags.c.state == found_flags.DONE).label("reviewed"),
        func.count()
        .filter(flags.c.state == found_flags.WAITING, flags.c.deadline <= soon,
                flags.c.deadline > hub.now())
        .label("expiring"),
        func.count()
        .filter(
            (flags.c.state == found_flags.EXPIRED)
            | ((flags.c.state == found_flags.WAITING) & (flags.c.deadline <= hub.now()))
        )
        .label("expired"),
    )  # fmt: skip
    row = connection.execute(query if exam is None else query.where(flags.c.exam == exam)).one()
    return {
        "all": row.all,
        "reviewed": row.reviewed,
        "expiring": row.expiring,
        "expired": row.expired,
    }


@router.get("/attempts/{attempt}/policy", response_class=Response)
def policy(
    hub: OneHub, who: Annotated[Acting, Depends(acting("policy.read"))], attempt: Attempt
) -> Response:
    """The institution's signed policy of an attempt, byte for byte."""
    with hub.store.reading() as connection:
        envelope = connection.execute(
            select(policies.c.envelope)
            .join(attempts, attempts.c.policy_sha256 == policies.c.sha256)
            .where(attempts.c.attempt == attempt)
        ).scalar_one_or_none()
    if envelope is None:
        raise _no_attempt()
    return Response(bytes(envelope), media_type=ENVELOPE)


@router.get("/attempts/{attempt}/journal", response_class=Response)
def stored_journal(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("attempts.list"))],
    attempt: Attempt,
    after: After = 0,
) -> Response:
    """The stored bytes of the journal from line ``after`` + 1 on, once every own first look is in.

    Somebody who looks at nothing reads it for an export that a second person agreed to.
    """
    with hub.store.reading() as connection:
        row = _attempt(connection, attempt)
        if not proposals.may_export(connection, who.id, attempt, hub.now()):
            who.may("case.read")
        waiting = reviewing.not_yet(connection, who, attempt) if reviewing.is_blind(who) else []
        if waiting:
            raise Problem(
                403,
                "look.first",
                f"The journal holds what the machine measured; it opens after your first look at "
                f"{len(waiting)} flags of this attempt.",
                flags=waiting[:1000],
            )
        found = list(_lines(connection, attempt, after))
    body = b"".join(line + b"\n" for _, line in found)
    last = found[-1][0] if found else after
    said = {"Proctor-Lines": f"{after + 1}-{last}/{row.lines}"}
    return Response(body, media_type=LINES, headers=said)


@router.get("/attempts/{attempt}/blind", response_class=Response)
def blind(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("clip.look"))],
    attempt: Attempt,
    after: After = 0,
) -> Response:
    """The journal for a first look: lines without scores as stored, of the others their leaf hash.

    So the root under a checkpoint can be checked, and with it that a clip is the one that was sealed.
    """
    with hub.store.reading() as connection:
        row = _attempt(connection, attempt)
        found = list(_lines(connection, attempt, after))
    told: list[dict[str, Any]] = []
    if after == 0:
        public = row.public_key
        told.append({"attempt": attempt, "lines": row.lines, "public": plain(public or b"")})
    told += [_neutral(number, line) for number, line in found]
    body = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in told)
    return Response(body.encode("utf-8"), media_type=LINES)


def _neutral(number: int, line: bytes) -> dict[str, Any]:
    if journal.parse(line, number).type in NEUTRAL:
        return {"n": number, "line": line.decode("utf-8")}
    return {"n": number, "leaf": base64.b64encode(tree.leaf_hash(line)).decode("ascii")}


@router.get("/attempts/{attempt}/checkpoints")
def stored_checkpoints(
    hub: OneHub, who: Annotated[Acting, Depends(acting("attempts.list"))], attempt: Attempt
) -> list[dict[str, str]]:
    """The attempt's signed checkpoints, countersigned by the hub, the smallest first."""
    with hub.store.reading() as connection:
        _attempt(connection, attempt)
        rows = connection.execute(
            select(checkpoints.c.size, checkpoints.c.countersigned)
            .where(checkpoints.c.attempt == attempt)
            .order_by(checkpoints.c.size)
        ).all()
    return [
        {"place": layout.note_name(row.size), "note": bytes(row.countersigned).decode("utf-8")}
        for row in rows
    ]


@router.get("/attempts/{attempt}/clips")
def stored_clips(
    hub: OneHub, who: Annotated[Acting, Depends(acting("clip.payload"))], attempt: Attempt
) -> list[dict[str, Any]]:
    """The sealed clips of an attempt: digest, length and whether they are here."""
    with hub.store.reading() as connection:
        _attempt(connection, attempt)
        rows = connection.execute(
            select(clips).where(clips.c.attempt == attempt).order_by(clips.c.line)
        ).all()
    return [
        {
            "flag": row.flag,
            "sha256": row.sha256,
            "length": row.length,
            "what": row.what,
            "state": row.state if row.state in ("stored", "erased") else "coming",
        }
        for row in rows
    ]


@router.get("/attempts/{attempt}/clips/{flag}/payload", response_class=Response)
def payload(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("clip.payload"))],
    attempt: Attempt,
    flag: Flag,
    range_: Annotated[str, Header(alias="Range", max_length=100)] = "",
    if_none_match: Annotated[str, Header(max_length=200)] = "",
) -> Response:
    """The sealed bytes after the age header; without the header nobody can open them."""
    row = _clip(hub, attempt, flag)
    tag = f'"{row.sha256}"'
    given = {"ETag": tag, "Accept-Ranges": "bytes", "Proctor-Header": str(row.header_length)}
    if if_none_match == tag:
        return Response(status_code=304, headers=given)
    whole = row.length - row.header_length
    asked = _RANGE.fullmatch(range_)
    if asked is None:
        body = hub.blobs.get(row.blob)
        return Response(body, media_type="application/octet-stream", headers=given)
    first = int(asked[1])
    last = min(int(asked[2]) if asked[2] else whole - 1, whole - 1)
    if first > last:
        raise Problem(
            416, "range", "There is no such part.", headers={"Content-Range": f"bytes */{whole}"}
        )
    body = hub.blobs.get(row.blob, first, last - first + 1)
    given["Content-Range"] = f"bytes {first}-{last}/{whole}"
    return Response(body, 206, media_type="application/octet-stream", headers=given)


@router.post(
    "/attempts/{attempt}/clips/{flag}/header",
    response_class=Response,
    openapi_extra=TAKES_ENVELOPE,
)
def header(
    hub: OneHub,
    who: Annotated[Acting, Depends(acting("clip.header"))],
    attempt: Attempt,
    flag: Flag,
    body: Raw,
) -> Response:
    """What opens a clip, for a signed access record, which stands in the hub's log before it leaves."""
    now = hub.now()
    with hub.store.transaction() as tx:
        released = reviewing.let_go(tx, who, attempt, flag, body, now)
    # Only what is on the disk of the log lets go of a header: this reads after the commit.
    with hub.store.headers() as connection:
        found = connection.execute(
            select(headers.c.header).where(
                headers.c.attempt == attempt,
                headers.c.flag == flag,
                headers.c.sha256 == released.sha256,
            )
        ).scalar_one_or_none()
    if found is None:
        raise Problem(410, "clip.erased", "This clip was erased.")
    said = {"Proctor-Log": str(released.position)}
    return Response(bytes(found), media_type="application/octet-stream", headers=said)


def _attempt(connection: Connection, attempt: str) -> Row[Any]:
    row = connection.execute(select(attempts).where(attempts.c.attempt == attempt)).first()
    if row is None:
        raise _no_attempt()
    return row


def _no_attempt() -> Problem:
    return Problem(404, "attempt", "There is no such attempt here.")


def _clip(hub: Hub, attempt: str, flag: str) -> Row[Any]:
    with hub.store.reading() as connection:
        row = connection.execute(
            select(clips).where(clips.c.attempt == attempt, clips.c.flag == flag)
        ).first()
    if row is not None and row.state == "erased":
        raise Problem(410, "clip.erased", "This clip was erased.")
    if row is None or row.state != "stored":
        raise Problem(404, "clip", "There is no clip of this flag here.")
    return row


def _lines(connection: Connection, attempt: str, after: int) -> Iterator[tuple[int, bytes]]:
    """Journal lines (number, bytes without newline) after line ``after``, up to :data:`MOST_JOURNAL`."""
    rows = connection.execute(
        select(batches.c.first, batches.c.body)
        .where(batches.c.attempt == attempt, batches.c.last > after)
        .order_by(batches.c.first)
    )
    taken = 0
    for row in rows:
        lines = bytes(row.body).removesuffix(b"\n").split(b"\n")
        for number, line in enumerate(lines, row.first):
            if number > after:
                yield number, line
                taken += len(line) + 1
        if taken >= MOST_JOURNAL:
            return
