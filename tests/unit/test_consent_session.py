# ruff: noqa: N802 - the tests bear the numbers of the rules they prove
"""Consent over a whole session: nothing is looked at, held or kept outside a live grant.

The devices here are ones this machine cannot have: they go on giving pictures and sound after they
were told to stop, so that what holds them back is the session and not their good manners.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from policies.consent import Answers, Grant, accept_all, require
from policies.engine import ConsentState
from policies.errors import GrantError
from proctor.errors import InputError
from proctor.evidence import layout
from proctor.evidence.case import Case
from proctor.evidence.ring import Ring
from proctor.evidence.show import gather
from proctor.evidence.verify import verify
from proctor.pipeline.detector import Kind, Plugin, Settings
from proctor.session import session as session_module
from proctor.session.plan import Plan, make_plan
from proctor.session.session import Session, choose_recipients
from proctor.types import AudioChunk, Frame, Observation

POLICY = """
version = 1
id = "consent-test"
institution = "Test institution"
exam = "Test exam"
contact = "exams@example.org"
stakes = "practice"
languages = ["en"]

[purposes.camera]
alternative = "You sit the exam in a room with a person."
[purposes.microphone]
alternative = "The exam runs with the microphone off."
[purposes.clips]
alternative = "Flags are kept as sentences without pictures."
[purposes.room_scan]
alternative = "A person looks at the room with you."

[room_scan]
mode = "offered"
reason = "Another person must not be in the room."
alternative = "A person looks at the room with you."
notice_hours = 24

[clips]
pre_roll_s = 0.3
post_roll_s = 0.1
max_s = 5.0

[detectors.eye]
[detectors.ear]

[rules."test.seen"]
on = 0.5
off = 0.5
min_s = 0.0
cooldown_s = 0.0
[rules."test.heard"]
on = 0.5
off = 0.5
min_s = 0.0
cooldown_s = 0.0

