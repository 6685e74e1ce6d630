"""What keeping evidence costs: the ring beside bare encoding, cutting, sealing, the journal, verifying.

    python benchmarks/evidence.py

CPU seconds are user plus system time of this process. Ratios are from one run on one machine; each
number that has a target stands beside it. Exit code 1 where one is missed.
"""

from __future__ import annotations

import hashlib
import io
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from skimage import data

from policies.sign import PAYLOAD_TYPE, envelope
from proctor.clock import SessionClock
from proctor.evidence import keys
from proctor.evidence.case import Case
from proctor.evidence.encoders import AUDIO_BITS, X264
from proctor.evidence.ring import Ring
from proctor.evidence.seal import seal
from proctor.evidence.verify import verify
from proctor.pipeline.detector import Detector, Sample
from proctor.pipeline.live import Live
from proctor.pipeline.runner import close_all, lanes
from proctor.session.plan import make_plan
from proctor.types import AudioChunk, Clip, Frame, Observation

SECONDS = 20
FPS = 10
RATE = 16000
FLAGS = 200
SEEING = ("objects", "lighting", "camera")
DELAY_STRETCHES, DELAY_FRAMES, DELAY_RECORDS = 20, 20, 50
# Three hours of scores, one record every ten seconds.
SCORES = 3 * 360


def samples() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A real face that moves a little, with sensor noise, 640x480; and quiet noise."""
    rng = np.random.default_rng(0)
    face = cv2.resize(data.astronaut()[:, :, ::-1], (680, 520), interpolation=cv2.INTER_AREA)
    pictures = []
    for i in range(SECONDS * FPS):
        x, y = int(20 + 18 * np.sin(i / 9)), int(20 + 18 * np.cos(i / 7))
        view = face[y : y + 480, x : x + 640].astype(np.int16)
        noise = rng.integers(-5, 6, view.shape, dtype=np.int16)
        pictures.append(np.clip(view + noise, 0, 255).astype(np.uint8))
    sound = [rng.integers(-400, 400, RATE // FPS, dtype=np.int16) for _ in range(SECONDS * FPS)]
    return pictures, sound


def cpu(work: Callable[[], object], repeats: int = 5) -> float:
    """Median CPU seconds."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def bare(pictures: list[np.ndarray], sound: list[np.ndarray]) -> None:
    """The same codecs with the same settings, and nothing around them."""
    with av.open(io.BytesIO(), "w", format="matroska") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
        video.codec_context.thread_count = 1
        video.codec_context.gop_size = FPS
        video.codec_context.options = dict(X264)
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.codec_context.bit_rate = AUDIO_BITS
        position = 0
        for i, (picture, samples) in enumerate(zip(pictures, sound, strict=True)):
            planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            video.encode(frame)
            block = av.AudioFrame.from_ndarray(
                samples.astype(np.float32)[None] / 32768, format="fltp", layout="mono"
            )
            block.sample_rate, block.pts = RATE, position
            block.time_base = Fraction(1, RATE)
            position += len(samples)
            audio.encode(block)


def fill(pictures: list[np.ndarray], sound: list[np.ndarray]) -> Ring:
    ring = Ring(fps=FPS, rate=RATE, seconds=SECONDS)
    for i, (picture, samples) in enumerate(zip(pictures, sound, strict=True)):
        ring.frame(Frame(i / FPS, i, picture))
        ring.audio(AudioChunk(i / FPS, i, samples, RATE))
    return ring


def begin(folder: Path) -> Case:
    policy, anchor = b'id = "benchmark"\n', datetime.now(UTC)
    return Case.create(
        folder,
        policy_envelope=envelope(policy, PAYLOAD_TYPE, [keys.local_signing_key()]),
        consent={
            "policy": {"id": "benchmark", "sha256": hashlib.sha256(policy).hexdigest()},
            "granted": {"clips": True},
            "recipients": [keys.demo_recipient()],
        },
        wall=lambda t: anchor + timedelta(seconds=t),
    )


def p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))]


def spread(seconds: list[float]) -> str:
    return f"{1000 * statistics.median(seconds):5.2f}   ms (median), {1000 * p99(seconds):.1f} ms (p99)"


def waited() -> float:
    """Seconds this thread was ready to run and other programs had the processor (Linux; else 0)."""
    path = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    return int(path.read_text("ascii").split()[1]) / 1e9 if path.exists() else 0.0


class Timed:
    """A detector that notes how long each look was held up: neither computing nor waiting for a core."""

    def __init__(self, detector: Detector, done: Callable[[float], None]) -> None:
        self._detector, self._done = detector, done
        self.reset, self.close = detector.reset, detector.close

    def update(self, sample: Sample) -> Sequence[Observation]:
        before = time.perf_counter() - time.thread_time() - waited()
        found = self._detector.update(sample)
        self._done(time.perf_counter() - time.thread_time() - waited() - before)
        return found


