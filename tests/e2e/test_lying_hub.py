"""A hub that lies is caught by the agent, each lie with its own sentence, and by one mechanism each.

Every test also takes its mechanism out and sees that the lie would pass: so none of them passes by luck.
"""

from __future__ import annotations

import base64
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proctor.evidence import hub_receipts, keys, layout
from proctor.evidence.verify import verify
from proctor.hub import agent_api, items, log, uploads, witness
from proctor.session import delivery

_TESTS = Path(__file__).resolve().parents[1]


def _load(name: str) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TESTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_world, cases = _load("hub_world"), _load("hub_cases")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    keys.demo_identity()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Any]:
    with hub_world.running("sqlite", tmp_path) as running:
        yield running


class Sitting:
    """A whole case, its exam and its code at a hub; ``send`` gives the doubts."""

    def __init__(self, hub: Any, folder: Path) -> None:
        self.hub = hub
        self.exam = cases.publish(hub.hub, hub.url)
        self.code = cases.code(hub.hub, self.exam)
        self.folder = cases.whole(folder, self.exam)

    def send(self, url: str = "") -> tuple[str, ...]:
        told: list[str] = []
        sender = delivery.make_sender(self.folder, url or self.hub.url, self.code, 0.0, told.append)
        came = delivery.deliver(sender, 0.5)
        assert came.whole, (came, told)
        return came.doubts


def test_an_honest_hub_leaves_no_doubt_and_its_receipts_are_kept_and_verified(
    hub: Any, tmp_path: Path
) -> None:
    sitting = Sitting(hub, tmp_path / "case")
    assert sitting.send() == ()
    assert sitting.send() == ()
    found = hub_receipts.notes(sitting.folder)
    assert len(found) == len(list((sitting.folder / layout.CHECKPOINTS).iterdir()))
    last = verify(sitting.folder)[-1]
    assert last.code == "hub"
    assert last.ok
    assert f"{len(found)} receipts of {hub.hub.name}" in last.detail
    # A receipt over another journal is noticed by whoever verifies the case later.
    size = max(found)
    altered = found[size].replace(b"\n\n", b"x\n\n", 1)
    (sitting.folder / layout.HUB / f"{size:08d}.note").write_bytes(altered)
    assert not verify(sitting.folder)[-1].ok


def test_more_records_than_a_hub_tells_at_once_leave_no_doubt(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_api, "MOST_RECORDS", 2)
    sitting = Sitting(hub, tmp_path / "case")
    assert sitting.send() == ()
    # A further page that shows another log than the first is noticed as well.
    honest, asked = witness.Witness._get, []

    def torn(self: witness.Witness, address: str) -> Any:
        said = honest(self, address)
        if "after=" not in address:
            return said
        asked.append(address)
        return {**said, "consistency": [*said["consistency"], base64.b64encode(bytes(32)).decode()]}

    monkeypatch.setattr(witness.Witness, "_get", torn)
    assert sitting.send() == (witness.FORKED,)
    assert asked


def test_acknowledging_the_log_without_signing_for_it(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = items.take_checkpoint

    def lying(*arguments: Any) -> items.Taken:
        taken = honest(*arguments)
        note = str(taken.more["note"])
        # Its own line is gone, as if it had stored nothing that it must answer for.
        return items.Taken(True, {"note": note[: note.rindex("— ")]})

    sitting = Sitting(hub, tmp_path / "case")
    _instead(monkeypatch, hub, honest, lying)
    doubts = sitting.send()
    assert doubts
    assert all("without signing for it" in one for one in doubts)
    monkeypatch.setattr(hub_receipts, "wrong_with", lambda *a: "")
    assert sitting.send() == ()


def _instead(monkeypatch: pytest.MonkeyPatch, hub: Any, honest: Any, lying: Any) -> None:
    """Let the running hub take checkpoints with ``lying``; its handlers hold the function itself."""
    for route in _routes(hub.app.routes):
        endpoint = getattr(route, "endpoint", None)
        for cell in getattr(endpoint, "__closure__", None) or ():
            if cell.cell_contents is honest:
                monkeypatch.setattr(cell, "cell_contents", lying)


def _routes(routes: Any) -> Iterator[Any]:
    for route in routes:
        yield route
        inside = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", ()
        )
        yield from _routes(inside)


