"""How long `proctor --help` and `proctor policy check` take, beside a bare `python -c pass`.

Medians of fresh processes. The policy checked is the largest preset.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from policies import load

ROUNDS = 9


def median_s(*command: str) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> int:
    bare = median_s(sys.executable, "-c", "pass")
    proctor = (sys.executable, "-m", "proctor.cli.main")
    helped = median_s(*proctor, "--help")
    presets = (Path(load.__file__).parent / "presets").glob("*.toml")
    largest = max(presets, key=lambda path: path.stat().st_size).stem
    checked = median_s(*proctor, "policy", "check", largest)
    print(f"bare interpreter  {bare:.3f} s")
    print(f"proctor --help    {helped:.3f} s  ({helped / bare:.1f} x)")
    print(
        f"policy check      {checked:.3f} s  ({checked / bare:.1f} x; preset {largest}, wanted: 0.5)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
