"""Bad requests to the staff's API, what browsers may not do, limits, and that no secret reaches a log."""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pyotp
import pytest
import urllib3

from proctor.cli.main import main

_SPEC = importlib.util.spec_from_file_location(
    "staff_kit", Path(__file__).resolve().parents[1] / "staff_kit.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules["staff_kit"] = kit
_SPEC.loader.exec_module(kit)
hub_world = kit.load("hub_world")
EVIL = (
    "' OR 1=1 --",
    "..%2f..%2fhub.key",
    "a\r\nSet-Cookie: x=1",
    "\0",
    "😀" * 50,
    "%00",
    "{{7*7}}",
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Any]:
    with hub_world.running("sqlite", tmp_path) as running:
        made = kit.World(running, tmp_path)
        yield made
        made.close()


def ask(world: Any, method: str, place: str, body: Any = None, **headers: str) -> Any:
    raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} if raw is not None else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request(
        method,
        f"{world.running.url}{place}",
        body=raw,
        headers=given,
        retries=False,
        redirect=False,
    )


def is_problem(answer: Any, *statuses: int) -> bool:
    """A refusal as RFC 9457 asks, with a sentence."""
    assert answer.status in statuses, (answer.status, answer.data)
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = answer.json()
    return bool(said["status"] == answer.status and said["detail"] and said["code"])


def test_bad_requests_get_a_problem_and_never_a_fault(world: Any) -> None:
    ada = world.member("Ada Quill", "reviewer", "admin", "auditor")
    bearer = {"Authorization": f"Bearer {ada.client.token}"}
    staff = "/v1/staff"
    for evil in EVIL:
        quoted = quote(evil, safe="%")
        for place in (
            f"{staff}/queue?exam={quoted}",
            f"{staff}/queue?after={quoted}",
            f"{staff}/queue?kind={quoted}&state={quoted}",
            f"{staff}/statistics?exam={quoted}",
        ):
            answer = ask(world, "GET", place, **bearer)
            assert answer.status == 200 or is_problem(answer, 400, 422), (place, answer.data)
            assert "x=1" not in str(answer.headers)
        for place in (f"{staff}/attempts/{quoted}/journal", f"{staff}/proposals/{quoted}/approve"):
            assert is_problem(ask(world, "GET", place, **bearer), 400, 404, 405, 422)
        said = {"name": evil, "password": evil, "code": evil}
        assert is_problem(ask(world, "POST", f"{staff}/session", said), 401, 422)
        token = "".join(c if 32 <= ord(c) < 127 else "." for c in evil)
        answer = ask(world, "GET", f"{staff}/me", Authorization=f"Bearer {token}")
        assert is_problem(answer, 401)
    for body in (
        b"",
        b"{",
        b"[" * 50_000,
        b"null",
        b'{"name": 1}',
        b"\xff\xfe",
        b'{"name":"a","x":1}',
    ):
        assert is_problem(ask(world, "POST", f"{staff}/session", body), 400, 401, 415, 422)
        assert is_problem(ask(world, "POST", f"{staff}/queue/take", body, **bearer), 400, 415, 422)
    for n in (0, 51, -1, 10**30, 1.5, "1", True, None):
        assert is_problem(ask(world, "POST", f"{staff}/queue/take", {"n": n}, **bearer), 422)
    big = json.dumps({"name": "a" * 600_000}).encode()
    assert is_problem(ask(world, "POST", f"{staff}/session", big), 413)
    answer = urllib3.request(
        "POST",
        f"{world.running.url}{staff}/session",
        body=(big[at : at + 50_000] for at in range(0, len(big), 50_000)),
        headers={"Content-Type": "application/json"},
        retries=False,
    )
    assert is_problem(answer, 413, 411, 415)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = ask(world, "POST", f"{staff}/session", b"{}", Content_Type=kind)
        assert is_problem(answer, 415)


