"""What keeping evidence costs: the ring beside bare encoding, cutting, sealing, the journal, verifying.

    python benchmarks/evidence.py

CPU seconds are user plus system time of this process. Ratios are from one run on one machine.
"""

from __future__ import annotations

import hashlib
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from skimage import data

from policies.sign import PAYLOAD_TYPE, envelope
from proctor.evidence import keys
from proctor.evidence.case import Case
from proctor.evidence.encoders import AUDIO_BITS, X264
from proctor.evidence.ring import Ring
from proctor.evidence.seal import seal
from proctor.evidence.verify import verify
from proctor.types import AudioChunk, Clip, Frame

SECONDS = 20
FPS = 10
RATE = 16000
FLAGS = 200
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


def spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p99 = ordered[int(0.99 * (len(ordered) - 1))]
    return f"{1000 * statistics.median(ordered):5.2f}   ms (median), {1000 * p99:.1f} ms (p99)"


def main() -> None:
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
    print(f"seal to 3 recipients          {50 / sealing:5.0f}   MB per CPU second")

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
        print(f"verify 3 h, {FLAGS} flags, {size / 1e6:.0f} MB {taken:6.2f}   s")
        began = time.perf_counter()
        case.folder.joinpath("journal.jsonl").open("ab").write(b'{"torn')
        Case.resume(case.folder).close()
        print(f"recovery of that case         {time.perf_counter() - began:5.2f}   s")


if __name__ == "__main__":
    main()