[breaks]
mode = "on_demand"
max_count = 100
max_minutes = 10.0
"""


class World:
    """Devices that never obey, detectors and a ring that note every sample they are given."""

    def __init__(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str = POLICY
    ) -> None:
        self.policy_file = tmp_path / "policy.toml"
        self.policy_file.write_text(policy, encoding="utf-8")
        self.looked: list[int] = []
        self.held: list[int] = []
        self.resets = 0
        self.sinks: list[object] = []
        self.opened: list[HandDevice] = []
        self.session: Session
        self._seq = 0
        self._stamp: dict[tuple[str, float], int] = {}
        monkeypatch.setattr(session_module, "PUMP_S", 0.005)
        frame, audio = Ring.frame, Ring.audio
        monkeypatch.setattr(
            Ring, "frame", lambda ring, f: (self.held.append(f.seq), frame(ring, f))[1]
        )
        monkeypatch.setattr(
            Ring, "audio", lambda ring, c: (self.held.append(c.seq), audio(ring, c))[1]
        )

    def plan(self, **options: object) -> Plan:
        plugins = {
            "eye": self._plugin("eye", "frame", "test.seen"),
            "ear": self._plugin("ear", "audio", "test.heard"),
        }
        return make_plan(str(self.policy_file), plugins=plugins, **options)  # type: ignore[arg-type]

    def _plugin(self, name: str, takes: str, kind: str) -> Plugin:
        world = self

        class Looker:
            def update(self, sample):
                world.looked.append(sample.seq)
                return [Observation(sample.t, kind, 1.0, name)]

            def reset(self):
                world.resets += 1

            def close(self):
                pass

        kinds = (Kind(kind, name, "{seconds}"),)
        return Plugin(name, takes, 0.0, kinds, (), Settings, lambda s, c: Looker())  # type: ignore[arg-type]

    def begin(self, folder: Path, answers: Answers | None = None, **options: object) -> Session:
        plan = self.plan(**options)
        self.session = Session(
            plan, answers or accept_all(plan.policy), folder, recipients=choose_recipients(plan, [])
        )
        return self.session

    def devices(self) -> list[HandDevice]:
        made = [
            HandDevice(self, sensor, grant)
            for sensor in ("camera", "microphone")
            if (grant := self.session.sensor(sensor)) is not None  # type: ignore[arg-type]
        ]
        self.opened += made
        return made

    def emit(self) -> list[tuple[int, str]]:
        """One sample of every device that was ever started, stopped or not; their numbers."""
        sent = []
        now = self.session.clock.now()
        for device in self.opened:
            if device.sink is None:
                continue
            self._seq += 1
            if device.sensor == "camera":
                image = np.full((48, 64, 3), self._seq % 256, np.uint8)
                device.sink.frame(Frame(now, self._seq, image))
            else:
                chunk = AudioChunk(now, self._seq, np.full(160, 50, np.int16), 16000)
                device.sink.audio(chunk)
            sent.append((self._seq, device.sensor))
        return sent

    def flagged(self) -> str:
        """A step that lasts until a flag is open for everything that is measured now."""
        wanted = self.session.recorder._measured
        seen = {flag.kind for flag in self.session.flags.values() if flag.end is None}
        return "again" if wanted - seen else "done"

    def run(self, script: list[Callable[[], object]], *, pauses: int = 6) -> None:
        """A live run: emit a few times, then the next step of the script, until it is through.

        A step that answers "again" is taken again later.
        """
        steps = iter(script)
        again: list[Callable[[], object]] = []
        count = 0

        def until(t: float) -> bool:
            nonlocal count
            count += 1
            if count % pauses:
                self.emit()
                time.sleep(0.001)
                return False
            step = again.pop() if again else next(steps, None)
            if step is None:
                return True
            if step() == "again":
                again.append(step)
            return False

        self.session.live(self.devices, until=until)


class HandDevice:
    """A source that keeps its sink for ever. ``running`` is what an honest device's light would show."""

    def __init__(self, world: World, sensor: str, grant: Grant) -> None:
        self.grant = require(grant, sensor)  # type: ignore[arg-type]
        self.sensor = sensor
        self.sink: object = None
        self.running = False

    def start(self, sink):
        require(self.grant, self.sensor)
        self.sink = sink
        self.running = True

    def stop(self):
        self.running = False


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proctor_home: Path) -> World:
    return World(tmp_path, monkeypatch)


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def of(folder: Path, kind: str) -> list[dict]:
    return [r["data"] for r in records(folder) if r["type"] == kind]


def sealed_files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / layout.CLIPS).iterdir())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def passes(folder: Path) -> None:
    assert [(c.code, c.detail) for c in verify(folder) if not c.ok] == []


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

    def __init__(self) -> None:
        self.released = threading.Event()

    def isOpened(self):
        return True

    def set(self, prop, value):
        return True

    def grab(self):
        time.sleep(0.03)
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
            began = time.monotonic()
            device.released.wait(20)
            took.append(time.monotonic() - began)

        thread = threading.Thread(target=withdraw)
        thread.start()
        session.live(
            lambda: [Camera(session.sensor("camera"), session.clock, open_device=lambda d: device)],
            until=lambda t: not thread.is_alive(),
        )
        thread.join()
    assert took[0] < 1.0
    assert of(tmp_path / "case", "marker") == []


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
    assert not set(after) & set(world.looked)
    assert not set(after) & set(world.held)


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

        def emit():
            time.sleep(0.02)
            again.extend(s for s, sensor in world.emit() if sensor == "camera")
            time.sleep(0.02)

        world.run([lambda: session.withdraw("camera"), give, emit, emit, emit, lambda: None])
    (said,) = of(folder, "consent.granted")
    assert said["purpose"] == "camera"
    assert said["text_sha256"]
    assert set(again) & set(world.looked)
    assert world.resets
    passes(folder)


# R2, R4, as far as grants go.


def test_R2_a_room_scan_is_asked_about_at_its_moment_whatever_was_said_before(world, tmp_path):
    with world.begin(tmp_path / "case") as session:
        assert "room_scan" not in session.grants
        assert session.answer("room_scan", False) is None
        assert "room_scan" not in session.grants
        grant = session.answer("room_scan", True)
        assert require(grant, "room_scan") is grant


