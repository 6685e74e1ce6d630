"""What goes wrong around an exam: each a sentence with the next step, and nothing sealed is lost."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from policies import invitation as documents
from policies.invitation import Invitation
from proctor.session.devices import Devices
from ui.student.window import StudentWindow

HERE = Path(__file__).parent


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit = _module(HERE / "student_kit.py")
evening, student = kit.evening, kit.student
Student = Callable[..., StudentWindow]


def begun(student: Student, folder: Path, policy: str = kit.POLICY, **given: bool) -> StudentWindow:
    """A window in an exam."""
    window = student()
    kit.join(window, kit.invited(folder, policy))
    kit.answer(window, **given)
    kit.to_the_exam(window)
    return window


def test_notes_wait_for_the_end_where_the_policy_says_so(student: Student, tmp_path: Path) -> None:
    policy = kit.POLICY.replace("[purposes.camera]", 'show_flags = "at_end"\n[purposes.camera]', 1)
    window = begun(student, tmp_path, policy)
    exam = window.exam
    kit.wait(lambda: len(window.runner.session.flags) > 0, "a flag")
    kit.wait(lambda: window.runner.seconds > kit.BRIGHT_S + kit.DARK_S + 1.0, "the flag's end")
    shown = [exam.flags.item(line).text() for line in range(exam.flags.count())]
    assert shown == ["You see all notes when the exam ends."]
    exam.end()
    kit.wait(lambda: window.receipt is not None, "the receipt")
    assert len(window.receipt.comments) == 1


def test_another_screen_is_told_and_the_exam_goes_on(
    student: Student, dressed: QApplication, tmp_path: Path
) -> None:
    window = begun(student, tmp_path)
    exam = window.exam
    kit.wait(lambda: exam.runner.on("camera"), "the camera")
    dressed.screenAdded.emit(dressed.primaryScreen())
    assert exam.note.text == "Your screens have changed. The exam goes on."
    exam.calibrate.hide()
    exam._calibrated([])
    dressed.screenAdded.emit(dressed.primaryScreen())
    assert exam.note.text == "Your screens have changed. You can calibrate again."
    assert exam.calibrate.isVisible()
    assert exam.runner.running


def test_an_invitation_whose_exam_has_ended_is_not_opened_again(
    student: Student, tmp_path: Path
) -> None:
    window = begun(student, tmp_path)
    kit.wait(lambda: window.exam.runner.seconds > 1.0, "a second of exam")
    window.exam.end()
    kit.wait(lambda: window.receipt is not None, "the receipt")
    sealed = sorted((window.attempt.case / "journal.jsonl").read_bytes().splitlines())
    again = student(lang="de")
    again.join(str(tmp_path / "algebra.proctor"))
    kit.wait(lambda: again.message.text() != "", "a sentence")
    assert "schon benutzt" in again.message.text()
    assert "exams@shores.example" in again.message.text()
    assert again.attempt.ready is None
    assert sorted((window.attempt.case / "journal.jsonl").read_bytes().splitlines()) == sealed


@pytest.mark.parametrize(("days", "words"), [(1, "gilt ab"), (-1, "galt bis")])
def test_a_clock_that_is_wrong_by_a_day_is_told(
    student: Student, tmp_path: Path, days: int, words: str
) -> None:
    path = kit.invited(tmp_path)
    held = documents.parse(path.read_bytes(), path.name)
    begins = datetime.now(UTC) + timedelta(days=days, hours=-1)
    moved = Invitation(
        policy=held.policy, root=held.root, begins=begins, ends=begins + timedelta(hours=2)
    )
    path.write_bytes(documents.write(moved))
    window = student(lang="de")
    dates = {f"{datetime.now(UTC):%Y-%m-%d}"}
    window.join(str(path))
    kit.wait(lambda: window.message.text() != "", "a sentence")
    dates.add(f"{datetime.now(UTC):%Y-%m-%d}")  # midnight may come in between
    assert words in window.message.text()
    assert any(date in window.message.text() for date in dates)
    assert "Die Uhr dieses Computers" in window.message.text()


def test_an_expired_policy_is_told_with_whom_to_ask(student: Student, tmp_path: Path) -> None:
    late = 'stakes = "low"\nexpires = 2020-01-01T00:00:00Z'
    window = student(lang="fr")
    window.join(str(kit.invited(tmp_path, kit.POLICY.replace('stakes = "low"', late))))
    kit.wait(lambda: window.attempt.joined is not None, "the invitation")
    window.attempt.trust(lambda _: window.attempt.prepare(lambda _: None))
    kit.wait(lambda: window.message.text() != "", "a sentence")
    assert "ont expiré le" in window.message.text()
    assert kit.INSTITUTION in window.message.text()


@pytest.fixture(scope="module")
def muted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of a grey room, with a microphone that gives nothing but zeros."""
    path = tmp_path_factory.mktemp("muted") / "muted.mp4"
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = file.add_stream("aac", rate=16_000, layout="mono")
        picture = np.full((240, 320, 3), 120, np.uint8)
        for _ in range(100):
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 160_000), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = 16_000
        file.mux(audio.encode(frame))
        file.mux(audio.encode())
    return path


def test_a_microphone_that_is_muted_is_told(student: Student, muted: Path, tmp_path: Path) -> None:
    window = student(Devices(recording=muted))
    kit.join(window, kit.invited(tmp_path))
    kit.answer(window)
    window.next_button.click()
    check = window.steps["check"]
    kit.wait(lambda: check.finding("microphone").state == "warning", "the sentence")
    assert "some microphones have a switch" in check.finding("microphone").text
    assert window.next_button.isEnabled()