def held_up(case: Case, clip: Clip) -> tuple[list[float], list[float]]:
    """How long vision workers are held up in each look (s), alone and beside a journal.

    The detectors for objects, light and lens on live pictures, ten a second, on the lanes of an exam; in
    every other stretch the evidence writer appends and syncs 50 records a second, some fifty times what
    an exam writes, and seals a clip each second. What a thread waits for, other than a core, is the
    interpreter's lock or a lock of ours: that is how a journal could hold it up.
    """
    pictures, _ = samples()
    clock, writing, ended = SessionClock(), threading.Event(), threading.Event()
    alone: list[float] = []
    beside: list[float] = []
    chosen = [
        s for s in make_plan("minimal", require_all=False).stations() if s.plugin.name in SEEING
    ]
    for station in chosen:
        station.detector = Timed(
            station.detector, lambda held: (beside if writing.is_set() else alone).append(held)
        )
    live = Live(lanes(chosen), clock)

    def capture() -> None:
        for number in range(DELAY_STRETCHES * DELAY_FRAMES):
            live.frame(Frame(clock.now(), number, pictures[number % len(pictures)]))
            time.sleep(1 / FPS)
            if (number + 1) % DELAY_FRAMES == 0:
                time.sleep(0.5)  # what was begun in a stretch ends in it
                writing.clear() if writing.is_set() else writing.set()
        ended.set()

    live.start()
    threading.Thread(target=capture, daemon=True).start()
    sealed, number = clock.now(), 0
    while not ended.is_set():
        live.pump(
            on_media=lambda sample: None,
            on_observations=lambda t, observations: None,
            on_marker=lambda marker: None,
            timeout=1 / DELAY_RECORDS,
        )
        if not writing.is_set():
            continue
        case.record(
            "marker", {"t": clock.now(), "kind": "benchmark", "data": {"filler": "x" * 300}}
        )
        if clock.now() - sealed > 1.0:
            sealed, number = clock.now(), number + 1
            flag = f"delay-{number}"
            case.record("flag", {"id": flag, "t": sealed})
            named = Clip(flag, 0.0, 1.0, clip.mime, clip.data, clip.sha256)
            case.store(seal(named, [keys.demo_recipient()]), {})
    live.stop()
    close_all(chosen, print)
    return alone, beside


MISSED: list[str] = []


def row(what: str, value: float, unit: str, target: float, *, least: bool = False) -> None:
    """One number beside its target."""
    met = value >= target if least else value <= target
    if not met:
        MISSED.append(what)
    limit = f"at {'least' if least else 'most'} {target:g}"
    print(f"{what:<30}{value:6.2f}   {unit} ({limit}: {'met' if met else 'MISSED'})")


def main() -> int:
    pictures, sound = samples()
    fill(pictures, sound)  # warm-up
    plain, kept = cpu(lambda: bare(pictures, sound)), cpu(lambda: fill(pictures, sound))
    print(
        f"ring / bare encoding          {kept / plain:5.2f}   ({1000 * kept / SECONDS:.0f} ms CPU per second)"
    )
    ring = fill(pictures, sound)
    print(f"ring memory                   {ring.memory / 1e6 / SECONDS * 60:5.2f}   MB a minute")
    cut = cpu(lambda: ring.cut("f", 5.0, 16.0), 20)
    print(f"cut 11 s                      {1000 * cut:5.1f}   ms")

    clip = ring.cut("f", 1.0, 16.0)
    large = Clip("f", 0.0, 1.0, "video/mp4", os.urandom(50_000_000), "")
    recipients = [str(keys.x25519.Identity.generate().to_public()) for _ in range(3)]
    sealing = cpu(lambda: seal(large, recipients))
    row("seal to 3 recipients", 50 / sealing, "MB per CPU second", 200.0, least=True)

    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROCTOR_HOME"] = str(Path(folder) / "home")
        case = begin(Path(folder) / "case")
        appends = []
        for number in range(FLAGS):
            flag, t = f"f-{number:03d}", 50.0 * number
            began = time.perf_counter()
            case.record("flag", {"id": flag, "t": t}, t)
            appends.append(time.perf_counter() - began)
            named = Clip(flag, t, t + 15, clip.mime, clip.data, clip.sha256)
            case.store(seal(named, [keys.demo_recipient()]), {})
            case.checkpoint()
        unsynced = []
        for number in range(SCORES):
            began = time.perf_counter()
            case.record(
                "scores",
                {"t0": 10.0 * number, "kinds": {f"kind.{k}": [0.123] * 10 for k in range(16)}},
                sync=False,
            )
            unsynced.append(time.perf_counter() - began)
        case.record("session.ended", {"t": 10800.0})
        case.close()
        print(f"journal append with fsync     {spread(appends)}")
        print(f"journal append without        {spread(unsynced)}")
        size = sum(p.stat().st_size for p in case.folder.rglob("*") if p.is_file())
        began = time.perf_counter()
        checks = verify(case.folder)
        taken = time.perf_counter() - began
        assert all(check.ok for check in checks)
        row(f"verify 3 h, {FLAGS} flags, {size / 1e6:.0f} MB", taken, "s", 2.0)
        began = time.perf_counter()
        case.folder.joinpath("journal.jsonl").open("ab").write(b'{"torn')
        Case.resume(case.folder).close()
        row("recovery of that case", time.perf_counter() - began, "s", 1.0)
        other = begin(Path(folder) / "other")
        alone, beside = held_up(other, clip)
        other.close()
        print(f"a look held up, no journal    {spread(alone)}")
        print(f"a look held up, beside it     {spread(beside)}")
        row("added to the p99 of a look", 1000 * (p99(beside) - p99(alone)), "ms", 5.0)
    return 1 if MISSED else 0


if __name__ == "__main__":
    sys.exit(main())
