"""Kill the agent, or fail its disk, at every call that changes a disk; print a table of what came of it.

    python tests/faults/disturb.py [--scenario NAME]… [--sample N] [--fault KILL|SEGV|EIO|ENOSPC]…

Without ``--sample`` every call is struck once with every fault; with it, about N calls of each kind.
Exit code 1 where anything was lost, 3 where strace cannot be used.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import scenarios
import striking

import proctor.session.session  # noqa: F401 (imported once, here, and not in every forked program)
from proctor.pipeline import plugins

TRIES = 3


def chosen(moments: list[int], sample: int | None, turn: int) -> list[int]:
    """All moments, or about ``sample`` of them spread over all; ``turn`` shifts which."""
    if sample is None or len(moments) <= sample:
        return moments
    step = len(moments) / sample
    return [moments[int((i + (turn % 3) / 3) * step)] for i in range(sample)]


def disturb(
    scenario: scenarios.Scenario, base: Path, faults: Sequence[str], sample: int | None
) -> list[str]:
    """Strike one scenario; prints a row for each kind of call and returns what failed."""
    failures = []
    calm, log = base / "undisturbed", base / "log"
    scenario.begin(calm)
    found = striking.moments(lambda: scenario.work(calm), log)
    shutil.rmtree(calm)
    turn = 0
    for kind, numbers in found.items():
        row = []
        for fault in faults:
            turn += 1
            bad, places = 0, chosen(list(range(len(numbers))), sample, turn)
            for place in places:
                problem = once(scenario, base, found, (kind, place, fault))
                bad += bool(problem)
                failures += [problem] if problem else []
            row.append(f"{fault} {len(places) - bad}/{len(places)}")
        print(
            f"{scenario.name:<8} {kind:<9} {len(numbers):>4} calls   {'   '.join(row)}", flush=True
        )
    return failures


def once(
    scenario: scenarios.Scenario,
    base: Path,
    found: dict[str, list[int]],
    where: tuple[str, int, str],
) -> str:
    """Strike one call; returns what failed, or nothing."""
    kind, place, fault = where
    log, at = base / "log", base / "-".join(map(str, where))
    for attempt in range(TRIES):
        number = found[kind][place]
        scenario.begin(at)
        ended = striking.strike(lambda: scenario.work(at), log, kind, number, fault)
        if not ended.struck or striking.changes_disk(ended.struck) or attempt == TRIES - 1:
            break
        # Files that are only read are counted by the same call, and there may be more by now.
        shutil.rmtree(at)
        scenario.begin(at)
        found.update(striking.moments(lambda: scenario.work(at), log))
        shutil.rmtree(at)
    try:
        assert ended.struck, "nothing was struck"
        assert striking.changes_disk(ended.struck), "a call that only reads was struck"
        scenario.check_all(at, ended, fault)
    except AssertionError as error:
        return f"{scenario.name}: {fault} at {kind} {number}: {error}\n    {ended.struck[:400]}"
    finally:
        shutil.rmtree(at)
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the agent, or fail its disk, at every call.")
    parser.add_argument("--scenario", action="append", metavar="NAME")
    parser.add_argument("--fault", action="append", choices=striking.FAULTS)
    parser.add_argument("--sample", type=int, metavar="N", help="about N calls of each kind")
    given = parser.parse_args()
    why_not = striking.strace_works()
    if why_not:
        print(f"Nothing was tried: {why_not}.", file=sys.stderr)
        return 3
    plugins.discover()
    began = time.monotonic()
    failures = []
    base = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        for scenario in scenarios.all_scenarios(base, given.scenario):
            failures += disturb(scenario, base, given.fault or striking.FAULTS, given.sample)
    finally:
        shutil.rmtree(base)
    print("\n".join(failures))
    print(f"{len(failures)} of all moments failed, in {time.monotonic() - began:.0f} s.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
