"""A person lists the own log-ins at a real hub and ends them; the command line on the server does so for anybody."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from proctor.cli import main
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


def test_own_log_ins_are_listed_and_end_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hub_world.running("sqlite", tmp_path) as running:
        world = kit.World(running, tmp_path)
        ada, bo = world.member("Ada Quill", "reviewer"), world.member("Bo Rivers", "reviewer")
        elsewhere = []
        for _ in range(2):
            with world.hub.store.transaction() as tx:
                person = kit.accounts.named(tx.connection, "Ada Quill")
                token = kit.tokens.issue(tx.connection, person, world.clock()).token
                elsewhere.append(world.client(token))
        held = ada.client.log_ins()
        assert len(held) == 3
        assert [one["this"] for one in held].count(True) == 1
        for one in bo.client.log_ins():
            with pytest.raises(
                RefusedError, check=lambda e: (e.status, e.code) == (404, "log.in.none")
            ):
                ada.client.end_log_in(one["id"])
        (theirs,) = [one["id"] for one in elsewhere[0].log_ins() if one["this"]]
        ada.client.end_log_in(theirs)
        with pytest.raises(RefusedError, check=lambda e: e.status == 401):
            elsewhere[0].me()
        ada.client.end_other_log_ins()
        with pytest.raises(RefusedError, check=lambda e: e.status == 401):
            elsewhere[1].me()
        assert [one["this"] for one in ada.client.log_ins()] == [True]
        assert bo.client.me()
        # Whoever left a console open for an hour has not just shown who they are.
        world.clock.turn(minutes=30)
        ada.client.me()
        with pytest.raises(RefusedError, check=lambda e: e.code == "log.in.again"):
            ada.client.end_other_log_ins()

        place = ["hub", "staff", "log-ins", "Ada Quill", "--folder", str(running.settings.folder)]
        world.hub.now = running.hub.now = lambda: kit.datetime.now(kit.UTC)
        assert main.main(place) == 0
        assert "ends" in capsys.readouterr().out
        assert main.main([*place, "--end", "0" * 16]) == 2
        assert "no log-in" in capsys.readouterr().err
        assert main.main([*place, "--end", "all"]) == 0
        assert "1 of the log-ins of Ada Quill ended" in capsys.readouterr().out
        assert main.main(place) == 0
        assert "nowhere" in capsys.readouterr().out
        with world.hub.store.reading() as connection:
            kinds = connection.execute(kit.log_records.select()).all()
        assert sum(row.kind == "staff.log_ins.ended" for row in kinds) == 3
        world.close()
