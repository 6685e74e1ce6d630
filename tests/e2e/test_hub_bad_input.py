"""What no honest agent sends: refused with a problem, logged and counted, and nothing of it stays."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
import logging
import random
import socket
import sys
import time
from pathlib import Path

import pytest
import urllib3
from sqlalchemy import select

from proctor.evidence import checkpoint, keys, layout
from proctor.evidence.checkpoint import Checkpoint
from proctor.hub import tables
from proctor.hub.problems import MEDIA_TYPE

_TESTS = Path(__file__).resolve().parents[1]


def _load(name: str):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TESTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_world, hub_cases = _load("hub_world"), _load("hub_cases")
MEDIA = {
    "policy": "application/vnd.dsse.envelope.v1+json",
    "events": "application/cloudevents+json",
    "journal": "application/jsonl",
    "checkpoints": "text/plain",
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


class Student:
    """One invited student with a real case, whose requests a test can bend."""

    def __init__(self, world, folder: Path, name: str) -> None:
        self.world = world
        self.exam = hub_cases.publish(world.hub, world.url, name)
        self.code = hub_cases.code(world.hub, self.exam)
        self.case = hub_cases.whole(folder / name, self.exam, 1)
        self.attempt = hub_cases.attempt_of(self.case)
        self.flag = "camera.frozen-001"
        self.journal = (self.case / layout.JOURNAL).read_bytes()
        self.lines = self.journal.count(b"\n")
        self.clip = (self.case / layout.clip_name(self.flag)).read_bytes()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str):
        said = {"Authorization": f"Bearer {self.code}"}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        return urllib3.request(
            method, f"{self.world.url}/v1/attempts/{self.attempt}/{path}", body=body, headers=said,
            retries=False, redirect=False,
        )  # fmt: skip

    def post(self, path: str, name: str, body: bytes, **headers: str):
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        said = {
            "Content_Type": MEDIA[path], "Proctor_Name": name, "Content_Digest": f"sha-256=:{digest}:",
        }  # fmt: skip
        return self.ask("POST", path, body, **(said | headers))

    def begin(self) -> None:
        policy = (self.case / layout.POLICY).read_bytes()
        assert self.post("policy", "policy.dsse", policy).status == 201
        assert self.post("journal", f"1-{self.lines}", self.journal).status == 201

    def create(self, **headers: str):
        pairs = {"flag": self.flag, "sha256": hashlib.sha256(self.clip).hexdigest()}
        said = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items())
        usual = {
            "Tus_Resumable": "1.0.0",
            "Upload_Length": str(len(self.clip)),
            "Upload_Metadata": said,
        }
        return self.ask("POST", "uploads", b"", **(usual | headers))

    def part(self, location: str, offset: int, data: bytes, **headers: str):
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        usual = {
            "Tus_Resumable": "1.0.0", "Upload_Offset": str(offset),
            "Upload_Checksum": f"sha256 {digest}", "Content_Type": "application/offset+octet-stream",
        }  # fmt: skip
        return self.ask("PATCH", location, data, **(usual | headers))


def code_of(answer) -> tuple[int, str]:
    """Status and code of a refusal, which is a problem in form."""
    assert answer.headers["Content-Type"] == MEDIA_TYPE, answer.data
    said = json.loads(answer.data)
    assert said["status"] == answer.status
    assert said["type"] == f"urn:proctor:problem:{said['code']}"
    assert said["detail"].endswith(".")
    return answer.status, said["code"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    settings = {"header_s": 0.6, "body_s": 0.6, "least_rate": 10_000.0}
    with hub_world.running("sqlite", tmp_path_factory.mktemp("hub"), **settings) as running:
        yield running


@pytest.fixture
def student(world, tmp_path: Path, own_home) -> Student:
    return Student(world, tmp_path, f"exam-{random.randrange(10**9)}")  # noqa: S311


def test_items_that_are_not_what_they_say(student: Student) -> None:
    policy = (student.case / layout.POLICY).read_bytes()
    assert code_of(student.post("policy", "policy.dsse", policy, Content_Digest="sha-256=:AAAA:")) == (
        400, "digest",
    )  # fmt: skip
    assert code_of(student.post("policy", "policy.dsse", policy, Idempotency_Key='"00"'))[0] == 400
    assert (
        code_of(student.post("policy", "policy.dsse", policy, Content_Type="text/html"))[0] == 415
    )
    assert code_of(student.post("policy", "../policy", policy)) == (422, "unusable")
    assert code_of(student.post("policy", "policy.dsse", b"{" * 50_000))[0] == 422
    assert code_of(student.ask("POST", "policy", policy, Content_Type=MEDIA["policy"]))[0] == 422
    squeezed = gzip.compress(b"0" * 10_000_000)
    answer = student.post("policy", "policy.dsse", squeezed, Content_Encoding="gzip")
    assert code_of(answer) == (415, "encoding")
    # Another exam's policy, properly signed and published, is not this exam's.
    other = hub_cases.publish(student.world.hub, student.world.url, student.exam.name + "-b")
    assert code_of(student.post("policy", "policy.dsse", other.envelope)) == (422, "unusable")
    # One with a recipient more: the hub cannot be talked into it.
    from policies.sign import PAYLOAD_TYPE, envelope

    more = student.exam.payload.replace(
        b'recipients = ["', b'recipients = ["age1' + b"q" * 58 + b'", "'
    )
    answer = student.post(
        "policy", "policy.dsse", envelope(more, PAYLOAD_TYPE, [student.exam.signer])
    )
    assert code_of(answer) == (422, "unusable")
    assert rows_of(student, tables.batches) == 0


def rows_of(student: Student, table) -> int:
    with student.world.hub.store.reading() as connection:
        where = table.c.attempt == student.attempt
        return len(connection.execute(select(table).where(where)).all())


def test_a_journal_out_of_order_changed_or_foreign(student: Student, tmp_path: Path) -> None:
    lines = student.journal.splitlines(keepends=True)
    assert code_of(student.post("journal", f"1-{student.lines}", student.journal))[0] == 409
    student.post("policy", "policy.dsse", (student.case / layout.POLICY).read_bytes())
    assert code_of(student.post("journal", "2-3", b"".join(lines[1:3]))) == (409, "differs")
    assert code_of(student.post("journal", "1-3", b"".join(lines[:2])))[0] == 422
    assert code_of(student.post("journal", "1-2", b"".join(lines[:2])[:-1]))[0] == 422
    assert code_of(student.post("journal", "1-1", lines[1]))[0] == 422
    other = Student(student.world, tmp_path, student.exam.name + "-c")
    assert (
        code_of(student.post("journal", "1-1", other.journal.splitlines(keepends=True)[0]))[0]
        == 422
    )
    deep = lines[0].replace(b'"data":{', b'"data":{"x":' + b"[" * 100_000)
    assert code_of(student.post("journal", "1-1", deep))[0] == 422
    assert code_of(student.post("journal", "1-1", b"x" * 3_000_000 + b"\n")) == (413, "body.large")
    assert rows_of(student, tables.batches) == 0
    # An event, and then a batch that says otherwise.
    event = lines[1].rstrip(b"\n")
    assert student.post("events", "2", event).status == 201
    assert student.post("events", "2", event).status == 200
    changed = event.replace(b'"time":"2', b'"time":"3')
    assert changed != event
    assert code_of(student.post("events", "2", changed))[0] == 409
    assert code_of(student.post("journal", "1-2", lines[0] + changed + b"\n"))[0] == 409
    assert student.post("journal", f"1-{student.lines}", student.journal).status == 201
    assert code_of(student.post("events", "2", changed))[0] == 409
    again = lines[0].replace(b"consent", b"c0nsent", 1) + b"".join(lines[1:])
    assert code_of(student.post("journal", f"1-{student.lines}", again))[0] == 409
    assert student.post("journal", "2-3", b"".join(lines[1:3])).status == 200


def test_checkpoints_that_do_not_hold(student: Student) -> None:
    student.begin()
    key = keys.attempt_key(student.attempt)
    path = sorted((student.case / layout.CHECKPOINTS).iterdir())[-1]
    note, name = path.read_bytes(), f"checkpoints/{path.name}"

    def signed(size: int, root: bytes, by=key) -> bytes:
        return checkpoint.sign(Checkpoint(student.attempt, size, root), by)

    root = note.split(b"\n")[2]
    altered = note.replace(root, root.swapcase())
    assert altered != note
    assert code_of(student.post("checkpoints", name, altered))[0] == 422
    lying = signed(student.lines, bytes(32))
    assert code_of(student.post("checkpoints", name, lying)) == (409, "differs")
    ahead = signed(student.lines + 1, bytes(32))
    assert (
        code_of(student.post("checkpoints", f"checkpoints/{student.lines + 1:08d}.note", ahead))[0]
        == 409
    )
    other = keys.local_signing_key()
    assert (
        code_of(student.post("checkpoints", name, signed(student.lines, bytes(32), other)))[0]
        == 422
    )
    assert code_of(student.post("checkpoints", "checkpoints/00000001.note", note))[0] == 422
    assert rows_of(student, tables.checkpoints) == 0
    assert student.post("checkpoints", name, note).status == 201
    fork = signed(student.lines, hashlib.sha256(b"fork").digest())
    assert code_of(student.post("checkpoints", name, fork)) == (409, "differs")


def test_clips_that_nobody_sealed(student: Student) -> None:
    student.post("policy", "policy.dsse", (student.case / layout.POLICY).read_bytes())
    assert code_of(student.create()) == (425, "clip.early")
    student.post("journal", f"1-{student.lines}", student.journal)
    assert code_of(student.create(Upload_Length=str(len(student.clip) + 1)))[0] == 409
    assert code_of(student.create(Upload_Length="99999999999"))[0] == 413
    assert code_of(student.create(Upload_Length="many"))[0] == 422
    assert code_of(student.create(Upload_Metadata="flag !!"))[0] == 422
    assert code_of(student.create(Tus_Resumable="0.2.2")) == (412, "tus.version")
    made = student.create()
    assert made.status == 201
    location = made.headers["Location"]
    assert student.create().headers["Location"] == location
    part = student.clip[:1000]
    assert code_of(student.part(location, 0, part, Upload_Checksum="sha256 AAAA")) == (
        460,
        "part.damaged",
    )
    assert code_of(student.part(location, 5, part))[0] == 409
    assert code_of(student.part(location, 0, student.clip + b"x"))[0] == 413
    assert student.part(location, 0, part).headers["Upload-Offset"] == "1000"
    assert code_of(student.part(location, 0, part))[0] == 409
    # The rest is not the clip's: the whole is thrown away, and begins anew.
    rest = bytes(len(student.clip) - 1000)
    assert student.part(location, 1000, rest).headers["Upload-Offset"] == "0"
    head = student.ask("HEAD", location, Tus_Resumable="1.0.0")
    assert (head.headers["Upload-Offset"], "Repr-Digest" in head.headers) == ("0", False)
    assert student.part(location, 0, student.clip).status == 204
    head = student.ask("HEAD", location, Tus_Resumable="1.0.0")
    assert "Repr-Digest" in head.headers
    for other in ("0" * 32, "..%2f..%2fhub.key", "x" * 900):
        answer = student.ask("PATCH", f"uploads/{other}", b"", Tus_Resumable="1.0.0")
        assert answer.status in (404, 414, 422), other


def test_what_is_not_sealed_is_not_kept(world, tmp_path: Path) -> None:
    """A journal that announces plain bytes as a clip: the hub keeps no plain picture."""
    from proctor.evidence import journal
    from proctor.evidence.tree import Tree, leaf_hash

    student = Student(world, tmp_path, "unsealed")
    lines = student.journal.splitlines()
    sealed = hashlib.sha256(student.clip).hexdigest().encode()
    student.clip = b"a plain picture" * 1000
    plain = hashlib.sha256(student.clip).hexdigest().encode()
    length = json.loads(next(x for x in lines if sealed in x))["data"]["length"]
    bent = [
        x.replace(sealed, plain).replace(b'"length":%d' % length, b'"length":15000') for x in lines
    ]
    student.journal = b"\n".join(bent) + b"\n"
    assert journal.parse(bent[0], 1)
    assert Tree(map(leaf_hash, bent)).size == student.lines
    student.begin()
    location = student.create().headers["Location"]
    assert code_of(student.part(location, 0, student.clip)) == (422, "clip.unsealed")
    assert [n for n in world.hub.blobs.names("clips") if student.attempt in n] == []
    assert list(world.hub.blobs.names("parts")) == []


def test_foreign_codes_and_injections(student: Student, tmp_path: Path) -> None:
    student.begin()
    other = Student(student.world, tmp_path, student.exam.name + "-d")
    other.begin()
    mine = student.code
    for code, wanted in (
        ("", 401), ("A" * 16, 401), ("' OR 1=1 --", 401), ("x" * 5000, 401), (other.code, 403),
    ):  # fmt: skip
        student.code = code
        assert code_of(student.post("journal", f"1-{student.lines}", student.journal))[0] == wanted
    student.code = mine
    free = hub_cases.code(student.world.hub, student.exam)
    student.code = free  # a fresh code cannot take over an attempt that is another's
    assert code_of(student.ask("GET", "proof")) == (403, "attempt.taken")
    student.code = mine
    for attempt in ("1' OR '1'='1", "%00", "..%2f..%2f", "A" * 32, "0" * 31):
        answer = urllib3.request(
            "GET", f"{student.world.url}/v1/attempts/{attempt}/proof", retries=False,
            headers={"Authorization": f"Bearer {mine}"},
        )  # fmt: skip
        assert code_of(answer)[0] in (404, 422), attempt


def raw(world, *parts: bytes, pause: float = 0.0, wait: float = 60.0) -> bytes:
    """What comes back for bytes that are sent as they are, until the hub closes the line."""
    with socket.create_connection(("127.0.0.1", world.port), wait) as line:
        answer = b""
        try:
            for part in parts:
                line.sendall(part)
                time.sleep(pause)
            while chunk := line.recv(65_536):
                answer += chunk
        except (ConnectionError, BrokenPipeError):
            return answer
        return answer


def test_whoever_drips_is_let_go(world) -> None:
    head = b"POST /v1/invitations/redeem HTTP/1.1\r\nHost: hub\r\n"
    assert raw(world, b"POST / HT", *[b"x"] * 40, pause=0.05) == b""
    assert raw(world, head, *[b"X-A: b\r\n"] * 40, pause=0.05) == b""
    slow = raw(
        world, head + b"Content-Type: text/plain\r\nContent-Length: 500\r\n\r\n", b"12", pause=0.1
    )
    assert slow.startswith(b"HTTP/1.1 408")
    assert b"body.slow" in slow
    # Whoever is idle between two requests is not meant.
    with socket.create_connection(("127.0.0.1", world.port), 60) as line:
        for _ in range(2):
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: hub\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += (chunk := line.recv(65_536))
                assert chunk, "the hub closed the line"
            time.sleep(1.0)


def test_what_is_no_http_or_too_much_of_it(world) -> None:
    assert b'"code": "http.malformed"' in raw(world, b"\x16\x03\x01 what is this\r\n\r\n")
    long = raw(world, b"GET /" + b"a" * 3_000 + b" HTTP/1.1\r\nHost: hub\r\n\r\n")
    assert long.startswith(b"HTTP/1.1 414")
    many = b"GET /livez HTTP/1.1\r\nHost: hub\r\n" + b"X-A: b\r\n" * 100 + b"\r\n"
    assert raw(world, many).startswith(b"HTTP/1.1 431")
    huge = b"GET /livez HTTP/1.1\r\nHost: hub\r\nX-A: " + b"b" * 40_000 + b"\r\n\r\n"
    assert raw(world, huge).startswith(b"HTTP/1.1 431")
    chunks = (
        b"POST /v1/invitations/redeem HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert raw(world, chunks, *[b"10000\r\n" + b"a" * 65_536 + b"\r\n"] * 40).startswith(
        b"HTTP/1.1 413"
    )
    big = (
        b"POST /v1/invitations/redeem HTTP/1.1\r\nHost: hub\r\nContent-Length: 99999999999\r\n\r\n"
    )
    assert raw(world, big).startswith(b"HTTP/1.1 413")
    split = b"GET /livez HTTP/1.1\r\nHost: hub\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert b"HTTP/1.1 5" not in raw(
        world, split + b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n"
    )


def test_every_refusal_is_logged_and_counted_and_no_secret_is(
    student: Student, caplog: pytest.LogCaptureFixture
) -> None:
    def count() -> float:
        text = urllib3.request("GET", f"{student.world.url}/metrics").data.decode()
        line = [
            x for x in text.splitlines() if x.startswith('hub_refused_total{code="clip.early"}')
        ]
        return float(line[0].split()[-1]) if line else 0.0

    student.post("policy", "policy.dsse", (student.case / layout.POLICY).read_bytes())
    before = count()
    with caplog.at_level(logging.INFO, logger="proctor.hub"):
        assert code_of(student.create())[0] == 425
        ends = time.monotonic() + 60
        while not any(getattr(r, "refused", "") == "clip.early" for r in caplog.records):
            assert time.monotonic() < ends, "the line, which is written after the answer"
            time.sleep(0.02)
    assert count() == before + 1
    (line,) = [r for r in caplog.records if getattr(r, "refused", "") == "clip.early"]
    assert (line.status, line.route) == (425, "/v1/attempts/{attempt}/uploads")
    written = "".join(str(r.__dict__) for r in caplog.records)
    assert student.code not in written
    assert student.attempt not in written