def test_R4_a_second_room_scan_is_asked_about_again(world, tmp_path):
    with world.begin(tmp_path / "case") as session:
        first = session.answer("room_scan", True)
        session.withdraw("room_scan")
        assert not first.live
        second = session.answer("room_scan", True)
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
            began = time.monotonic()
            while time.monotonic() - began < 0.3:
                inside.extend(seq for seq, _ in world.emit())
                time.sleep(0.02)

        world.run([world.flagged, pause, session.resume, world.flagged])
        assert sum(device.running for device in world.opened) == 0
    assert inside
    assert not set(inside) & set(world.looked + world.held)
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


# Crashes.

WRITER = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
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
    script = WRITER.format(
        tests=str(Path(__file__).parent), kit=__file__, folder=str(folder), how=how
    )
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


# C2


def story_of(world: World, folder: Path, answers: Answers) -> object:
    world.begin(folder, answers)
    with world.session:
        world.run([world.flagged])
    return gather(folder)


TELLING = ("declin", "refus", "withdr", "objected", "granted", "consent.")


def test_C2_what_was_declined_shows_nowhere_a_reviewer_looks(world, tmp_path, monkeypatch, capsys):
    from proctor.cli.main import main
    from proctor.evidence.page import render

    monkeypatch.chdir(tmp_path)
    yes = dict.fromkeys(world.plan().policy.purposes, True)
    answers = Answers({**yes, "microphone": False, "clips": False}, "file")
    shown = story_of(world, Path("case"), answers)
    assert [(a.detector, a.why) for a in shown.story.absent] == [
        ("ear", "not measured by arrangement")
    ]
    assert {f.no_clip for f in shown.story.flags} == {"clips are not kept"}
    assert main(["case", "show", "case"]) == 0
    assert main(["case", "show", "case", "--json"]) == 0
    assert main(["case", "verify", "case"]) == 0
    for told in (render(shown.story, shown.checks), capsys.readouterr().out):
        assert [word for word in TELLING if word in told.lower()] == []


def test_C2_what_was_withdrawn_shows_nowhere_a_reviewer_looks(world, tmp_path, monkeypatch, capsys):
    from proctor.cli.main import main
    from proctor.evidence.page import render

    monkeypatch.chdir(tmp_path)
    with world.begin(Path("case")) as session:

        def clip():
            session.pause()
            session.resume()

        world.run([world.flagged, clip, lambda: session.withdraw("clips"), world.flagged])
    assert of(Path("case"), "erased")
    shown = gather(Path("case"))
    assert {f.no_clip for f in shown.story.flags} == {"clips are not kept"}
    assert all(f.clip is None for f in shown.story.flags)
    assert main(["case", "show", "case"]) == 0
    assert main(["case", "show", "case", "--json"]) == 0
    assert main(["case", "open", "case", shown.story.flags[0].id]) == 2
    captured = capsys.readouterr()
    for told in (render(shown.story, shown.checks), captured.out + captured.err):
        assert [word for word in TELLING if word in told.lower()] == []


def test_C2_a_refusal_never_stops_the_exam(world, tmp_path):
    plan = world.plan()
    answers = Answers(
        {"camera": False, "microphone": True, "clips": False, "room_scan": False}, "file"
    )
    with world.begin(tmp_path / "case", answers):
        world.run([world.flagged])
    flags = of(tmp_path / "case", "flag")
    assert {flag["kind"] for flag in flags} == {"test.heard"}
    assert plan.policy.purposes["camera"].alternative
    passes(tmp_path / "case")


# The property.

OPERATIONS = st.lists(
    st.sampled_from(
        ["withdraw camera", "withdraw microphone", "withdraw clips", "give camera",
         "give microphone", "give clips", "refuse clips", "break", "resume", "crash", "wait"]
    ),
    min_size=1,
    max_size=10,
)  # fmt: skip
START = st.fixed_dictionaries(
    {name: st.booleans() for name in ("camera", "microphone", "clips", "room_scan")}
).filter(lambda granted: granted["camera"] or granted["microphone"])


