"""A dataset of two real recordings and one that is gone, and windows that label it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from proctor.evaluate.dataset import read
from proctor.evaluate.labels import ready
from proctor.evaluate.values import TruthEvent
from ui.researcher.app import Desk
from ui.researcher.window import LabelWindow
from ui.texts import texts

WAIT_S = 120.0
TALK, GAZE = "video/talking_grid/bbaf2n.mpg", "video/gaze/center_left_center.mp4"
TABLE = (
    "session,start_s,end_s,kind,annotator,certain\n"
    "gaze,2,4,gaze.away,Bo,yes\n"
    "gaze,6,9,gaze.away,Bo,no\n"
)


def pump(seconds: float) -> None:
    """Let the window live for a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.005)


def settle(window: LabelWindow) -> None:
    """Wait until the recording is open and everything is written."""
    until = time.monotonic() + WAIT_S
    while not (window.settled and (window.player.film or window.note.text)):
        assert time.monotonic() < until, "the window does not come to rest"
        QApplication.processEvents()
        time.sleep(0.005)
    pump(0.02)


def truth(folder: Path) -> list[TruthEvent]:
    """What the table says now, in its order."""
    return [one for entry in read(folder).entries for one in entry.truth]


@pytest.fixture
def folder(media: Path, tmp_path: Path) -> Path:
    """The dataset, without a label of Ada's."""
    made = tmp_path / "study"
    made.mkdir()
    (made / "sessions.csv").write_text(
        "session,person,arm,media,labelled\n"
        f"gaze,p1,instructed,{media / GAZE},gaze.away\n"
        f"talk,p2,honest,{media / TALK},none\n"
        "gone,p3,honest,gone.mp4,none\n",
        encoding="utf-8",
    )
    (made / "truth.csv").write_text(TABLE, encoding="utf-8")
    return made


@pytest.fixture
def label(dressed: QApplication, folder: Path) -> Iterator[Callable[..., Desk]]:
    """Opens labellers, and closes them afterwards."""
    made: list[Desk] = []

    def make(who: str = "Ada", lang: str = "en", size: tuple[int, int] = (1320, 900)) -> Desk:
        desk = Desk(ready(folder)[0], texts(lang), who)
        made.append(desk)
        desk.show()
        if desk.window is not None:
            desk.window.resize(*size)
            settle(desk.window)
        return desk

    yield make
    for desk in made:
        if desk.window is not None and isValid(desk.window):
            desk.window.leave()
            desk.window.deleteLater()
        if desk.asking is not None and isValid(desk.asking):
            desk.asking.close()
            desk.asking.deleteLater()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
