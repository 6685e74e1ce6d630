"""A live exam of a recording posing as devices: start, age of frames, CPU, sealing delay, memory.

    python benchmarks/live.py [RECORDING] [--seconds 60]

Prints seconds from process start to the first judged frame, how old frames were when a detector began
to look, percent of one core, seconds from the end of each clip to its sealed file on disk, peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LOADED = time.time()


def process_age() -> float:
    """Seconds since this process was started, interpreter and imports included."""
    if sys.platform != "linux":
        return time.time() - LOADED
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()

    from policies.consent import accept_all
    from proctor.capture.replay import RealTimeReplay, Recording
    from proctor.pipeline.runner import Station
    from proctor.session.plan import make_plan
    from proctor.session.session import Session, choose_recipients
    from proctor.types import Frame

    recording = arguments.recording
    if recording is None:
        from models import registry
        from proctor.session import sample_exam

        recording = sample_exam.compose(registry.cache_dir())
    plan = make_plan("standard", require_all=False)
    ages: list[float] = []
    first: list[float] = []
    delays: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(
            plan,
            accept_all(plan.policy),
            Path(folder) / "case",
            recipients=choose_recipients(plan, []),
        ) as session,
    ):
        look = Station.look

        def watched(station: Station, sample: Any) -> Any:
            if isinstance(sample, Frame):
                ages.append(session.clock.now() - sample.t)
            answers = look(station, sample)
            if not first and isinstance(sample, Frame):
                first.append(process_age())
            return answers

        Station.look = watched  # type: ignore[method-assign]
        store = session.case.store

        def stored(sealed: Any, extra: Any) -> Path:
            path = store(sealed, extra)
            delays.append(session.clock.now() - sealed.end)
            return path

        session.case.store = stored  # type: ignore[method-assign]
        began_cpu, began = time.process_time(), time.monotonic()
        source = RealTimeReplay(
            Recording.open(recording),
            session.clock,
            camera=session.grants["camera"],
            microphone=session.grants["microphone"],
        )
        summary = session.live([source], until=lambda t: t >= arguments.seconds)
        cpu = time.process_time() - began_cpu
        wall = time.monotonic() - began
    report = {
        "seconds": round(wall, 1),
        "first_frame_judged_s": round(first[0], 2),
        "frame_age_ms_median_max": [
            round(1000 * statistics.median(ages)),
            round(1000 * max(ages)),
        ],
        "percent_of_one_core": round(100 * cpu / wall, 1),
        "frames_dropped": summary.frames_dropped,
        "clip_end_to_sealed_s": [round(d, 2) for d in delays],
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
