"""A student's world for tests of consent: devices, detectors and a policy, and what became of them.

The devices here are ones this machine cannot have: they go on giving pictures and sound after they
were told to stop, so that what holds them back is the session and not their good manners.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from policies.consent import Answers, Grant, accept_all, require
from proctor.evidence import layout
from proctor.evidence.ring import Ring
from proctor.evidence.verify import verify
from proctor.pipeline.detector import Kind, Plugin, Settings
from proctor.pipeline.live import Live
from proctor.session import session as session_module
from proctor.session.plan import Plan, make_plan
from proctor.session.session import Session, choose_recipients
from proctor.types import AudioChunk, Frame, Observation

WAIT_S = 60.0
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
recipients = ["age1a74z5hj6jewf3wm4a63406y83v5h7vm3hjpnpa9v634x2eyjna0qwcq6ly"]

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

# The same with a detector that needs a purpose besides its sensor.
WITH_IDENTITY = (
    POLICY
    + """
[purposes.identity]
alternative = "A person looks at your identity card."

[detectors.knower]

[rules."test.known"]
on = 0.5
off = 0.5
min_s = 0.0
cooldown_s = 0.0
"""
)


class World:
    """Devices that never obey, detectors and a ring that note every sample they are given."""

    def __init__(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str = POLICY
    ) -> None:
        self.policy_file = tmp_path / "policy.toml"
        self.policy_file.write_text(policy, encoding="utf-8")
        self.looked: list[int] = []
        self.held: list[int] = []
        self.passed: list[int] = []
        self.resets = 0
        # Templates of a face that are in anybody's memory, and how many detectors that make them were made.
        self.templates: weakref.WeakSet[Template] = weakref.WeakSet()
        self.knowers = 0
        self.sinks: list[object] = []
        self.opened: list[HandDevice] = []
        self.session: Session
        self._seq = 0
        self._stamp: dict[tuple[str, float], int] = {}
        monkeypatch.setattr(session_module, "PUMP_S", 0.005)
        into, sound = Live.frame, Live.audio
        monkeypatch.setattr(
            Live, "frame", lambda live, f: (self.passed.append(f.seq), into(live, f))[1]
        )
        monkeypatch.setattr(
            Live, "audio", lambda live, c: (self.passed.append(c.seq), sound(live, c))[1]
        )
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
            "knower": self._knower(),
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

    def _knower(self) -> Plugin:
        """A plug-in that keeps a template of the student, and forgets to let go of it when closed."""
        world = self

        class Knower:
            def __init__(self):
                world.knowers += 1

            def update(self, sample):
                self.template = Template()
                world.templates.add(self.template)
                return [Observation(sample.t, "test.known", 1.0, "knower")]

            def reset(self):
                pass

            def close(self):
                pass

        return Plugin(
            "knower", "frame", 0.0, (Kind("test.known", "known", "{seconds}"),), (), Settings,
            lambda settings, context: Knower(), needs=("identity",),
        )  # fmt: skip

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
        count, ends = 0, 0.0

        def until(t: float) -> bool:
            nonlocal count, ends
            count += 1
            if count % pauses:
                self.emit()
                time.sleep(0.001)
                return False
            if not again:
                ends = time.monotonic() + WAIT_S
            assert time.monotonic() < ends, "a step waits in vain"
            step = again.pop() if again else next(steps, None)
            if step is None:
                return True
            if step() == "again":
                again.append(step)
            return False

        self.session.live(self.devices, until=until)


class Template:
    """Stands for the features of a face."""


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
    """A world of this test's own."""
    return World(tmp_path, monkeypatch)


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def of(folder: Path, kind: str) -> list[dict]:
    return [r["data"] for r in records(folder) if r["type"] == kind]


def sealed_files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / layout.CLIPS).iterdir())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def passes(folder: Path) -> None:
    assert [(c.code, c.detail) for c in verify(folder) if not c.ok] == []
