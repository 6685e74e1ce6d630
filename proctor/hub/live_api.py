"""The requests of what is live: an agent's heartbeats and commands, the wall and the stream of the staff.

Waiting is done on the event loop, where a thousand waiting agents cost a thousand small objects; whatever
touches the database is done on a thread.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from proctor.errors import InputError
from proctor.hub import alerts, commands, enrol, live, log, roles, tables, tokens
from proctor.hub.alerts import Alert
from proctor.hub.app import Hub, hub_of
from proctor.hub.commands import FORMS, Command
from proctor.hub.flags import policy_of
from proctor.hub.live import Beat, Delivery, Live, Said
from proctor.hub.live_stream import Stream
from proctor.hub.live_tables import commands as table
from proctor.hub.problems import Problem
from proctor.hub.staff_auth import Acting, acting

# The longest that a request for commands is held (s).
MOST_WAIT_S = 30.0

agents = APIRouter(prefix="/v1/attempts/{attempt}", tags=["live"])
staff = APIRouter(prefix="/v1/staff", tags=["live"])

AttemptId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
CommandId = Annotated[int, Path(ge=1, lt=2**63)]
TheHub = Annotated[Hub, Depends(hub_of)]


class Body(BaseModel):
    """A body that says nothing else than what is asked for."""

    model_config = ConfigDict(extra="forbid")


class Heartbeat(Body):
    state: Said
    delivery: Delivery = "all"
    help: bool = False
    at: float = Field(ge=0.0, le=1e11, description="Seconds since 1970 by the agent's clock.")


class Became(Body):
    what: commands.Outcome


class Wish(Body):
    kind: str = Field(max_length=40)
    text: str = Field("", max_length=commands.MAX_TEXT)
    reason: str = Field("", max_length=commands.MAX_TEXT)
    minutes: float = 0.0
    signed: str = Field("", max_length=20_000)


def mount(app: FastAPI, hub: Hub) -> None:
    """Include the requests, and keep what is live running beside them."""
    what = app.state.live = Live(hub)

    @asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        await run_in_threadpool(what.start, asyncio.get_running_loop())
        try:
            yield
        finally:
            await run_in_threadpool(what.close)

    hub.background.append(beside)
    hub.let_go.append(what.let_go)
    app.include_router(agents)
    app.include_router(staff)


def live_of(request: Request) -> Live:
    """What is live in the worker that answers ``request``."""
    found: Live = request.app.state.live
    return found


TheLive = Annotated[Live, Depends(live_of)]


async def _agent(
    now_live: TheLive,
    attempt: AttemptId,
    authorization: Annotated[str | None, Header(max_length=200)] = None,
) -> str:
    """The attempt whose agent asks; a :class:`Problem` where it does not prove that it is that one.

    Who proved it a moment ago is believed: a heartbeat then touches no database at all.
    """
    if enrol.believed(now_live.hub, authorization, attempt) is None:
        await run_in_threadpool(enrol.attempt_of, now_live.hub, authorization, attempt)
    return attempt


Agent = Annotated[str, Depends(_agent)]


# Agents.


@agents.post("/heartbeat")
async def heartbeat(said: Heartbeat, attempt: Agent, now_live: TheLive) -> dict[str, float]:
    """The agent is there, and how it is; kept in memory and written with the others."""
    now = now_live.now()
    now_live.beat(attempt, Beat(said.state, said.delivery, said.help, now, round(said.at - now, 1)))
    return {"now": now}


@agents.get("/commands")
async def wait_for_commands(
    attempt: Agent,
    now_live: TheLive,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    wait: Annotated[float, Query(ge=0.0, le=MOST_WAIT_S)] = 0.0,
) -> dict[str, Any]:
    """The commands after a number; where there are none, waits until there is one or the time is over."""
    loop = asyncio.get_running_loop()
    event = now_live.wait_for_command(attempt)
    ends = loop.time() + wait
    try:
        found = await run_in_threadpool(_hand_out, now_live, attempt, after)
        while not found and not event.is_set() and (left := ends - loop.time()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), left)
        if not found and event.is_set():
            found = await run_in_threadpool(_hand_out, now_live, attempt, after)
    finally:
        now_live.no_longer(attempt, event)
    return {"commands": found}


def _hand_out(now_live: Live, attempt: str, after: int) -> list[dict[str, Any]]:
    store, now = now_live.hub.store, now_live.now()
    with store.reading() as connection:
        rows = live.waiting(connection, attempt, now, after)
    fresh = [row.id for row in rows if row.handed is None]
    if fresh:
        with store.transaction() as tx:
            tx.execute(
                sa.update(table)
                .where(table.c.id.in_(fresh), table.c.handed.is_(None))
                .values(handed=now)
            )
    return [commands.as_told(row, now) for row in rows]


@agents.post("/commands/{number}/done")
def command_done(
    said: Became, attempt: Agent, number: CommandId, now_live: TheLive
) -> dict[str, Any]:
    """What became of a command. Said again, it changes nothing."""
    with now_live.hub.store.transaction() as tx:
        changed = tx.execute(
            sa.update(table)
            .where(table.c.id == number, table.c.attempt == attempt, table.c.outcome == "")
            .values(outcome=said.what, outcome_at=now_live.now())
        ).rowcount
        row = tx.execute(
            sa.select(table).where(table.c.id == number, table.c.attempt == attempt)
        ).one_or_none()
        if row is None:
            raise Problem(404, "command.unknown", "This exam was sent no such command.")
        place = live.place_of(tx.connection, attempt)
        if changed and place is not None:
            data = {"seat": place.seat, "id": number, "kind": row.kind, "what": said.what}
            alerts.publish(tx, "command", exam=place.exam, attempt=attempt, data=data)
            log.append(tx, "command.done", {"command": number, "what": said.what}, attempt=attempt)
    return {"id": number, "what": row.outcome}


# Staff.


@staff.get("/attempts")
def attempts(
    now_live: TheLive,
    person: Annotated[Acting, Depends(acting("attempts.list"))],
    exam: Annotated[str, Query(max_length=64)] = "",
) -> list[dict[str, Any]]:
    """The rows of the wall."""
    with now_live.hub.store.reading() as connection:
        return live.wall(connection, now_live.now(), exam=exam)


@staff.get("/attempts/{attempt}")
def one_attempt(
    attempt: AttemptId,
    now_live: TheLive,
    person: Annotated[Acting, Depends(acting("attempts.list"))],
) -> dict[str, Any]:
    """One row of the wall."""
    with now_live.hub.store.reading() as connection:
        rows = live.wall(connection, now_live.now(), attempt=attempt)
    if not rows:
        raise Problem(404, "attempt.unknown", "There is no such attempt at this hub.")
    return rows[0]


@staff.post("/attempts/{attempt}/commands", status_code=201)
def give_command(
    wish: Wish,
    attempt: AttemptId,
    now_live: TheLive,
    person: Annotated[Acting, Depends(acting("live.command"))],
) -> dict[str, Any]:
    """Ask the agent for something. Signed by the person's key, where they registered one."""
    signed = ""
    try:
        command = commands.checked(wish.kind, wish.text or wish.reason, wish.minutes)
        if person.keys or wish.signed:
            known = [_key(key) for key in person.keys]
            signed = commands.check_signed(wish.signed, known, attempt, command)
    except InputError as error:
        raise Problem(422, "command.unusable", str(error)) from error
    now = now_live.now()
    with now_live.hub.store.transaction() as tx:
        place = live.place_of(tx.connection, attempt)
        if place is None:
            raise Problem(404, "attempt.unknown", "There is no such attempt at this hub.")
        state = tx.execute(
            sa.select(tables.attempts.c.state)
            .where(tables.attempts.c.attempt == attempt)
            # One command of an attempt after another, or the same one is accepted twice.
            .with_for_update()
        ).scalar_one()
        if state in ("ended", "erased"):
            raise Problem(
                409, "exam.ended", "This exam has ended; nothing is asked of it any more."
            )
        _check_scan(tx, attempt, command)
        earlier = tx.execute(sa.select(table.c.signed).where(table.c.attempt == attempt)).scalars()
        if signed and signed in map(commands.signed_id, earlier):
            raise Problem(
                409, "command.repeated", "This signed command was given already; sign a new one."
            )
        given = tx.execute(
            sa.insert(table).values(
                attempt=attempt,
                kind=command.kind,
                text=command.text,
                minutes=command.minutes,
                person=person.id,
                name=person.name,
                signed=wish.signed,
                at=now,
                expires=now + FORMS[command.kind].lasts_s,
                outcome="",
            )
        ).inserted_primary_key
        number = 0 if given is None else int(given[0])
        data = {"seat": place.seat, "id": number, "kind": command.kind, "what": "given"}
        alerts.publish(tx, "command", exam=place.exam, attempt=attempt, data=data)
        facts = {
            "command": number, "kind": command.kind, "minutes": command.minutes, "person": person.name,
            "text_sha256": _digest(command.text), "signed_sha256": _digest(wish.signed),
        }  # fmt: skip
        log.append(tx, "command.given", facts, attempt=attempt)
    return {"id": number, "expires": now + FORMS[command.kind].lasts_s}


