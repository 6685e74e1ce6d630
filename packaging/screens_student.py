"""Pictures of every screen of the student's app, for docs/pictures and for looking at.

    python packaging/screens_student.py RECORDING          English, light, into docs/pictures
    python packaging/screens_student.py RECORDING --out DIR --lang de --look dark --font 2

RECORDING is any film of a person; cut to a webcam's shape, with a hand over the lens for two seconds and
the hiss and a tone of a room, it poses as the student's camera and microphone. Needs no display.
The exam is a made-up one of a made-up institution, signed with keys that are thrown away; a room scan is
offered in it, so that there is a picture of that question too.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# Last, so that nothing else is taken from there.
sys.path.append(str(ROOT / "packaging"))

import cv2  # noqa: E402
import drawing  # noqa: E402
import numpy as np  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from pyrage import x25519  # noqa: E402
from PySide6.QtGui import QColor, QImage  # noqa: E402
from PySide6.QtWidgets import QApplication, QWidget  # noqa: E402

from policies import edit, invitation, load, root, sign  # noqa: E402
from policies.consent import Grant  # noqa: E402
from proctor.capture.replay import Recording  # noqa: E402
from proctor.session.devices import Devices  # noqa: E402
from proctor.session.movie import FPS, HEIGHT, RATE, WIDTH, Movie, room_noise  # noqa: E402
from proctor.types import Frame, Image  # noqa: E402
from ui import theme  # noqa: E402
from ui.student.app import open_window  # noqa: E402
from ui.student.attempt import Attempt  # noqa: E402
from ui.student.exam import ExamWindow  # noqa: E402
from ui.student.runner import Runner  # noqa: E402
from ui.student.scan import ScanStep  # noqa: E402
from ui.student.try_out import TryOut  # noqa: E402
from ui.student.window import CHECK, CHOICES, JOIN, NOTICE, SCAN, StudentWindow  # noqa: E402

WAIT_S = 60.0
# How long the exam runs at least, and at most until something is noted (s).
EXAM_S, LONGEST_EXAM_S = 12.0, 18.0
# The film that poses as the devices: how long, when the lens is covered, and when there is a tone (s).
FILM_S, COVERED, TONE = 20.0, (7.0, 9.5), (1.0, 3.0)
# How long the check looks, so that sound and face are found too (s).
LOOK_S = 4.0
# Steps of colour in which films are drawn, so that pictures stay small.
COARSE = 8
SIZE, CALIBRATION = (860, 940), (860, 540)
INSTITUTION, INVITATION = "Sample University", "algebra.proctor"
ROOM_SCAN = """
[purposes.room_scan]
alternative = "A person looks at the room with you, over the camera, and nothing is recorded."

[room_scan]
mode = "offered"
reason = "In this exam, nobody else may be in the room."
alternative = "A person looks at the room with you, over the camera, and nothing is recorded."
notice_hours = 72
max_s = 10.0
recipients = ["{key}"]
"""


def wait(condition: Callable[[], bool], seconds: float = WAIT_S) -> None:
    """Let the windows live until ``condition`` is true."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("screens: a screen did not come to rest")
        QApplication.processEvents()
        time.sleep(0.005)


def rest(seconds: float) -> None:
    """Let the windows live for a while."""
    until = time.monotonic() + seconds
    wait(lambda: time.monotonic() > until, seconds + 1)


def invited(folder: Path) -> Path:
    """An invitation to a made-up exam, with every detector that needs no picture of a face to compare."""
    key = x25519.Identity.generate().to_public()
    text = edit.set_values(
        load.read_bytes("standard").decode("utf-8") + ROOM_SCAN.format(key=key),
        {
            "id": "algebra",
            "institution": INSTITUTION,
            "exam": "Algebra I, final exam",
            "contact": "exams@sample.example",
            "stakes": "low",
            "languages": ["en", "de", "fr", "es", "nl"],
            "recipients": [str(key)],
            # Short, so that a short film has something to note.
            'rules."camera.covered".min_s': 1.0,
            'rules."camera.covered".gap_s': 0.5,
        },
    )
    signer = Ed25519PrivateKey.generate()
    made = invitation.Invitation(
        policy=sign.envelope(text.encode(), sign.PAYLOAD_TYPE, [signer]).decode(),
        root=root.make(INSTITUTION, [root.public_text(signer.public_key())], 1),
    )
    path = folder / INVITATION
    path.write_bytes(invitation.write(made))
    return path


