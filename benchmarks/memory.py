"""Does a long replay grow? The sample exam, looped, with resident memory at regular points.

python benchmarks/memory.py [--minutes 20]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

EVERY_S = 120.0


class Looped:
    """A recording that plays again and again until ``seconds`` are full."""

    def __init__(self, recording: Any, seconds: float) -> None:
        self._recording, self._seconds = recording, seconds
        self.readings: list[tuple[float, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recording, name)

    def samples(self, **options: Any) -> Iterator[Any]:
        offset = 0.0
        while True:
            end = 0.0
            for sample in self._recording.samples(**options):
                end = max(end, getattr(sample, "end", sample.t + 0.1))
                t = sample.t + offset
                if t >= self._seconds:
                    return
                if not self.readings or t >= self.readings[-1][0] + EVERY_S:
                    self.readings.append((t, resident_mb()))
                    print(f"{t / 60:6.1f} min  {self.readings[-1][1]:6.0f} MB", flush=True)
                yield replace(sample, t=t)
            offset += end


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("resident memory is read from /proc, which only Linux has")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()

    from models import registry
    from policies.consent import accept_all
    from proctor.capture.replay import Recording
    from proctor.session import sample_exam
    from proctor.session.plan import make_plan
    from proctor.session.session import Session, choose_recipients

    plan = make_plan("standard", require_all=False)
    looped = Looped(
        Recording.open(sample_exam.compose(registry.cache_dir())), arguments.minutes * 60
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(
            plan,
            accept_all(plan.policy),
            Path(folder) / "case",
            recipients=choose_recipients(plan, []),
        ) as session,
    ):
        summary = session.replay(looped)  # type: ignore[arg-type]
    warm = [mb for t, mb in looped.readings if t >= EVERY_S]
    growth = warm[-1] - warm[0] if len(warm) > 1 else 0.0
    print(f"{summary.flags} flags; growth after the first two minutes: {growth:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
