"""A detector that needs more than its sensor: never made without leave, closed when it is taken back."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

import pytest

from policies.consent import Answers
from proctor.errors import InputError
from proctor.evidence import layout
from proctor.pipeline.detector import Context, Kind, Plugin, Settings
from proctor.pipeline.plugins import refuse_unlawful
from proctor.pipeline.runner import Station, close_all
from proctor.types import Observation

_SPEC = importlib.util.spec_from_file_location(
    "student_world", Path(__file__).with_name("student_world.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
POLICY = kit.WITH_IDENTITY
of, passes, sealed_files, wait_for = kit.of, kit.passes, kit.sealed_files, kit.wait_for

ALL = {"camera": True, "microphone": True, "clips": True, "identity": True, "room_scan": False}


@pytest.fixture
def world(tmp_path, monkeypatch, proctor_home):
    return kit.World(tmp_path, monkeypatch, POLICY)


def test_a_policy_without_the_purpose_cannot_run_the_detector(world):
    text = POLICY.replace(
        '[purposes.identity]\nalternative = "A person looks at your identity card."\n', ""
    )
    world.policy_file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"'knower' but has no purpose 'identity'; add \["):
        world.plan()


@pytest.mark.parametrize("without", ["identity", "camera"])
def test_C2_what_was_declined_is_never_made_and_looks_like_any_arrangement(
    world, tmp_path, without
):
    folder = tmp_path / "case"
    with world.begin(folder, Answers(ALL | {without: False}, "file")) as session:
        world.run([world.flagged])
        with pytest.raises(InputError, match="cannot be switched on in this exam any more"):
            session.answer(without, True)
        assert world.knowers == 0
        assert not world.templates
    (started,) = of(folder, "session.started")
    (said,) = [n for n in started["not_measured"] if n["detector"] == "knower"]
    assert said == {
        "detector": "knower",
        "kinds": ["test.known"],
        "why": "not measured by arrangement",
        "mend": "",
    }
    (ended,) = of(folder, "session.ended")
    assert ended["summary"]["not_measured_s"]["test.known"] == pytest.approx(ended["t"], abs=0.1)
    passes(folder)


def test_C6_of_minors_no_biometric_detector_is_made_whatever_they_answer(world, tmp_path):
    world.policy_file.write_text(
        POLICY.replace("version = 1", "version = 1\nmin_age = 16", 1), encoding="utf-8"
    )
    with world.begin(tmp_path / "case", Answers(ALL, "file", guardian=True)):
        world.run([lambda: wait_for(lambda: len(world.looked) > 2)])
        assert world.knowers == 0


def test_C4_taking_it_back_closes_the_detector_and_its_clips_go(world, tmp_path):
    folder = tmp_path / "case"
    before: list[int] = []
    with world.begin(folder, Answers(ALL, "file")) as session:

        def withdraw():
            before.append(len(world.templates))
            thread = threading.Thread(target=session.withdraw, args=("identity",))
            thread.start()
            thread.join()
            wait_for(lambda: not world.templates)  # a look under way may end first

        world.run([world.flagged, session.pause, session.resume, world.flagged, withdraw,
                   *[lambda: None] * 3])  # fmt: skip
        assert before == [1]
        with pytest.raises(InputError, match="cannot be switched on in this exam any more"):
            session.answer("identity", True)
        assert session.desk.capturing("camera")
        known = {flag.id for flag in session.flags.values() if flag.kind == "test.known"}
        others = set(session.flags) - known
    assert len(known) == 2
    assert {d["flag"] for d in of(folder, "erased")} == {sorted(known)[0]}
    assert {
        Path(name).name.removesuffix(layout.CLIP_SUFFIX) for name in sealed_files(folder)
    } == others
    assert all(d["sensors"][-1] == "identity" for d in of(folder, "sealed") if d["flag"] in known)
    assert not any("identity" in d["sensors"] for d in of(folder, "sealed") if d["flag"] in others)
    (ended,) = of(folder, "session.ended")
    assert "not measured by arrangement" in ended["summary"]["not_measured_why"]["test.known"]
    passes(folder)


def test_a_purpose_nobody_can_be_asked_about_is_refused_at_load():
    kinds = (Kind("test.x", "x", "{seconds}"),)
    odd = Plugin("odd", "frame", 1.0, kinds, (), Settings, lambda s, c: None, needs=("soul",))
    with pytest.raises(InputError, match="needs the purpose 'soul'"):
        refuse_unlawful(odd)


class _Slow:
    """A detector whose looks last until it is let go."""

    def __init__(self) -> None:
        self.looking, self.go_on, self.closed = threading.Event(), threading.Event(), 0

    def update(self, sample):
        self.looking.set()
        self.go_on.wait(20)
        return [Observation(sample.t, "test.x", 1.0, "slow")]

    def reset(self):
        pass

    def close(self):
        self.closed += 1
        raise RuntimeError("will not")


def test_a_look_under_way_ends_first_and_nobody_learns_what_it_saw():
    slow = _Slow()
    kinds = (Kind("test.x", "x", "{seconds}"),)
    plugin = Plugin("slow", "frame", 0.0, kinds, (), Settings, lambda s, c: slow)
    station = Station(plugin, plugin.create(Settings(), Context({})))
    answers: list[object] = []
    frame = kit.Frame(0.0, 0, kit.np.zeros((4, 4, 3), kit.np.uint8))
    thread = threading.Thread(target=lambda: answers.append(station.look(frame)))
    thread.start()
    assert slow.looking.wait(20)
    station.retire("taken back")
    assert station.closed
    assert not slow.closed
    slow.go_on.set()
    thread.join(20)
    assert answers == [[]]
    assert slow.closed == 1
    assert station.detector is not slow
    said: list[str] = []
    close_all([station], said.append)
    assert slow.closed == 1
    assert said == ["The detector 'slow' did not close cleanly: will not."]
