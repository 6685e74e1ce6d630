"""Insiders in any order: six people with different roles try everything at a real hub (state machine).

Held at every step: no header without a signed record in the hub's log, no statement that vanishes, no erasure under
a hold, no other's statement before the own look, no verdict against a student without their say and two people.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from proctor.hub import flags, log, retention
from proctor.hub.staff_client import RefusedError
from proctor.hub.staff_tables import decisions
from proctor.hub.tables import headers

_SPEC = importlib.util.spec_from_file_location(
    "staff_kit", Path(__file__).resolve().parents[1] / "staff_kit.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules["staff_kit"] = kit
_SPEC.loader.exec_module(kit)
hub_world = kit.load("hub_world")

PEOPLE = {
    "ada": ("Ada Quill", ("reviewer",)),
    "bo": ("Bo Rivers", ("reviewer",)),
    "cy": ("Cy Marsh", ("reviewer", "admin")),
    "pat": ("Pat Shore", ("proctor",)),
    "dee": ("Dee Stone", ("admin",)),
    "em": ("Em Field", ("auditor", "researcher")),
}
who = st.sampled_from(sorted(PEOPLE))
flag_names = st.sampled_from(["f1", "f2"])
looks = st.sampled_from(["first", "second", "third"])
verdicts = st.sampled_from(["nothing_to_see", "please_discuss", "confirmed", "cannot_tell"])


class Insiders(RuleBasedStateMachine):
    """One attempt with two flags, and what people do with it."""

    world: ClassVar[Any] = None
    people: ClassVar[dict[str, Any]] = {}
    # How often what came to pass, so that a run in which nothing happens shows itself.
    reached: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.attempt = self.world.attempt("algebra")
        for name in ("f1", "f2"):
            self.world.flag(self.attempt, name)
        self.released: list[str] = []
        self.made: dict[str, tuple[str, str, str]] = {}
        self.taken_back: set[str] = set()
        self.commented: dict[str, Any] = {}
        self.ended_at: Any = None
        self.holds: list[tuple[str, Any]] = []
        self.erased: set[str] = set()

    def person(self, name: str) -> Any:
        return self.people[name]

    def tried(self, act: Any) -> Any:
        """What came of it, or ``None`` when the hub said no, with a reason."""
        try:
            return act()
        except RefusedError as error:
            no = error
        assert 400 <= no.status < 500, str(no)
        assert str(no).endswith((".", ")")), str(no)
        self.reached[no.code] += 1
        return None

    @rule(name=who, flag=flag_names)
    def opens(self, name: str, flag: str) -> None:
        person = self.person(name)
        record = person.look(self.world, self.attempt, flag)
        found = self.tried(lambda: person.client.header(self.attempt, flag, record))
        if found is not None:
            assert person.roles & {"proctor", "reviewer"}
            assert flag not in self.erased
            self.reached["opened"] += 1
            self.released.append(kit.access_record.read(record).id)

    @rule(name=who, flag=flag_names)
    def opens_without_a_record_that_is_right(self, name: str, flag: str) -> None:
        person, other = self.person(name), self.person("ada" if name != "ada" else "bo")
        for record in (
            other.look(self.world, self.attempt, flag),
            person.look(self.world, self.attempt, flag, who=other.name),
            person.look(self.world, self.attempt, flag, clip="0" * 64),
            person.look(self.world, self.attempt, flag, export="0" * 32),
            b"{}",
        ):
            assert self.tried(lambda r=record: person.client.header(self.attempt, flag, r)) is None

    @rule(name=who, flag=flag_names, verdict=verdicts, look=looks)
    def says(self, name: str, flag: str, verdict: str, look: str) -> None:
        person = self.person(name)
        statement = person.says(self.world, self.attempt, flag, verdict, look=look)
        said = self.tried(lambda: person.client.decide(self.attempt, statement))
        if said is None:
            return
        self.made[said["id"]] = (name, flag, verdict)
        self.reached[f"{look} look, then {said['state']}"] += 1
        if said["verdict"] == "confirmed":
            sides = {n for i, (n, f, v) in self.made.items()
                     if f == flag and v == "confirmed" and i not in self.taken_back}  # fmt: skip
            assert len(sides) >= 2, "one person alone decided against a student"
            heard = flag in self.commented or (
                self.ended_at is not None
                and self.world.clock.at >= self.ended_at + kit.timedelta(days=7)
            )
            assert heard, "a student was decided against before they could say anything"

    @rule(name=st.sampled_from(["ada", "bo", "cy", "pat"]), flag=flag_names, verdict=verdicts)
    def opens_and_says_what_is_asked(self, name: str, flag: str, verdict: str) -> None:
        with self.world.hub.store.reading() as connection:
            row = flags.find(connection, self.attempt, flag)
        self.opens(name=name, flag=flag)
        self.says(name=name, flag=flag, verdict=verdict, look=row.look or "second")

    @rule(one=st.sampled_from(["ada", "bo"]), flag=flag_names, verdict=verdicts)
    def two_people_look(self, one: str, flag: str, verdict: str) -> None:
        self.opens_and_says_what_is_asked(name=one, flag=flag, verdict="confirmed")
        self.student_speaks(flag=flag)
        self.opens_and_says_what_is_asked(name="cy", flag=flag, verdict=verdict)

    @rule(flag=flag_names)
    def one_person_looks_twice(self, flag: str) -> None:
        self.opens_and_says_what_is_asked(name="bo", flag=flag, verdict="confirmed")
        self.student_speaks(flag=flag)
        self.opens_and_says_what_is_asked(name="bo", flag=flag, verdict="confirmed")

    # What is drawn never depends on what the hub answered: hypothesis could not repeat it.
    @rule(name=who, own=st.booleans(), place=st.integers(0, 5))
    def takes_back(self, name: str, own: bool, place: int) -> None:
        if not self.made:
            return
        made = list(self.made)[place % len(self.made)]
        name = self.made[made][0] if own else name
        person = self.person(name)
        flag = self.made[made][1]
        statement = person.says(self.world, self.attempt, flag, None, withdraws=made, reason="")
        said = self.tried(lambda: person.client.decide(self.attempt, statement))
        if said is not None:
            assert self.made[made][0] == name, "somebody took back what another said"
            self.taken_back.add(made)
            self.reached["taken back"] += 1
            self.made[said["id"]] = (name, flag, "taken back")

    @rule(flag=flag_names)
    def student_speaks(self, flag: str) -> None:
        self.world.record(self.attempt, "flag.comment", {"flag": flag, "words": "The cat."})
        self.commented.setdefault(flag, self.world.clock.at)

    @rule()
    def exam_ends(self) -> None:
        if self.ended_at is not None:
            return
        self.world.ended(self.attempt)
        self.ended_at = self.world.clock.at

    @rule(hours=st.sampled_from([1, 30, 24 * 8]))
    def time_passes(self, hours: int) -> None:
        self.world.turn(hours=hours)

    @rule(name=who, n=st.integers(1, 3))
    def takes(self, name: str, n: int) -> None:
        self.tried(lambda: self.person(name).client.take(n, exam="algebra"))

    @rule(first=who, second=who, flag=flag_names)
    def hold(self, first: str, second: str, flag: str) -> None:
        one, two = self.person(first), self.person(second)
        paper = one.hold(self.world, self.attempt, (flag,), days=20)
        asked = self.tried(lambda: one.client.propose("hold", self.attempt, paper))
        if asked is None:
            return
        both = two.agrees(paper) if first != second else paper
        if self.tried(lambda: two.client.approve(asked, both)) is not None:
            assert first != second
            assert one.roles & {"admin", "reviewer"}
            assert two.roles & {"admin", "reviewer"}
            self.reached["held"] += 1
            self.holds.append((flag, self.world.clock.at + kit.timedelta(days=19)))

    @rule(first=who, second=who, flag=flag_names)
    def erase(self, first: str, second: str, flag: str) -> None:
        one, two = self.person(first), self.person(second)
        paper = one.asks("erasure", self.attempt, (flag,))
        asked = self.tried(lambda: one.client.propose("erasure", self.attempt, paper))
        if asked is None:
            return
        both = two.agrees(paper) if first != second else paper
        if self.tried(lambda: two.client.approve(asked, both)) is not None:
            assert first != second
            assert not self.held(flag), "something was erased that two people hold"
            self.reached["erased"] += 1
            self.erased.add(flag)

    @rule(flag=flag_names, first=st.sampled_from(["hold", "erase"]))
    def some_hold_what_others_erase(self, flag: str, first: str) -> None:
        if first == "hold":
            self.hold(first="ada", second="dee", flag=flag)
        self.erase(first="dee", second="cy", flag=flag)
        if first == "erase":
            self.hold(first="ada", second="dee", flag=flag)

    @rule()
    def the_worker_comes_by(self) -> None:
        retention.tick(self.world.hub)

    def held(self, flag: str) -> bool:
        return any(f == flag and self.world.clock.at < until for f, until in self.holds)

    # What must hold after every step.

    @invariant()
    def every_header_that_left_has_its_record(self) -> None:
        with self.world.hub.store.reading() as connection:
            records = log.of_attempt(connection, self.attempt)
        logged = [one.body for one in records if one.kind == "header.released"]
        assert len(logged) == len(self.released)
        for name, body in zip(self.released, logged, strict=True):
            assert name.encode() in body
        stated = [one for one in records if one.kind in ("decision", "decision.withdrawn")]
        assert len(stated) == len(self.made)

    @invariant()
    def no_statement_vanishes(self) -> None:
        with self.world.hub.store.reading() as connection:
            query = select(decisions.c.id).where(decisions.c.attempt == self.attempt)
            kept = set(connection.execute(query).scalars())
        assert kept == self.made.keys()

    @invariant()
    def what_is_held_can_still_be_opened(self) -> None:
        with self.world.hub.store.headers() as connection:
            query = select(headers.c.flag).where(headers.c.attempt == self.attempt)
            there = set(connection.execute(query).scalars())
        for flag in ("f1", "f2"):
            if self.held(flag) and self.was_held_in_time(flag):
                assert flag in there

    def was_held_in_time(self, flag: str) -> bool:
        return flag not in self.erased and not self.expired_before(flag)

    def expired_before(self, flag: str) -> bool:
        """Whether retention had erased it before the hold began, which no hold mends."""
        with self.world.hub.store.reading() as connection:
            records = log.of_attempt(connection, self.attempt)
        kinds = [(r.kind, f'"flag":"{flag}"'.encode() in r.body) for r in records]
        gone = [n for n, (kind, about) in enumerate(kinds) if kind == "erased" and about]
        holds = [n for n, (kind, _) in enumerate(kinds) if kind == "hold.approved"]
        return bool(gone) and (not holds or gone[0] < holds[0])

    @invariant()
    def nobody_sees_what_others_said_before_they_looked(self) -> None:
        for name in ("ada", "pat"):
            person = self.person(name)
            own = {f for i, (n, f, v) in self.made.items()
                   if n == name and v != "taken back" and i not in self.taken_back}  # fmt: skip
            for row in person.client.decisions(self.attempt):
                if row["flag"] not in own:
                    signers = {kit.decision.read(s.encode()).who for s in row["statements"]}
                    assert signers == {person.name}


def test_insiders_in_any_order(tmp_path: Path) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=tmp_path)))
        running = stack.enter_context(hub_world.running("sqlite", folder))
        world = kit.World(running, folder)
        stack.callback(world.close)
        world.exam("algebra")
        Insiders.world = world
        Insiders.people = {k: world.member(name, *roles) for k, (name, roles) in PEOPLE.items()}
        Insiders.TestCase.settings = settings(
            max_examples=12,
            stateful_step_count=16,
            deadline=None,
            # Each step asks a real hub, so a failure is told as it was found.
            phases=[Phase.generate],
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        case = Insiders.TestCase()
        case.runTest()
    # A run in which nothing came to pass would prove nothing.
    wanted = {"opened", "held", "taken back", "role", "key", "name", "second.person", "decision"}
    missing = {*wanted, "first look, then may_comment"} - Insiders.reached.keys()
    assert not missing, (missing, sorted(Insiders.reached.items()))
