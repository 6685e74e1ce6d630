# ruff: noqa: N802 - the tests bear the numbers of the rules they prove
"""A person on duty asks for a room scan in a running exam, and the student films: the whole way.

The window, the exam, the hub and the keys are real; a recording of a turning camera poses as the camera.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest
from PySide6.QtCore import QRectF
from shiboken6 import isValid

from policies import load
from proctor.capture.replay import Recording
from proctor.evidence import layout, view
from proctor.evidence.case import Case
from proctor.evidence.seal import unseal
from proctor.evidence.verify import verify
from proctor.session.devices import Devices
from proctor.types import Frame
from ui.student.people import AskedScan
from ui.student.window import StudentWindow

TESTS = Path(__file__).resolve().parents[1]


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit = _load("student_kit", Path(__file__).with_name("student_kit.py"))
live_kit = _load("live_kit", TESTS / "live_kit.py")
rooms = _load("turning_rooms", TESTS / "unit" / "turning_rooms.py")
hub_world = live_kit.load("hub_world", "hub_world.py")
evening, student = kit.evening, kit.student
Student = Callable[..., StudentWindow]
REASON = "A second voice was heard twice, and I want to rule out a radio."
AGAIN = "The window side cannot be seen in the first film."
# The turn of the film: degrees, degrees a second, field of view.
TURNED, SPEED, FIELD = 100, 40, 66


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds in which a camera turns by a hundred degrees, and then seven in which it rests."""
    path = tmp_path_factory.mktemp("turn") / "turn.mp4"
    frames = list(rooms.film(rooms.papered(), rooms.steady(TURNED, SPEED), FIELD))
    frames += [frames[-1]] * 70
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"crf": "18", "preset": "ultrafast"})
        stream.height, stream.width = frames[0].image.shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="bgr24")))
        file.mux(stream.encode(None))
    return path


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Any]:
    with hub_world.running("sqlite", tmp_path / "server") as running:
        yield running


class Exam:
    """A running exam whose hub runs, and a person on duty there."""

    def __init__(self, window: StudentWindow, folder: Path, hub: Any) -> None:
        text = kit.POLICY.replace('stakes = "low"', f'stakes = "low"\nhub = "{hub.url}"') + kit.SCAN
        invitation = kit.invited(folder, text)
        whole = kit.documents.parse(invitation.read_bytes(), "here")
        (code,) = live_kit.invite(hub.hub, load.payload_of(whole.policy.encode(), "here"))
        invitation.write_bytes(kit.documents.write(whole.model_copy(update={"code": code})))
        kit.join(window, invitation)
        kit.answer(window, microphone=False)
        window.next_button.click()
        kit.wait(lambda: window.here == "check", "the check")
        window.next_button.click()
        kit.wait(lambda: window.here == "scan", "the scan's question")
        self.window = window

    def begin(self, hub: Any) -> None:
        kit.wait(lambda: self.window.exam is not None, "the exam")
        self.exam, self.session = self.window.exam, self.window.runner.session
        self.case, self.attempt = self.window.attempt.case, self.session.case.attempt
        self.duty = live_kit.OnDuty(hub.hub, hub.url, "A. Person", "proctor")
        kit.wait(lambda: self.duty.row(self.attempt)["state"] == "running", "the heartbeat")
        kit.wait(lambda: self.exam.lights["camera"].on is True, "the camera")

    def asks(self, reason: str) -> tuple[int, AskedScan]:
        """The person asks; the number of the command, and the window with the question."""
        before = self.exam.people._scan
        number = self.duty.give(self.attempt, "room_scan", reason=reason)
        kit.wait(lambda: self.exam.people._scan is not before, "the question")
        return number, self.exam.people._scan

    def became(self, number: int, what: str) -> None:
        kit.wait(lambda: self.duty.became(self.attempt, number) == what, f"{what} at the hub")

    def runs_again(self) -> None:
        """The exam captures again, and nothing of the film is left open."""
        kit.wait(lambda: not self.session.desk.state.on_break, "the exam to go on")
        kit.wait(lambda: self.session.desk.capturing("camera"), "the camera to be the exam's")
        assert not self.session.filming

    def end(self) -> None:
        self.exam.end()
        kit.wait(lambda: self.window.receipt is not None, "the receipt")
        # What is being written while the rest is sent is no part of a case yet.
        delivery = self.window.receipt.delivery
        kit.wait(lambda: "arrived" in delivery.text, "the rest to be sent")
        assert [check.detail for check in verify(self.case) if not check.ok] == []
        self.duty.close()

    def records(self, kind: str) -> list[dict[str, Any]]:
        return [dict(r["data"]) for r in Case.read(self.case).records if r["type"] == kind]


