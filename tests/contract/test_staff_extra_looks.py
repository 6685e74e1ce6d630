"""Second looks by lot: whoever is given one cannot tell what the first look said, and no student waits for it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proctor.hub import extra_looks
from proctor.hub.staff_client import RefusedError

_SPEC = importlib.util.spec_from_file_location(
    "staff_kit", Path(__file__).resolve().parents[1] / "staff_kit.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules["staff_kit"] = kit
_SPEC.loader.exec_module(kit)
hub_world = kit.load("hub_world")


@pytest.fixture(params=hub_world.BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A hub that draws every flag."""
    with hub_world.running(request.param, tmp_path, second_looks=1.0) as running:
        made = kit.World(running, tmp_path)
        yield made
        made.close()


def outcome(world: Any, attempt: str) -> Any:
    """What the student is told of the one flag."""
    place = f"{world.running.url}/v1/attempts/{attempt}/outcome"
    headers = {"Authorization": f"Bearer {world.codes[attempt]}"}
    (flag,) = kit.urllib3.request("GET", place, headers=headers, retries=False).json()["flags"]
    return flag


def seen_by(world: Any, who: Any, attempt: str, verdict: str = "confirmed") -> list[Any]:
    """Everything that the hub tells ``who`` of a flag without an own look; times and names of it left out."""
    (item,) = who.client.queue(attempt=attempt)["items"]
    told = [
        {k: v for k, v in item.items() if k not in ("attempt", "seat", "at", "deadline", "until")}
    ]
    told += [item["until"] is None, who.client.decisions(attempt)]
    states = ("waiting", "looked", "second", "disagreed", "may_comment", "done")
    told.append([s for s in states if who.client.queue(attempt=attempt, state=s)["items"]])
    for look in ("first", "third", "second"):
        try:
            who.client.decide(attempt, who.says(world, attempt, "f1", verdict, look=look))
        except RefusedError as error:
            told.append((error.status, error.code, str(error)))
    try:
        told.append(who.client.journal(attempt))
    except RefusedError as error:
        told.append((error.status, error.code))
    return told


@pytest.mark.parametrize("second", [True, False])
def test_rule_O3_a_second_look_says_nothing_about_the_first(world: Any, second: bool) -> None:  # noqa: N802
    ada, bo = world.member("Ada Quill", "reviewer"), world.member("Bo Rivers", "reviewer")
    cy = world.member("Cy Marsh", "proctor")
    world.exam("algebra", second=second)
    harmless, adverse = world.attempt("algebra"), world.attempt("algebra")
    for attempt, verdict in ((harmless, "nothing_to_see"), (adverse, "confirmed")):
        world.flag(attempt, "f1")
        world.ended(attempt)
        ada.judge(world, attempt, "f1", verdict)
    # The student need not wait for anything.
    assert (outcome(world, harmless)["state"], outcome(world, harmless)["verdict"]) == (
        "done",
        "nothing_to_see",
    )
    assert ada.client.queue()["coverage"]["reviewed"] == 1
    for who in (bo, cy):
        assert seen_by(world, who, harmless) == seen_by(world, who, adverse)
    assert bo.client.take(5) == [], "the time for a comment is not over"
    world.turn(days=8)
    for who in (bo, cy):
        assert seen_by(world, who, harmless) == seen_by(world, who, adverse)
    taken = {one["attempt"]: one for one in bo.client.take(5)}
    assert taken.keys() == {harmless, adverse}
    assert taken[harmless]["look"] == taken[adverse]["look"] == "second"
    assert taken[harmless]["state"] == taken[adverse]["state"] != "done"

    # Said in earnest, whichever it is; the student's verdict stands all the same.
    said = bo.judge(world, harmless, "f1", "confirmed", look="second")
    assert (said["state"], said["verdict"]) == ("done", "nothing_to_see")
    assert bo.judge(world, adverse, "f1", "confirmed", look="second")["verdict"] == "confirmed"
    told = outcome(world, harmless)
    assert (told["state"], told["verdict"], len(told["statements"])) == (
        "done", "nothing_to_see", 1,
    )  # fmt: skip
    assert len(bo.client.decisions(harmless)[0]["statements"]) == 2
    assert [one["state"] for one in bo.client.queue(attempt=harmless)["items"]] == ["done"]
    assert ada.client.take(5) == [], "one extra look is enough"