def _key(public: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(public))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest() if text else ""


def _check_scan(tx: Any, attempt: str, command: Command) -> None:
    """A room scan is asked for only where the policy that the student read offers one (rule R4)."""
    if command.kind != "room_scan":
        return
    policy = policy_of(tx, attempt)
    if policy is None or policy.room_scan.mode != "offered":
        raise Problem(
            409,
            "room-scan.not-offered",
            "The policy of this exam offers no room scan, so nobody can ask for one.",
        )


@staff.get("/attempts/{attempt}/commands")
def given_commands(
    attempt: AttemptId,
    now_live: TheLive,
    person: Annotated[Acting, Depends(acting("live.watch"))],
) -> list[dict[str, Any]]:
    """Every command of an attempt, with what became of it."""
    now = now_live.now()
    with now_live.hub.store.reading() as connection:
        rows = connection.execute(
            sa.select(table).where(table.c.attempt == attempt).order_by(table.c.id)
        )
        return [
            {
                "id": row.id,
                "kind": row.kind,
                "text": row.text,
                "minutes": row.minutes,
                "by": row.name,
                "at": row.at,
                "handed": row.handed,
                "what": row.outcome or ("expired" if row.expires <= now else "waiting"),
                "what_at": row.outcome_at,
            }
            for row in rows
        ]


@staff.get("/stream", response_class=Response)
def stream(
    request: Request,
    now_live: TheLive,
    person: Annotated[Acting, Depends(acting("live.watch"))],
    exam: Annotated[str, Query(max_length=64)] = "",
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Stream:
    """Server-sent events: alerts, states, help calls and commands, of one exam or of all."""
    after: int | None = None
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdigit()) or int(last_event_id) >= 2**63:
            raise Problem(400, "stream.number", "Last-Event-ID is the number of an alert.")
        after = int(last_event_id)

    def wanted(one: Alert) -> bool:
        return not exam or one.exam == exam

    def may_go_on() -> bool:
        hub = now_live.hub
        with hub.store.reading() as connection:
            found = tokens.whose(connection, person.token, hub.now())
        return found is not None and not roles.refusal(found.person.roles, "live.watch")

    return Stream(now_live, after=after, wanted=wanted, may_go_on=may_go_on)
