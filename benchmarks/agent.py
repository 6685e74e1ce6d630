"""What the whole agent costs beside the bare networks and codecs, on the same samples, in one run.

    python benchmarks/agent.py [RECORDING] [--seconds 60] [--rounds 3] [--json]

The *agent* is a replay through the public path: capture, detectors, rules, ring, clips, seal, journal.
*Bare* is the least code that calls the same networks and codecs at the same cadence on the same
frames and sound. Both run in processes of their own, in turn, so that a noisy machine hurts both;
the ratio is of medians. Without a recording the sample exam is used.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FPS = 10
OBJECTS_EVERY = 5  # frames: 2/s
SECOND_FACES_EVERY = 2  # frames: 5/s, as `faces` asks YuNet whenever a picture gives it a reason to
RATE = 16_000


def bare(recording: Path, seconds: float) -> dict[str, float]:
    """The networks and codecs alone: decode, landmarker 10/s, YuNet 5/s, YOLO 2/s, VAD, x264, AAC."""
    import av
    import cv2
    import numpy as np
    import onnxruntime as ort
    import webrtcvad

    from detectors._landmarks import Landmarker
    from models import registry

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")

    def net(name: str) -> ort.InferenceSession:
        return ort.InferenceSession(
            str(registry.find(name)), options, providers=["CPUExecutionProvider"]
        )

    landmarker = Landmarker(Path(str(registry.find("face_landmarker"))).read_bytes())
    yunet, yolo, silero = net("yunet"), net("yolo11n"), net("silero_vad")
    gate = webrtcvad.Vad(2)
    height, width = yolo.get_inputs()[0].shape[2:]
    sink = av.open(_Nowhere(), "w", format="matroska")
    video = sink.add_stream("libx264", rate=FPS)
    video.pix_fmt = "yuv420p"
    video.options = {"preset": "superfast", "crf": "30", "threads": "1"}
    audio = sink.add_stream("aac", rate=RATE, layout="mono")
    began = time.process_time()
    with av.open(str(recording)) as container:
        taken = 0
        for frame in container.decode(video=0):
            if frame.time > seconds:
                break
            if frame.time * FPS < taken:
                continue
            image = frame.to_ndarray(format="bgr24")
            if taken == 0:
                video.height, video.width = image.shape[:2]
            landmarker.find(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), 1 + taken * 100)
            if taken % OBJECTS_EVERY == 0:
                blob = cv2.dnn.blobFromImage(image, 1 / 255, (width, height), swapRB=True)
                yolo.run(None, {yolo.get_inputs()[0].name: blob})
            if taken % SECOND_FACES_EVERY == 0:
                small = cv2.dnn.blobFromImage(image, 1.0, (320, 256))
                yunet.run(None, {yunet.get_inputs()[0].name: small})
            planes = av.VideoFrame.from_ndarray(
                cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), format="yuv420p"
            )
            planes.pts = taken
            sink.mux(video.encode(planes))
            taken += 1
    state = np.zeros((2, 1, 128), np.float32)
    context = np.zeros(64, np.float32)
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(recording)) as container:
        samples = 0
        for sound in container.decode(audio=0):
            for piece in resampler.resample(sound):
                block = piece.to_ndarray().ravel()
                for at in range(0, len(block) - 479, 480):
                    gate.is_speech(block[at : at + 480].tobytes(), RATE)
                for at in range(0, len(block) - 511, 512):
                    chunk = block[at : at + 512].astype(np.float32) / 32768
                    _, state = silero.run(
                        None,
                        {
                            "input": np.concatenate([context, chunk])[None],
                            "state": state,
                            "sr": np.array(RATE, np.int64),
                        },
                    )
                    context = chunk[-64:]
                piece.pts = samples
                samples += len(block)
                sink.mux(audio.encode(piece))
            if samples > seconds * RATE:
                break
    return {"cpu_s": time.process_time() - began, "frames": taken, "sound_s": samples / RATE}


class _Nowhere:
    """A sink that forgets."""

    def write(self, data: bytes) -> int:
        return len(data)


def agent(recording: Path, seconds: float) -> dict[str, float]:
    """The public path on the same samples."""
    import resource

    from policies.consent import accept_all
    from proctor.capture.replay import Recording
    from proctor.session.plan import make_plan
    from proctor.session.session import Session, choose_recipients

    plan = make_plan("standard", require_all=False)
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case"
        with Session(
            plan, accept_all(plan.policy), case, recipients=choose_recipients(plan, [])
        ) as session:
            loaded = time.process_time()
            wall = time.perf_counter()
            summary = session.replay(_Head(Recording.open(recording), seconds))  # type: ignore[arg-type]
            return {
                "cpu_s": time.process_time() - loaded,
                "wall_s": time.perf_counter() - wall,
                "frames": session.recorder.frames,
                "media_s": summary.seconds,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }


class _Head:
    """The first seconds of a recording."""

    def __init__(self, recording: Any, seconds: float) -> None:
        self._recording, self._seconds = recording, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recording, name)

    def samples(self, **options: Any) -> Any:
        for sample in self._recording.samples(**options):
            if sample.t > self._seconds:
                return
            yield sample


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("bare", "agent"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    recording = arguments.recording
    if recording is None:
        from models import registry
        from proctor.session import sample_exam

        recording = sample_exam.compose(registry.cache_dir())
    if arguments.only:
        measure = bare if arguments.only == "bare" else agent
        print(json.dumps(measure(recording, arguments.seconds)))
        return 0
    runs: dict[str, list[dict[str, float]]] = {"bare": [], "agent": []}
    for _ in range(arguments.rounds):
        for which, results in runs.items():
            done = subprocess.run(
                [sys.executable, __file__, str(recording), "--seconds", str(arguments.seconds),
                 "--only", which],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            results.append(json.loads(done.stdout.splitlines()[-1]))

    def median(which: str, what: str) -> float:
        return statistics.median(r[what] for r in runs[which])

    media_s = median("agent", "media_s")
    report = {
        "media_s": media_s,
        "bare_cpu_s": median("bare", "cpu_s"),
        "agent_cpu_s": median("agent", "cpu_s"),
        "agent_to_bare": median("agent", "cpu_s") / median("bare", "cpu_s"),
        "agent_percent_of_one_core": 100 * median("agent", "cpu_s") / media_s,
        "times_real_time": media_s / median("agent", "wall_s"),
        "peak_mb": median("agent", "peak_mb"),
        "frames": [median("bare", "frames"), median("agent", "frames")],
    }
    if arguments.json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name:<28} {value if isinstance(value, list) else round(value, 3)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
