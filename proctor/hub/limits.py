"""What a request may cost before anything looks at it: size, time, form. Pure ASGI, around everything.

A body is read whole, within its limits, before the application sees the request: a sender that drips
its bytes holds a little memory of one connection and no worker thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from proctor.hub import guard
from proctor.hub.problems import MEDIA_TYPE, Problem, body_of
from proctor.hub.settings import HubSettings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_PATH = 1_000
MAX_QUERY = 4_000
MAX_FIELDS = 60
# All header fields together; ours take 1 kB.
MAX_HEADERS = 16_000
# Plain JSON that the hub is sent is a few lines; signed and sealed things have types of their own.
MAX_JSON = 100_000
# Bodies that one worker holds at once; beyond, a request has to come again.
MAX_HELD = 256_000_000
RETRY_S = 2
# So much of a refused body is read and thrown away, for so long (s).
DRAIN, DRAIN_S = 8_000_000, 3.0


class Limits:
    """Refuses, with a problem, what is too large, too slow, compressed or otherwise no request of ours."""

    def __init__(self, app: App, settings: HubSettings) -> None:
        self._app = app
        self._settings = settings
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reserved = 0
        try:
            most, length = self._look(scope)
            reserved = most if length is None else length
            if self._held + reserved > MAX_HELD:
                reserved = 0
                raise Problem(
                    503,
                    "busy",
                    "The hub is busy; ask again.",
                    headers={"Retry-After": str(RETRY_S)},
                )
            self._held += reserved
            body = await self._read(receive, most, length)
            if body is not None:
                await self._app(scope, _again(body, receive), send)
        except Problem as problem:
            if problem.status != 408:
                await _drain(receive)
            await _refuse(scope, send, problem)
        finally:
            self._held -= reserved

    def _look(self, scope: Scope) -> tuple[int, int | None]:
        """The most bytes the body may have, and how many it says; raises :class:`Problem`."""
        if len(scope["raw_path"]) > MAX_PATH or len(scope["query_string"]) > MAX_QUERY:
            raise Problem(414, "address.long", "The address is too long.")
        fields = scope["headers"]
        if len(fields) > MAX_FIELDS or sum(len(n) + len(v) for n, v in fields) > MAX_HEADERS:
            raise Problem(431, "headers.many", "A request's headers are few and short.")
        said = dict(fields)
        if said.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise Problem(415, "encoding", "Bodies are taken as they are, not compressed.")
        most = self._settings.max_body
        if said.get(b"content-type", b"").partition(b";")[0].strip().lower() == b"application/json":
            most = MAX_JSON
        given = said.get(b"content-length")
        length = int(given) if given is not None and given.isdigit() else None
        if given is None and b"transfer-encoding" not in said:
            length = 0
        if length is not None and length > most:
            raise Problem(413, "body.large", f"This body may have at most {most} bytes.")
        return most, length

    async def _read(self, receive: Receive, most: int, length: int | None) -> bytes | None:
        """The whole body; ``None`` where the client went away."""
        clock = asyncio.get_running_loop().time
        rate = self._settings.least_rate
        patience = self._settings.body_s
        end = clock() + patience + ((most if length is None else length) / rate if rate else 1e9)
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                wait = min(patience, end - clock())
                message = await asyncio.wait_for(receive(), max(wait, 0.001))
            except TimeoutError as error:
                raise Problem(408, "body.slow", "The body came too slowly.") from error
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise Problem(413, "body.large", f"This body may have at most {most} bytes.")
            if not message.get("more_body", False):
                return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives ``body`` once, and then whatever else comes (a disconnect)."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


async def _drain(receive: Receive) -> None:
    """Let a little more of a refused body come: who is cut off while sending never reads the answer."""
    size, more = 0, True
    try:
        async with asyncio.timeout(DRAIN_S):
            while more and size < DRAIN:
                message = await receive()
                size += len(message.get("body", b""))
                more = bool(message.get("more_body", False))
    except TimeoutError:
        return


async def _refuse(scope: Scope, send: Send, problem: Problem) -> None:
    """Answer at once and close the line: whatever else of the request comes is not read."""
    scope["proctor.problem"] = problem.code
    text = json.dumps(body_of(problem)).encode()
    fields = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(text)),
        "connection": "close",
        # The guard, which adds these to all other answers, stands further inside.
        **guard.HEADERS,
        **problem.headers,
    }
    headers = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
