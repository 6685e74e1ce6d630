"""Server-sent events for the people on duty: alerts as they come, resumed by number, never piled up.

Of each reader at most :data:`MOST_WAITING` alerts wait in memory. Who reads more slowly than they come, or
not at all for :data:`SEND_S`, is let go with the reason, and comes back with ``Last-Event-ID``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from proctor.hub import alerts
from proctor.hub.alerts import Alert
from proctor.hub.live import Live

MOST_WAITING = 500
# A comment goes out when nothing else does, so that proxies and readers know the line is alive (s).
HEARTBEAT_S = 10.0
SEND_S = 20.0
# At most so many alerts are made up for; more than that, and the rows of the wall are fetched anew.
MOST_MISSED = 2_000

SLOW = "You read more slowly than alerts come; come back with the last number you have."
TOO_LATE = "What came before is no longer kept as alerts; fetch the attempts anew."
NO_MORE = "You may not listen any more; sign in again."

Wanted = Callable[[Alert], bool]


class Reader:
    """One person who listens. ``offer`` is called on the follower's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wanted: Wanted) -> None:
        self._loop = loop
        self._wanted = wanted
        self._waiting: asyncio.Queue[Alert] = asyncio.Queue(MOST_WAITING)
        self.too_slow = False

    def offer(self, found: Sequence[Alert]) -> None:
        chosen = [one for one in found if self._wanted(one)]
        if chosen and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, chosen)

    def _put(self, chosen: Sequence[Alert]) -> None:
        for one in chosen:
            if self.too_slow:
                return
            try:
                self._waiting.put_nowait(one)
            except asyncio.QueueFull:
                self.too_slow = True

    async def next(self, seconds: float) -> Alert | None:
        """The next alert; ``None`` when there was none for ``seconds``."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._waiting.get(), seconds)
        return None


class Stream(Response):
    """The answer that goes on until the reader leaves, is too slow, or may listen no more.

    ``after``: the number of the last alert that the reader has, if any. ``may_go_on`` is asked, off the
    event loop, whenever a heartbeat is due.
    """

    media_type = "text/event-stream"

    def __init__(
        self, live: Live, *, after: int | None, wanted: Wanted, may_go_on: Callable[[], bool]
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._live = live
        self._after = after
        self._wanted = wanted
        self._may_go_on = may_go_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.create_task(_left(receive))
        ends = asyncio.create_task(self._live.leaving.wait())
        talk = asyncio.create_task(self._talk(send))
        done: set[asyncio.Task[Any]] = set()
        try:
            done, _ = await asyncio.wait({gone, ends, talk}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, ends, talk):
                task.cancel()
            for task in (gone, ends, talk):
                # A reader that is gone or takes nothing is no fault of the hub.
                with contextlib.suppress(asyncio.CancelledError, TimeoutError, OSError):
                    await task
        if done == {ends}:
            # The worker ends: a whole answer, so that the reader comes back at once, to another one.
            with contextlib.suppress(TimeoutError, OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _talk(self, send: Send) -> None:
        reader = Reader(asyncio.get_running_loop(), self._wanted)
        begun = await run_in_threadpool(self._live.follower.listen, reader.offer)
        try:
            last = await self._catch_up(send, begun)
            await self._go_on(send, reader, last)
        finally:
            self._live.follower.leave(reader.offer)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _catch_up(self, send: Send, begun: int) -> int:
        """Say what the reader missed; returns the last number that it has now."""
        # Three seconds between two tries to come back; and where this line begins.
        await _say(
            send, f"retry: 3000\nid: {begun if self._after is None else self._after}\n: hello\n\n"
        )
        if self._after is None:
            return begun
        # Also where nothing seems to be missed: the follower may be a moment behind the table.
        last = self._after
        missed, whole = await run_in_threadpool(self._missed, last)
        if not whole:
            await _say(send, _event("missed", {"reason": TOO_LATE}, begun))
            return begun
        for one in missed:
            if self._wanted(one):
                await _say(send, _event(one.kind, one.as_dict(), one.id))
        return max([last, *(one.id for one in missed)])

    def _missed(self, last: int) -> tuple[list[Alert], bool]:
        with self._live.hub.store.reading() as connection:
            found = alerts.after(connection, last, most=MOST_MISSED + 1)
            first, newest = alerts.oldest(connection), alerts.newest(connection)
        # A number that was not given yet is of another database, as before a backup was restored.
        whole = last == 0 or first - 1 <= last <= newest
        return found, len(found) <= MOST_MISSED and whole

    async def _go_on(self, send: Send, reader: Reader, last: int) -> None:
        while True:
            one = await reader.next(HEARTBEAT_S)
            if one is None:
                if not await run_in_threadpool(self._may_go_on):
                    return await _say(send, _event("closed", {"reason": NO_MORE}, last))
                await _say(send, ": still here\n\n")
                continue
            if one.id > last:
                last = one.id
                await _say(send, _event(one.kind, one.as_dict(), one.id))
            if reader.too_slow:
                return await _say(send, _event("closed", {"reason": SLOW}, last))


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _say(send: Send, text: str) -> None:
    """One piece; :class:`TimeoutError` when the reader does not take it."""
    body = {"type": "http.response.body", "body": text.encode("utf-8"), "more_body": True}
    await asyncio.wait_for(send(body), SEND_S)


def _event(kind: str, data: object, number: int) -> str:
    return f"event: {kind}\nid: {number}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
