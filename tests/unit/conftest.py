"""Fixtures of the evidence tests: keys of their own, and cases made of real parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest

from policies import load
from policies.sign import PAYLOAD_TYPE, envelope
from proctor.capture.replay import Recording
from proctor.evidence import keys
from proctor.evidence.case import Case
from proctor.evidence.ring import Ring
from proctor.evidence.seal import seal
from proctor.types import AudioChunk, Clip, Frame

ANCHOR = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def proctor_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A keys folder of this test's own."""
    home = tmp_path / "home"
    monkeypatch.setenv("PROCTOR_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def real_clip() -> Clip:
    """Two seconds of noise with sound, cut from a real ring."""
    ring = Ring()
    rng = np.random.default_rng(3)
    for i in range(30):
        ring.frame(Frame(i / 10, i, rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)))
        ring.audio(AudioChunk(i / 10, i, rng.integers(-900, 900, 1600, dtype=np.int16), 16000))
    return ring.cut("object.phone-001", 0.5, 2.5)


@pytest.fixture
def begin_case(proctor_home: Path, tmp_path: Path) -> Callable[..., Case]:
    """Begin a case with the preset policy and this machine's demo reviewer."""

    def begin(folder: Path | None = None, *, clips: bool = True) -> Case:
        raw = load.read("standard")[1]
        consent = {
            "policy": {"id": "standard", "version": 1, "sha256": hashlib.sha256(raw).hexdigest()},
            "granted": {"camera": True, "microphone": True, "clips": clips},
            "how": "all",
            "text_sha256": "0" * 64,
            "recipients": [keys.demo_recipient()],
            "agent": {"name": "open-proctor", "version": "0"},
        }
        return Case.create(
            folder or tmp_path / "case",
            policy_envelope=envelope(raw, PAYLOAD_TYPE, [keys.local_signing_key()]),
            consent=consent,
            wall=lambda t: ANCHOR + timedelta(seconds=t),
        )

    return begin


@pytest.fixture
def add_flag(real_clip: Clip) -> Callable[..., Path]:
    """Write a flag, its end and its sealed clip; returns where the clip lies."""

    def add(case: Case, flag: str, start: float, *, longer: int = 0) -> Path:
        what = {"id": flag, "kind": "object.phone", "rule": "object.phone", "start": start}
        why = "A phone was in view for 2.0 s."
        case.record("flag", {**what, "peak": 0.8, "why": why, "t": start + 1}, start + 1)
        case.record("flag.closed", {**what, "peak": 0.9, "end": start + 2, "why": why}, start + 2)
        data = real_clip.data + b"\0" * longer
        digest = hashlib.sha256(data).hexdigest()
        clip = Clip(flag, start - 1, start + 3, real_clip.mime, data, digest)
        return case.store(seal(clip, [keys.demo_recipient()]), {"policy_sha256": "p"})

    return add


@pytest.fixture
def finished_case(begin_case: Callable[..., Case], add_flag: Callable[..., Path]) -> Path:
    """A whole case: two clips of one length and one longer, scores, a marker, its end."""
    case = begin_case()
    case.record("session.started", {"t": 0.0, "anchor": ANCHOR.isoformat(), "detectors": []})
    add_flag(case, "object.phone-001", 10.0)
    case.record(
        "scores", {"t0": 0.0, "step": 1.0, "kinds": {"face.absent": [0.0, None]}}, sync=False
    )
    case.checkpoint()
    add_flag(case, "object.phone-002", 20.0)
    add_flag(case, "object.phone-003", 30.0, longer=100)
    case.record("marker", {"t": 40.0, "kind": "question.shown", "data": {}})
    case.record("session.ended", {"t": 60.0, "summary": {"seconds": 60.0}}, 60.0)
    case.close()
    return case.folder


@pytest.fixture(scope="session")
def made_recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Four seconds of picture and sound, made here."""
    path = tmp_path_factory.mktemp("made") / "made.mp4"
    rng = np.random.default_rng(5)
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        audio = file.add_stream("aac", rate=16_000, layout="mono")
        for _ in range(40):
            picture = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(video.encode())
        sound = rng.integers(-900, 900, (1, 64_000), dtype=np.int16)
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
        frame.sample_rate = 16_000
        file.mux(audio.encode(frame))
        file.mux(audio.encode())
    return Recording.open(path)
