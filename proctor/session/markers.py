"""The exam page's door: a tiny HTTP endpoint on this computer, for two kinds of milestones.

The page posts ``{"kind": "question.shown", "id": "q1"}`` (or ``answer.submitted``) to
``http://127.0.0.1:PORT/markers`` with ``Authorization: Bearer TOKEN``. Nothing can be asked, and
nothing but these two can be said. docs/markers.md has the whole of it, with the reasons.

What is refused, in this order: a request to another host name (DNS rebinding), from another page
than the policy's, with another path or method, without the attempt's token, too large, too many, or
with anything but a known kind and a short id. Every refusal is one JSON object of RFC 9457.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from proctor.capture.milestones import OF_THE_PAGE, checked
from proctor.errors import InputError, MissingError

HOST = "127.0.0.1"
PATH = "/markers"
# A kind and an id of 64 letters are about 120 bytes.
MAX_BODY = 512
# A whole request on one computer takes milliseconds; one that takes longer is cut off.
REQUEST_S = 3.0
# Requests at the same time; a page has one or two.
MAX_AT_ONCE = 8
# Milestones: a page may catch up with this many at once, then this many a second, and in all.
BURST = 30.0
PER_SECOND = 2.0
MAX_IN_ALL = 5_000
# Random bytes of a token: nobody guesses 192 bits at any rate.
TOKEN_BYTES = 24
# A browser asks again whether it may post after this long (s).
PREFLIGHT_S = 600

Mark = Callable[[str, Mapping[str, Any]], None]


class Refused(Exception):
    """A request that is not granted: HTTP status, a title, and a sentence."""

    def __init__(self, status: int, title: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.headers = status, title, detail, headers


class Allowance:
    """How many milestones may still come (a token bucket and a total); asked from any thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._left, self._at = BURST, now()
        self._in_all = 0

    def take(self) -> bool:
        """Whether one more may come now."""
        with self._lock:
            now = self._now()
            self._left = min(BURST, self._left + (now - self._at) * PER_SECOND)
            self._at = now
            if self._left < 1.0 or self._in_all >= MAX_IN_ALL:
                return False
            self._left -= 1.0
            self._in_all += 1
            return True


class ExamPage:
    """The endpoint of one attempt. Use it as a context manager while the exam runs.

    ``origin`` is the policy's ``exam_page.origin``; ``mark(kind, data)`` is the session's. ``port``
    0 takes any free one. Raises :class:`MissingError` when none can be had.
    """

    def __init__(self, origin: str, mark: Mark, *, port: int = 0) -> None:
        self.origin = _without_usual_port(origin)
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        try:
            self._server = _Server((HOST, port), self.origin, self.token, mark)
        except OSError as error:
            raise MissingError(
                f"The exam page cannot be listened to: this computer gives no free port on {HOST} "
                f"({error.strerror or error}). Close other programs or restart the computer."
            ) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="exam page", daemon=True
        )

    @property
    def hash(self) -> str:
        """What a link to the page ends with, so that its script finds the way here."""
        return f"#open-proctor={self.port}.{self.token}"

    @property
    def link(self) -> str:
        """The page's address with the hash. A browser sends a hash to nobody."""
        return f"{self.origin}/{self.hash}"

    def __enter__(self) -> ExamPage:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_off(0.0)
        self._thread.join(2.0)


