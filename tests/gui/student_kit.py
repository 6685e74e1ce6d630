"""A signed invitation, a recording that poses as the devices, and a student's window over both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage import x25519
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from policies import invitation as documents
from policies import root, sign
from policies.invitation import Invitation
from proctor.session.devices import Devices
from ui.student.app import open_window
from ui.student.attempt import Attempt
from ui.student.window import StudentWindow

INSTITUTION = "University of Both Shores"
PROCTOR = x25519.Identity.generate()
# Light and the camera itself are measured: no network is needed, so this runs on any machine.
POLICY = f"""
version = 1
id = "algebra"
institution = "{INSTITUTION}"
exam = "Algebra 1"
contact = "exams@shores.example"
stakes = "low"
languages = ["en", "de", "fr", "es", "nl"]
recipients = ["{PROCTOR.to_public()}"]
[purposes.camera]
alternative = "You sit the exam in a room with a person and no computer program."
[purposes.microphone]
alternative = "The exam runs with the microphone off."
[purposes.clips]
alternative = "Notes are kept as sentences without pictures."
[detectors.lighting]
[detectors.camera]
[rules."light.dim"]
[rules."camera.covered"]
min_s = 1.0
gap_s = 0.5
[clips]
pre_roll_s = 1.0
post_roll_s = 0.5
max_s = 10.0
"""
SCAN = f"""
[purposes.room_scan]
alternative = "A person looks at the room with you."
[room_scan]
mode = "offered"
reason = "Another person must not be in the room."
alternative = "A person looks at the room with you."
notice_hours = 24
max_s = 10.0
recipients = ["{PROCTOR.to_public()}"]
"""
BRIGHT_S, DARK_S = 2.0, 4.0
WAIT_S = 120.0
SHOTS = "PROCTOR_TEST_SHOTS"
Spin = Callable[..., None]


def pump(seconds: float) -> None:
    """Let the window live for a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.005)


def wait(condition: Callable[[], bool], what: str) -> None:
    """Let the window live until ``condition`` is true."""
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, f"waited in vain: {what}"
        QApplication.processEvents()
        time.sleep(0.005)
    pump(0.05)


def invited(folder: Path, policy: str = POLICY) -> Path:
    """An invitation file with a signed policy and the institution's root file."""
    key = Ed25519PrivateKey.generate()
    envelope = sign.envelope(policy.encode(), sign.PAYLOAD_TYPE, [key]).decode()
    made = Invitation(
        policy=envelope,
        root=root.make(INSTITUTION, [root.public_text(key.public_key())], 1),
        code=documents.new_code() if "\nhub" in policy else "",
    )
    path = folder / "algebra.proctor"
    path.write_bytes(documents.write(made))
    return path


@pytest.fixture(scope="session")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A room, then a hand over the camera for four seconds, then the room again; with sound."""
    path = tmp_path_factory.mktemp("evening") / "evening.mp4"
    rng = np.random.default_rng(7)
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = file.add_stream("aac", rate=16_000, layout="mono")
        few = rng.integers(60, 220, (9, 12, 3), dtype=np.uint8)
        room = cv2.resize(few, (320, 240), interpolation=cv2.INTER_CUBIC)
        for seconds, light in ((BRIGHT_S, 1.0), (DARK_S, 0.0), (BRIGHT_S, 1.0)):
            for _ in range(round(seconds * 10)):
                noise = rng.integers(0, 6, room.shape)
                picture = np.clip(room * light + noise, 0, 255).astype(np.uint8)
                file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(video.encode())
        count = round(16_000 * (2 * BRIGHT_S + DARK_S))
        sound = rng.integers(-3000, 3000, (1, count), dtype=np.int16)
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
        frame.sample_rate = 16_000
        file.mux(audio.encode(frame))
        file.mux(audio.encode())
    return path


@pytest.fixture
def student(
    dressed: QApplication, evening: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., StudentWindow]]:
    """Opens a student's window on the recording (or on other devices), and closes it afterwards.

    What is on the screen at the end is kept in the folder that :data:`SHOTS` names, if it names one.
    """
    made: list[StudentWindow] = []

    def make(devices: Devices | None = None, lang: str = "en") -> StudentWindow:
        window = open_window(Attempt(lang, devices or Devices(recording=evening)))
        made.append(window)
        pump(0.05)
        return window

    yield make
    if SHOTS in os.environ:
        pump(0.2)
        shot = QApplication.primaryScreen().grabWindow(0)
        shot.save(str(Path(os.environ[SHOTS]) / f"{request.node.name}.png"))
    for window in made:
        if isValid(window):
            if window.exam is not None and isValid(window.exam):
                window.exam.end()
            window.close()
            window.deleteLater()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def join(window: StudentWindow, invitation: Path) -> None:
    """Open the invitation and say that its keys are right."""
    step = window.steps["join"]
    step.line.setText(str(invitation))
    step.open.click()
    wait(lambda: window.attempt.joined is not None, "the invitation to open")
    if window.attempt.joined.unknown is not None:
        wait(lambda: button(window, "They are the same") is not None, "the keys to compare")
        button(window, "They are the same").click()
    wait(lambda: window.here == "notice", "the notice")


def button(window: StudentWindow, text: str):
    """The visible button with that text, if there is one."""
    from PySide6.QtWidgets import QPushButton

    found = [b for b in window.findChildren(QPushButton) if b.text() == text and b.isVisible()]
    return found[0] if found else None


def answer(window: StudentWindow, **answers: bool) -> None:
    """From the notice to the answers; what is not named is accepted."""
    window.next_button.click()
    wait(lambda: window.here == "choices", "the questions")
    for name, card in window.steps["choices"].cards.items():
        (card.yes if answers.get(name, True) else card.no).click()
    pump(0.05)


def to_the_exam(window: StudentWindow) -> None:
    """From the answers through the check into the exam."""
    window.next_button.click()
    wait(lambda: window.here == "check", "the check")
    window.next_button.click()
    wait(lambda: window.exam is not None, "the exam")
