"""A computer that slept in an exam: a gap that is told, nothing counted, and right times afterwards.

No machine of a test can be put to sleep. To the program sleep is a steady clock that is suddenly far
ahead, and the computer's own clock with it; the tests move both.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proctor.clock import SessionClock, steady
from proctor.session.interventions import STOOD_STILL

_SPEC = importlib.util.spec_from_file_location(
    "student_world", Path(__file__).with_name("student_world.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
World, of, passes, records, wait_for = (
    kit.World, kit.of, kit.passes, kit.records, kit.wait_for,
)  # fmt: skip
world = kit.world
SLEPT_S = 3600.0


def fall_asleep(session) -> None:
    """Both clocks go on by an hour in which the program does not run."""
    clock = session.clock
    object.__setattr__(clock, "origin", clock.origin - SLEPT_S)
    session.attesting._wall = lambda: datetime.now(UTC) + timedelta(seconds=SLEPT_S)


def test_sleep_is_a_gap_that_counts_as_not_measured(world, tmp_path):
    folder = tmp_path / "case"
    said: list[str] = []
    with world.begin(folder) as session:
        session.interventions._on_notice = said.append
        world.run(
            [
                world.flagged,
                lambda: fall_asleep(session),
                lambda: None,
                world.flagged,
                lambda: None,
            ]
        )
    (gap,) = of(folder, "agent.gap")
    assert gap["why"] == STOOD_STILL
    assert gap["end"] - gap["start"] == pytest.approx(SLEPT_S, abs=5.0)
    assert of(folder, "clock.changed") == []
    (ended,) = of(folder, "session.ended")
    for kind in ("test.seen", "test.heard"):
        assert ended["summary"]["not_measured_s"][kind] == pytest.approx(SLEPT_S, abs=10.0)
    # What is recorded afterwards bears the time of the day at which it was.
    last = datetime.fromisoformat(records(folder)[-1]["time"])
    assert (last - datetime.now(UTC)).total_seconds() == pytest.approx(SLEPT_S, abs=30.0)
    assert any("does not count against you" in sentence for sentence in said)
    assert world.resets >= 2  # both detectors forgot what was before
    passes(folder)


def test_sleep_in_a_break_is_break_and_no_gap(world, tmp_path):
    folder = tmp_path / "case"
    with world.begin(folder) as session:
        world.run(
            [
                world.flagged,
                session.pause,
                lambda: fall_asleep(session),
                lambda: None,
                lambda: "again" if session.desk.state.on_break else "done",
            ]
        )
    assert of(folder, "agent.gap") == []
    (ended,) = of(folder, "session.ended")
    assert ended["summary"]["break_s"] == pytest.approx(SLEPT_S, abs=10.0)
    assert ended["summary"]["not_measured_s"]["test.seen"] < 60.0
    passes(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/uptime is Linux's")
def test_the_clock_of_a_session_counts_sleep() -> None:
    # The kernel's uptime counts sleep (proc(5)).
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert steady() == pytest.approx(uptime, abs=1.0)
    clock = SessionClock()
    before = clock.now()
    time.sleep(0.01)
    assert clock.now() - before >= 0.01
