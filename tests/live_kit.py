"""What tests of the live line share: seats at a real hub, people on duty, and a reader of the stream."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import sign
from proctor.hub import accounts, enrol, tokens
from proctor.hub.app import Hub
from proctor.hub.secret import Box

TESTS = Path(__file__).resolve().parent
WAIT_S = 120.0


def load(name: str, path: str) -> ModuleType:
    """A module of the tests by its file, as these have no package."""
    spec = importlib.util.spec_from_file_location(name, TESTS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wait(condition: Callable[[], object], what: str, seconds: float = WAIT_S) -> None:
    """Wait until ``condition`` holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"waited in vain: {what}"
        time.sleep(0.01)


def invite(hub: Hub, policy: bytes, count: int = 1) -> list[str]:
    """One-time codes for the exam of ``policy``, which is published first."""
    envelope = sign.envelope(policy, sign.PAYLOAD_TYPE, [Ed25519PrivateKey.generate()])
    exam, digest = enrol.publish(hub, envelope, None)
    return [one.code for one in enrol.new_codes(hub, exam, digest, count)]


class OnDuty:
    """Somebody of the staff, logged in at ``url``."""

    def __init__(self, hub: Hub, url: str, name: str, *roles: str) -> None:
        self.url = url
        with hub.store.transaction() as tx:
            box = Box(bytes(32), "tests")
            person = accounts.add(
                tx.connection, box, name, roles, now=hub.now(), subject=name
            ).person
            self.token = tokens.issue(tx.connection, person, hub.now()).token
        self.id = person.id
        self._pool = urllib3.PoolManager(retries=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of a request below ``/v1/staff/``."""
        answer = self._pool.request(
            method, f"{self.url}/v1/staff/{path}", headers=self.headers, json=body
        ) if body is not None else self._pool.request(
            method, f"{self.url}/v1/staff/{path}", headers=self.headers
        )  # fmt: skip
        return answer.status, json.loads(answer.data)

    def give(self, attempt: str, kind: str, **more: Any) -> int:
        """A command; its number."""
        status, said = self.ask("POST", f"attempts/{attempt}/commands", {"kind": kind, **more})
        assert status == 201, said
        return int(said["id"])

    def row(self, attempt: str) -> dict[str, Any]:
        """The row of the wall; one without a state where the hub knows no such attempt yet."""
        status, said = self.ask("GET", f"attempts/{attempt}")
        if status == 404:
            return {"state": ""}
        assert status == 200, said
        return dict(said)

    def became(self, attempt: str, number: int) -> str:
        """What became of a command."""
        _, said = self.ask("GET", f"attempts/{attempt}/commands")
        return str(next(one["what"] for one in said if one["id"] == number))

    def close(self) -> None:
        self._pool.clear()


class Heard:
    """What a stream said: kind, number, data, and when (seconds since 1970)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, dict[str, Any], float]] = []
        self.comments = 0

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for name, _, data, _ in list(self.events) if name == kind]

    @property
    def last(self) -> int:
        return self.events[-1][1] if self.events else 0


@contextmanager
def listening(person: OnDuty, *, after: int | None = None, exam: str = "") -> Iterator[Heard]:
    """The stream of the staff, read on a thread until the block ends."""
    heard = Heard()
    headers = person.headers | ({} if after is None else {"Last-Event-ID": str(after)})
    pool = urllib3.PoolManager(retries=False)
    answer = pool.request(
        "GET", f"{person.url}/v1/staff/stream?exam={exam}", headers=headers, preload_content=False
    )
    assert answer.status == 200, answer.data
    begun = threading.Event()

    def read() -> None:
        kind, number, data = "", 0, ""
        try:
            for raw in lines(answer):
                begun.set()
                if raw.startswith(":"):
                    heard.comments += 1
                name, _, value = raw.partition(": ")
                if name == "event":
                    kind = value
                elif name == "id":
                    number = int(value)
                elif name == "data":
                    data = value
                elif not raw and kind:
                    heard.events.append((kind, number, json.loads(data), time.time()))
                    kind = ""
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):
            pass  # the test is over, or the hub is

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert begun.wait(WAIT_S)
    try:
        yield heard
    finally:
        answer.shutdown()
        thread.join(WAIT_S)
        answer.close()
        pool.clear()


def lines(answer: urllib3.BaseHTTPResponse) -> Iterator[str]:
    """The lines of an answer as they come."""
    rest = b""
    while piece := answer.read1(4096):
        rest += piece
        *whole, rest = rest.split(b"\n")
        for line in whole:
            yield line.decode("utf-8")
