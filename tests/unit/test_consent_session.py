"""Consent over a whole session: nothing is looked at, held or kept outside a live grant."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import importlib.util
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from policies.consent import Answers, Grant, require
from policies.errors import GrantError
from proctor.errors import CheckFailed, InputError
from proctor.evidence import layout
from proctor.evidence.case import Case
from proctor.evidence.show import gather
from proctor.evidence.verify import verify
from proctor.session import session as session_module
from proctor.session.room_scan import Asked
from proctor.types import AudioChunk, Frame

_SPEC = importlib.util.spec_from_file_location(
    "student_world", Path(__file__).with_name("student_world.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
ASKED = Asked("Dr. A. Example", "The first film shows only half the room.")
World, HandDevice, world, POLICY = kit.World, kit.HandDevice, kit.world, kit.POLICY
of, records, sealed_files = kit.of, kit.records, kit.sealed_files
passes, wait_for = kit.passes, kit.wait_for


# C3


def test_C3_nothing_is_read_before_the_consent_record_is_on_disk(world, tmp_path):
    seen: list[str] = []
    create = Case.create.__func__

    class Watched(Case):
        @classmethod
        def create(cls, *arguments, **options):
            seen.append(f"{len(world.opened)} devices, {len(world.looked)} looks")
            return create(cls, *arguments, **options)

    world.plan()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_module, "Case", Watched)
        with world.begin(tmp_path / "case") as session:
            assert records(tmp_path / "case")[0]["type"] == "consent.recorded"
            world.run([world.flagged])
            assert session.grants["camera"].record.endswith("#1")
    assert seen == ["0 devices, 0 looks"]
    assert world.looked


def test_C3_a_device_without_a_live_grant_cannot_be_built(world):
    grant = Grant("microphone", "r")
    for wrong in (None, True, grant):
        with pytest.raises(GrantError):
            HandDevice(world, "camera", wrong)
    grant.withdraw()
    with pytest.raises(GrantError):
        HandDevice(world, "microphone", grant)


@pytest.mark.parametrize(
    "purpose",
    ["camera", "microphone", "clips", "identity", "room_scan", "identity_retention", "research"],
)
def test_C3_every_step_has_a_gate_that_only_its_own_live_grant_opens(purpose):
    grant = Grant(purpose, "r")
    assert require(grant, purpose) is grant
    for other in {"camera", "clips", "identity"} - {purpose}:
        with pytest.raises(GrantError):
            require(grant, other)
    grant.withdraw()
    with pytest.raises(GrantError):
        require(grant, purpose)


# C4


def test_C4_withdrawing_the_camera_from_another_thread_stops_it_within_a_second(world, tmp_path):
    folder = tmp_path / "case"
    answered: list[str] = []
    late: list[float] = []

    def withdraw():
        answered.append(world.session.withdraw("camera"))

    with world.begin(folder) as session:
        thread = threading.Thread(target=withdraw)
        looked_before = 0

        def start():
            nonlocal looked_before
            thread.start()
            thread.join()  # the call returns without the evidence writer's help
            looked_before = len(world.looked)
            late.append(session.clock.now())

        world.run([lambda: wait_for(lambda: len(world.looked) > 2), start] + [lambda: None] * 4)
    assert answered == ["You sit the exam in a room with a person."]
    (said,) = of(folder, "consent.withdrawn")
    assert said["purpose"] == "camera"
    assert said["t"] <= late[0]
    assert session.desk.grant_of("camera") is None
    assert session.desk.grant_of("microphone") is not None
    assert (folder / "receipts/002.jsonld").is_file()
    passes(folder)


class SlowCamera:
    """What OpenCV would give: a picture every 30 ms, until it is released."""

    GRAB_S = 0.03

    def __init__(self) -> None:
        self.released = threading.Event()
        self.grabs = 0

    def isOpened(self):
        return True

    def set(self, prop, value):
        return True

    def grab(self):
        time.sleep(self.GRAB_S)
        self.grabs += 1
        return True

    def retrieve(self):
        return True, np.zeros((480, 640, 3), np.uint8)

    def release(self):
        self.released.set()


def test_C4_the_camera_device_is_released_within_a_second(world, tmp_path):
    from proctor.capture.camera import Camera

    device = SlowCamera()
    took: list[float] = []
    with world.begin(tmp_path / "case") as session:

        def withdraw():
            while not world.looked:
                time.sleep(0.01)
            session.withdraw("camera")
            before = device.grabs
            assert device.released.wait(60)
            # In the camera's own time: this machine may be busy with something else.
            took.append((device.grabs - before) * device.GRAB_S)

        thread = threading.Thread(target=withdraw)
        thread.start()
        session.live(
            lambda: [Camera(session.sensor("camera"), session.clock, open_device=lambda d: device)],
            until=lambda t: not thread.is_alive(),
        )
        thread.join()
    (seconds,) = took
    assert seconds < 1.0
    assert of(tmp_path / "case", "marker") == []


@pytest.mark.parametrize("when", ["before it is made", "before it is started"])
def test_C4_what_is_taken_back_while_its_device_is_opened_stays_closed(world, tmp_path, when):
    folder = tmp_path / "case"
    with world.begin(folder) as session:
        ours, asked = world.devices, []

        def devices():
            grants = {name: session.sensor(name) for name in ("camera", "microphone")}
            made = ours() if when == "before it is started" else []
            if not asked:
                asked.append("camera")
                thread = threading.Thread(target=session.withdraw, args=("camera",))
                thread.start()
                thread.join()
            if not made:
                made = [HandDevice(world, name, grant) for name, grant in grants.items() if grant]
                world.opened += made
            return made

        world.devices = devices
        world.run([lambda: "done" if world.looked else "again"])
    assert [device.sensor for device in world.opened if device.sink] == ["microphone"]
    assert [said["purpose"] for said in of(folder, "consent.withdrawn")] == ["camera"]
    passes(folder)


def test_C4_after_a_withdrawal_no_later_sample_is_looked_at_or_held(world, tmp_path):
    with world.begin(tmp_path / "case") as session:
        after: list[int] = []

        def withdraw():
            session.withdraw("camera")
            after.extend(seq for seq, sensor in world.emit() if sensor == "camera")

        def more():
            after.extend(seq for seq, sensor in world.emit() if sensor == "camera")

        world.run([lambda: None, withdraw, more, more, more])
        assert session.recorder._ring._gops == type(session.recorder._ring._gops)()
    assert after
    assert not set(after) & set(world.passed + world.looked + world.held)


def test_C4_what_was_kept_of_a_withdrawn_sensor_is_erased_and_a_tombstone_stays(world, tmp_path):
    folder = tmp_path / "case"
    with world.begin(folder) as session:

        def end_the_flags():
            session.pause()
            assert sealed_files(folder)
            session.resume()

        world.run([world.flagged, end_the_flags, lambda: session.withdraw("camera")])
    erased = of(folder, "erased")
    assert erased
    for tombstone in erased:
        assert all(tombstone[name] for name in ("what", "when", "why", "rule"))
        assert not (folder / layout.clip_name(tombstone["flag"])).exists()
    still = {d["flag"]: d for d in of(folder, "sealed")}
    for flag in {d["flag"] for d in erased}:
        assert "camera" in still.pop(flag)["sensors"]
    assert all("camera" not in data["sensors"] for data in still.values())
    passes(folder)
    # A missing file without its tombstone is still refused, and so is a file that came back.
    gone = erased[0]["flag"]
    (folder / layout.clip_name(gone)).write_bytes(b"from a backup")
    assert [c.code for c in verify(folder) if not c.ok] == ["clips-erased", "clips-length"]


def test_C4_a_missing_clip_without_a_tombstone_is_refused(finished_case):
    (finished_case / layout.clip_name("object.phone-002")).unlink()
    assert "clips-present" in [c.code for c in verify(finished_case) if not c.ok]


def test_C4_clips_that_should_have_gone_are_found(begin_case, add_flag):
    case = begin_case()
    add_flag(case, "object.phone-001", 10.0)
    case.record("consent.withdrawn", {"t": 20.0, "purpose": "clips"})
    case.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
    case.close()
    assert [c.code for c in verify(case.folder) if not c.ok] == ["clips-erased"]


@pytest.mark.parametrize(
    "tombstone",
    [
        {"flag": "object.phone-009", "what": "a", "when": "b", "why": "c", "rule": "d"},
        {"flag": "object.phone-001", "what": "a", "when": "b", "why": "", "rule": "d"},
        {"flag": "object.phone-001", "what": "a", "when": "b", "why": "c", "rule": "d"},
    ],
)
def test_C4_an_erasure_that_does_not_hold_is_refused(begin_case, add_flag, tombstone):
    case = begin_case()
    add_flag(case, "object.phone-001", 10.0)
    case.record("erased", tombstone)
    case.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
    case.close()
    assert "clips-erased" in [c.code for c in verify(case.folder) if not c.ok]


def test_C4_withdrawing_clips_drops_the_pending_ones_and_keeps_none_after(world, tmp_path):
    folder = tmp_path / "case"
    with world.begin(folder) as session:

        def withdraw():
            assert session.recorder._pending
            session.withdraw("clips")
            assert not session.recorder._pending
            assert session.recorder.memory == 0

        def end_the_flags():
            session.pause()
            session.resume()

        world.run([world.flagged, withdraw, world.flagged, end_the_flags, world.flagged])
    assert sealed_files(folder) == []
    assert {d["why"] for d in of(folder, "clip.skipped")} == {"clips are not kept"}
    assert len(of(folder, "clip.skipped")) == len(of(folder, "flag")) >= 4
    passes(folder)


def test_C4_what_is_not_agreed_to_cannot_be_taken_back(world, tmp_path):
    with world.begin(tmp_path / "case") as session:
        session.withdraw("clips")
        with pytest.raises(
            InputError, match=r"nothing to take back \(agreed to: camera, microphone\)"
        ):
            session.withdraw("clips")
    with pytest.raises(InputError, match="closed"):
        session.withdraw("camera")


def test_C4_a_sensor_taken_back_can_be_given_again_with_a_record_of_its_own(world, tmp_path):
    folder = tmp_path / "case"
    with world.begin(folder) as session:
        again: list[int] = []

        def give():
            grant = session.answer("camera", True)
            assert grant is not None
            assert grant.live

        def looked_at():
            again.extend(s for s, sensor in world.emit() if sensor == "camera")
            return "done" if set(again) & set(world.looked) else "again"

        world.run([lambda: session.withdraw("camera"), give, looked_at])
    (said,) = of(folder, "consent.granted")
    assert said["purpose"] == "camera"
    assert said["text_sha256"]
    assert world.resets
    passes(folder)


@pytest.mark.parametrize("takes", ["frame", "audio"])
def test_C4_a_sample_that_waits_for_a_detector_is_not_looked_at_after_the_withdrawal(
    world, tmp_path, takes
):
    sensor = {"frame": "camera", "audio": "microphone"}[takes]
    with world.begin(tmp_path / "case") as session:
        (lane,) = [lane for lane in session._lanes if lane.takes == takes]
        waiting = (
            Frame(1.0, 7, np.zeros((48, 64, 3), np.uint8))
            if takes == "frame"
            else AudioChunk(1.0, 7, np.zeros(160, np.int16), 16000)
        )
        session.withdraw(sensor)
        assert lane.process(waiting) == []
    assert world.looked == []


def test_C4_a_recording_is_not_looked_at_any_further_either(world, tmp_path, made_recording):
    folder = tmp_path / "case"
    answers = Answers({"camera": True, "microphone": False, "clips": True}, "file")
    with world.begin(folder, answers) as session:
        told: list[float] = []

        def withdraw(t: float) -> None:
            if t >= 1.0 and not told:
                told.append(t)
                assert world.looked
                session.withdraw("camera")
                world.looked.clear()

        session.replay(made_recording, withdraw)
    assert told
    # One frame may have been before a detector's eyes already, and none after it.
    assert len(world.looked) <= 1
    assert of(folder, "erased") or not of(folder, "sealed")
    passes(folder)


# R2, R4, as far as grants go.


def test_R2_a_room_scan_is_asked_about_at_its_moment_whatever_was_said_before(world, tmp_path):
    with world.begin(tmp_path / "case") as session:
        assert "room_scan" not in session.grants
        assert session.answer("room_scan", False) is None
        assert "room_scan" not in session.grants
        with pytest.raises(CheckFailed, match="what holds instead"):
            session.answer("room_scan", True)
        grant = session.answer("room_scan", True, asked=ASKED)
        assert require(grant, "room_scan") is grant


def test_R4_a_second_room_scan_is_asked_about_again(world, tmp_path):
    with world.begin(tmp_path / "case") as session:
        first = session.answer("room_scan", True)
        session.withdraw("room_scan")
        assert not first.live
        with pytest.raises(InputError, match="already"):
            session.answer("room_scan", True)
        second = session.answer("room_scan", True, asked=ASKED)
        asked = of(tmp_path / "case", "consent.granted")
        assert [data.get("asked_by") for data in asked] == [None, ASKED.by]
        assert asked[1]["reason"] == ASKED.reason
        assert second.live
        assert not first.live
        assert first.record != second.record


# A2


def test_A2_in_a_break_capture_truly_stops_and_the_time_is_neither_measured_nor_not(
    world, tmp_path
):
    folder = tmp_path / "case"
    inside: list[int] = []
    with world.begin(folder) as session:

        def pause():
            session.pause()
            assert not any(device.running for device in world.opened)
            assert session.recorder.memory == 0
            live = session.interventions.capture._live
            assert live._slot._item is None
            assert live._audio.empty()
            began = time.monotonic()
            while time.monotonic() - began < 0.3:
                inside.extend(seq for seq, _ in world.emit())
                time.sleep(0.02)

        world.run([world.flagged, pause, session.resume, world.flagged])
        assert sum(device.running for device in world.opened) == 0
    assert inside
    assert not set(inside) & set(world.passed + world.looked + world.held)
    (start,), (end,) = of(folder, "break.started"), of(folder, "break.ended")
    assert [m["kind"] for m in of(folder, "marker")] == ["break.start", "break.end"]
    summary = of(folder, "session.ended")[0]["summary"]
    assert summary["break_s"] == pytest.approx(end["t"] - start["t"], abs=0.02)
    for kind in ("test.seen", "test.heard"):
        rule = session.recorder.book.rules[kind]
        told = rule.measured_s + sum(rule.unknown_s.values()) + summary["break_s"]
        assert told == pytest.approx(summary["seconds"], abs=0.05)
    # An open flag closes where the break begins, and a new one opens after it.
    closed = [d for d in of(folder, "flag.closed") if d["kind"] == "test.seen"]
    assert closed[0]["end"] <= start["t"] + 0.001
    assert closed[1]["start"] >= end["t"] - 0.001
    assert world.resets >= 2
    story = gather(folder).story
    assert [m.title for m in story.markers] == ["Break: start", "Break: end"]
    assert len(story.breaks) == 1
    passes(folder)


@pytest.mark.parametrize(
    ("breaks", "sentence"),
    [
        ('mode = "off"', "has no breaks"),
        ('mode = "on_demand"\nmax_count = 0', "All breaks of this exam were taken"),
        ('mode = "planned"\nplanned_at_minutes = [30.0]', "The next one begins at minute 30"),
        ('mode = "planned"', "All were taken"),
    ],
)
def test_A2_a_break_that_the_policy_does_not_have_is_refused_in_a_sentence(
    tmp_path, monkeypatch, proctor_home, breaks, sentence
):
    head = POLICY.partition("[breaks]")[0]
    world = World(tmp_path, monkeypatch, f"{head}[breaks]\n{breaks}\n")
    with world.begin(tmp_path / "case") as session:

        def pause():
            with pytest.raises(InputError, match=sentence):
                session.pause()

        world.run([pause, lambda: None])
    assert of(tmp_path / "case", "break.started") == []
    assert all(device.running is False for device in world.opened)


def test_A2_breaks_are_for_live_exams(world, tmp_path):
    with world.begin(tmp_path / "case") as session, pytest.raises(InputError, match="live exam"):
        session.pause()


def test_A2_a_planned_break_begins_and_ends_by_itself_and_both_are_told(
    tmp_path, monkeypatch, proctor_home
):
    head = POLICY.partition("[breaks]")[0]
    breaks = 'mode = "planned"\nplanned_at_minutes = [0.001]\nmax_minutes = 0.002\n'
    world = World(tmp_path, monkeypatch, f"{head}[breaks]\n{breaks}")
    told: list[str] = []
    with world.begin(tmp_path / "case") as session:
        session.interventions._on_notice = told.append

        def over():
            return len(of(tmp_path / "case", "break.ended")) == 1

        session.live(world.devices, until=lambda t: over())
    assert told[0].startswith("A planned break")
    assert told[-1].startswith("The break is over")
    passes(tmp_path / "case")


def test_A2_an_exam_that_ends_in_a_break_ends_the_break(world, tmp_path):
    with world.begin(tmp_path / "case") as session:
        world.run([lambda: None, session.pause])
    assert len(of(tmp_path / "case", "break.ended")) == 1
    assert not any(device.running for device in world.opened)
    passes(tmp_path / "case")
