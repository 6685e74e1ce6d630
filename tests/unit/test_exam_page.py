"""The exam page's door on loopback: who may post what, and everything that is refused."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from proctor.errors import InputError, MissingError
from proctor.session import markers
from proctor.session.markers import Allowance, ExamPage, snippet

ORIGIN = "https://exam.example.edu"
WAIT_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


class Log(list[tuple[str, dict[str, Any]]]):
    """A session that takes every milestone, or none."""

    closed = False

    def mark(self, kind: str, data: Any) -> None:
        if self.closed:
            raise InputError("No live exam is running, so there is nothing to mark.")
        self.append((kind, dict(data)))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def page(log: Log) -> Iterator[ExamPage]:
    with ExamPage(ORIGIN, log.mark) as page:
        yield page


SHOWN = {"kind": "question.shown", "id": "q1"}


def ask(
    page: ExamPage,
    method: str = "POST",
    path: str = "/markers",
    body: Any = SHOWN,
    drop: tuple[str, ...] = (),
    **headers: str,
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """One request as a browser sends it; ``headers`` replaces, with _ for -."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {
        "Host": f"127.0.0.1:{page.port}", "Origin": ORIGIN,
        "Authorization": f"Bearer {page.token}", "Content-Type": "application/json",
        "Content-Length": str(len(data)),
    } | {name.replace("_", "-"): value for name, value in headers.items()}  # fmt: skip
    with closing(HTTPConnection("127.0.0.1", page.port, timeout=WAIT_S)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if name not in drop:
                connection.putheader(name, value)
        connection.endheaders()
        if method == "POST":
            connection.send(data)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, dict(answer.getheaders()), json.loads(text) if text else {}


def test_the_page_of_the_policy_posts_its_two_milestones(page, log):
    status, headers, _ = ask(page)
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Cache-Control"] == "no-store"
    assert ask(page, body={"kind": "answer.submitted", "id": "exam:part-1.q_7"})[0] == 204
    assert log == [
        ("question.shown", {"id": "q1"}),
        ("answer.submitted", {"id": "exam:part-1.q_7"}),
    ]


def test_a_browser_that_asks_first_is_told_what_it_may(page, log):
    wanted = {
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "authorization,content-type",
    }
    status, headers, _ = ask(page, "OPTIONS", drop=("Authorization",), **wanted)
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert "Access-Control-Allow-Private-Network" not in headers
    _, headers, _ = ask(page, "OPTIONS", **wanted, Access_Control_Request_Private_Network="true")
    assert headers["Access-Control-Allow-Private-Network"] == "true"
    status, headers, _ = ask(page, "OPTIONS", **wanted, Origin="https://elsewhere.example")
    assert status == 403
    assert not [name for name in headers if name.startswith("Access-Control")]
    assert ask(page, "OPTIONS", Access_Control_Request_Method="DELETE")[0] == 405
    assert log == []


@pytest.mark.parametrize(
    ("request_", "status", "title"),
    [
        ({"Origin": "https://exam.example.edu.evil.example"}, 403, "wrong page"),
        ({"Origin": "http://exam.example.edu"}, 403, "wrong page"),
        ({"Origin": "https://exam.example.edu:8443"}, 403, "wrong page"),
        ({"Origin": "null"}, 403, "wrong page"),
        ({"drop": ("Origin",)}, 403, "wrong page"),
        ({"Host": "exam.example.edu"}, 421, "wrong host"),
        ({"drop": ("Host",)}, 421, "wrong host"),
        ({"path": "/"}, 404, "no such address"),
        ({"path": "/markers?x=1"}, 404, "no such address"),
        ({"method": "GET"}, 405, "wrong method"),
        ({"method": "DELETE"}, 405, "wrong method"),
        ({"drop": ("Authorization",)}, 401, "wrong token"),
        ({"Authorization": "Bearer "}, 401, "wrong token"),
        ({"Authorization": "Bearer " + "A" * 32}, 401, "wrong token"),
        ({"Authorization": "Bearer \xff\xfe"}, 401, "wrong token"),
        ({"Content_Type": "text/plain"}, 415, "wrong type"),
        ({"drop": ("Content-Length",)}, 411, "no length"),
        ({"Content_Length": "-1"}, 411, "no length"),
        ({"Content_Length": "9" * 400}, 413, "too large"),
        ({"Transfer_Encoding": "chunked"}, 411, "no length"),
        ({"body": {"kind": "question.shown", "id": "q" * 500}}, 413, "too large"),
        ({"body": {"kind": "question.shown", "id": "q" * 65}}, 422, "wrong id"),
        ({"body": {"kind": "question.shown", "id": "my name is Ada"}}, 422, "wrong id"),
        ({"body": {"kind": "question.shown", "id": 7}}, 422, "wrong id"),
        ({"body": {"kind": "calibration.begin", "id": "q1"}}, 422, "unknown kind"),
        ({"body": {"kind": ["question.shown"], "id": "q1"}}, 422, "unknown kind"),
        ({"body": SHOWN | {"t": 1.0}}, 400, "wrong fields"),
        ({"body": []}, 400, "wrong fields"),
        ({"body": b"{"}, 400, "not JSON"),
        ({"body": b"[" * 500}, 400, "not JSON"),
        ({"body": b"\xff" * 9}, 400, "not JSON"),
        ({"body": b""}, 400, "not JSON"),
    ],
)
def test_everything_else_is_refused_with_a_sentence_and_nothing_is_marked(
    page, log, request_, status, title
):
    got, headers, problem = ask(page, **request_)
    assert (got, problem["status"], problem["title"]) == (status, status, title)
    assert problem["detail"].endswith(".")
    assert headers["Content-Type"] == "application/problem+json"
    assert page.token not in json.dumps(problem)
    assert log == []
    # Only the page itself may read why.
    right_page = "Origin" not in request_ and "Origin" not in request_.get("drop", ())
    assert ("Access-Control-Allow-Origin" in headers) == right_page


def test_a_session_that_has_ended_says_so(page, log):
    log.closed = True
    status, _, problem = ask(page)
    assert status == 409
    assert problem["detail"].startswith("No live exam is running")


def test_a_header_that_comes_twice_is_no_header(page, log):
    with socket.create_connection(("127.0.0.1", page.port), timeout=WAIT_S) as line:
        line.sendall(
            f"POST /markers HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
            f"Origin: {ORIGIN}\r\nOrigin: {ORIGIN}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert line.recv(100).startswith(b"HTTP/1.0 403")
    assert log == []


@pytest.mark.parametrize("bytes_", [b"\x16\x03\x01\x02\x00" * 20, b"GET\r\n\r\n", b"A" * 70_000])
def test_what_is_no_http_gets_an_answer_or_none_and_harms_nobody(page, log, bytes_):
    with socket.create_connection(("127.0.0.1", page.port), timeout=WAIT_S) as line:
        try:
            line.sendall(bytes_ + b"\r\n\r\n")
            line.recv(1000)
        except OSError:
            pass  # cut off while it was still talking
    assert ask(page)[0] == 204
    assert len(log) == 1


def test_who_drips_is_cut_off_and_the_page_goes_on(page, log, monkeypatch):
    monkeypatch.setattr(markers, "REQUEST_S", 0.5)
    lines = [socket.create_connection(("127.0.0.1", page.port), timeout=WAIT_S) for _ in range(12)]
    ended = threading.Event()

    def drip(line: socket.socket) -> None:
        while not ended.wait(0.05):
            try:
                line.sendall(b"X")
            except OSError:
                return

    threads = [threading.Thread(target=drip, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + WAIT_S
    status = 0
    while status != 204 and time.monotonic() < deadline:
        time.sleep(0.2)
        try:
            status = ask(page)[0]
        except OSError:
            continue  # all places are still taken
    assert status == 204
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()
    ended.set()
    for line in lines:
        line.close()


def test_a_flood_is_slowed_down_and_ends():
    now = [0.0]
    allowance = Allowance(lambda: now[0])
    assert sum(allowance.take() for _ in range(1000)) == markers.BURST
    now[0] += 10.0
    assert sum(allowance.take() for _ in range(1000)) == 10 * markers.PER_SECOND
    taken = 0
    for _ in range(markers.MAX_IN_ALL):
        now[0] += 1.0
        taken += allowance.take()
    assert taken < markers.MAX_IN_ALL
    assert not allowance.take()


def test_a_flood_over_the_wire_is_answered_429(page, log):
    # Time stands still: a busy machine may take as long to ask as the allowance to grow.
    page._server.allowance = Allowance(lambda: 0.0)
    burst = round(markers.BURST)
    assert [ask(page)[0] for _ in range(burst + 20)] == [204] * burst + [429] * 20
    assert len(log) == burst


def test_each_attempt_has_its_own_port_and_token_and_its_end_closes_the_door(log):
    with ExamPage(ORIGIN, log.mark) as one, ExamPage(ORIGIN, log.mark) as two:
        assert one.token != two.token
        assert ask(two, Authorization=f"Bearer {one.token}")[0] == 401
        with pytest.raises(MissingError, match="no free port"):
            ExamPage(ORIGIN, log.mark, port=one.port)
    with pytest.raises(OSError, match="refused"):
        ask(one)


def test_the_link_carries_the_way_in_its_hash_which_no_server_sees(page):
    assert page.link == f"{ORIGIN}/#open-proctor={page.port}.{page.token}"
    assert re.search(r"\^#open-proctor=", snippet())
    with ExamPage("https://exam.example.edu:443", lambda kind, data: None) as other:
        assert other.origin == ORIGIN


def test_the_script_is_short_and_stands_in_the_guide_as_it_is():
    assert len(snippet().splitlines()) <= 30
    assert snippet().strip() in (ROOT / "docs" / "markers.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_the_door_asks_nobody_for_anything(tmp_path):
    """No name is looked up and nothing is connected to: it only listens, and only on loopback."""
    trace = tmp_path / "trace"
    program = (
        "from proctor.session.markers import ExamPage\n"
        f"with ExamPage({ORIGIN!r}, print) as page: print(page.port)\n"
    )
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=socket,connect,bind,sendto,sendmsg", "-o", str(trace),
         sys.executable, "-c", program],
        check=True, capture_output=True, cwd=ROOT,
    )  # fmt: skip
    calls = trace.read_text(encoding="utf-8")
    assert re.findall(r"bind\(\d+, (.*?)\) = 0", calls) != []
    assert set(re.findall(r"sin_addr=inet_addr\(\"(.*?)\"\)", calls)) == {"127.0.0.1"}
    assert "connect(" not in calls
    assert "SOCK_DGRAM" not in calls