def film_of(case: Path, name: str, folder: Path) -> list[Frame]:
    """The pictures of a sealed scan, opened with its recipient's key."""
    sealed = Case.read(case).sealed[name]
    data = (case / layout.clip_name(name)).read_bytes()
    path = folder / f"{name}.mp4"
    path.write_bytes(unseal(data, [kit.PROCTOR], sha256=str(sealed["sha256"])))
    from policies.consent import Grant

    samples = Recording.open(path).samples(
        camera=Grant("camera", "the test"), microphone=None, fps=10.0
    )
    return [one for one in samples if isinstance(one, Frame)]


def test_R4_a_scan_on_request_is_filmed_covered_blurred_and_handed_over(
    student: Student, hub: Any, turn: Path, tmp_path: Path
) -> None:
    window = student(Devices(recording=turn))
    running = Exam(window, tmp_path, hub)
    # A first one, which the policy offers, is handed over before the exam.
    first = window.steps["scan"]
    first.card.yes.click()
    kit.wait(lambda: first.film_card.isVisible() and first.camera.shown, "the picture")
    kit.wait(lambda: first.ring.degrees > FIELD, "the ring to fill")
    first.enough.click()
    kit.wait(lambda: first.look_card.isVisible() and first.still.shown, "the film to look through")
    first.seal.click()
    running.begin(hub)
    assert running.session.desk.state.live("room_scan")

    number, asked = running.asks(REASON)
    step = asked.step
    assert REASON in running.exam.people.note.text
    step.card.yes.click()
    kit.wait(lambda: step.film_card.isVisible() and step.camera.shown, "the film")
    assert running.session.desk.state.paused
    assert not running.session.desk.capturing("camera")
    running.exam.refresh()
    # The light says that the camera is on, and the exam cannot take it away from the film.
    assert running.exam.lights["camera"].on is True
    assert "films your room" in running.exam.lights["camera"].accessibleName()
    assert not running.exam.pause.isEnabled()
    late = running.duty.give(running.attempt, "resume")
    running.became(late, "impossible")
    kit.wait(lambda: step.ring.degrees > 0.9 * (TURNED + FIELD), "the whole turn to be seen")
    step.enough.click()
    kit.wait(lambda: step.look_card.isVisible() and step.still.shown, "the film to look through")
    # 100 degrees of turning and a field of view of 66 are 46 % of a circle; 10 % is what was asked for.
    measured = step._scan.measured
    assert measured.coverage == pytest.approx((TURNED + FIELD) / 360, rel=0.1)
    assert f"{round(measured.coverage * 100)}" in step.coverage.text()
    step.slider.setValue(0)
    before = step._stills[0][1].copy()
    step.blur(QRectF(0.0, 0.0, 0.5, 0.5))
    kit.wait(lambda: (step._stills[0][1] != before).any(), "the blurred picture")
    step.seal.click()
    running.became(number, "accepted")
    running.runs_again()
    assert not asked.isVisible()
    assert "locked" in running.exam.note.text
    kit.wait(lambda: running.exam.lights["camera"].on is True, "the light")

    # One more is asked for and thrown away: what was handed over stays.
    number, asked = running.asks(AGAIN)
    asked.step.card.yes.click()
    kit.wait(lambda: asked.step.film_card.isVisible() and asked.step.camera.shown, "the film")
    asked.step.enough.click()
    kit.wait(lambda: asked.step.look_card.isVisible(), "the film to look through")
    asked.step.drop.click()
    running.became(number, "declined")
    running.runs_again()
    running.end()

    scans = running.records("roomscan.sealed")
    assert [one["scan"] for one in scans] == ["room-scan-001", "room-scan-002"]
    assert [one["asked_by"] for one in scans] == ["", "A. Person"]
    assert scans[1]["reason"] == REASON
    (thrown,) = running.records("consent.withdrawn")
    assert thrown["only"] == "room-scan-003"
    assert running.records("erased") == []
    sealed = Case.read(running.case).sealed
    assert [name for name in sealed if name.startswith("room-scan")] == [
        "room-scan-001", "room-scan-002",
    ]  # fmt: skip
    # In the sealed film the rectangle has no detail left, and the rest has.
    picture = film_of(running.case, "room-scan-002", tmp_path)[3].image.astype(float)
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    detail = [
        float(np.abs(np.diff(part, axis=1)).mean())
        for part in (picture[:height, : width - 8], picture[height:, width:])
    ]
    assert detail[0] < detail[1] / 3
    kinds = [one["kind"] for one in view.read(running.case).markers]
    assert kinds.count("hub.command") == 3


