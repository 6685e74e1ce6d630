"""The hub's live side by itself: states, slow readers, what was missed, signed commands, ended workers."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import sign
from proctor.errors import CheckFailed, InputError
from proctor.hub import alerts, commands, enrol, live, live_stream, staff_keys
from proctor.hub.alerts import Alert
from proctor.hub.live_client import LiveClient
from proctor.hub.live_stream import Reader, Stream
from proctor.hub.live_tables import alerts as table

_TESTS = Path(__file__).resolve().parents[1]


def _load(name: str) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TESTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_world, cases, kit = _load("hub_world"), _load("hub_cases"), _load("live_kit")
ATTEMPT = "ab" * 16


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Any]:
    with hub_world.running("sqlite", tmp_path) as running:
        yield running


@pytest.fixture
def line(hub: Any) -> Iterator[LiveClient]:
    """An agent's line, its code redeemed."""
    exam = cases.publish(hub.hub, hub.url)
    code = cases.code(hub.hub, exam)
    made = LiveClient(hub.url, ATTEMPT, token=code)
    made.redeem(code)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("kept", "beat", "state"),
    [
        ("enrolled", None, "waiting"),
        ("running", ("running", 0, 1.0), "running"),
        ("running", ("break", 0, 1.0), "break"),
        ("running", ("paused", 0, 44.0), "paused"),
        ("running", ("running", 1, 1.0), "help"),
        ("running", ("running", 1, 46.0), "unheard"),
        ("running", ("ended", 0, 500.0), "ended"),
        ("ended", ("running", 1, 1.0), "ended"),
        ("erased", None, "ended"),
    ],
)
def test_states_are_neutral_and_follow_from_what_was_heard(
    kept: str, beat: Any, state: str
) -> None:
    row = beat and SimpleNamespace(state=beat[0], help=beat[1], heard=1000.0 - beat[2])
    assert live.state_of(kept, row, 1000.0) == state


def an_alert(number: int) -> Alert:
    return Alert(number, "alert", "exam", ATTEMPT, 0.0, {"n": number})


def test_a_reader_that_is_too_slow_has_no_more_than_so_many_waiting() -> None:
    async def go() -> None:
        reader = Reader(asyncio.get_running_loop(), lambda one: True)
        reader.offer([an_alert(n) for n in range(live_stream.MOST_WAITING + 50)])
        await asyncio.sleep(0)
        assert reader.too_slow
        assert reader._waiting.qsize() == live_stream.MOST_WAITING

    asyncio.run(go())


class NoFollower:
    """Stands where a worker's follower is; the test gives the alerts itself."""

    def __init__(self) -> None:
        self.listeners: list[Any] = []

    def listen(self, listener: Any) -> int:
        self.listeners.append(listener)
        return 0

    def leave(self, listener: Any) -> None:
        self.listeners.remove(listener)


@pytest.mark.parametrize("takes", [True, False])
def test_a_slow_reader_is_let_go_with_the_reason_and_one_that_takes_nothing_at_once(
    takes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_stream, "SEND_S", 60.0 if takes else 0.3)
    follower, said = NoFollower(), []

    async def go() -> None:
        what = SimpleNamespace(follower=follower, leaving=asyncio.Event())
        stream = Stream(what, after=None, wanted=lambda one: True, may_go_on=lambda: True)  # type: ignore[arg-type]

        async def send(message: Any) -> None:
            said.append(message.get("body", b"").decode())
            if len(said) == 3:
                follower.listeners[0]([an_alert(n) for n in range(2, 1000)])
                await asyncio.sleep(0.05 if takes else 600.0)

        async def receive() -> Any:
            await asyncio.sleep(600.0)

        task = asyncio.create_task(stream({"type": "http"}, receive, send))
        while not follower.listeners:
            await asyncio.sleep(0.01)
        follower.listeners[0]([an_alert(1)])
        await asyncio.wait_for(task, 60.0)

    asyncio.run(go())
    assert follower.listeners == []
    assert (live_stream.SLOW in "".join(said)) == takes


def test_who_was_away_for_too_long_is_told_to_fetch_everything_anew(hub: Any) -> None:
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with hub.hub.store.transaction() as tx:
        for n in range(5):
            alerts.publish(tx, "alert", exam="e", attempt=ATTEMPT, data={"n": n})
        tx.execute(sa.delete(table).where(table.c.id <= 3))
    with kit.listening(duty, after=1) as heard:
        kit.wait(lambda: heard.of("missed"), "that something is missing")
    with kit.listening(duty, after=900) as heard:  # a number of before a restored backup
        kit.wait(lambda: heard.of("missed"), "that something is missing")
    with kit.listening(duty, after=3) as heard:
        kit.wait(lambda: len(heard.of("alert")) == 2, "the two that are there")
        assert [one["n"] for one in heard.of("alert")] == [3, 4]


