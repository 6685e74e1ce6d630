"""A running exam and a real hub: messages, more time, breaks, help, a room scan; and who hears of what, when."""

from __future__ import annotations

import importlib.util
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proctor.evidence import view
from proctor.hub import commands
from proctor.session.live_link import LiveLink, Told, linked

_SPEC = importlib.util.spec_from_file_location(
    "live_kit", Path(__file__).resolve().parents[1] / "live_kit.py"
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
hub_world = kit.load("hub_world", "hub_world.py")
student = kit.load("student_world", "unit/student_world.py")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


@pytest.fixture(params=hub_world.BACKENDS)
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with hub_world.running(request.param, tmp_path) as running:
        yield running


class Exam:
    """An exam that runs on a thread, with its live line; ``told`` is what the student was told."""

    def __init__(self, world: Any, folder: Path, code: str) -> None:
        self.world, self.folder = world, folder
        self.told: list[Told] = []
        self.over = threading.Event()
        self.link: LiveLink | None = None
        self.session = world.begin(folder)
        self.code = code

    def run(self) -> None:
        def until(t: float) -> bool:
            self.world.emit()
            time.sleep(0.005)
            return self.over.is_set()

        with self.session, linked(self.session, self.code, self.told.append) as self.link:
            self.session.live(self.world.devices, until=until)

    def heard(self, what: str) -> list[Told]:
        return [one for one in list(self.told) if one.what == what]


@contextmanager
def sitting(world: Any, folder: Path, code: str) -> Iterator[Exam]:
    exam = Exam(world, folder, code)
    thread = threading.Thread(target=exam.run)
    thread.start()
    try:
        yield exam
    finally:
        exam.over.set()
        thread.join(120.0)
        assert not thread.is_alive()


@pytest.fixture
def make(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Any, list[str]]]:
    """A student's world whose policy names the running hub, and codes for its exam."""

    def made(count: int = 1, change: Callable[[str], str] = lambda text: text) -> Any:
        text = student.POLICY.replace(
            'stakes = "practice"', f'stakes = "practice"\nhub = "{hub.url}"'
        )
        world = student.World(tmp_path, monkeypatch, change(text))
        return world, kit.invite(hub.hub, world.policy_file.read_bytes(), count)

    return made


def test_what_a_person_on_duty_says_and_gives_reaches_the_student_once(
    hub: Any, make: Any, tmp_path: Path
) -> None:
    world, (code,) = make()
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with sitting(world, tmp_path / "case", code) as exam, kit.listening(duty) as heard:
        attempt = exam.session.case.attempt
        kit.wait(lambda: duty.row(attempt)["state"] == "running", "the heartbeat")
        assert duty.row(attempt)["seat"] == "Seat 001"
        kit.wait(lambda: heard.of("state"), "the state on the stream")

        first = duty.give(attempt, "message", text="The second question has a slip: read 7 for 1.")
        kit.wait(lambda: exam.heard("message"), "the message")
        said = exam.heard("message")[0]
        assert (said.by, said.text) == (
            "A. Person",
            "The second question has a slip: read 7 for 1.",
        )
        kit.wait(lambda: duty.became(attempt, first) == "shown", "that it was shown")

        duty.give(attempt, "extend", minutes=10.0)
        kit.wait(lambda: exam.heard("extend"), "more time")
        assert exam.link is not None
        assert exam.link.extra_minutes == 10.0

        exam.session.ask_for_help()
        kit.wait(lambda: duty.row(attempt)["state"] == "help", "the call for help")
        kit.wait(lambda: any(one["asked"] for one in heard.of("help")), "the call on the stream")
        duty.give(attempt, "answer_help", text="Somebody calls you now.")
        kit.wait(lambda: duty.row(attempt)["state"] == "running", "the call to be answered")

        pause = duty.give(attempt, "pause", reason="There is a fire alarm in your building.")
        kit.wait(lambda: duty.row(attempt)["state"] == "paused", "the pause")
        assert exam.session.desk.state.on_break
        assert exam.session.desk.state.breaks == 0  # none of the student's own
        duty.give(attempt, "resume")
        kit.wait(lambda: not exam.session.desk.state.on_break, "the end of the pause")
        kit.wait(lambda: duty.became(attempt, pause) == "shown", "that the pause was obeyed")
        again = duty.give(attempt, "resume")
        kit.wait(lambda: duty.became(attempt, again) == "impossible", "that there is no pause")
    kit.wait(lambda: duty.row(attempt)["state"] == "ended", "the end")
    for kind in ("message", "extend", "answer_help", "pause", "resume"):
        assert len(exam.heard(kind)) == 1, kind
    kept = [m["data"] for m in view.read(tmp_path / "case").markers if m["kind"] == "hub.command"]
    assert [one["command"] for one in kept] == [
        "message", "extend", "answer_help", "pause", "resume", "resume",
    ]  # fmt: skip
    assert {one["by"] for one in kept} == {"A. Person"}
    duty.close()


