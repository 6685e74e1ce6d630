"""The look whether the hub of a policy can be reached: only in the check, and never an obstacle."""

from __future__ import annotations

import importlib.util
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proctor.hub.client import reachable
from ui.student.window import StudentWindow

_SPEC = importlib.util.spec_from_file_location(
    "student_kit", Path(__file__).with_name("student_kit.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
evening, student = kit.evening, kit.student

Student = Callable[..., StudentWindow]


class Listener:
    """Takes connections on this computer and counts them, with what they sent before they closed."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.sent: list[bytes] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            taken, _ = self._server.accept()
            with taken:
                taken.settimeout(60.0)
                data = taken.recv(100)
            if data == b"end":
                return
            self.sent.append(data)

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"end")
        self._thread.join()
        self._server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port of this computer at which nobody listens, and which nobody else is given meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def at_the_check(window: StudentWindow, folder: Path, hub: str) -> None:
    policy = kit.POLICY.replace('stakes = "low"', f'stakes = "low"\nhub = "{hub}"')
    kit.join(window, kit.invited(folder, policy))
    kit.answer(window)
    window.next_button.click()
    kit.wait(lambda: window.here == "check", "the check")


def test_a_hub_that_answers_is_asked_once_and_told_nothing(
    student: Student, listener: Listener, tmp_path: Path
) -> None:
    window, hub = student(), f"http://127.0.0.1:{listener.port}"
    policy = kit.POLICY.replace('stakes = "low"', f'stakes = "low"\nhub = "{hub}"')
    kit.join(window, kit.invited(tmp_path, policy))
    kit.answer(window)
    kit.pump(0.2)
    assert listener.sent == []  # nobody is contacted before the student is there
    window.next_button.click()
    check = window.steps["check"]
    kit.wait(lambda: f"{hub} answers" in check.finding("Network").text, "the answer")
    assert check.finding("Network").state == "good"
    kit.wait(lambda: listener.sent != [], "the end of the connection")
    assert listener.sent == [b""]


def test_a_hub_that_does_not_answer_is_no_obstacle(
    student: Student, nobody: int, tmp_path: Path
) -> None:
    window = student()
    at_the_check(window, tmp_path, f"http://127.0.0.1:{nobody}")
    check = window.steps["check"]
    kit.wait(lambda: "does not answer now" in check.finding("Network").text, "the sentence")
    assert "no obstacle" in check.finding("Network").text
    assert check.finding("Network").state == "info"
    assert window.next_button.isEnabled()


def test_without_a_hub_nobody_is_asked(student: Student, tmp_path: Path) -> None:
    window = student()
    kit.join(window, kit.invited(tmp_path))
    kit.answer(window)
    window.next_button.click()
    kit.wait(lambda: window.here == "check", "the check")
    assert "nothing is sent" in window.steps["check"].finding("Network").text


def test_who_answers_without_the_certificate_of_the_hub_is_not_the_hub(listener: Listener) -> None:
    assert reachable(f"http://127.0.0.1:{listener.port}")
    assert not reachable(f"https://127.0.0.1:{listener.port}")
