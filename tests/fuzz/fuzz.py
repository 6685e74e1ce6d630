"""Fuzz our own parsers, guided by the coverage that inputs reach (atheris, on Linux).

    python tests/fuzz/fuzz.py [TARGET]… [--seconds N] [--processes N]

A finding is any exception that is no refusal of ours, more than 5 s, or more than 300 MB, on one input.
It is printed as a line for ``tests/fuzz/corpus``. Exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import re
import resource
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 60
# Of computing: a busy machine may let any input wait. What hangs in C is found by the clock.
MOST_S, MOST_MB, HANGS_S = 5, 300, 60
LONGEST = 20_000


def run_one(target: str, seconds: int, corpus: Path, findings: Path) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["proctor.evidence", "policies", "targets"]):
        import targets
    import corpora

    for name, data in corpora.seeds(target).items():
        (corpus / name).write_bytes(data)
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    options = [
        f"-max_total_time={seconds}", f"-timeout={HANGS_S}", f"-rss_limit_mb={mine + MOST_MB}",
        f"-max_len={LONGEST}", f"-artifact_prefix={findings}/", "-print_final_stats=1", "-seed=1",
    ]  # fmt: skip
    targets.work_in(corpus.with_name("work"))
    read = targets.TARGETS[target]

    def within_time(data: bytes) -> None:
        signal.setitimer(signal.ITIMER_PROF, MOST_S)
        read(data)
        signal.setitimer(signal.ITIMER_PROF, 0)

    def too_long(number: int, frame: object) -> None:
        raise TimeoutError(f"more than {MOST_S} s on one input")

    signal.signal(signal.SIGPROF, too_long)
    atheris.Setup([sys.argv[0], *options, str(corpus)], within_time)
    atheris.Fuzz()


def fuzz(target: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own; prints a row and says whether nothing was found."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory) as place:
        corpus, findings = Path(place) / "corpus", Path(place) / "findings"
        corpus.mkdir()
        findings.mkdir()
        words = ["--one", target, "--seconds", str(seconds), "--place", place]
        done = subprocess.run(
            [sys.executable, str(Path(__file__).resolve()), *words],
            capture_output=True,
            text=True,
            errors="replace",
        )
        found = sorted(findings.iterdir())
        inputs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
        reached = re.findall(r"cov: (\d+)", done.stderr)
        count = inputs[1] if inputs else "?"
        row = (
            f"{target:<12} {count:>9} inputs   {reached[-1] if reached else '?':>6} places reached"
        )
        print(f"{row}   {len(found)} findings", flush=True)
        if done.returncode == 0 and not found:
            return True
        print(done.stdout[-3000:] + done.stderr[-3000:])
        for path in found:
            print(f"tests/fuzz/corpus/{target}/{path.name}.hex: {path.read_bytes().hex()}")
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz our own parsers.")
    parser.add_argument("target", nargs="*")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    parser.add_argument("--processes", type=int, default=2, help="targets at a time")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        run_one(given.one, given.seconds, given.place / "corpus", given.place / "findings")
    if not sys.platform.startswith("linux"):
        print("Nothing was fuzzed: atheris is there for Linux only.", file=sys.stderr)
        return 3
    names = given.target or sorted(p.name for p in (HERE / "corpus").iterdir() if p.is_dir())
    with ThreadPoolExecutor(given.processes) as pool:
        well = list(pool.map(lambda name: fuzz(name, given.seconds), names))
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
