"""What stands before every request: headers that browsers heed, limits of rate and size, and no foreign page.

The staff API is for a program with a bearer token. Browsers come for the log-in at a provider only, which is
also the only place with a cookie; so a request that a page of another site makes is refused outright, and no
CORS header is ever given.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proctor.hub.problems import Problem, response

STAFF = "/v1/staff"
# A signed statement takes 2 kB; a hold with ten thousand flags, the largest thing that staff send, 400 kB.
MAX_BODY = 500_000
# A console asks a few times a second; a wall of a hundred attempts opens with one request.
PER_PERSON = (20.0, 200.0)
# Everybody behind one address, before it is known who they are.
PER_ADDRESS = (50.0, 400.0)
# Log-ins cost 64 MiB and a tenth of a second each.
PER_LOG_IN = (0.5, 20.0)
LOG_INS = (f"{STAFF}/session", f"{STAFF}/oidc/start", f"{STAFF}/oidc/done", f"{STAFF}/oidc/token")
_SAFE = ("GET", "HEAD")
_BODIES = ("application/json", "application/vnd.dsse.envelope.v1+json")
_MOST_BUCKETS = 20_000

HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
# Two years, as the preload list asks; only over TLS does a browser heed it.
HSTS = "max-age=63072000; includeSubDomains"


@dataclass(slots=True)
class _Level:
    left: float
    at: float


class Buckets:
    """Token buckets by name: ``rate`` a second, ``burst`` at once. One worker's own; thread-safe."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._levels: OrderedDict[str, _Level] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Take one; raises the 429 problem when there is none left."""
        with self._lock:
            now = self._clock()
            level = self._levels.get(name)
            if level is None:
                # Names beyond the most are forgotten, the longest unused first: memory stays bounded.
                if len(self._levels) >= _MOST_BUCKETS:
                    self._levels.popitem(last=False)
                level = self._levels[name] = _Level(self._burst, now)
            self._levels.move_to_end(name)
            level.left = min(self._burst, level.left + (now - level.at) * self._rate)
            level.at = now
            if level.left >= 1.0:
                level.left -= 1.0
                return
            wait = max(1, round((1.0 - level.left) / self._rate))
        raise Problem(
            429,
            "rate",
            f"That is too often; ask again in {wait} s.",
            headers={"Retry-After": str(wait)},
        )


class Limits:
    """How often who may ask one worker; it hangs on the application, where tests may loosen it."""

    def __init__(self) -> None:
        self.person = Buckets(*PER_PERSON)
        self.address = Buckets(*PER_ADDRESS)
        self.log_in = Buckets(*PER_LOG_IN)


class Guard:
    """The ASGI middleware around the hub. ``address`` is the hub's own, as settings name it."""

    def __init__(self, app: ASGIApp, address: str, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._own = _origin(address)
        self._secure = address.startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        staff = scope["path"].startswith(STAFF)

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._dressed(message, staff)}
            await send(message)

        if not staff:
            await self._app(scope, receive, dressed)
            return
        counted = _Counted(receive)
        try:
            self._check(scope)
        except Problem as problem:
            scope["proctor.problem"] = problem.code
            await response(problem)(scope, receive, dressed)
            return
        await self._app(scope, counted, dressed)

    def _check(self, scope: Scope) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        address = scope["client"][0] if scope.get("client") else ""
        self._limits.address.take(address)
        if scope["path"] in LOG_INS:
            self._limits.log_in.take(address)
        self._same_site(headers, scope)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > MAX_BODY:
            raise Problem(413, "too.large", _TOO_LARGE)
        some = length != b"0" or b"transfer-encoding" in headers
        if scope["method"] in ("POST", "PUT", "PATCH") and some:
            kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0]
            if kind.strip().lower() not in _BODIES:
                raise Problem(415, "content.type", f"The body is one of {', '.join(_BODIES)}.")

    def _same_site(self, headers: MutableMapping[bytes, bytes], scope: Scope) -> None:
        """No page of another site may ask for anything; coming back from the provider is no such request."""
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site", b"none")
        foreign = origin is not None and (not self._own or origin.decode("latin-1") != self._own)
        cross = site not in (b"none", b"same-origin")
        navigates = scope["method"] in _SAFE and headers.get(b"sec-fetch-mode") == b"navigate"
        if foreign or (cross and not navigates):
            raise Problem(403, "origin", "Pages of other sites may not ask this hub for anything.")

    def _dressed(self, message: Message, staff: bool) -> list[tuple[bytes, bytes]]:
        headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
        there = {name.lower() for name, _ in headers}
        more = dict(HEADERS)
        if staff:
            more["cache-control"] = "no-store"
        if self._secure:
            more["strict-transport-security"] = HSTS
        return headers + [
            (name.encode("ascii"), value.encode("ascii"))
            for name, value in more.items()
            if name.encode("ascii") not in there
        ]


class _Counted:
    """Receives a body and refuses it as soon as it is larger than it may be, whatever was announced."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._taken = 0

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        if self._taken > MAX_BODY:
            # The framework, which reads the body, lets errors of its own kind pass and hides all others.
            raise HTTPException(413, _TOO_LARGE)
        return message


_TOO_LARGE = f"The body is larger than {MAX_BODY // 1000} kB."


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
