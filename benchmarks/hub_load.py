"""Students for the hub's benchmark: cases with real keys, signatures and digests, spoken over plain sockets.

Each student keeps three connections, as an agent does: one delivers, one says heartbeats, one waits for
commands. What is measured
is the time from the first byte of a request to the last of its answer, seen from here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proctor.evidence import checkpoint, layout
from proctor.evidence.checkpoint import Checkpoint
from proctor.evidence.journal import SOURCE
from proctor.evidence.tree import Tree, leaf_hash

PART = 1_000_000
# An answer that takes longer is an error (s).
PATIENCE_S = 60.0


@dataclass
class Measured:
    """Seconds by kind of request, and what went wrong."""

    took: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    recording: bool = False

    def note(self, kind: str, seconds: float) -> None:
        if self.recording and kind != "wait for commands":
            self.took.setdefault(kind, []).append(seconds)


class Line:
    """One connection that is kept open, and opened anew after trouble."""

    def __init__(self, port: int, measured: Measured) -> None:
        self._port = port
        self._measured = measured
        self._pipe: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, kind: str, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer. Trouble is counted, and tried again three times."""
        for _ in range(5):
            began = time.perf_counter()
            reused = self._pipe is not None
            try:
                async with asyncio.timeout(PATIENCE_S):
                    answer = await self._once(method, path, headers, body)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                if reused and isinstance(error, asyncio.IncompleteReadError) and not error.partial:
                    # An idle connection that was closed in the meantime: every client opens another.
                    await self.close()
                    continue
                self._measured.errors[f"{kind}: {type(error).__name__}"] += 1
                await self.close()
                continue
            self._measured.note(kind, time.perf_counter() - began)
            if answer[0] < 400:
                return answer
            self._measured.errors[f"{kind}: {answer[0]} {answer[2][:120]!r}"] += 1
            await asyncio.sleep(1.0)
        raise OSError(f"{kind}: no answer that counts")

    async def _once(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if self._pipe is None:
            self._pipe = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._pipe
        head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(head).encode("ascii") + b"\r\n\r\n" + body)
        await writer.drain()
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines if line)
        got = {name.lower(): value for name, value in pairs}
        length = int(got.get("content-length", "0"))
        data = await reader.readexactly(length) if length and method != "HEAD" else b""
        return int(first.split(" ")[1]), got, data

    async def close(self) -> None:
        if self._pipe is not None:
            self._pipe[1].close()
            self._pipe = None


