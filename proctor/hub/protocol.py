"""HTTP/1.1 as uvicorn speaks it, with the two limits that it leaves open.

uvicorn waits without end for the headers of a request, so that a few thousand dripping connections
would take all there are; and it answers what is no HTTP in plain text.
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from proctor.hub.problems import MEDIA_TYPE, Problem, body_of


class PatientProtocol(H11Protocol):
    """Closes a connection whose request's headers take longer than ``header_s``, and the ones too many.

    Both limits stand in the application's state (``app.py``), which uvicorn hands to every connection.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # asyncio does this itself only for sockets that name their protocol, which a listening socket made
        # by `socket.create_server` does not: each answer then waited 40 ms for the acknowledgement of its
        # own headers (Nagle's algorithm and delayed acknowledgements).
        made = transport.get_extra_info("socket")
        if made is not None and made.family in (socket.AF_INET, socket.AF_INET6):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > self.app_state["connections"]:
            transport.abort()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The worker ends: what only waits is let go; what is at work may end in its time."""
        for let_go in self.app_state["let_go"]:
            let_go()
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused like everything else."""
        body = json.dumps(body_of(Problem(400, "http.malformed", msg))).encode("ascii")
        answer = h11.Response(
            status_code=400,
            headers=[
                (b"content-type", MEDIA_TYPE.encode("ascii")),
                (b"content-length", str(len(body)).encode("ascii")),
                (b"connection", b"close"),
            ],
            reason=b"Bad Request",
        )
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        """The clock runs while a request's headers are awaited, and begins anew with the next one."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._unwatch()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.app_state["header_s"], self._too_slow)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        # A request may have ended a moment ago; then the idle connection has its own clock.
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and not self.transport.is_closing():
            self.transport.abort()
