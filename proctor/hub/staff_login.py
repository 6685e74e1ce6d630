"""Staff come and go: local accounts, the provider's log-in, the own key and password. Part of the staff API."""

from __future__ import annotations

import logging
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from proctor.errors import InputError, ProctorError
from proctor.hub import accounts, log, oidc, staff_keys, tokens
from proctor.hub.accounts import LogInError, Person
from proctor.hub.app import Hub, hub_of
from proctor.hub.problems import Problem
from proctor.hub.secret import Box
from proctor.hub.staff_auth import Acting, acting

router = APIRouter(prefix="/v1/staff", tags=["staff"])
_log = logging.getLogger("proctor.hub")
# Where the provider sends a browser back to, below the hub's address.
DONE = "/v1/staff/oidc/done"

OneHub = Annotated[Hub, Depends(hub_of)]
Anyone = Annotated[Acting, Depends(acting())]
AlsoLimited = Annotated[Acting, Depends(acting(limited=True))]


class Given(BaseModel):
    """What a request's body may hold, and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Credentials(Given):
    name: str = Field(max_length=200)
    password: str = Field(max_length=1000, repr=False)
    code: str = Field(max_length=100, repr=False)


class NewPassword(Given):
    password: str = Field(max_length=1000, repr=False)
    new: str = Field(max_length=1000, repr=False)
    code: str = Field(max_length=100, repr=False)


class NewKey(Given):
    public: str = Field(max_length=100)
    proof: str = Field(max_length=200)


class Ticket(Given):
    ticket: str = Field(max_length=100, repr=False)
    verifier: str = Field(max_length=200, repr=False)


def box_of(hub: Hub) -> Box:
    """What encrypts second factors: a key that comes from the hub's key file."""
    return Box(hub.key.private_bytes_raw(), "second factors of staff")


@router.post("/session")
def log_in(hub: OneHub, request: Request, given: Credentials) -> dict[str, Any]:
    """Log in with a local account: name, password, and a code of the second factor or for recovery."""
    try:
        person = accounts.log_in(
            hub.store.transaction,
            box_of(hub),
            given.name,
            given.password,
            given.code,
            _address(request),
            hub.now(),
        )
    except LogInError as error:
        raise _refused(error) from error
    return _welcome(hub, person, "password")


@router.delete("/session", status_code=204)
def log_out(hub: OneHub, who: AlsoLimited) -> Response:
    """End this log-in."""
    with hub.store.transaction() as tx:
        tokens.revoke(tx.connection, who.token)
    return Response(status_code=204)


@router.get("/me")
def me(hub: OneHub, who: AlsoLimited) -> dict[str, Any]:
    """Who is logged in, with which key, since when; and the hub's own name and key for its log."""
    return {
        "person": _told(who.id, who.name, who.roles),
        "keys": list(who.keys),
        "since": who.since.isoformat(),
        "hub": {"name": hub.name, "public": staff_keys.plain(hub.public)},
    }


@router.get("/me/log-ins")
def own_log_ins(hub: OneHub, who: Anyone) -> list[dict[str, Any]]:
    """The own log-ins that hold now, this one marked."""
    with hub.store.reading() as connection:
        return [
            {
                "id": one.id,
                "since": one.created.isoformat(),
                "used": one.used.isoformat(),
                "expires": one.expires.isoformat(),
                "this": one.this,
            }
            for one in tokens.of_person(connection, who.id, hub.now(), who.token)
        ]


@router.delete("/me/log-ins", status_code=204)
def end_other_log_ins(hub: OneHub, who: Anyone) -> Response:
    """End all own log-ins but this one."""
    _end(hub, who, None)
    return Response(status_code=204)


@router.delete("/me/log-ins/{name}", status_code=204)
def end_log_in(
    hub: OneHub, who: Anyone, name: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
) -> Response:
    """End one of the own log-ins."""
    if not _end(hub, who, name):
        raise Problem(404, "log.in.none", "You have no such log-in; it may have ended already.")
    return Response(status_code=204)


def _end(hub: Hub, who: Acting, name: str | None) -> int:
    """End the log-in ``name``, or all but the one that asks; how many ended."""
    now = hub.now()
    if now - who.since > tokens.RECENT:
        raise Problem(
            403, "log.in.again", "Other log-ins of yours would end: log in again before that."
        )
    with hub.store.transaction() as tx:
        held = tokens.of_person(tx.connection, who.id, now, who.token)
        names = {one.id for one in held if not one.this} if name is None else {name}
        gone = tokens.end(tx.connection, who.id, names)
        if gone:
            said = {"person": who.name, "by": who.name, "count": gone}
            log.append(tx, "staff.log_ins.ended", said, at=now)
    return gone


