"""Consent after kill -9: what the journal says is what stands."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from proctor.errors import InputError
from proctor.session.session import Session

_SPEC = importlib.util.spec_from_file_location(
    "student_world", Path(__file__).with_name("student_world.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
World, world, of, passes, POLICY = kit.World, kit.world, kit.of, kit.passes, kit.POLICY


WRITER = """
import os, signal, sys, time
from pathlib import Path
import importlib.util
spec = importlib.util.spec_from_file_location("kit", {kit!r})
kit = importlib.util.module_from_spec(spec); spec.loader.exec_module(kit)
import pytest
patch = pytest.MonkeyPatch()
folder = Path({folder!r})
world = kit.World(folder.parent, patch)
session = world.begin(folder)
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def clip():
    session.pause(); session.resume()
steps = {{
    "withdrawn": [world.flagged, clip, lambda: session.withdraw("camera"), die],
    "break": [world.flagged, session.pause, die],
    "journalled": [world.flagged, clip, lambda: (session.desk.withdraw("camera"), die())],
}}[{how!r}]
world.run(steps)
"""


def killed(folder: Path, how: str) -> None:
    kit_file = str(Path(__file__).with_name("student_world.py"))
    script = WRITER.format(kit=kit_file, folder=str(folder), how=how)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX systems")
@pytest.mark.parametrize("how", ["withdrawn", "journalled"])
def test_C4_after_kill_9_what_was_withdrawn_stays_withdrawn(world, tmp_path, how):
    folder = tmp_path / "case"
    killed(folder, how)
    if how == "journalled":  # killed before anything followed from the withdrawal
        assert any("camera" in d["sensors"] for d in of(folder, "sealed"))
        assert of(folder, "erased") == []
    world.session = Session.reopen(world.plan(), folder)
    with world.session as session:
        assert "camera" not in session.grants
        assert session.grants["microphone"].live
        world.run([world.flagged])
        assert {device.sensor for device in world.opened} == {"microphone"}
        with pytest.raises(InputError, match="cannot be switched on"):
            session.answer("camera", True)
    erased = {d["flag"] for d in of(folder, "erased")}
    kept = {d["flag"] for d in of(folder, "sealed") if "camera" in d["sensors"]}
    assert kept <= erased
    assert len({d["id"] for d in of(folder, "flag")}) == len(of(folder, "flag"))
    passes(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX systems")
def test_A2_after_kill_9_a_break_goes_on_until_the_student_ends_it(world, tmp_path):
    folder = tmp_path / "case"
    killed(folder, "break")
    world.session = Session.reopen(world.plan(), folder)
    with world.session as session:
        assert session.desk.state.on_break
        opened: list[int] = []
        world.run([lambda: opened.append(len(world.opened)), session.resume, world.flagged])
        assert opened == [0]
        assert world.looked
    summary = of(folder, "session.ended")[0]["summary"]
    assert 0 < summary["break_s"] < summary["seconds"]
    passes(folder)


def test_a_case_goes_on_only_with_what_was_agreed_to(world, tmp_path):
    with world.begin(tmp_path / "open"):
        pass
    world.policy_file.write_text(POLICY.replace("version = 1", "version = 2"), encoding="utf-8")
    with pytest.raises(InputError, match="another policy"):
        Session.reopen(world.plan(), tmp_path / "open")
    world.policy_file.write_text(POLICY, encoding="utf-8")
    with world.begin(tmp_path / "ended"):
        world.run([lambda: None])
    with pytest.raises(InputError, match="has ended"):
        Session.reopen(world.plan(), tmp_path / "ended")