def test_confirming_a_clip_that_was_never_stored(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitting = Sitting(hub, tmp_path / "case")
    honest = log.append

    def forgetful(tx: Any, kind: str, *rest: Any, **more: Any) -> int:
        return -1 if kind == "stored" else honest(tx, kind, *rest, **more)

    monkeypatch.setattr(uploads.log, "append", forgetful)
    doubts = sitting.send()
    assert len(doubts) == 2  # both clips
    assert all("no record of having stored it" in one for one in doubts)
    assert "camera.frozen-001" in doubts[0]
    monkeypatch.setattr(witness, "NOT_STORED", "")
    assert not any(sitting.send())


def test_a_log_that_was_written_anew(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitting = Sitting(hub, tmp_path / "case")
    assert sitting.send() == ()
    old = hub_receipts.kept_log(sitting.folder, hub_receipts.HubKey(hub.hub.name, hub.hub.public))
    assert old is not None
    # The same hub with the same key and a log of the same size and more, whose first record is another.
    with hub.hub.store.transaction() as tx:
        first = log.record(tx.connection, 0)
        for size in range(6):
            log.append(tx, "codes.made", {"n": size})
        _rewrite(tx, first.body + b" ")
    doubts = sitting.send()
    assert len(doubts) == 1
    assert "not the one that it showed before" in doubts[0]
    monkeypatch.setattr(witness, "verify_consistency", lambda *a: True)
    assert not any("showed before" in one for one in sitting.send())


def _rewrite(tx: Any, body: bytes) -> None:
    """The whole log over again, with another first record, as somebody with the hub's database could."""
    from sqlalchemy import delete, insert, select, update

    from proctor.evidence.tree import leaf_hash
    from proctor.hub.tables import log_head, log_nodes, log_records

    rows = [
        bytes(row.body)
        for row in tx.execute(select(log_records.c.body).order_by(log_records.c.position))
    ]
    rows[0] = body
    tx.execute(update(log_records).where(log_records.c.position == 0).values(body=body))
    tx.execute(delete(log_nodes))
    frontier = b""
    for size, one in enumerate(rows):
        frontier, nodes = log.grown(frontier, size, leaf_hash(one))
        for level, place, node in nodes:
            tx.execute(insert(log_nodes).values(level=level, place=place, hash=node))
    tx.execute(update(log_head).values(size=len(rows), frontier=frontier))


def test_a_log_that_is_shown_no_more_or_under_another_key(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitting = Sitting(hub, tmp_path / "case")
    assert sitting.send() == ()
    key = hub_receipts.kept_key(sitting.folder)
    assert key is not None
    hub_receipts.keep_key(sitting.folder, hub_receipts.HubKey("another", key.public))
    assert sitting.send() == (witness.KEY_CHANGED,)
    hub_receipts.keep_key(sitting.folder, key)
    monkeypatch.setattr(witness.Witness, "_get", _withholding(witness.Witness._get))
    assert sitting.send() == (witness.FORKED,)


def _withholding(honest: Any) -> Any:
    return lambda self, address: {} if "/proof" in address else honest(self, address)


def test_a_record_that_stands_in_no_log(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitting = Sitting(hub, tmp_path / "case")
    honest = agent_api.log.of_attempt

    def inventing(*arguments: Any) -> list[log.Record]:
        found = honest(*arguments)
        return [log.Record(one.position, one.kind, one.body + b" ") for one in found]

    monkeypatch.setattr(agent_api.log, "of_attempt", inventing)
    assert sitting.send() == (witness.UNPROVEN,)
    monkeypatch.setattr(witness, "verify_inclusion", lambda *a: True)
    assert sitting.send() == ()