def test_a_break_is_the_students_and_outlives_a_pause_and_a_crash(
    hub: Any, make: Any, tmp_path: Path
) -> None:
    world, (code,) = make()
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with sitting(world, tmp_path / "case", code) as exam:
        attempt, session = exam.session.case.attempt, exam.session
        kit.wait(lambda: duty.row(attempt)["state"] == "running", "the heartbeat")
        given = duty.give(attempt, "approve_break", minutes=5.0)
        kit.wait(lambda: duty.became(attempt, given) == "shown", "the break")
        pause = duty.give(attempt, "pause", reason="There is a fire alarm in your building.")
        kit.wait(lambda: duty.became(attempt, pause) == "shown", "the pause")
        duty.give(attempt, "resume")
        kit.wait(lambda: not session.desk.state.on_break, "the end of the pause")
        # As after a crash: what was given is known from the journal alone.
        session.desk.give_break("", 0.0)
        LiveLink(session, code, exam.told.append)
        session.pause()
        assert (session.desk.state.break_by, session.desk.state.break_minutes) == ("A. Person", 5.0)
        kit.wait(lambda: duty.row(attempt)["state"] == "break", "the student's break")
        early = duty.give(attempt, "resume")
        kit.wait(
            lambda: duty.became(attempt, early) == "impossible", "that it is not theirs to end"
        )
        assert session.desk.state.on_break
        session.resume()
        LiveLink(session, code, exam.told.append)
        assert session.desk._given is None  # one break, taken
    duty.close()


def test_a_second_room_scan_is_asked_for_with_a_reason_and_a_no_is_just_an_answer(
    hub: Any, make: Any, tmp_path: Path
) -> None:
    world, (code,) = make()
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with sitting(world, tmp_path / "case", code) as exam:
        attempt, session = exam.session.case.attempt, exam.session
        kit.wait(lambda: exam.link is not None and duty.row(attempt)["state"] == "running", "it")
        status, said = duty.ask("POST", f"attempts/{attempt}/commands", {"kind": "room_scan"})
        assert status == 422
        assert "reason" in said["detail"]
        reason = "A second voice was heard twice, and I want to rule out a radio."
        number = duty.give(attempt, "room_scan", reason=reason)
        kit.wait(lambda: exam.heard("room_scan"), "the question")
        asked = exam.link.asked(number)
        assert (asked.by, asked.reason) == ("A. Person", reason)
        assert session.answer("room_scan", False, asked=asked) is None
        exam.link.scanned(number, "declined")
        kit.wait(lambda: duty.became(attempt, number) == "declined", "the no")
        assert duty.row(attempt)["state"] == "running"
    assert view.read(tmp_path / "case").markers


def test_where_the_policy_offers_no_scan_nobody_can_ask_for_one(
    hub: Any, make: Any, tmp_path: Path
) -> None:
    def without(text: str) -> str:
        begin = text.index("[purposes.room_scan]")
        return text[:begin] + text[text.index("[clips]") :]

    world, (code,) = make(change=without)
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with sitting(world, tmp_path / "case", code) as exam:
        attempt = exam.session.case.attempt
        kit.wait(lambda: duty.ask("GET", f"attempts/{attempt}")[0] == 200, "the attempt")
        body = {"kind": "room_scan", "reason": "I would like to see the room once more."}
        status, said = duty.ask("POST", f"attempts/{attempt}/commands", body)
        assert status == 409
        assert "offers no room scan" in said["detail"]


def test_no_command_ends_an_exam_or_can_be_made_to(hub: Any, make: Any, tmp_path: Path) -> None:
    assert set(commands.KINDS) == {
        "message", "extend", "pause", "resume", "room_scan", "approve_break", "answer_help",
    }  # fmt: skip
    world, (code,) = make()
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with sitting(world, tmp_path / "case", code) as exam:
        attempt = exam.session.case.attempt
        kit.wait(lambda: duty.ask("GET", f"attempts/{attempt}")[0] == 200, "the attempt")
        for kind in ("end", "terminate", "stop", "withdraw", "MESSAGE", "message\n"):
            status, _ = duty.ask(
                "POST", f"attempts/{attempt}/commands", {"kind": kind, "text": "now", "minutes": 0}
            )
            assert status == 422, kind
        for minutes in (-600.0, 0.0, float(10**6)):
            status, _ = duty.ask(
                "POST", f"attempts/{attempt}/commands", {"kind": "extend", "minutes": minutes}
            )
            assert status == 422, minutes
        # An agent leaves out what is not in the table, whoever says it.
        kit.wait(lambda: exam.session.is_live, "the exam to go on")


