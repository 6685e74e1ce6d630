"""Rule O4 on the student's computer: `proctor my-data` asks the hub, believes what is signed, and says the rest."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

from proctor.errors import CheckFailed, MissingError
from proctor.hub import outcome_client

_SPEC = importlib.util.spec_from_file_location(
    "staff_kit", Path(__file__).resolve().parents[1] / "staff_kit.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules["staff_kit"] = kit
_SPEC.loader.exec_module(kit)
hub_world = kit.load("hub_world")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Any]:
    with hub_world.running("sqlite", tmp_path) as running:
        made = kit.World(running, tmp_path)
        yield made
        made.close()


def test_what_people_decided_is_believed_as_far_as_it_is_signed(world: Any) -> None:
    ada, bo = world.member("Ada Quill", "reviewer"), world.member("Bo Rivers", "reviewer")
    world.exam("algebra")
    attempt = world.attempt("algebra")
    for name in ("f1", "f2", "f3"):
        world.flag(attempt, name)
    world.ended(attempt)
    ada.judge(world, attempt, "f1", "nothing_to_see")
    ada.judge(world, attempt, "f2", "confirmed")
    found = outcome_client.ask(world.running.url, attempt, world.codes[attempt])
    assert [(one.flag, one.verdict, one.who) for one in found.statements] == [
        ("f1", "nothing_to_see", "Ada Quill"),
        ("f2", "confirmed", "Ada Quill"),
    ]
    assert found.decided == {found.statements[0].id}
    assert [one.flag for one in found.looks] == ["f1", "f2"]
    assert list(found.comment_until) == ["f2"]
    assert found.doubts == ()

    raw = urllib3.request(
        "GET",
        f"{world.running.url}/v1/attempts/{attempt}/outcome",
        headers={"Authorization": f"Bearer {world.codes[attempt]}"},
        retries=False,
    ).data
    said = json.loads(raw)
    assert set(said["keys"].values()) == {"Ada Quill"}, "nobody else is named to the student"

    def told(change: Any) -> Any:
        changed = json.loads(raw)
        change(changed)
        return outcome_client.read(json.dumps(changed).encode(), attempt)

    forged = bo.says(world, attempt, "f1", "confirmed").decode()
    lies = (
        lambda d: d["flags"][0].update(verdict="confirmed"),
        lambda d: d["flags"][0].update(statements=[]),
        lambda d: d["flags"][0].update(statements=[forged.replace("a", "b", 1)]),
        lambda d: d["flags"][0].update(statements=said["flags"][1]["statements"]),
        lambda d: d.update(keys=dict.fromkeys(d["keys"], "Bo Rivers")),
        lambda d: d["looks"][0].update(record=said["looks"][0]["record"][:-30]),
    )
    for lie in lies:
        assert told(lie).doubts, "a lie that nobody noticed"
    for nonsense in (b"", b"[]", b"{", b"[" * 5000, b'{"attempt": 1}'):
        with pytest.raises(CheckFailed, match="cannot be read"):
            outcome_client.read(nonsense, attempt)
    with pytest.raises(CheckFailed, match="number 403"):
        outcome_client.ask(world.running.url, world.attempt("algebra"), world.codes[attempt])


def test_a_hub_that_is_not_there_is_said_in_one_sentence() -> None:
    with pytest.raises(MissingError, match="cannot be reached now") as no:
        outcome_client.ask("http://127.0.0.1:9", "0" * 32, "x" * 30)
    assert "\n" not in str(no.value)


def test_the_students_letter_tells_what_the_hub_knows(world: Any) -> None:
    from types import SimpleNamespace

    from policies.texts.mine import Note, Told, letter
    from proctor.session.my_data import Mine
    from proctor.session.outcome import with_outcome

    ada = world.member("Ada Quill", "reviewer")
    world.exam("algebra")
    attempt = world.attempt("algebra")
    world.flag(attempt, "f1")
    world.ended(attempt)
    ada.judge(world, attempt, "f1", "nothing_to_see")
    found = outcome_client.ask(world.running.url, attempt, world.codes[attempt])
    with world.hub.store.reading() as connection:
        policy = kit.flags.policy_of(connection, attempt)
    assert policy is not None
    note = Note(1, "0:12", "face.absent", True)
    told = Told(policy, attempt, None, [], [], [note], [], [], [])
    story: Any = SimpleNamespace(flags=[SimpleNamespace(id="f1", number=1)])
    mine = with_outcome(Mine(Path(), story, told, "en"), found)
    page = letter(mine.told, {}, "en")
    assert "Ada Quill: there is nothing to see." in page
    assert "Ada Quill, because: to look at the flag" in page
    assert with_outcome(mine, found).told.said == mine.told.said
    assert replace(mine.told, said=[]) != mine.told
