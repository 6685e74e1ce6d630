"""``proctor exam --calibrate``: prints where to look, while the exam is already running."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from proctor.errors import InputError
from proctor.session.calibrate import FIRST_PICTURE_S, Calibration
from proctor.session.session import Session

# Time to read a line before looking where it says.
LEAD_S = 1.2
LOOK_S = 0.1


@contextmanager
def walking(session: Session, wanted: bool, write: Callable[[str], None]) -> Iterator[None]:
    """Walk through the calibration on a thread of its own, if ``wanted``."""
    ended = threading.Event()
    if wanted:
        threading.Thread(
            target=_walk, args=(session, write, ended), name="calibration", daemon=True
        ).start()
    try:
        yield
    finally:
        ended.set()


def _walk(session: Session, write: Callable[[str], None], ended: threading.Event) -> None:
    calibration = Calibration(session, lead_s=LEAD_S)
    if not calibration.senses:
        write("Nothing in this exam needs a calibration.")
        return
    while not session.is_live:
        if ended.wait(LOOK_S):
            return
    waited = 0.0
    while session.sensor("camera") is not None and session.recorder.frames == 0:
        if ended.wait(LOOK_S):
            return
        waited += LOOK_S
        if waited >= FIRST_PICTURE_S:
            write("No picture comes from the camera, so nothing is calibrated; wider limits hold.")
            return
    write(f"Calibration, {calibration.seconds:.0f} s:")
    steps = calibration.steps()
    try:
        for step in steps:
            if step.say:
                write(f"  {step.number} of {step.count}: {step.say}")
            if ended.wait(step.seconds):
                steps.close()
                return
        # What a detector answered was told already.
        for outcome in calibration.outcomes():
            if outcome.what not in session.calibrated:
                write(outcome.sentence)
    except InputError as error:
        write(str(error))
