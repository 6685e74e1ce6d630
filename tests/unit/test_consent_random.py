"""Random sequences of answers, withdrawals, breaks and crashes over a whole session."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from policies.consent import Answers
from policies.engine import ConsentState
from proctor.errors import InputError
from proctor.evidence import layout
from proctor.session.room_scan import Asked
from proctor.session.session import Session

_SPEC = importlib.util.spec_from_file_location(
    "student_world", Path(__file__).with_name("student_world.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
ASKED = Asked("Dr. A. Example", "The first film shows only half the room.")
World, world, of, records, sealed_files, passes, wait_for = (
    kit.World,
    kit.world,
    kit.of,
    kit.records,
    kit.sealed_files,
    kit.passes,
    kit.wait_for,
)


OPERATIONS = st.lists(
    st.sampled_from(
        ["withdraw camera", "withdraw microphone", "withdraw clips", "give camera",
         "give microphone", "give clips", "refuse clips", "withdraw identity", "give identity",
         "break", "resume", "crash", "wait"]
    ),
    min_size=1,
    max_size=10,
)  # fmt: skip
START = st.fixed_dictionaries(
    {name: st.booleans() for name in ("camera", "microphone", "clips", "identity", "room_scan")}
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
        world = World(folder.parent, patch, kit.WITH_IDENTITY)
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
                if purpose == "identity":
                    self.loaded.discard(purpose)  # its detector is closed for good
            elif verb == "give":
                session.answer(purpose, True, asked=ASKED)
                self.live.add(purpose)
            elif verb == "refuse":
                session.answer(purpose, False, asked=ASKED)
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
        if not {"camera", "identity"} <= self.loaded:
            wait_for(lambda: not self.world.templates)  # a look under way may end first
        assert set(self.world.looked) <= self.may_look
        assert set(self.world.passed) <= self.may_look
        assert set(self.world.held) <= self.may_hold

    def crash(self) -> None:
        """What a killed process leaves: open files closed by the system, and no goodbye."""
        case = self.world.session.case
        case._closed = True
        os.close(case._journal._descriptor)
        case._lock.release()
        self.world.opened.clear()
        for station in self.world.session.stations:
            station.detector = None
        self.loaded &= self.live
        self.world.session = Session.reopen(self.world.plan(), self.folder)

    def check(self) -> None:
        assert set(self.world.looked) <= self.may_look
        assert set(self.world.passed) <= self.may_look
        assert set(self.world.held) <= self.may_hold
        state = ConsentState.from_records(records(self.folder))
        assert {name for name in state.purposes if state.live(name)} == self.live
        erased = {d["flag"] for d in of(self.folder, "erased")}
        sealed = {d["flag"]: d for d in of(self.folder, "sealed")}
        files = {name.removesuffix(layout.CLIP_SUFFIX) for name in sealed_files(self.folder)}
        assert files == set(sealed) - erased
        passes(self.folder)
