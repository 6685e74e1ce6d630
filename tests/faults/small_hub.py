"""A small hub on loopback for tests: keeps the contract of docs/outbox.md, and fails in every way asked for.

It stores what it is sent in memory. ``effects`` lists what became part of a case, in order; what arrives
again has no effect. A *fault* is chosen for every request by a function that the test gives.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

# What a request can meet. "half" and "gone" concern uploads; the others any request.
FAULTS = (
    "drop", "drop after", "reset", "reset after", "delay", "500", "503", "twice", "stale", "portal",
    "half", "loses", "claims", "gone", "460", "409", "redirect", "cut answer",
)  # fmt: skip
Fault = Callable[[int], str]


@dataclass
class Upload:
    flag: str
    sha256: str
    length: int
    data: bytearray = field(default_factory=bytearray)


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class SmallHub:
    """``with SmallHub() as hub: hub.url``. ``rate`` is the most bytes a second that it takes in."""

    def __init__(
        self, fault: Fault = lambda number: "", *, code: str = "", rate: float = 0.0
    ) -> None:
        self.fault, self.code, self.rate = fault, code, rate
        self.stored: dict[tuple[str, str], bytes] = {}
        self.uploads: dict[str, Upload] = {}
        self.effects: list[tuple[str, str]] = []
        self.requests: list[tuple[str, str]] = []
        self.taken = 0
        self.most_clip = 10**9
        self.lies_about_digests = False
        self.elsewhere = "http://192.0.2.1"
        self._stale: list[Callable[[], Answer]] = []
        self._guard = threading.Lock()
        hub = self

        class Handler(_Handler):
            world = hub

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> SmallHub:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)

    def whole(self) -> dict[tuple[str, str], str]:
        """Everything that arrived, by kind and name, as digests."""
        return {key: hashlib.sha256(body).hexdigest() for key, body in self.stored.items()}

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if self.code and headers.get("authorization") != f"Bearer {self.code}":
            return Answer(401)
        parts = path.strip("/").split("/")
        if parts[:2] != ["v1", "attempts"] or len(parts) < 4:
            return Answer(404)
        if parts[3] == "uploads" and len(parts) == 4:
            return self._create(path, headers)
        if parts[3] == "uploads":
            return self._upload(method, parts[4], headers, body)
        kind = {
            "policy": "policy",
            "events": "event",
            "journal": "journal",
            "checkpoints": "checkpoint",
        }
        if parts[3] not in kind or method != "POST":
            return Answer(404)
        return self._small(kind[parts[3]], headers, body)

    def _small(self, kind: str, headers: dict[str, str], body: bytes) -> Answer:
        digest = hashlib.sha256(body)
        given = base64.b64encode(digest.digest()).decode()
        if headers.get("content-digest") != f"sha-256=:{given}:":
            return Answer(400)
        if not self._keep(kind, headers.get("proctor-name", ""), body):
            return Answer(409)
        said = "0" * 64 if self.lies_about_digests else digest.hexdigest()
        return Answer(
            200, {"Content-Type": "application/json"}, json.dumps({"sha256": said}).encode()
        )

    def _keep(self, kind: str, name: str, body: bytes) -> bool:
        if (kind, name) in self.stored:
            return self.stored[kind, name] == body
        self.stored[kind, name] = body
        self.effects.append((kind, name))
        return True

    def _create(self, path: str, headers: dict[str, str]) -> Answer:
        pairs = (part.split(" ") for part in headers["upload-metadata"].split(","))
        said = {name: base64.b64decode(value).decode() for name, value in pairs}
        name, length = f"{said['flag']}-{said['sha256'][:16]}", int(headers["upload-length"])
        if length > self.most_clip:
            return Answer(413)
        if ("clip", said["flag"]) in self.stored and name not in self.uploads:
            return Answer(409)
        self.uploads.setdefault(name, Upload(said["flag"], said["sha256"], length))
        return Answer(201, {"Location": f"{path}/{name}"})

    def _upload(self, method: str, name: str, headers: dict[str, str], body: bytes) -> Answer:
        upload = self.uploads.get(name)
        if upload is None:
            return Answer(404)
        if method == "PATCH":
            if headers.get("upload-offset") != str(len(upload.data)):
                return Answer(409)
            checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
            if headers.get("upload-checksum") != f"sha256 {checksum}":
                return Answer(460)
            upload.data += body
        answer = Answer(204 if method == "PATCH" else 200, {"Upload-Offset": str(len(upload.data))})
        if len(upload.data) == upload.length:
            digest = hashlib.sha256(upload.data)
            if digest.hexdigest() == upload.sha256:
                self._keep("clip", upload.flag, bytes(upload.data))
                if not self.lies_about_digests:
                    given = base64.b64encode(digest.digest()).decode()
                    answer.headers["Repr-Digest"] = f"sha-256=:{given}:"
        return answer

    def meet(self, fault: str, handle: Callable[[], Answer], name: str) -> Answer | None:
        """One request that meets ``fault``; ``None`` where no answer goes out."""
        upload = self.uploads.get(name)
        if fault in ("drop", "reset"):
            return None
        if fault in ("500", "503", "460", "409") and (upload or fault not in ("460", "409")):
            return Answer(int(fault), {"Retry-After": "0"})
        if fault == "redirect":
            return Answer(302, {"Location": f"{self.elsewhere}/v1/attempts/x/policy"})
        if fault == "portal":
            return Answer(200, {"Content-Type": "text/html"}, b"<html>Welcome to the hotel</html>")
        if fault == "gone" and upload is not None and len(upload.data) < upload.length:
            del self.uploads[name]
        if fault == "loses" and upload is not None and len(upload.data) < upload.length:
            del upload.data[len(upload.data) // 2 :]
        if fault == "stale":
            self._stale.append(handle)
        answer = handle()
        if fault == "claims" and "Upload-Offset" in answer.headers:
            answer.headers["Upload-Offset"] = str(int(answer.headers["Upload-Offset"]) + 7)
        if fault == "twice":
            answer = handle() if upload is None else (handle(), answer)[1]
        elif fault != "stale" and self._stale:
            self._stale.pop(0)()  # what was sent long ago arrives once more, after newer things
        return None if fault in ("drop after", "reset after") else answer


class _Handler(http.server.BaseHTTPRequestHandler):
    world: SmallHub
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        hub = self.world
        length = int(self.headers.get("Content-Length") or 0)
        body = self._read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        name = self.path.rsplit("/", 1)[-1]
        with hub._guard:
            number = len(hub.requests)
            hub.requests.append((self.command, self.path))
            fault = hub.fault(number)
            hub.taken += length
            if fault == "half" and self.command == "PATCH" and name in hub.uploads:
                # The connection breaks in the middle of a request: tus keeps what came until then.
                upload = hub.uploads[name]
                if headers.get("upload-offset") == str(len(upload.data)):
                    upload.data += body[: length // 2]
                answer = None
            else:
                ask = partial(hub.handle, self.command, self.path, headers, body)
                answer = hub.meet(fault, ask, name)
        if fault == "delay":
            time.sleep(0.01)
        if answer is None:
            self._break(hard=fault.startswith("reset"))
            return
        self._say(answer, cut=fault == "cut answer")

    do_POST = do_PATCH = do_HEAD = _any  # noqa: N815

    def _read(self, length: int) -> bytes:
        rate = self.world.rate
        if not rate:
            return self.rfile.read(length)
        parts = []
        while length > 0:
            part = self.rfile.read(min(length, 2048))
            time.sleep(len(part) / rate)
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _say(self, answer: Answer, *, cut: bool) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header(
            "Content-Length", str(len(answer.body) + (50 if cut and answer.body else 0))
        )
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else answer.body)
        if cut:
            self._break(hard=False)

    def _break(self, *, hard: bool) -> None:
        if hard:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR) if not hard else self.connection.close()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is printed."""
