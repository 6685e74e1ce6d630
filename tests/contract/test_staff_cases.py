"""A real case, delivered by a real agent's sender, as a reviewer meets it: blind first, whole afterwards."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proctor.errors import CheckFailed
from proctor.evidence import keys
from proctor.hub.staff_client import Answer, RefusedError, StaffClient, check_blind
from proctor.session.my_data import comment

_SPEC = importlib.util.spec_from_file_location(
    "staff_kit", Path(__file__).resolve().parents[1] / "staff_kit.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules["staff_kit"] = kit
_SPEC.loader.exec_module(kit)
hub_world, hub_cases = kit.load("hub_world"), kit.load("hub_cases")


@pytest.fixture(params=hub_world.BACKENDS)
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    with hub_world.running(request.param, tmp_path) as running:
        made = kit.World(running, tmp_path)
        yield made
        made.close()


def test_a_reviewer_looks_blind_at_what_was_really_sealed_and_then_reads_the_case(
    world: Any, tmp_path: Path
) -> None:
    exam = hub_cases.publish(world.hub, world.running.url)
    folder = hub_cases.whole(tmp_path / "case", exam, 2, size=5_000)
    attempt, code = hub_cases.attempt_of(folder), hub_cases.code(world.hub, exam)
    assert hub_cases.send(folder, world.running.url, code) == []
    ada = world.member("Ada Quill", "reviewer")
    names = [one["flag"] for one in ada.client.take(9)]
    assert names == ["camera.frozen-001", "camera.frozen-002"]

    with pytest.raises(RefusedError) as no:
        ada.client.journal(attempt)
    assert (no.value.code, no.value.more["flags"]) == ("look.first", names)
    rows = ada.client.blind(attempt)
    told = json.dumps([row for row in rows if "line" in row])
    assert "peak" not in told
    assert "It stood" not in told
    note = ada.client.checkpoints(attempt)[-1]["note"]
    sealed = check_blind(rows, note, attempt)
    assert sorted(sealed) == names

    # A hub that shows another clip, leaves a line out or changes one is found out before anything is opened.
    for change in (
        lambda r: r.pop(),
        lambda r: r[-1].update(leaf="A" * 43 + "="),
        lambda r: next(x for x in r if "line" in x).update(
            line=next(x for x in r if "line" in x)["line"].replace("sealed", "sealee")
        ),
    ):
        changed = json.loads(json.dumps(rows))
        change(changed)
        with pytest.raises(CheckFailed, match="does not fit"):
            check_blind(changed, note, attempt)

    for name in names:
        digest = sealed[name]["sha256"]
        world.digests[attempt, name] = digest
        record = ada.look(world, attempt, name)
        whole = ada.client.sealed(attempt, name, digest, record)
        assert kit.pyrage.decrypt(whole, [keys.demo_identity()])
        ada.client.decide(attempt, ada.says(world, attempt, name, "nothing_to_see"))
    assert ada.client.journal(attempt) == (folder / "journal.jsonl").read_bytes()
    assert ada.client.policy(attempt) == exam.envelope
    assert ada.client.exams()[0]["coverage"]["reviewed"] == 2

    # A part of a payload, and what did not change.
    place = f"attempts/{attempt}/clips/{names[0]}/payload"
    payload = ada.client.payload(attempt, names[0])
    for headers, status, body in (
        ({"Range": "bytes=0-9"}, 206, payload[:10]),
        ({"Range": f"bytes={len(payload) - 5}-"}, 206, payload[-5:]),
        ({"Range": f"bytes={len(payload)}-"}, 416, None),
        ({"If-None-Match": f'"{sealed[names[0]]["sha256"]}"'}, 304, b""),
    ):
        answer = kit.urllib3.request(
            "GET",
            f"{world.running.url}/v1/staff/{place}",
            headers={"Authorization": f"Bearer {ada.client.token}", **headers},
            retries=False,
        )
        assert answer.status == status
        assert body is None or answer.data == body

    # The student's words come with the next delivery.
    comment(folder, names[0], "It was the cat.")
    assert hub_cases.send(folder, world.running.url, code) == []
    assert [one["commented"] for one in ada.client.queue()["items"]] == [True, False]


@pytest.mark.parametrize(
    "answer",
    [
        b"[]", b"{}", b'"x"', b"null", b'{"items": 1, "n": "x"}', b'{"n": 0}', b"[" * 5000,
        b'{"checkpoint": 1, "records": [{}], "signed": {}, "next": 1, "hub": {}, "person": []}',
        b'{"checkpoint": "", "records": {}, "signed": [], "next": "x", "hub": []}',
    ],
)  # fmt: skip
def test_a_console_takes_an_answer_that_is_none_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(StaffClient, "_ask", lambda *a, **b: Answer(200, {}, answer))
    client, key = StaffClient("http://127.0.0.1:1", kept=tmp_path), Ed25519PrivateKey.generate()
    attempt = "a" * 32
    for ask in (
        lambda: client.register_key(key),
        lambda: client.audit(attempt),
        lambda: client.watch(),
        lambda: client.propose("hold", attempt, b""),
        lambda: client.log_in("a", "b", "c"),
    ):
        with pytest.raises(CheckFailed):
            ask()


@pytest.mark.parametrize("answer", [b"x", b'{"n": "x"}', b"1", b'{"n": 5}\n'])
def test_a_hub_that_tells_one_page_for_ever_is_not_asked_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(StaffClient, "_ask", lambda *a, **b: Answer(200, {}, answer))
    with pytest.raises(CheckFailed):
        StaffClient("http://127.0.0.1:1", kept=tmp_path).blind("a" * 32)