def test_a_person_whose_key_is_registered_signs_every_command(hub: Any, line: LiveClient) -> None:
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    with hub.hub.store.transaction() as tx:
        proof = staff_keys.proof(hub.hub.name, duty.id, key)
        staff_keys.register(tx.connection, hub.hub.name, duty.id, public, proof, hub.hub.now())
    path, wish = f"attempts/{ATTEMPT}/commands", {"kind": "message", "text": "Hello."}

    def signed(text: str, attempt: str = ATTEMPT, by: Ed25519PrivateKey = key) -> str:
        made = commands.checked("message", text, 0.0)
        payload = commands.payload(attempt, made, nonce="n1", at=time.time())
        return sign.envelope(payload, commands.PAYLOAD_TYPE, [by]).decode()

    assert duty.ask("POST", path, wish)[0] == 422
    for wrong in (
        signed("Goodbye."), signed("Hello.", "cd" * 16),
        signed("Hello.", by=Ed25519PrivateKey.generate()),
    ):  # fmt: skip
        assert duty.ask("POST", path, wish | {"signed": wrong})[0] == 422
    right = signed("Hello.")
    assert duty.ask("POST", path, wish | {"signed": right})[0] == 201
    # The same words in another envelope are the same command.
    for again in (right, json.dumps(json.loads(right), indent=2)):
        status, said = duty.ask("POST", path, wish | {"signed": again})
        assert (status, said["code"]) == (409, "command.repeated")
    (told,) = line.commands(0, wait=5)
    assert (told.command.text, told.signed) == ("Hello.", right)


def test_only_people_on_duty_watch_and_speak(hub: Any, line: LiveClient) -> None:
    for role in ("auditor", "researcher", "author", "reviewer", "admin"):
        other = kit.OnDuty(hub.hub, hub.url, f"A {role}", role)
        body = {"kind": "message", "text": "Hello."}
        status, said = other.ask("POST", f"attempts/{ATTEMPT}/commands", body)
        assert (status, said["code"]) == (403, "role"), role
        assert other.ask("GET", "stream")[0] == 403, role
        other.close()
    assert line.commands(0, wait=0) == []


def test_a_code_that_was_taken_back_speaks_no_more_here_either(
    hub: Any, line: LiveClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrol, "BELIEVED_S", 0.0)
    hub.hub.known.clear()
    line.beat("running", "all", help_asked=False, at=0.0)
    enrol.revoke(hub.hub, "hub-test", 1)
    with pytest.raises(CheckFailed, match="does not accept"):
        line.beat("running", "all", help_asked=False, at=0.0)


def test_a_number_that_no_alert_can_have_is_refused(hub: Any) -> None:
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    for number in ("9" * 20, "-1", "x"):
        headers = duty.headers | {"Last-Event-ID": number}
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request("GET", f"{hub.url}/v1/staff/stream", headers=headers)
        assert (answer.status, answer.json()["code"]) == (400, "stream.number")
    duty.close()


def test_an_agent_waits_for_a_command_and_gets_it_at_once(hub: Any, line: LiveClient) -> None:
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    got: list[Any] = []
    waiter = threading.Thread(target=lambda: got.extend(line.commands(0, wait=20)))
    waiter.start()
    time.sleep(0.3)
    began = time.monotonic()
    number = duty.give(ATTEMPT, "extend", minutes=5.0)
    waiter.join(kit.WAIT_S)
    assert [one.id for one in got] == [number]
    # Long before it would have given up waiting.
    assert time.monotonic() - began < 15.0


@pytest.mark.parametrize(
    ("kind", "text", "minutes", "words"),
    [
        ("terminate", "", 0.0, "no such command"),
        (None, "", 0.0, "no such command"),
        ("message", "", 0.0, "words for the student"),
        ("message", " \x07 ", 0.0, "words for the student"),
        ("message", "x" * 1001, 0.0, "at most"),
        ("room_scan", "why not", 0.0, "a written reason"),
        ("extend", "", -10.0, "'minutes'"),
        ("extend", "", True, "'minutes'"),
        ("extend", "", float("nan"), "'minutes'"),
        ("message", "Hello.", 5.0, "has no minutes"),
    ],
)
def test_what_is_no_command_is_refused_in_a_sentence(
    kind: Any, text: str, minutes: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        commands.checked(kind, text, minutes)


def test_no_answer_waits_for_the_acknowledgement_of_its_own_headers(hub: Any) -> None:
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with kit.listening(duty):
        connections = list(hub._server.server_state.connections)
        assert connections
        for one in connections:
            made = one.transport.get_extra_info("socket")
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_slow_line_keeps_the_clips_here_and_the_heartbeat_says_so(
    hub: Any, tmp_path: Path
) -> None:
    from proctor.evidence.outbox import Outbox
    from proctor.evidence.sender import Courier, Sender
    from proctor.hub.client import HubClient
    from proctor.session.live_link import linked

    exam = cases.publish(hub.hub, hub.url)
    code = cases.code(hub.hub, exam)
    folder = cases.whole(tmp_path / "case", exam, 1, size=700_000)
    attempt = cases.attempt_of(folder)
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    told: list[str] = []

    def make(tell: Any) -> Sender:
        client = HubClient(hub.url, attempt, token=code)
        # 1 kB a second, of which the clip alone would need more than ten minutes.
        return Sender(Outbox.of(folder, hub.url), client, bytes_s=1_000.0, tell=tell)

    courier = Courier(make, told.append)
    courier.start()
    kit.wait(lambda: not courier.clips_go, "the clips to be kept")
    assert any("The connection is slow" in sentence for sentence in told)
    policy = SimpleNamespace(policy=SimpleNamespace(hub=hub.url))
    state = SimpleNamespace(on_break=False, break_by="")
    session = SimpleNamespace(
        plan=policy,
        case=SimpleNamespace(attempt=attempt, records=list),
        desk=SimpleNamespace(state=state),
        interventions=SimpleNamespace(changed=threading.Event(), help_calls=0),
    )
    with linked(session, code, told.append, courier):
        kit.wait(lambda: duty.row(attempt).get("delivery") == "events_only", "the heartbeat")
    courier.stop(patience_s=0.1)