class Crash(Exception):
    pass


@settings(
    max_examples=30,
    deadline=None,
    report_multiple_bugs=False,
    # Shrinking runs the program hundreds of times; a failing list of ten words is short enough.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(granted=START, operations=OPERATIONS)
def test_C3_C4_nothing_exists_outside_a_live_grant_whatever_happens(
    granted, operations, tmp_path_factory, proctor_home
):
    """Every sample carries whether the student's word covered it when it was taken. Only such samples
    may ever be looked at or held, and what is on disk in the end is covered by what stands in the end.
    """
    folder = tmp_path_factory.mktemp("random") / "case"
    with pytest.MonkeyPatch.context() as patch:
        world = World(folder.parent, patch)
        Model(world, folder, granted).play(operations)


class Model:
    """What the student said, kept apart from the program, and the check against it."""

    def __init__(self, world: World, folder: Path, granted: dict[str, bool]) -> None:
        self.world, self.folder = world, folder
        self.live = {name for name, yes in granted.items() if yes and name != "room_scan"}
        self.loaded = set(self.live)
        self.on_break = False
        self.may_look: set[int] = set()
        self.may_hold: set[int] = set()
        world.begin(folder, Answers(granted, "file"))
        emit = world.emit

        def noted() -> list[tuple[int, str]]:
            sent = emit()
            for seq, sensor in sent:
                if sensor in self.live and not self.on_break:
                    self.may_look.add(seq)
                    if "clips" in self.live:
                        self.may_hold.add(seq)
            return sent

        world.emit = noted  # type: ignore[method-assign]

    def play(self, operations: list[str]) -> None:
        left = list(operations)
        while True:
            try:
                steps = [lambda op=op, n=n: self.step(op, left, n) for n, op in enumerate(left, 1)]
                self.world.run([*steps, lambda: None], pauses=4)
                break
            except Crash:
                self.crash()
        self.world.session.close()
        self.check()

    def step(self, operation: str, left: list[str], number: int) -> None:
        self.check_memory()
        session = self.world.session
        verb, _, purpose = operation.partition(" ")
        if verb == "crash":
            del left[:number]
            raise Crash
        try:
            if verb == "withdraw":
                session.withdraw(purpose)
                self.live.discard(purpose)
            elif verb == "give":
                session.answer(purpose, True)
                self.live.add(purpose)
            elif verb == "refuse":
                session.answer(purpose, False)
            elif verb == "break":
                session.pause()
                self.on_break = True
            elif verb == "resume":
                session.resume()
                self.on_break = False
        except InputError:
            # Nothing to take back, given already, never loaded, no break: and nothing changed.
            assert verb != "withdraw" or purpose not in self.live
            assert verb != "break" or self.on_break
            assert verb != "resume" or not self.on_break
            assert verb != "give" or purpose in self.live or purpose not in self.loaded
        self.check_memory()

    def check_memory(self) -> None:
        ring = self.world.session.recorder._ring
        for sensor, held in (("camera", ring._gops), ("microphone", ring._sound)):
            if not {sensor, "clips"} <= self.live or self.on_break:
                assert not held, sensor
        assert set(self.world.looked) <= self.may_look
        assert set(self.world.held) <= self.may_hold

    def crash(self) -> None:
        """What a killed process leaves: open files closed by the system, and no goodbye."""
        case = self.world.session.case
        case._closed = True
        os.close(case._journal._descriptor)
        case._lock.release()
        self.loaded &= self.live
        self.world.session = Session.reopen(self.world.plan(), self.folder)

    def check(self) -> None:
        assert set(self.world.looked) <= self.may_look
        assert set(self.world.held) <= self.may_hold
        state = ConsentState.from_records(records(self.folder))
        assert {name for name in state.purposes if state.live(name)} == self.live
        erased = {d["flag"] for d in of(self.folder, "erased")}
        sealed = {d["flag"]: d for d in of(self.folder, "sealed")}
        files = {name.removesuffix(layout.CLIP_SUFFIX) for name in sealed_files(self.folder)}
        assert files == set(sealed) - erased
        passes(self.folder)