@router.put("/me/key")
def own_key(hub: OneHub, who: Anyone, given: NewKey) -> dict[str, Any]:
    """Register the key with which this machine signs; it takes the place of the one before."""
    now = hub.now()
    if who.keys and given.public not in who.keys and now - who.since > tokens.RECENT:
        raise Problem(
            403, "log.in.again", "Another key takes the place of yours: log in again before that."
        )
    try:
        with hub.store.transaction() as tx:
            news = staff_keys.register(
                tx.connection, hub.name, who.id, given.public, given.proof, now
            )
            if news:
                log.append(tx, "staff.key", {"person": who.name, "public": given.public}, at=now)
    except InputError as error:
        raise Problem(422, "key", str(error)) from error
    return {"keys": [given.public]}


@router.put("/me/password", status_code=204)
def own_password(hub: OneHub, request: Request, who: AlsoLimited, given: NewPassword) -> Response:
    """Choose another password; every log-in of this account ends."""
    person = Person(who.id, who.name, who.roles)
    try:
        accounts.change_password(
            hub.store.transaction,
            box_of(hub),
            person,
            given.password,
            given.new,
            given.code,
            _address(request),
            hub.now(),
        )
    except LogInError as error:
        raise _refused(error) from error
    except InputError as error:
        raise Problem(422, "password", str(error)) from error
    return Response(status_code=204)


@router.get("/oidc/start", response_class=RedirectResponse, status_code=302)
def oidc_start(
    request: Request,
    port: Annotated[int, Query(ge=1024, le=65535)],
    challenge: Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{43}$")],
) -> Response:
    """Send the browser to the institution's provider; it comes back to the console's own port."""
    try:
        address, cookie = _provider(request).begin(port, challenge)
    except ProctorError as error:
        raise _provider_problem(error) from error
    answer = RedirectResponse(address, 302)
    answer.set_cookie(
        oidc.COOKIE,
        cookie,
        max_age=oidc.TRANSACTION_S,
        path="/v1/staff/oidc",
        # A browser keeps Secure cookies of 127.0.0.1, too, so there is no weaker kind for trying out.
        secure=True,
        httponly=True,
        # "strict" would leave it out when the provider sends the browser back.
        samesite="lax",
    )
    return answer


@router.get("/oidc/done", response_class=RedirectResponse, status_code=302)
def oidc_done(hub: OneHub, request: Request) -> Response:
    """Where the provider sends the browser back to; the console gets a ticket for one log-in."""
    try:
        provider = _provider(request)
        waits = provider.waiting(request.cookies.get(oidc.COOKIE, ""))
        subject = provider.subject(waits, request.query_params)
    except ProctorError as error:
        raise _provider_problem(error) from error
    now = hub.now()
    with hub.store.transaction() as tx:
        person = accounts.by_subject(tx.connection, subject)
        if person is None or person.disabled:
            raise Problem(
                403,
                "account",
                "The provider knows you, and this hub has no open account for you; an admin of the "
                "institution can make one.",
                subject=subject,
            )
        ticket = oidc.ticket(tx.connection, person, waits.challenge, now)
    back = f"http://127.0.0.1:{waits.port}/?{urlencode({'ticket': ticket})}"
    answer = RedirectResponse(back, 302)
    answer.delete_cookie(
        oidc.COOKIE, path="/v1/staff/oidc", secure=True, httponly=True, samesite="lax"
    )
    return answer


@router.post("/oidc/token")
def oidc_token(hub: OneHub, given: Ticket) -> dict[str, Any]:
    """Turn a ticket into a log-in, for the program that began it."""
    with hub.store.transaction() as tx:
        person = oidc.redeem(tx.connection, given.ticket, given.verifier, hub.now())
    if person is None:
        raise Problem(403, "ticket", "This log-in is over or was begun elsewhere; begin it again.")
    return _welcome(hub, Person(person.id, person.name, person.roles), "provider")


def _welcome(hub: Hub, person: Person, how: str) -> dict[str, Any]:
    now = hub.now()
    with hub.store.transaction() as tx:
        made = tokens.issue(tx.connection, person, now)
        log.append(tx, "staff.logged_in", {"person": person.name, "by": how}, at=now)
    return {
        "token": made.token,
        "expires": made.expires.isoformat(),
        "must_change": person.limited,
        "person": _told(person.id, person.name, person.roles),
    }


def _told(person: str, name: str, roles: frozenset[str]) -> dict[str, Any]:
    return {"id": person, "name": name, "roles": sorted(roles)}


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _refused(error: LogInError) -> Problem:
    if error.wait:
        wait = str(max(1, round(error.wait)))
        return Problem(429, "log.in.wait", str(error), headers={"Retry-After": wait})
    return Problem(401, "log.in", str(error), headers={"WWW-Authenticate": "Bearer"})


def _provider(request: Request) -> oidc.Provider:
    provider: oidc.Provider | None = request.app.state.oidc
    if provider is None:
        raise Problem(
            404, "provider", "This hub knows no provider; log in with a name and a password."
        )
    return provider


def _provider_problem(error: ProctorError) -> Problem:
    if isinstance(error, InputError):
        return Problem(422, "provider", str(error))
    _log.warning("a log-in at the provider failed", extra={"fault": type(error).__name__})
    if isinstance(error, oidc.OidcError):
        return Problem(403, "provider", str(error))
    return Problem(503, "provider", str(error), headers={"Retry-After": "30"})