class Student:
    """One attempt: its journal, its two lines, and what it delivers."""

    def __init__(
        self, port: int, code: str, policy: tuple[bytes, bytes], clip: bytes, measured: Measured
    ) -> None:
        self.attempt = hashlib.sha256(code.encode()).hexdigest()[:32]
        self._key = Ed25519PrivateKey.generate()
        self._tree = Tree()
        self._policy, self._envelope = policy
        self._clip, self._digest = clip, hashlib.sha256(clip).hexdigest()
        self._auth = {"Authorization": f"Bearer {code}"}
        self._base = f"/v1/attempts/{self.attempt}"
        self._post, self._beat = Line(port, measured), Line(port, measured)
        self._poll = Line(port, measured)
        self._batch: list[bytes] = []
        self._flags = 0

    def line(self, kind: str, data: dict[str, Any]) -> tuple[int, bytes]:
        """The next journal line and its number."""
        number = self._tree.size + 1
        event = {
            "specversion": "1.0", "id": str(number), "source": SOURCE + self.attempt, "type": kind,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "data": data,
        }  # fmt: skip
        made = json.dumps(event).encode()
        self._tree.append(leaf_hash(made))
        self._batch.append(made)
        return number, made

    async def item(self, path: str, kind: str, name: str, body: bytes) -> None:
        digest = hashlib.sha256(body)
        await self._post.ask(
            path,
            "POST",
            f"{self._base}/{path}",
            self._auth
            | {
                "Content-Type": kind,
                "Content-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
                "Idempotency-Key": f'"{digest.hexdigest()}"',
                "Proctor-Name": name,
            },
            body,
        )

    async def event(self, number: int, line: bytes) -> None:
        await self.item("events", "application/cloudevents+json; charset=utf-8", str(number), line)

    async def signed(self) -> None:
        """The waiting lines as a batch, and the checkpoint over them."""
        size, batch = self._tree.size, self._batch
        self._batch = []
        body = b"".join(line + b"\n" for line in batch)
        name = f"{size - len(batch) + 1}-{size}"
        await self.item("journal", "application/jsonl; charset=utf-8", name, body)
        note = checkpoint.sign(Checkpoint(self.attempt, size, self._tree.root()), self._key)
        await self.item("checkpoints", "text/plain; charset=utf-8", layout.note_name(size), note)

    async def begin(self) -> None:
        """Redeem the code, and deliver policy, consent and the start of the exam."""
        body = json.dumps({"attempt": self.attempt}).encode()
        kind = {"Content-Type": "application/json"}
        await self._post.ask("redeem", "POST", "/v1/invitations/redeem", self._auth | kind, body)
        kind_of_policy = "application/vnd.dsse.envelope.v1+json"
        await self.item("policy", kind_of_policy, layout.POLICY, self._envelope)
        public = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        digest = hashlib.sha256(self._policy).hexdigest()
        consent = {"attempt": self.attempt, "public_key": public, "policy": {"sha256": digest}}
        self.line("consent.recorded", consent)
        self.line("session.started", {"t": 0.0})
        await self.signed()

    async def flag(self) -> None:
        """One flag as an agent delivers it: its events, the batch with the sealed record, the clip."""
        self._flags += 1
        name = f"face.absent-{self._flags:03d}"
        said = {"id": name, "kind": "face.absent", "rule": "x", "start": 10.0 * self._flags}
        await self.event(*self.line("flag", said))
        await self.event(*self.line("flag.closed", said | {"end": 10.0 * self._flags + 5}))
        clip = {"flag": name, "sha256": self._digest, "length": len(self._clip)}
        self.line("sealed", clip)
        await self.signed()
        meta = {"flag": name, "sha256": self._digest}
        digest = base64.b64encode(bytes.fromhex(self._digest)).decode()
        tus = self._auth | {"Tus-Resumable": "1.0.0"}
        begun = tus | {
            "Upload-Length": str(len(self._clip)),
            "Upload-Metadata": ",".join(
                f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in meta.items()
            ),
            "Repr-Digest": f"sha-256=:{digest}:",
        }
        _, got, _ = await self._post.ask("uploads", "POST", f"{self._base}/uploads", begun)
        path = urlsplit(urljoin(f"{self._base}/", got["location"])).path
        for at in range(0, len(self._clip), PART):
            part = self._clip[at : at + PART]
            sum_ = base64.b64encode(hashlib.sha256(part).digest()).decode()
            headers = tus | {
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": str(at),
                "Upload-Checksum": f"sha256 {sum_}",
            }
            await self._post.ask("part of a clip", "PATCH", path, headers, part)
        _, got, _ = await self._post.ask("end of a clip", "HEAD", path, tus)
        if got.get("repr-digest") != f"sha-256=:{digest}:":
            raise OSError("a clip was not confirmed")

    async def beat(self) -> None:
        """One heartbeat."""
        body = json.dumps({"state": "running", "delivery": "all", "at": time.time()}).encode()
        kind = {"Content-Type": "application/json"}
        path = f"{self._base}/heartbeat"
        await self._beat.ask("heartbeat", "POST", path, self._auth | kind, body)

    async def sit(self, until: float, flag_s: float, beat_s: float) -> None:
        """Flags and heartbeats, each at its own pace, from a random moment on."""
        listening = asyncio.create_task(self._listen())
        try:
            await asyncio.gather(
                self._every(self.flag, flag_s, until), self._every(self.beat, beat_s, until)
            )
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self._poll.close()

    async def _listen(self) -> None:
        """Wait for commands, as an agent does all the time; none comes."""
        await asyncio.sleep(random.random() * 25.0)  # noqa: S311
        while True:
            await self._poll.ask(
                "wait for commands", "GET", f"{self._base}/commands?after=0&wait=25", self._auth
            )

    async def _every(self, act: Any, seconds: float, until: float) -> None:
        due = time.monotonic() + random.random() * seconds  # noqa: S311
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await act()
            due += seconds

    async def close(self) -> None:
        await self._post.close()
        await self._beat.close()
