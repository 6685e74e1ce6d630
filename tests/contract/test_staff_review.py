"""Reviewing at a real hub, on SQLite and on PostgreSQL with an S3 store: what is let go, said and counted."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proctor.errors import CheckFailed
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
    with hub_world.running(request.param, tmp_path) as running:
        made = kit.World(running, tmp_path)
        yield made
        made.close()


def refused(status: int, code: str) -> Any:
    return pytest.raises(RefusedError, check=lambda e: (e.status, e.code) == (status, code))


def log_of(auditor: Any, attempt: str) -> list[str]:
    return [one["kind"] for one in auditor.client.audit(attempt)]


def test_rule_O3_from_a_blind_first_look_to_a_verdict_that_two_people_reached(world: Any) -> None:  # noqa: N802
    ada, bo = world.member("Ada Quill", "reviewer"), world.member("Bo Rivers", "reviewer")
    world.exam("algebra")
    attempt = world.attempt("algebra")
    world.flag(attempt, "f1")
    world.ended(attempt)

    listed = ada.client.queue()["items"][0]
    assert listed["state"] == "waiting"
    # Nothing that a machine scored, no reason of the machine's, no name.
    assert not {"peak", "why", "score", "verdict", "person"} & listed.keys()
    assert ada.client.decisions(attempt) == []

    said = ada.judge(world, attempt, "f1", "confirmed")
    assert said["state"] == "may_comment"
    assert bo.client.decisions(attempt) == [], "another's look is seen before the own one"
    assert len(ada.client.decisions(attempt)[0]["statements"]) == 1
    with refused(409, "decision"):
        bo.judge(world, attempt, "f1", "confirmed", look="second")

    world.turn(minutes=5)
    world.record(attempt, "flag.comment", {"flag": "f1", "words": "It was the cat."})
    assert ada.client.take(5) == [], "who looked first does not look second"
    with refused(409, "decision"):
        ada.judge(world, attempt, "f1", "confirmed", look="second")
    assert bo.client.take(1)[0]["look"] == "second"
    assert bo.judge(world, attempt, "f1", "confirmed", look="second")["verdict"] == "confirmed"
    assert bo.client.queue()["coverage"] == {"all": 1, "reviewed": 1, "expiring": 0, "expired": 0}
    assert len(bo.client.decisions(attempt)[0]["statements"]) == 2


def test_people_who_differ_are_settled_by_a_third_and_nothing_said_vanishes(world: Any) -> None:
    ada, bo, cy = (world.member(name, "reviewer") for name in kit.NAMES[:3])
    auditor = world.member("Em Field", "auditor")
    world.exam("algebra")
    attempt = world.attempt("algebra")
    world.flag(attempt, "f1")
    world.ended(attempt)
    world.turn(days=8)
    ada.judge(world, attempt, "f1", "confirmed")
    assert bo.judge(world, attempt, "f1", "nothing_to_see", look="second")["state"] == "disagreed"
    with refused(409, "decision"):
        bo.judge(world, attempt, "f1", "nothing_to_see", look="third")
    last = cy.judge(world, attempt, "f1", "nothing_to_see", look="third")
    assert (last["state"], last["verdict"]) == ("done", "nothing_to_see")

    # Taking back is one more statement; the one before stays, in the table and in the log.
    back = cy.says(world, attempt, "f1", None, withdraws=last["id"])
    assert cy.client.decide(attempt, back)["state"] == "disagreed"
    assert len(auditor.client.decisions(attempt)[0]["statements"]) == 4
    kinds = log_of(auditor, attempt)
    assert kinds.count("decision") == 3
    assert kinds.count("decision.withdrawn") == 1
    world.turn(minutes=11)
    with refused(409, "decision"):
        old = bo.client.decisions(attempt)[0]["statements"][1]
        bo.client.decide(
            attempt,
            bo.says(
                world, attempt, "f1", None, withdraws=kit.decision.read(
                    old.encode()).id,
            ),
        )  # fmt: skip


def test_no_header_leaves_without_a_signed_record_that_stands_in_the_log(world: Any) -> None:
    ada, bo = world.member("Ada Quill", "reviewer"), world.member("Bo Rivers", "proctor")
    admin = world.member("Dee Stone", "admin")
    auditor = world.member("Em Field", "auditor")
    world.exam("algebra")
    attempt, other = world.attempt("algebra"), world.attempt("algebra")
    world.flag(attempt, "f1")
    world.flag(other, "f1")
    record = ada.look(world, attempt, "f1")

    for who, body, status, code in (
        (bo, record, 403, "key"),
        (auditor, auditor.look(world, attempt, "f1"), 403, "role"),
        (admin, admin.look(world, attempt, "f1"), 403, "role"),
        (ada, ada.look(world, attempt, "f1", who="Bo Rivers"), 403, "name"),
        (ada, ada.look(world, other, "f1"), 422, "record"),
        (ada, ada.look(world, attempt, "f1", clip="0" * 64), 409, "clip.other"),
        (ada, ada.look(world, attempt, "f1", when=world.clock() - kit.timedelta(hours=1)), 409, "clock"),
        (ada, ada.look(world, attempt, "f1", export="0" * 32), 403, "export"),
        (ada, record[:-40] + b"}", 422, "record"),
        (ada, b"[]", 422, "record"),
        (ada, ada.says(world, attempt, "f1", "cannot_tell"), 422, "record"),
    ):  # fmt: skip
        with refused(status, code):
            who.client.header(attempt, "f1", body)
    assert "header.released" not in log_of(auditor, attempt)

    whole = ada.client.sealed(attempt, "f1", world.digests[attempt, "f1"], record)
    assert whole == world.sealed[attempt, "f1"]
    assert kit.pyrage.decrypt(whole, [world.identity])
    released = [one for one in auditor.client.audit(attempt) if one["kind"] == "header.released"]
    assert [json.loads(one["signed"]) for one in released] == [json.loads(record)]
    with refused(409, "record.used"):
        ada.client.header(attempt, "f1", record)
    with refused(409, "taken"):
        bo.client.header(attempt, "f1", bo.look(world, attempt, "f1"))
    with refused(428, "look.first"):
        bo.client.decide(other, bo.says(world, other, "f1", "nothing_to_see"))


def test_many_who_take_at_once_never_get_the_same_flag(world: Any) -> None:
    members = [world.member(name, "proctor") for name in kit.NAMES[:4]]
    world.exam("algebra")
    for _ in range(3):
        attempt = world.attempt("algebra")
        for number in range(8):
            world.flag(attempt, f"f{number}", clip=False)
    with kit.load("hub_world").started(world.running.settings) as second:
        second.hub.now = world.clock
        second.app.state.limits = world.running.app.state.limits
        for member in members[2:]:
            member.client = kit.StaffClient(
                second.url, member.client.token, kept=world.folder / "kept"
            )
            world.clients.append(member.client)
        got: list[list[tuple[str, str]]] = [[] for _ in members]
        begin = threading.Barrier(len(members))

        def work(place: int) -> None:
            begin.wait()
            for n in range(1, 9):
                items = members[place].client.take(n)
                got[place] = [(one["attempt"], one["flag"]) for one in items]

        threads = [threading.Thread(target=work, args=(place,)) for place in range(len(members))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    everything = [one for mine in got for one in mine]
    assert len(everything) == len(set(everything)) == 24
    first = members[0].client
    first.release(*got[0][0])
    assert first.queue(mine=True, limit=50)["items"][0]["assigned"] == "mine"
    assert len(first.queue(mine=True)["items"]) == len(got[0]) - 1
    world.turn(hours=3)  # what lies on a desk too long goes back
    assert len(first.take(24)) == 24


def test_rule_O2_a_flag_that_nobody_looked_at_expires_and_is_counted(world: Any) -> None:  # noqa: N802
    ada = world.member("Ada Quill", "reviewer")
    world.exam("algebra", second=False)
    attempt = world.attempt("algebra")
    world.flag(attempt, "f1")
    world.flag(attempt, "f2")
    world.ended(attempt)
    ada.judge(world, attempt, "f1", "confirmed")
    world.turn(days=12)
    coverage = {"all": 2, "reviewed": 0, "expiring": 1, "expired": 0}
    assert ada.client.queue()["coverage"] == coverage
    world.turn(days=3)
    assert ada.client.queue()["coverage"] == coverage | {"expiring": 0, "expired": 1}
    assert [one["flag"] for one in ada.client.queue(state="expired")["items"]] == ["f2"]
    with refused(410, "flag.expired"):
        ada.client.header(attempt, "f2", ada.look(world, attempt, "f2"))
    # What was looked at in time is settled, also after the window.
    assert [one["flag"] for one in ada.client.take(5)] == ["f1"]
    assert ada.judge(world, attempt, "f1", "nothing_to_see", look="second")["state"] == "done"


def test_rule_T2_two_people_hold_and_what_is_held_is_not_erased(world: Any) -> None:  # noqa: N802
    admin, other = world.member("Dee Stone", "admin"), world.member("Em Field", "admin", "auditor")
    ada = world.member("Ada Quill", "reviewer")
    world.exam("algebra")
    attempt = world.attempt("algebra")
    world.flag(attempt, "f1")
    world.flag(attempt, "f2")
    paper = ada.hold(world, attempt, ("f1",))
    held = ada.client.propose("hold", attempt, paper)
    assert ada.client.propose("hold", attempt, paper) == held, "the same paper is asked for once"
    with refused(403, "second.person"):
        ada.client.approve(held, admin.agrees(paper))
    with refused(403, "key"):
        admin.client.approve(held, paper)
    with refused(409, "proposal"):
        admin.client.approve(held, admin.agrees(ada.hold(world, attempt, ())))
    with refused(422, "proposal"):
        alone = kit.dsse.inspect(paper)[0]
        admin.client.approve(held, kit.dsse.envelope(alone, kit.hold.PAYLOAD_TYPE, [admin.key]))
    admin.client.approve(held, admin.agrees(paper))

    wanted = admin.asks("erasure", attempt)
    asked = admin.client.propose("erasure", attempt, wanted)
    with refused(409, "held"):
        other.client.approve(asked, other.agrees(wanted))
    assert admin.client.proposals(attempt)[1]["approved"] is None
    wanted = admin.asks("erasure", attempt, ("f2",))
    asked = admin.client.propose("erasure", attempt, wanted)
    assert other.client.approve(asked, other.agrees(wanted))["erased"] == ["f2"]
    with refused(410, "clip.erased"):
        ada.client.header(attempt, "f2", ada.look(world, attempt, "f2"))
    assert ada.client.header(attempt, "f1", ada.look(world, attempt, "f1"))
    kinds = log_of(other, attempt)
    assert {"hold.proposed", "hold.approved", "erasure.approved", "erased"} <= set(kinds)


def test_rule_T2_a_flag_under_a_hold_does_not_expire_until_the_hold_ends(world: Any) -> None:  # noqa: N802
    from proctor.hub import forgetting, retention

    admin, ada = world.member("Dee Stone", "admin"), world.member("Ada Quill", "reviewer")
    world.exam("algebra")
    attempt, other = world.attempt("algebra"), world.attempt("algebra")
    for name in ("f1", "f2"):
        world.flag(attempt, name)
    world.flag(other, "f1")
    paper = ada.hold(world, attempt, ("f1", "f3"), days=30)
    admin.client.approve(ada.client.propose("hold", attempt, paper), admin.agrees(paper))
    world.flag(attempt, "f3")  # a hold may name a flag that the hub hears of later
    everything = ada.hold(world, other, (), days=20)
    admin.client.approve(ada.client.propose("hold", other, everything), admin.agrees(everything))

    world.turn(days=15)
    forgetting.tick(world.hub)
    retention.tick(world.hub)
    states = {
        (one["attempt"], one["flag"]): one["state"] for one in ada.client.queue(limit=10)["items"]
    }
    assert states == {
        (attempt, "f1"): "waiting", (attempt, "f3"): "waiting", (other, "f1"): "waiting",
        (attempt, "f2"): "expired",
    }  # fmt: skip
    coverage = {"all": 4, "reviewed": 0, "expiring": 0, "expired": 1}
    assert ada.client.queue()["coverage"] == coverage
    assert ada.client.header(attempt, "f1", ada.look(world, attempt, "f1"))
    world.turn(days=8)  # the second hold is over
    forgetting.tick(world.hub)
    assert ada.client.queue()["coverage"] == coverage | {"expired": 2}
    assert ada.judge(world, attempt, "f3", "nothing_to_see")["state"] == "done"
    world.turn(days=30)
    assert ada.client.queue()["coverage"] == coverage | {"reviewed": 1, "expired": 3}


def test_an_export_takes_two_people(world: Any) -> None:
    admin, ada = world.member("Dee Stone", "admin"), world.member("Ada Quill", "reviewer")
    world.exam("algebra")
    attempt = world.attempt("algebra")
    world.flag(attempt, "f1")
    world.flag(attempt, "f2")
    paper = admin.asks("export", attempt, ("f1",))
    asked = admin.client.propose("export", attempt, paper)
    with refused(403, "export"):
        admin.client.header(attempt, "f1", admin.look(world, attempt, "f1", export=asked))
    with refused(403, "role"):
        admin.client.journal(attempt)
    ada.client.approve(asked, ada.agrees(paper))
    with refused(403, "export"):
        admin.client.header(attempt, "f2", admin.look(world, attempt, "f2", export=asked))
    assert admin.client.header(attempt, "f1", admin.look(world, attempt, "f1", export=asked))
    assert admin.client.journal(attempt) == b""
    with refused(403, "look.first"):
        ada.client.journal(attempt)
    world.turn(days=8)
    with refused(403, "role"):
        admin.client.journal(attempt)
    with refused(410, "export.over"):
        admin.client.header(attempt, "f1", admin.look(world, attempt, "f1", export=asked))
    renewed = world.member("Flo Hart", "admin")
    with refused(403, "export"):
        renewed.client.header(attempt, "f1", renewed.look(world, attempt, "f1", export=asked))


def test_rule_O4_the_student_is_told_the_verdict_the_reason_and_who_looked(world: Any) -> None:  # noqa: N802
    import urllib3

    ada = world.member("Ada Quill", "reviewer")
    world.exam("algebra", second=False)
    attempt, other = world.attempt("algebra"), world.attempt("algebra")
    world.flag(attempt, "f1")
    world.ended(attempt)
    place = f"{world.running.url}/v1/attempts/{attempt}/outcome"

    def told(code: str) -> Any:
        return urllib3.request(
            "GET", place, headers={"Authorization": f"Bearer {code}"}, retries=False
        )

    assert told(world.codes[attempt]).json()["flags"][0]["statements"] == []
    ada.judge(world, attempt, "f1", "confirmed")
    said = told(world.codes[attempt]).json()
    assert said["flags"][0]["state"] == "may_comment"
    assert said["flags"][0]["comment_until"]
    look = kit.access_record.read(said["looks"][0]["record"].encode())
    assert (look.who, look.reason) == ("Ada Quill", "to look at the flag")
    assert said["keys"][look.key] == "Ada Quill"
    statement = kit.decision.read(said["flags"][0]["statements"][0].encode())
    assert (statement.verdict, statement.reason) == ("confirmed", "a second person speaks")
    assert told(world.codes[other]).status == 403
    assert told("x" * 30).status == 401


def test_researchers_see_numbers_and_nobody_in_particular(world: Any) -> None:
    reader, ada = world.member("Flo Hart", "researcher"), world.member("Ada Quill", "reviewer")
    world.exam("algebra")
    for place in range(7):
        attempt = world.attempt("algebra")
        world.flag(attempt, "f1", "face.absent", clip=False)
        if place < 4:
            world.flag(attempt, "f2", "object.phone", clip=False)
        ada.client.decide(attempt, ada.says(world, attempt, "f1", "nothing_to_see"))
    said = reader.client.statistics("algebra")
    assert said == {
        "attempts": 5,
        "groups": [
            {
                "kind": "face.absent",
                "persons": 5,
                "flags": 5,
                "outcomes": {"nothing_to_see": 5},
            }
        ],
        "left_out": True,
        "step": 5,
    }
    world.exam("tiny")
    world.flag(world.attempt("tiny"), "f1", clip=False)
    assert reader.client.statistics("tiny")["groups"] == []
    for ask in (reader.client.exams, reader.client.queue, reader.client.attempts):
        with refused(403, "role"):
            ask()


def test_a_log_that_was_forked_or_cut_is_noticed_at_the_next_call(
    world: Any, tmp_path: Path
) -> None:
    from proctor.hub import log
    from proctor.hub.tables import log_head, log_nodes, log_records

    auditor = world.member("Em Field", "auditor")
    world.exam("algebra")
    world.attempt("algebra")
    before = auditor.client.watch()
    world.attempt("algebra")
    assert auditor.client.watch().size > before.size
    size = auditor.client.watch().size
    with world.hub.store.transaction() as tx:
        # Whoever owns the database writes another history of the same length and goes on.
        for table in (log_records, log_nodes):
            tx.execute(table.delete())
        tx.execute(log_head.update().values(size=0, frontier=b""))
        for number in range(size + 3):
            log.append(tx, "enrolled", {"another": number})
    with pytest.raises(CheckFailed, match="does not extend"):
        auditor.client.watch()
    with world.hub.store.transaction() as tx:
        for table in (log_records, log_nodes):
            tx.execute(table.delete())
        tx.execute(log_head.update().values(size=0, frontier=b""))
        log.append(tx, "enrolled", {"another": 1})
    with pytest.raises(CheckFailed, match="does not extend"):
        auditor.client.watch()


def test_rule_T1_words_go_when_their_time_is_over_and_a_hold_keeps_them(world: Any) -> None:  # noqa: N802
    from proctor.hub import forgetting

    admin, ada = world.member("Dee Stone", "admin"), world.member("Ada Quill", "reviewer")
    world.exam("algebra")
    first, second = world.attempt("algebra"), world.attempt("algebra")
    for attempt in (first, second):
        world.flag(attempt, "f1")
        world.record(attempt, "flag.comment", {"flag": "f1", "words": "It was the cat."})
        world.ended(attempt)
        ada.judge(world, attempt, "f1", "nothing_to_see")
    assert forgetting.tick(world.hub) == 0
    paper = ada.hold(world, second, (), days=400)
    admin.client.approve(ada.client.propose("hold", second, paper), admin.agrees(paper))
    world.turn(days=366)
    assert forgetting.tick(world.hub) == 1
    assert ada.client.decisions(first) == []
    assert ada.client.decisions(second)[0]["verdict"] == "nothing_to_see"
    told = admin.client.audit(first)
    assert [one["kind"] for one in told if one["kind"] == "decision"] == ["decision"]
    assert not any("signed" in one for one in told)
