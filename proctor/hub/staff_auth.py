"""Who is asking: the dependency that every handler for staff begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request

from proctor.hub import roles, staff_keys, tokens
from proctor.hub.app import Hub
from proctor.hub.guard import Limits
from proctor.hub.problems import Problem


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody who is logged in. ``keys`` are the public keys (base64) they sign with now."""

    id: str
    name: str
    roles: frozenset[str]
    keys: tuple[str, ...]
    since: datetime
    token: str

    def may(self, action: str) -> None:
        """Raise the :class:`Problem` that says why not, where they may not."""
        if reason := roles.refusal(self.roles, action):
            raise Problem(403, "role", reason)


def acting(action: str | None = None, *, limited: bool = False) -> Callable[[Request], Acting]:
    """A dependency: who asks, once it is known that they may do ``action`` (``None``: being logged in is enough).

    ``limited``: also for a log-in that must change its password first.
    """
    if action is not None and action not in roles.ACTIONS:
        raise KeyError(action)

    def find(request: Request) -> Acting:
        hub: Hub = request.app.state.hub
        now = hub.now()
        token = bearer(request)
        with hub.store.reading() as connection:
            found = tokens.whose(connection, token, now)
            keys = () if found is None else staff_keys.in_force(connection, found.person.id)
        if found is None:
            raise _unknown()
        limits: Limits = request.app.state.limits
        limits.person.take(found.person.id)
        if found.stale:
            with hub.store.transaction() as tx:
                tokens.touch(tx.connection, token, now)
        person = found.person
        if person.limited and not limited:
            raise Problem(
                403,
                "password.must.change",
                "Your password was given to you by somebody else; choose one of your own first.",
            )
        who = Acting(person.id, person.name, person.roles, keys, found.since, token)
        if action is not None:
            who.may(action)
        return who

    return find


def bearer(request: Request) -> str:
    """The token of a request; raises the 401 problem where it has none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise _unknown()
    return token


def _unknown() -> Problem:
    return Problem(
        401,
        "log.in",
        "You are not logged in, or no longer; log in again.",
        headers={"WWW-Authenticate": 'Bearer realm="open-proctor"'},
    )
