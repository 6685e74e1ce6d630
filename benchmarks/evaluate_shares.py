"""Where the time of scoring goes: each network, the detectors around it, and the reading of the file.

    python benchmarks/evaluate_shares.py [RECORDING] [--seconds 90]

One recording, scored as `proctor evaluate` does it (the sample exam where none is named). CPU seconds are those
of the thread that calls a network; MediaPipe calculates on threads of its own, whose time is what is left of
the process. The last line says how fast scoring were if everything but the networks cost nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

CALLS: Counter[str] = Counter()
CPU_S: defaultdict[str, float] = defaultdict(float)


def timed(owner: Any, method: str, named: Callable[..., str]) -> None:
    """Count ``method`` of ``owner`` and the CPU seconds of its thread from now on."""
    really = getattr(owner, method)

    def call(*given: Any, **options: Any) -> Any:
        began = time.thread_time()
        try:
            return really(*given, **options)
        finally:
            name = named(*given)
            CALLS[name] += 1
            CPU_S[name] += time.thread_time() - began

    setattr(owner, method, call)


def watch() -> None:
    """Time every network, detector and lane."""
    import onnxruntime as ort

    from detectors import _landmarks
    from proctor.pipeline import flatout, runner

    files: dict[int, str] = {}
    begin = ort.InferenceSession.__init__

    def remembered(session: Any, source: Any, *rest: Any, **options: Any) -> None:
        files[id(session)] = Path(source).name if isinstance(source, str) else "(bytes)"
        begin(session, source, *rest, **options)

    ort.InferenceSession.__init__ = remembered  # type: ignore[method-assign]
    timed(ort.InferenceSession, "run", lambda session, *_: f"network {files[id(session)]}")
    timed(_landmarks.Landmarker, "find", lambda *_: "calls of the landmarker")
    timed(runner.Station, "_look", lambda station, *_: f"detector {station.plugin.name}")
    timed(flatout, "_work", lambda lane, *_: f"lane {lane.name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=90.0)
    arguments = parser.parse_args()

    import evaluate

    recording = arguments.recording or evaluate.sample()
    evaluate.scoring(recording, evaluate.WARM_S)
    watch()
    began = time.thread_time()
    told = evaluate.scoring(recording, arguments.seconds, warm=False)
    reading = time.thread_time() - began
    whole, media = told["cpu_s"], told["media_s"]
    lanes = sum(seconds for name, seconds in CPU_S.items() if name.startswith("lane "))
    rows = dict(CPU_S)
    rows["threads of MediaPipe"] = whole - lanes - reading
    rows["file, order, Parquet (main thread)"] = reading
    print(f"{media:.1f} s scored in {whole:.2f} s of CPU: {media / whole:.2f} x real time a core\n")
    print(f"{'':<44}{'calls':>7}{'CPU s':>8}{'ms each':>9}{'share':>8}")
    for name, seconds in sorted(rows.items(), key=lambda row: -row[1]):
        each = f"{1000 * seconds / CALLS[name]:.2f}" if CALLS[name] else ""
        calls = CALLS[name] or ""
        print(f"{name:<44}{calls:>7}{seconds:>8.2f}{each:>9}{seconds / whole:>8.1%}")
    networks = rows["threads of MediaPipe"]
    networks += sum(seconds for name, seconds in rows.items() if name.startswith("network "))
    print(
        f"\nthe networks alone: {networks / whole:.0%}, {media / networks:.2f} x real time a core"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