def test_one_invitation_serves_one_computer(
    hub: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, (code,) = make()
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with sitting(world, tmp_path / "first", code) as first:
        attempt = first.session.case.attempt
        kit.wait(lambda: duty.ask("GET", f"attempts/{attempt}")[0] == 200, "the first computer")
        with sitting(world, tmp_path / "second", code) as second:
            kit.wait(lambda: second.heard("in_use"), "the sentence on the second computer")
            kit.wait(lambda: second.session.is_live, "the exam to go on there")
        assert not first.heard("in_use")
    rows = duty.ask("GET", "attempts")[1]
    assert [row["attempt"] for row in rows] == [attempt]


def test_a_hub_that_goes_away_is_told_once_and_changes_nothing(
    hub: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from proctor.session import live_link

    monkeypatch.setattr(live_link, "AWAY_S", 0.2)
    monkeypatch.setattr(live_link, "BEAT_S", 0.1)
    monkeypatch.setattr(live_link, "MOST_WAIT_S", 0.3)
    world, (code,) = make()
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with sitting(world, tmp_path / "case", code) as exam:
        attempt = exam.session.case.attempt
        kit.wait(lambda: duty.row(attempt)["state"] == "running", "the heartbeat")
        hub.stop()
        kit.wait(lambda: exam.heard("away"), "that the hub is away")
        time.sleep(1.0)
        assert exam.session.is_live
        assert len(exam.heard("away")) == 1
    assert view.read(tmp_path / "case").consent


def test_an_alert_reaches_people_on_another_worker_within_two_seconds(
    hub: Any, make: Any, tmp_path: Path
) -> None:
    from proctor.session import delivery

    world, (code,) = make()
    with hub_world.started(hub.settings) as other:
        duty = kit.OnDuty(other.hub, other.url, "A. Person", "proctor")
        with (
            kit.listening(duty) as heard,
            sitting(world, tmp_path / "case", code) as exam,
            delivery.sending(exam.session, code, 0.0, lambda sentence: None),
        ):
            kit.wait(lambda: heard.of("alert"), "the alert")
            attempt = exam.session.case.attempt
            alert = heard.of("alert")[0]
            assert alert["seat"] == "Seat 001"
            assert alert["attempt"] == attempt
            assert alert["kind"] in ("test.seen", "test.heard")
            # From the moment at which the hub stored it to the reader of the other worker; one that a
            # busy machine held up does not count.
            lag = [when - data["received"] for _, _, data, when in heard.events]
            assert statistics.median(lag) < 2.0
            last, count = heard.last, len(heard.events)
        with kit.listening(duty, after=0) as anew:
            kit.wait(lambda: len(anew.events) >= count, "everything from the beginning")
            assert [one[1] for one in anew.events[:count]] == [
                one[1] for one in heard.events[:count]
            ]
        with kit.listening(duty, after=last) as rest:
            time.sleep(0.3)
            assert all(number > last for _, number, _, _ in rest.events)


def test_an_outcome_that_the_hub_does_not_know_is_dropped_and_heartbeats_go_on(
    hub: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from proctor.session import live_link

    monkeypatch.setattr(live_link, "BEAT_S", 0.1)
    caplog.set_level("INFO", logger="proctor.live")
    world, (code,) = make()
    duty = kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
    with sitting(world, tmp_path / "case", code) as exam:
        attempt = exam.session.case.attempt
        kit.wait(lambda: duty.row(attempt)["state"] == "running", "the heartbeat")
        # As after a hub's backup was restored: it forgot a command that was given.
        exam.link._done(999, "shown")
        kit.wait(lambda: not exam.link._outcomes, "the outcome to be dropped")
        assert "command 999: it answered 404" in caplog.text
        heard = duty.row(attempt)["last_heard"]
        kit.wait(lambda: duty.row(attempt)["last_heard"] > heard, "a heartbeat after that")
        given = duty.give(attempt, "message", text="The second question has a slip.")
        kit.wait(lambda: duty.became(attempt, given) == "shown", "a command after that")
        assert "no more" not in caplog.text
    duty.close()
