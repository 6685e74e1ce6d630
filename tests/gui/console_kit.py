"""A whole case with sealed clips, people with keys of their own, and a console over both."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from policies import load, sign
from proctor.evidence import keys
from proctor.evidence.access import Reader
from proctor.evidence.case import Case
from proctor.evidence.ring import Ring
from proctor.evidence.seal import seal
from proctor.types import AudioChunk, Clip, Frame
from ui.console.app import Desk

WAIT_S = 120.0
PHONE, FACES, WAKE, BARE = "object.phone-001", "face.several-001", "speech-001", "gaze.away-001"
# Flag, kind, begin (s), whether a clip is kept.
FLAGS = (
    (PHONE, "object.phone", 20.0, True),
    (FACES, "face.several", 60.0, True),
    (WAKE, "speech.wake_phrase", 100.0, True),
    (BARE, "gaze.away", 140.0, False),
)
WHY = "A phone was in view for 2.0 s."
BEST = 1.0


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
    pump(0.02)


def clip() -> Clip:
    """Four seconds with sound: a bright square that moves to the right over a dark ground."""
    ring = Ring()
    rng = np.random.default_rng(4)
    for i in range(50):
        picture = np.full((240, 320, 3), 40, np.uint8)
        picture[90:150, 4 * i : 4 * i + 60] = 220
        ring.frame(Frame(i / 10, i, picture))
        sound = rng.integers(-9000, 9000, 1600, dtype=np.int16)
        ring.audio(AudioChunk(i / 10, i, sound, 16000))
    return ring.cut(PHONE, 0.5, 4.5)


def make_case(folder: Path, recipient: str, ended: datetime, made: Clip | None = None) -> Path:
    """A case of four flags that ended at ``ended``; its policy asks for a second reviewer."""
    began = ended - timedelta(seconds=200)
    raw = load.read("standard")[1]
    case = Case.create(
        folder,
        policy_envelope=sign.envelope(raw, sign.PAYLOAD_TYPE, [keys.local_signing_key()]),
        consent={
            "policy": {"id": "standard", "version": 1, "sha256": hashlib.sha256(raw).hexdigest()},
            "granted": {"camera": True, "microphone": True, "clips": True},
            "how": "all",
            "text_sha256": "0" * 64,
            "recipients": [recipient],
            "agent": {"name": "open-proctor", "version": "0"},
        },
        wall=lambda t: began + timedelta(seconds=t),
    )
    kinds = [kind for _, kind, _, _ in FLAGS]
    detectors = [{"name": "all", "period": 1.0, "kinds": kinds}]
    case.record("session.started", {"t": 0.0, "anchor": began.isoformat(), "detectors": detectors})
    case.record("break.started", {"t": 120.0}, 120.0)
    case.record("break.ended", {"t": 130.0}, 130.0)
    made = made or clip()
    for name, kind, start, kept in FLAGS:
        what = {"id": name, "kind": kind, "rule": kind, "start": start, "peak": 0.8, "why": WHY}
        best = {"box": [0.4, 0.3, 0.2, 0.3], "peak_t": start + BEST, "peak": 0.9, "end": start + 2}
        case.record("flag", {**what, "t": start + 1}, start + 1)
        case.record("flag.closed", {**what, **best}, start + 2)
        if kept:
            one = Clip(name, start - 1, start + 3, made.mime, made.data, made.sha256)
            case.store(seal(one, [recipient]), {"policy_sha256": "p"})
        else:
            case.record("clip.skipped", {"flag": name, "why": "the disk is full"}, start + 2)
    scores = {kind: [0.2] * 100 + [0.9] * 100 for kind in kinds}
    case.record("scores", {"t0": 0.0, "step": 1.0, "kinds": scores}, sync=False)
    case.record("marker", {"t": 150.0, "kind": "question.shown", "data": {}})
    case.record("session.ended", {"t": 200.0, "summary": {"seconds": 200.0}}, 200.0)
    case.checkpoint()
    case.close()
    return folder


@pytest.fixture(scope="session")
def one_clip() -> Clip:
    return clip()


@pytest.fixture
def case(dressed: QApplication, tmp_path: Path, one_clip: Clip) -> Path:
    """A case whose student had their days to comment long ago."""
    ended = datetime.now(UTC) - timedelta(days=9)
    return make_case(tmp_path / "case", keys.demo_recipient(), ended, one_clip)


@pytest.fixture
def fresh_case(dressed: QApplication, tmp_path: Path, one_clip: Clip) -> Path:
    """A case whose student can still comment."""
    ended = datetime.now(UTC) - timedelta(hours=1)
    return make_case(tmp_path / "fresh", keys.demo_recipient(), ended, one_clip)


def person(name: str) -> Reader:
    """A reviewer with a key of their own."""
    seed = hashlib.sha256(name.encode()).digest()
    return Reader(name, Ed25519PrivateKey.from_private_bytes(seed))


def brief_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a verdict count sooner than people need it: what the rest is for has tests of its own."""
    monkeypatch.setattr("ui.console.page.REST_MS", 20)


@pytest.fixture
def console(
    dressed: QApplication, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Desk]]:
    """Opens consoles, and closes them afterwards."""
    brief_rests(monkeypatch)
    made: list[Desk] = []

    def make(case: Path | None = None, who: str = "Ada", lang: str = "en") -> Desk:
        desk = Desk(lang, person(who), [keys.demo_identity()] if case else [])
        made.append(desk)
        desk.window.resize(1320, 900)
        desk.show(case)
        pump(0.02)
        if case is not None:
            wait(lambda: settled(desk), "the case")
        return desk

    yield make
    for desk in made:
        for part in (desk.window, desk.start, desk.key_page):
            if isValid(part):
                part.close()
                part.deleteLater()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def settled(desk: Desk) -> bool:
    """Whether the case is read and signed, and the clip decoded and long enough in sight to say something of it."""
    window = desk.window
    page = window.page
    if window.worker.busy or page is None or window.case is None or page.flag is None:
        return False
    player = page.player
    if page.flag.clip is None or page.no_clip.text:
        return page.ready
    return page.ready and player._clip is not None and player._clip.ready >= player.count > 0


def settle(desk: Desk) -> None:
    wait(lambda: settled(desk), "the console to come to rest")
