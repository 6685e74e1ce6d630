"""How long `proctor --help` takes, beside a bare `python -c pass` (medians of fresh processes)."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

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
    helped = median_s(sys.executable, "-m", "proctor.cli.main", "--help")
    print(f"bare interpreter  {bare:.3f} s")
    print(f"proctor --help    {helped:.3f} s  ({helped / bare:.1f} x)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