def test_a_comment_brings_the_extra_look_forward_as_it_would_any_other(world: Any) -> None:
    ada, bo = world.member("Ada Quill", "reviewer"), world.member("Bo Rivers", "reviewer")
    world.exam("algebra")
    attempt = world.attempt("algebra")
    world.flag(attempt, "f1")
    ada.judge(world, attempt, "f1", "cannot_tell")
    world.record(attempt, "flag.comment", {"flag": "f1", "words": "It was the cat."})
    assert ada.client.take(1) == [], "who looked first does not look second"
    assert bo.client.take(1)[0]["look"] == "second"
    first = bo.judge(world, attempt, "f1", "nothing_to_see", look="second")
    # Taken back, it is another person's turn again; the verdict never moved.
    back = bo.says(world, attempt, "f1", None, withdraws=first["id"])
    assert bo.client.decide(attempt, back)["verdict"] == "cannot_tell"
    cy = world.member("Cy Marsh", "reviewer")
    assert cy.client.take(1)[0]["state"] == "second"
    cy.judge(world, attempt, "f1", "confirmed", look="second")
    # The first look taken back: only then is the flag open, and the extra look is still none that counts.
    (own,) = [
        one
        for text in ada.client.decisions(attempt)[0]["statements"]
        if (one := kit.decision.read(text.encode())).who == ada.name
    ]
    opened = ada.client.decide(attempt, ada.says(world, attempt, "f1", None, withdraws=own.id))
    assert (opened["state"], opened["verdict"]) == ("waiting", None)


def test_an_erased_clip_needs_no_extra_look(world: Any) -> None:
    from proctor.hub import retention

    ada, bo = world.member("Ada Quill", "reviewer"), world.member("Bo Rivers", "reviewer")
    world.exam("algebra")
    attempt = world.attempt("algebra")
    world.flag(attempt, "f1")
    world.ended(attempt)
    ada.judge(world, attempt, "f1", "nothing_to_see")
    world.turn(days=8)
    assert [one["state"] for one in bo.client.queue()["items"]] == ["second"]
    world.turn(days=200)
    retention.tick(world.hub)
    assert bo.client.take(1) == []
    assert [one["state"] for one in bo.client.queue()["items"]] == ["done"]


def test_nothing_is_drawn_where_the_settings_say_none(tmp_path: Path) -> None:
    with hub_world.running("sqlite", tmp_path, second_looks=0.0) as running:
        world = kit.World(running, tmp_path)
        ada, bo = world.member("Ada Quill", "reviewer"), world.member("Bo Rivers", "reviewer")
        world.exam("algebra")
        attempt = world.attempt("algebra")
        world.flag(attempt, "f1")
        world.ended(attempt)
        ada.judge(world, attempt, "f1", "nothing_to_see")
        world.turn(days=8)
        assert bo.client.take(1) == []
        assert bo.client.queue()["items"][0]["state"] == "done"
        world.close()


def test_the_lot_keeps_its_share_and_nobody_foresees_it_without_the_key() -> None:
    flags = [
        (f"{attempt:032x}", f"face.absent-{n:03d}") for attempt in range(40) for n in range(100)
    ]
    one = [extra_looks.is_drawn(b"a" * 32, *flag, 0.2) for flag in flags]
    other = [extra_looks.is_drawn(b"b" * 32, *flag, 0.2) for flag in flags]
    # Five standard deviations of a binomial count around 800.
    assert abs(sum(one) - 800) < 127
    # Two keys agree on about 4 % of the flags, as two lots do.
    assert abs(sum(a and b for a, b in zip(one, other, strict=True)) - 160) < 62
    assert not any(extra_looks.is_drawn(b"a" * 32, *flag, 0.0) for flag in flags)
    assert all(extra_looks.is_drawn(b"a" * 32, *flag, 1.0) for flag in flags)