def film(recording: Path, target: Path) -> Path:
    """What poses as the student's devices, made of the pictures of ``recording``."""
    source = Recording.open(recording).samples(
        camera=Grant("camera", "pictures"), microphone=None, fps=FPS, long_side=1280
    )
    seen: list[Image] = [_webcam(one.image) for one in source if isinstance(one, Frame)]
    # Forwards and backwards, so that nothing jumps.
    round_trip = seen + seen[-2:0:-1]
    hiss = room_noise(FILM_S)
    at = np.arange(len(hiss)) / RATE
    tone = 3000.0 * np.sin(2 * np.pi * 440.0 * at) * ((at >= TONE[0]) & (at < TONE[1]))
    sound = (hiss + tone).astype(np.int16)
    with Movie(target) as movie:
        for number in range(round(FILM_S * FPS)):
            picture = round_trip[number % len(round_trip)]
            if COVERED[0] <= number / FPS < COVERED[1]:
                picture = np.full_like(picture, 6)
            movie.picture(picture)
            movie.sound(sound[number * RATE // FPS : (number + 1) * RATE // FPS])
    return target


def _webcam(image: Image) -> Image:
    """The middle of a picture, a little above it, in the shape of a webcam's."""
    high, wide = image.shape[:2]
    width, height = min(wide, high * WIDTH // HEIGHT), min(high, wide * HEIGHT // WIDTH)
    top = min(max(0, round(high * 0.46) - height // 2), high - height)
    left = (wide - width) // 2
    cut = image[top : top + height, left : left + width]
    return np.asarray(cv2.resize(cut, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def steps(window: StudentWindow) -> Iterator[tuple[str, QWidget]]:
    """Every step before the exam, shown one after the other; answers are given on the way."""
    attempt = window.attempt
    window.go(JOIN)
    yield JOIN, window
    window.go(NOTICE)
    wait(lambda: not attempt.worker.busy)
    rest(0.05)
    yield NOTICE, window
    window.go(CHOICES)
    choices = window.steps[CHOICES]
    rest(0.05)
    # Before any answer, for nothing is chosen beforehand.
    yield CHOICES, window
    for name in attempt.asked:
        attempt.answers[name] = True
    attempt.guardian = True
    for card in choices.cards.values():  # type: ignore[attr-defined]
        card.show_answer(True)
    choices._say()  # type: ignore[attr-defined]
    window.go(CHECK)
    check = window.steps[CHECK]
    wait(lambda: check.finding("camera").state == "good")  # type: ignore[attr-defined]
    wait(lambda: check.finding("light").text != attempt.t.say("one moment …"))  # type: ignore[attr-defined]
    yield CHECK, window
    if attempt.offers_scan:
        window.go(SCAN)
        rest(0.05)
        yield SCAN, window


def try_out(attempt: Attempt) -> Iterator[tuple[str, QWidget]]:
    """The look at one's own devices, asked and shown."""
    shown = TryOut(attempt)
    shown.show()
    rest(0.05)
    yield "try-asked", shown
    shown.card.yes.click()
    wait(lambda: shown.camera.shown and shown.table.rowCount() > 2)
    yield "try", shown
    shown.close()
    shown.deleteLater()


def exam_window(attempt: Attempt) -> ExamWindow:
    """The small window of an exam that has not begun, for measuring its texts."""
    return ExamWindow(attempt, Runner(attempt))


def screens(attempt: Attempt, given: str) -> Iterator[tuple[str, QWidget]]:
    """Every screen, from the first to the receipt of an exam that is really run."""
    window = open_window(attempt)
    window.resize(*SIZE)
    rest(0.1)
    yield JOIN, window
    window.join(given)
    wait(lambda: attempt.joined is not None)
    rest(0.1)
    yield "keys", window
    attempt.trust(lambda _: attempt.prepare(lambda _: None))
    wait(lambda: attempt.ready is not None)
    for name, widget in steps(window):
        if name == CHECK:
            rest(LOOK_S)
        if name != JOIN:
            yield name, widget
    yield from try_out(attempt)
    yield from exam(window)
    window.close()


def exam(window: StudentWindow) -> Iterator[tuple[str, QWidget]]:
    """From the room scan, which is looked through and thrown away, to the receipt."""
    scan = window.steps[SCAN]
    if not isinstance(scan, ScanStep):
        raise SystemExit("screens: there is no room scan")
    window.go(SCAN)
    scan.card.yes.click()
    wait(lambda: scan.film_card.isVisible() and scan.camera.shown)
    rest(1.0)
    yield "scan-film", window
    scan.enough.click()
    wait(lambda: scan.look_card.isVisible() and scan.still.shown)
    rest(0.2)
    yield "scan-look", window
    scan.drop.click()
    wait(lambda: window.exam is not None)
    small, runner = window.exam, window.runner
    if small is None or runner is None:
        raise SystemExit("screens: the exam did not begin")
    rest(1.0)
    small.begin_calibration()
    cover = small._calibration
    if cover is not None:
        rest(0.5)
        cover.resize(*CALIBRATION)
        yield "calibration", cover
        cover.stop()
    wait(lambda: runner.seconds > EXAM_S)
    wait(lambda: small.flags.count() > 0 or runner.seconds > LONGEST_EXAM_S)
    # The calibration was cut short for its picture; what it then says is not what one usually reads.
    small.note.say("")
    rest(0.1)
    yield "exam", small
    menu = small.withdrawal_menu()
    menu.popup(small.withdraw.mapToGlobal(small.withdraw.rect().bottomLeft()))
    rest(0.1)
    yield "withdraw", menu
    menu.close()
    question, _ = small.end_question()
    question.show()
    rest(0.1)
    yield "end", question
    question.close()
    small.end()
    wait(lambda: window.receipt is not None)
    rest(0.3)
    yield "receipt", window


def save(widget: QWidget, path: Path) -> None:
    """Write a picture of a widget: the colours of the look as they are, those of films a little coarser."""
    picture = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    high, wide = picture.height(), picture.width()
    lines = np.frombuffer(picture.constBits(), np.uint8).reshape(high, picture.bytesPerLine())
    pixels = lines[:, : 3 * wide].reshape(high, wide, 3)
    coarse = pixels.astype(np.int16) // COARSE * COARSE + COARSE // 2
    for colour in map(QColor, asdict(theme.colours()).values()):
        own = (pixels == (colour.red(), colour.green(), colour.blue())).all(axis=2)
        coarse[own] = pixels[own]
    few = np.ascontiguousarray(coarse[:, :, ::-1].clip(0, 255).astype(np.uint8))
    if not cv2.imwrite(str(path), few, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        raise SystemExit(f"screens: {path} cannot be written")


def main() -> int:
    parser = drawing.options(__doc__)
    parser.add_argument("recording", type=Path)
    arguments = parser.parse_args()
    _, said, out = drawing.dressed(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROCTOR_HOME"] = str(Path(folder) / "home")
        devices = Devices(recording=film(arguments.recording.resolve(), Path(folder) / "film.mp4"))
        invited(Path(folder))
        # A path of its own name: whose folder it lay in is nothing for a picture.
        with contextlib.chdir(folder):
            for name, widget in screens(Attempt(said.lang, devices), INVITATION):
                save(widget, out / f"student-{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