def test_every_way_in_asks_who_it_is(world: Any) -> None:
    """No route of the staff's answers without a log-in, but those that begin one."""
    open_to_all = {"/v1/staff/session", "/v1/staff/oidc/start", "/v1/staff/oidc/done",
                   "/v1/staff/oidc/token"}  # fmt: skip
    document = ask(world, "GET", "/v1/openapi.json").json()
    asked = 0
    for path, methods in document["paths"].items():
        if not path.startswith("/v1/staff"):
            continue
        for method in methods:
            if path in open_to_all and method in ("get", "post"):
                continue
            place = path.replace("{attempt}", "0" * 32).replace("{proposal}", "0" * 32)
            place = place.replace("{flag}", "f1")
            body = {} if method in ("post", "put") else None
            assert is_problem(ask(world, method.upper(), place, body), 401), (method, path)
            asked += 1
    assert asked >= 30


def test_pages_of_other_sites_get_nothing(world: Any) -> None:
    ada = world.member("Ada Quill", "reviewer")
    bearer = {"Authorization": f"Bearer {ada.client.token}"}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
    ):
        answer = ask(world, "POST", "/v1/staff/queue/take", {"n": 1}, **bearer, **headers)
        assert is_problem(answer, 403)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    answer = ask(
        world, "OPTIONS", "/v1/staff/queue", **bearer, Origin="https://evil.example",
        Access_Control_Request_Method="GET",
    )  # fmt: skip
    assert is_problem(answer, 403)
    # A cookie is no log-in anywhere.
    assert is_problem(ask(world, "GET", "/v1/staff/me", Cookie=f"token={ada.client.token}"), 401)


def test_every_answer_wears_the_headers_that_browsers_heed(world: Any) -> None:
    for place in ("/v1/staff/me", "/v1/openapi.json", "/nothing", "/v1/staff/queue?limit=x"):
        answer = ask(world, "GET", place)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        if place.startswith("/v1/staff"):
            assert answer.headers["Cache-Control"] == "no-store"
    # Also what is refused before anybody looks at it.
    answer = ask(world, "GET", "/v1/staff/me?" + "x" * 5000)
    assert is_problem(answer, 414)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_body_without_a_length_says_what_it_is_all_the_same(world: Any) -> None:
    answer = urllib3.request(
        "POST",
        f"{world.running.url}/v1/staff/session",
        body=iter([b'{"name": "a", ', b'"password": "b", "code": "c"}']),
        headers={"Content-Type": "text/plain"},
        retries=False,
    )
    assert is_problem(answer, 415)


def test_asking_too_often_has_to_wait(world: Any) -> None:
    ada, bo = world.member("Ada Quill", "reviewer"), world.member("Bo Rivers", "reviewer")
    limits = world.running.app.state.limits
    limits.person._rate, limits.person._burst = 1.0, 3.0
    limits.person._levels.clear()
    bearer = {"Authorization": f"Bearer {ada.client.token}"}
    answers = [ask(world, "GET", "/v1/staff/me", **bearer) for _ in range(6)]
    assert [one.status for one in answers[:3]] == [200] * 3
    assert is_problem(answers[-1], 429)
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert bo.client.me()["person"]["name"] == "Bo Rivers", "another person is not held up"
    limits.log_in._rate, limits.log_in._burst = 0.1, 2.0
    limits.log_in._levels.clear()
    said = {"name": "a", "password": "b", "code": "c"}
    answers = [ask(world, "POST", "/v1/staff/session", said) for _ in range(4)]
    assert [one.status for one in answers] == [401, 401, 429, 429]


