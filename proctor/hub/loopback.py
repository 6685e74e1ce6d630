"""Where a browser brings the ticket of a log-in at a provider: a server on this computer alone (RFC 8252, 7.3)."""

from __future__ import annotations

import http.server
import threading
from urllib.parse import parse_qs, urlsplit

from proctor.errors import MissingError


class Waiting:
    """A server on this computer's loopback, for the one answer that the browser brings (RFC 8252, 7.3)."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._came = threading.Event()
        waiting = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = parse_qs(urlsplit(self.path).query).get("ticket", [""])[0]
                self.send_response(200 if given else 404)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                if given:
                    self.wfile.write(b"You are logged in. You can close this page.\n")
                    waiting._found.append(given)
                    waiting._came.set()

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing: the address holds the ticket."""

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    def __enter__(self) -> Waiting:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def ticket(self, seconds: float) -> str:
        """What the browser brought; raises :class:`MissingError` when it does not come."""
        if not self._came.wait(seconds):
            raise MissingError("Nobody came back from the provider; begin the log-in again.")
        return self._found[0]