def test_R4_a_film_that_is_taken_back_closed_or_empty_leaves_nothing_and_the_exam_goes_on(
    student: Student, hub: Any, turn: Path, tmp_path: Path
) -> None:
    window = student(Devices(recording=turn))
    running = Exam(window, tmp_path, hub)
    window.steps["scan"].card.no.click()
    running.begin(hub)

    # The yes is taken back in the exam's window while the film runs.
    number, asked = running.asks(REASON)
    asked.step.card.yes.click()
    kit.wait(lambda: asked.step.film_card.isVisible() and asked.step.camera.shown, "the film")
    assert "room_scan" in running.exam.withdrawals()
    running.exam.take_back("room_scan")
    running.became(number, "declined")
    running.runs_again()

    # So it is while the film is looked through.
    number, asked = running.asks(REASON)
    asked.step.card.yes.click()
    kit.wait(lambda: asked.step.film_card.isVisible() and asked.step.camera.shown, "the film")
    asked.step.enough.click()
    kit.wait(lambda: asked.step.look_card.isVisible(), "the film to look through")
    running.exam.take_back("room_scan")
    running.became(number, "declined")
    running.runs_again()

    # Out of the middle of the film, by its own button.
    number, asked = running.asks(REASON)
    asked.step.card.yes.click()
    kit.wait(lambda: asked.step.film_card.isVisible() and asked.step.camera.shown, "the film")
    asked.step.stop_it.click()
    running.became(number, "declined")
    running.runs_again()

    # The window is closed over the film.
    number, asked = running.asks(REASON)
    asked.step.card.yes.click()
    kit.wait(lambda: asked.step.film_card.isVisible() and asked.step.camera.shown, "the film")
    asked.close()
    running.became(number, "declined")
    running.runs_again()
    assert not running.session.desk.state.live("room_scan")

    # Nothing was filmed: it is said, and the student tries again or goes on.
    number, asked = running.asks(AGAIN)
    window.attempt.devices = Devices(recording=tmp_path / "gone.mp4")
    asked.step.card.yes.click()
    kit.wait(lambda: asked.step.not_filmed.isVisible(), "that there is no film")
    assert len(asked.step.why_not.text()) > 20
    window.attempt.devices = Devices(recording=turn)
    asked.step.film_again()
    kit.wait(lambda: asked.step.film_card.isVisible() and asked.step.camera.shown, "the film")
    # Another question does not come over the film; the end of the exam lets it go.
    late = running.duty.give(running.attempt, "room_scan", reason=REASON)
    running.became(late, "impossible")
    assert running.exam.people._scan is asked
    running.end()
    assert not isValid(asked)
    assert running.records("roomscan.sealed") == []
    assert len(running.records("consent.withdrawn")) == 5
    assert len(running.records("break.started")) == len(running.records("break.ended")) == 5
