"""A running hub with delivered cases of real clips, staff with accounts, and a console over it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from proctor.evidence import keys
from proctor.evidence.seal import seal
from proctor.hub import accounts, tokens
from proctor.hub.staff_client import StaffClient
from proctor.hub.staff_login import box_of
from proctor.types import Clip
from ui.console.hub_app import HubDesk
from ui.console.hub_office import Office

TESTS = Path(__file__).resolve().parents[1]
WHY = "The picture stood for two seconds."
PASSWORD = "a lantern by seven quiet rivers"


def load(name: str) -> ModuleType:
    """A module of the tests by its file, once."""
    stem = Path(name).stem
    if stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(stem, TESTS / name)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[stem])
    return sys.modules[stem]


hub_world, hub_cases = load("hub_world.py"), load("hub_cases.py")
kit = load("gui/console_kit.py")


class World:
    """A hub, an exam at it, and the cases that students delivered."""

    def __init__(self, running: Any, folder: Path) -> None:
        self.running, self.folder = running, folder
        self.exam = hub_cases.publish(running.hub, running.url, "algebra")
        self.cases = 0
        loose = running.app.state.limits
        for buckets in (loose.person, loose.address, loose.log_in):
            buckets._rate = buckets._burst = 1e9

    def deliver(self, flags: int, clip: Clip, *, ended: bool = True, days: float = 0.0) -> str:
        """A student's case with ``flags`` flags, each with ``clip``; the attempt's name."""
        self.cases += 1
        folder = self.folder / f"case-{self.cases}"
        anchor = datetime.now(UTC) - timedelta(minutes=30, days=days)
        case = hub_cases.begin(folder, self.exam, anchor)
        began = {"t": 0.0, "anchor": anchor.isoformat(), "detectors": []}
        case.record("session.started", began, 0.0)
        for number in range(1, flags + 1):
            name, t = f"camera.frozen-{number:03d}", number * 10.0
            what = {"id": name, "kind": "camera.frozen", "rule": "camera.frozen", "start": t}
            case.record("flag", {**what, "peak": 0.8, "why": WHY, "t": t}, t)
            case.record("flag.closed", {**what, "peak": 0.9, "end": t + 2, "why": WHY}, t + 2)
            one = Clip(name, t - 1, t + 3, clip.mime, clip.data, clip.sha256)
            case.store(seal(one, [keys.demo_recipient()]), {})
        scores = {"t0": 0.0, "step": 1.0, "kinds": {"camera.frozen": [0.2] * 60}}
        case.record("scores", scores, sync=False)
        if ended:
            end = flags * 10.0 + 30.0
            case.record("session.ended", {"t": end, "summary": {"seconds": end}}, end)
        case.checkpoint()
        case.close()
        code = hub_cases.code(self.running.hub, self.exam)
        assert hub_cases.send(folder, self.running.url, code) == []
        return str(hub_cases.attempt_of(folder))

    def staff(self, name: str, *roles: str) -> tuple[StaffClient, dict[str, Any]]:
        """Somebody who is logged in, and what the console knows of them."""
        hub = self.running.hub
        with hub.store.transaction() as tx:
            made = accounts.add(
                tx.connection, box_of(hub), name, roles, now=hub.now(), subject=name
            )
            token = tokens.issue(tx.connection, made.person, hub.now()).token
        client = StaffClient(self.running.url, token, kept=self.folder / "kept" / name)
        client.register_key(kit.person(name).key)
        return client, {"id": made.person.id, "name": name, "roles": sorted(roles)}


@pytest.fixture
def world(dressed: QApplication, tmp_path: Path) -> Iterator[World]:
    with hub_world.running("sqlite", tmp_path) as running:
        yield World(running, tmp_path)


@pytest.fixture
def desk(
    dressed: QApplication, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., HubDesk]]:
    """Opens consoles over the hub, and closes them afterwards."""
    kit.brief_rests(monkeypatch)
    made: list[HubDesk] = []

    def make(name: str = "", *roles: str, lang: str = "en") -> HubDesk:
        one = HubDesk(lang, world.running.url, [keys.demo_identity()])
        made.append(one)
        one.window.resize(1320, 900)
        one.show()
        kit.pump(0.02)
        if name:
            client, person = world.staff(name, *roles)
            office = Office(
                one.t, client, person, one.window.worker, one.window.say, key=kit.person(name).key
            )
            one.window.enter(office)
            settle(one)
        return one

    yield make
    for one in made:
        if isValid(one.window):
            one.close()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def settled(one: HubDesk) -> bool:
    """Whether nothing is asked of the hub any more, and the clip that is looked at is decoded."""
    if one.window.worker.busy or one._ahead.busy:
        return False
    case = one.case
    if case is None or not case.isVisible():
        return True
    if case.worker.busy or case.page is None or case.case is None or case.page.flag is None:
        return case.page is None
    player = case.page.player
    if case.page.flag.clip is None or case.page.no_clip.text:
        return bool(case.page.ready)
    return case.page.ready and player._clip is not None and player._clip.ready >= player.count > 0


def settle(one: HubDesk) -> None:
    kit.wait(lambda: settled(one), "the console to come to rest")


def pump_until_signed(window: Any) -> None:
    """Wait until what was said is signed, or refused with a reason, which fails the test."""
    kit.wait(lambda: not window.worker.busy, "a signature")
    assert window.page is None or window.page.note.text == "", window.page.note.text
