"""The wall over a real hub with a real exam: alerts, calls for help, messages, and a line that breaks."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proctor.session import delivery
from proctor.session.live_link import Told, linked
from ui.console.hub_app import HubDesk
from ui.console.hub_tables import SIGN

_SPEC = importlib.util.spec_from_file_location(
    "hub_console_kit", Path(__file__).with_name("hub_console_kit.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules.setdefault("hub_console_kit", kit)
_SPEC.loader.exec_module(kit)
world, desk, one_clip = kit.world, kit.desk, kit.kit.one_clip
wait, pump = kit.kit.wait, kit.kit.pump
student, live_kit = kit.load("unit/student_world.py"), kit.load("live_kit.py")
Make = Callable[..., HubDesk]
# Two seconds are asked for, and a fortieth of them is usual (docs/numbers.md); a busy machine may need more,
# but what does not come by the line comes only when the rows are asked for anew, after fifteen seconds.
ALERT_S = 10.0


class Exam:
    """An exam that runs on a thread, delivers, and has its live line."""

    def __init__(self, student_world: Any, folder: Path, code: str) -> None:
        self.world, self.code = student_world, code
        self.session = student_world.begin(folder)
        self.told: list[Told] = []
        self.over = threading.Event()

    def run(self) -> None:
        def until(t: float) -> bool:
            self.world.emit()
            time.sleep(0.005)
            return self.over.is_set()

        with (
            self.session,
            linked(self.session, self.code, self.told.append),
            delivery.sending(self.session, self.code, 0.0, lambda sentence: None),
        ):
            self.session.live(self.world.devices, until=until)


@contextmanager
def sitting(exam: Exam) -> Iterator[Exam]:
    thread = threading.Thread(target=exam.run)
    thread.start()
    try:
        yield exam
    finally:
        exam.over.set()
        thread.join(120.0)
        assert not thread.is_alive()


def test_alerts_calls_and_messages_between_a_person_and_a_student(
    world: Any, desk: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = student.POLICY.replace(
        'stakes = "practice"', f'stakes = "practice"\nhub = "{world.running.url}"'
    )
    place = student.World(tmp_path, monkeypatch, text)
    (code,) = live_kit.invite(world.running.hub, place.policy_file.read_bytes(), 1)
    one = desk("A. Person", "proctor")
    live = one.window.live
    wait(lambda: one.window.line_words.text() == "Live", "the line")
    came: list[float] = []

    def heard(kind: str, data: dict[str, Any]) -> None:
        if kind == "alert":
            came.append(time.time() - float(data["received"]))

    one.window.line.heard.connect(heard)
    with sitting(Exam(place, tmp_path / "case", code)) as exam:
        attempt = exam.session.case.attempt
        wait(lambda: live.model.rowCount() == 1, "the attempt on the wall")
        wait(lambda: came != [], "the alert")
        assert max(came) < ALERT_S
        wait(lambda: live.model.rows[0]["newest"] is not None, "its flag on the wall")
        row = live.model.rows[0]
        shown = [live.model.data(live.model.index(0, n)) for n in range(5)]
        assert shown[0] == "Seat 001"
        assert row["newest"]["kind"] in ("test.seen", "test.heard")
        assert "Seat 001" in one.window.message.text()
        live.table.selectRow(0)
        # Without words there is no message, and without a reason no room scan.
        live.asking["message"].click()
        assert "Write what the student is to read" in live.note.text
        live.words.setText("please")
        live.asking["room_scan"].click()
        assert "Write a reason" in live.note.text
        live.words.setText("The second question has a slip: read 7 for 1.")
        live.asking["message"].click()
        wait(lambda: any(one.what == "message" for one in exam.told), "the message")
        said = next(one for one in exam.told if one.what == "message")
        assert (said.by, said.text[:10]) == ("A. Person", "The second")
        wait(lambda: "shown to the student" in _sent(live), "what became of it")

        exam.session.ask_for_help()
        wait(lambda: live._rows[attempt]["help"], "the call for help")
        assert live.model.data(live.model.index(0, 1)) == "Asks for help"
        assert live.model.data(live.model.index(0, 0), SIGN) == "info"
        live.words.setText("Somebody calls you now.")
        live.asking["answer_help"].click()
        wait(lambda: not live._rows[attempt]["help"], "the end of the call")
        live.minutes.setValue(5)
        live.asking["extend"].click()
        wait(lambda: any(one.what == "extend" for one in exam.told), "more time")
        live.asking["approve_break"].click()
        wait(lambda: any(one.what == "approve_break" for one in exam.told), "a break")
    wait(lambda: live.model.data(live.model.index(0, 1)) == "Has ended", "the end")
    live.table.selectRow(0)
    assert not live.asking["message"].isEnabled()
    # A proctor reads no log and gives no verdict; the queue is there for a first look.
    assert one.window.papers is None


def _sent(live: Any) -> str:
    texts = (live.sent.itemAt(n).widget().text() for n in range(live.sent.count()))
    return "\n".join(texts)


def test_a_line_that_breaks_is_said_and_comes_back(world: Any, desk: Make, one_clip: Any) -> None:
    one = desk("A. Person", "proctor")
    wait(lambda: one.window.line_words.text() == "Live", "the line")
    # The connection is cut under the reader, as a network does it.
    for answer in list(one.window.office.client._streams):
        answer.shutdown()
    wait(lambda: "Not live" in one.window.line_words.text(), "the sentence")
    wait(lambda: one.window.line_words.text() == "Live", "the line again")
    world.deliver(2, one_clip, ended=False)
    wait(lambda: one.window.live.model.rowCount() == 1, "what came meanwhile")
    wait(lambda: one.window.live.model.rows[0]["flags"] == 2, "its flags")
    world.running.stop()
    wait(lambda: "Not live" in one.window.line_words.text(), "the sentence")


def test_hundreds_of_attempts_are_one_table_and_stay_in_order(world: Any, desk: Make) -> None:
    one = desk("A. Person", "proctor")
    live = one.window.live
    rows = [
        {
            "attempt": f"{n:032x}", "exam": "algebra", "seat": f"Seat {n:03d}", "state": "running",
            "since": 0.0, "last_heard": 0.0, "help": False, "flags": 0, "newest": None,
            "delivery": "all", "clock_ahead_s": 0.0,
        }
        for n in range(1, 801)
    ]  # fmt: skip
    live.show_rows(rows)
    before = len(live.table.findChildren(object))
    live.table.selectRow(500)
    chosen = live.table.row()["attempt"]
    began = time.thread_time()
    alert = {"attempt": rows[700]["attempt"], "flag": "f-1", "kind": "face.absent", "at": 61.0}
    assert live.hear("alert", alert)
    took = time.thread_time() - began
    assert live.model.rows[0]["seat"] == "Seat 701"
    assert live.hear("help", {"attempt": rows[20]["attempt"], "asked": True})
    assert [row["seat"] for row in live.model.rows[:3]] == ["Seat 021", "Seat 701", "Seat 001"]
    # The line that was chosen stays the chosen one, and no line is a widget.
    assert live.table.row()["attempt"] == chosen
    assert len(live.table.findChildren(object)) == before
    assert not live.hear("alert", {"attempt": "f" * 32})
    # Of CPU, of which it takes a hundredth.
    assert took < 1.0


def test_an_alert_that_overtakes_its_row_is_told_with_the_row(world: Any, desk: Make) -> None:
    one = desk("A. Person", "proctor")
    live, said = one.window.live, one.window.message
    wait(lambda: one.window.line_words.text() == "Live", "the line")
    assert "being opened" not in said.text()
    row = {
        "attempt": "a" * 32, "exam": "algebra", "seat": "Seat 009", "state": "running",
        "since": 0.0, "last_heard": 0.0, "help": False, "flags": 1, "newest": None,
        "delivery": "all", "clock_ahead_s": 0.0,
    }  # fmt: skip
    alert = {"attempt": "a" * 32, "flag": "f-1", "kind": "face.absent", "at": 61.0}
    assert not live.hear("alert", alert)
    assert not live.hear("help", {"attempt": "b" * 32, "asked": True})
    live.show_rows([])
    assert "Seat 009" not in said.text()
    live.show_rows([row])
    assert "Seat 009" in said.text()
    assert live.model.rows[0]["flags"] == 1
    live.show_rows([row, {**row, "attempt": "b" * 32, "seat": "Seat 010"}])
    assert said.text() == "Seat 010 asks for help."
    live.show_rows([row])
    assert said.text() == "Seat 010 asks for help."