@pytest.mark.parametrize(("proxies", "apart"), [("127.0.0.1", True), ("", False)])
def test_who_guesses_behind_a_proxy_makes_nobody_else_wait(
    tmp_path: Path, proxies: str, apart: bool
) -> None:
    with hub_world.running("sqlite", tmp_path, proxies=proxies) as running:
        world = kit.World(running, tmp_path)
        limits = running.app.state.limits
        limits.log_in._rate, limits.log_in._burst = 0.001, 2.0
        said = {"name": "a", "password": "b", "code": "c"}

        def tries(address: str) -> list[int]:
            where = {"X-Forwarded-For": address}
            return [ask(world, "POST", "/v1/staff/session", said, **where).status for _ in range(3)]

        assert tries("203.0.113.5") == [401, 401, 429]
        # Without the setting anybody could name any address, so what is said is not heeded.
        assert tries("203.0.113.6") == ([401, 401, 429] if apart else [429] * 3)
        # The address in front is whatever the guesser wrote; the one that the proxy added counts.
        assert tries("203.0.113.7, 203.0.113.6") == [429] * 3
        world.close()


def test_no_secret_reaches_a_log_or_an_answer_that_is_not_for_it(
    world: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    first, second = "a lantern by seven quiet rivers", "nine slow boats upon a lake"
    with world.hub.store.transaction() as tx:
        made = kit.accounts.add(
            tx.connection, kit.box_of(world.hub), "Ada Quill", ["reviewer"], now=world.clock(),
            password=first,
        )  # fmt: skip
    secret = parse_qs(urlsplit(made.uri).query)["secret"][0]

    def code() -> str:
        world.clock.turn(seconds=60)
        return pyotp.TOTP(secret).at(world.clock.at)

    client = world.client()
    used = [code()]
    tokens = [client.log_in("Ada Quill", first, used[-1])["token"]]
    with pytest.raises(kit.RefusedError) as no:
        client.queue()
    assert no.value.code == "password.must.change"
    used.append(code())
    client.change_password(first, second, used[-1])
    used.append(code())
    tokens.append(client.log_in("Ada Quill", second, used[-1])["token"])
    client.register_key(kit.Ed25519PrivateKey.generate())
    world.exam("algebra")
    attempt = world.attempt("algebra")
    invited = world.codes[attempt]
    ask(world, "GET", f"/v1/attempts/{attempt}/outcome", Authorization=f"Bearer {invited}")
    with pytest.raises(kit.RefusedError):
        client.log_in("Ada Quill", second, made.recovery[0] + "0")
    ask(world, "POST", "/v1/staff/session", b'{"password": "' + second.encode())
    ask(world, "POST", "/v1/staff/session", {"name": "a", "password": second, "code": 5})
    client.log_out()
    with pytest.raises(kit.RefusedError):
        client.me()
    written = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    written += "".join(capfd.readouterr())
    with world.hub.store.reading() as connection:
        written += str(connection.execute(kit.log_records.select()).all())
    assert written, "nothing was logged, so nothing was tested"
    for kept in (first, second, secret, invited, *tokens, *made.recovery, *used):
        assert kept not in written


def test_staff_are_looked_after_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    password = tmp_path / "password"
    password.write_text("a lantern by seven quiet rivers\n", encoding="utf-8")
    password.chmod(0o600)
    settings = tmp_path / "hub.toml"
    settings.write_text(f"folder = {json.dumps(str(tmp_path / 'hub'))}\n", encoding="utf-8")

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["hub", "staff", *arguments, "--settings", str(settings)]) == code
        return "".join(capsys.readouterr())

    told = run("add", "Ada Quill", "--role", "admin", "--password-file", str(password))
    assert "otpauth://totp/" in told
    assert told.count("\n  ") == 10
    run("add", "Bo Rivers", "--role", "reviewer", "--role", "proctor", "--oidc", "subject-of-bo")
    assert "Bo Rivers                proctor, reviewer" in run("list")
    assert "last admin" in run("disable", "Ada Quill", code=2)
    assert "auditor" in run("role", "Bo Rivers", "auditor")
    run("disable", "Bo Rivers")
    assert "(shut)" in run("list")
    assert "otpauth://" in run("reset", "Ada Quill", "--password-file", str(password))
    assert "There is no role 'king'" in run("role", "Bo Rivers", "king", code=2)
    assert "no account 'Nobody'" in run("disable", "Nobody", code=2)