def snippet() -> str:
    """The script that an exam page includes."""
    return Path(__file__).with_name("exam_page.js").read_text(encoding="utf-8")


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    # On Windows another program could take over a port that is reused.
    allow_reuse_address = False
    request_queue_size = MAX_AT_ONCE

    def __init__(self, address: tuple[str, int], origin: str, token: str, mark: Mark) -> None:
        self.origin, self.token, self.mark = origin, token, mark
        self.allowance = Allowance()
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own would look the machine's name up in the DNS.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._lock:
            if len(self._open) >= MAX_AT_ONCE:
                return False
            self._open[request] = time.monotonic()
            return True

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self.cut_off(REQUEST_S)

    def cut_off(self, after_s: float) -> None:
        """Cut off connections that are open for longer, however they drip."""
        with self._lock:
            late = [s for s, since in self._open.items() if time.monotonic() - since >= after_s]
        for connection in late:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it ended by itself in this very moment

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off or was cut off is no news; anything else is a fault of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_S
    # One request a connection: nothing can be smuggled behind it.
    protocol_version = "HTTP/1.0"

    def do_OPTIONS(self) -> None:
        """May the page post? (CORS preflight, with Private Network Access)"""
        self._answer(self._preflight)

    def do_POST(self) -> None:
        """A milestone."""
        self._answer(self._take)

    def _answer(self, work: Callable[[], dict[str, str]]) -> None:
        try:
            self._check_where()
            headers = work()
        except Refused as refused:
            self._refuse(refused)
            return
        self.send_response(204)
        self._common()
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _check_where(self) -> None:
        port = self.server.server_port
        if self._one("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            raise Refused(421, "wrong host", "This address is only for pages on this computer.")
        if self._one("Origin") != self.server.origin:
            raise Refused(403, "wrong page", "Only the page that the exam's policy names may post.")
        if self.path != PATH:
            raise Refused(404, "no such address", f"Post to {PATH}.")

    def _preflight(self) -> dict[str, str]:
        if self._one("Access-Control-Request-Method") != "POST":
            raise Refused(405, "wrong method", "Only POST is allowed.", Allow="POST, OPTIONS")
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": str(PREFLIGHT_S),
        }
        if self._one("Access-Control-Request-Private-Network") == "true":
            headers["Access-Control-Allow-Private-Network"] = "true"
        return headers

    def _take(self) -> dict[str, str]:
        given = (self._one("Authorization") or "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            raise Refused(
                401, "wrong token", "The token is not that of this exam; open the page's link anew.",
                **{"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        if (self._one("Content-Type") or "").partition(";")[0].strip() != "application/json":
            raise Refused(415, "wrong type", "Send application/json.")
        kind, data = self._body()
        if not self.server.allowance.take():
            raise Refused(
                429, "too many", f"More than {PER_SECOND:g} milestones a second for a while.",
                **{"Retry-After": "5"},
            )  # fmt: skip
        try:
            self.server.mark(kind, data)
        except InputError as error:
            raise Refused(409, "not now", str(error)) from error
        return {}

    def _body(self) -> tuple[str, dict[str, Any]]:
        length = self._one("Content-Length") or ""
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            raise Refused(411, "no length", "Send a Content-Length, in bytes.")
        if len(length) > 9 or int(length) > MAX_BODY:
            raise Refused(413, "too large", f"A milestone has at most {MAX_BODY} bytes.")
        try:
            value = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise Refused(400, "not JSON", "The body is not one JSON object.") from error
        if not isinstance(value, dict) or set(value) != {"kind", "id"}:
            raise Refused(400, "wrong fields", "Send exactly the fields kind and id.")
        if value["kind"] not in OF_THE_PAGE:
            raise Refused(422, "unknown kind", f"The kind is one of {', '.join(OF_THE_PAGE)}.")
        try:
            return str(value["kind"]), checked(value["kind"], {"id": value["id"]})
        except InputError as error:
            raise Refused(422, "wrong id", f"{error}.") from error

    def _one(self, name: str) -> str | None:
        """A header that came exactly once."""
        values: list[str] = self.headers.get_all(name, [])
        return values[0] if len(values) == 1 else None

    def _refuse(self, refused: Refused) -> None:
        body = json.dumps(
            {"title": refused.title, "status": refused.status, "detail": refused.detail}
        ).encode()
        self.send_response(refused.status)
        self._common()
        for name, value in refused.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library itself refuses (an unknown method, a line too long), in our form."""
        if code == 501:  # the library's answer to a method that has no do_… here
            self._refuse(
                Refused(405, "wrong method", "Only POST is allowed.", Allow="POST, OPTIONS")
            )
        else:
            self._refuse(Refused(code, "bad request", "This is not a request for this address."))

    def _common(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Vary", "Origin")
        # Only the page itself may read why; another page learns nothing.
        headers = getattr(self, "headers", None)
        if headers is not None and self._one("Origin") == self.server.origin:
            self.send_header("Access-Control-Allow-Origin", self.server.origin)

    def version_string(self) -> str:
        return "open-proctor"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the journal has what counts, and a log could hold the token."""


def _without_usual_port(origin: str) -> str:
    """As a browser writes an origin."""
    scheme, _, rest = origin.partition("://")
    usual = {"https": ":443", "http": ":80"}[scheme]
    return f"{scheme}://{rest.removesuffix(usual)}"
