"""What a hub on this machine carries: many students at once, on SQLite and PostgreSQL, with 1, 2 and 4 workers.

    python benchmarks/hub.py [--students 1000] [--seconds 90] [--database sqlite postgresql]
                             [--workers 1 2 4] [--clip 2000000] [--folder DIR]

Each student has a flag every 2 minutes (two events, a journal batch with its signed checkpoint, and a
sealed clip) and a heartbeat every 10 s. The students run on the same processor cores as the hub: what is
printed as their share is not there for the hub. Clips lie in a folder on both databases; PostgreSQL is
a server of this benchmark's own, with fsync on. Afterwards, events alone are posted as fast as the hub
takes them, by 32 students at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hub_load import Measured, Student
from pyrage import encrypt, x25519

from policies import sign
from proctor.hub import enrol, migrate
from proctor.hub.app import open_hub
from proctor.hub.settings import HubSettings

_SPEC = importlib.util.spec_from_file_location(
    "hub_world", Path(__file__).parents[1] / "tests/hub_world.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
hub_world = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hub_world)

FLAG_S, BEAT_S = 120.0, 10.0
FULL_S, AT_ONCE = 8.0, 32
# Memory is read every 10 s.
PER_MINUTE = 6
POLICY = """
version = 1
id = "load"
institution = "Load"
exam = "Load"
contact = "load@example.org"
stakes = "practice"
hub = "http://127.0.0.1:{port}"
[purposes.camera]
alternative = "None is needed."
[purposes.clips]
alternative = "None is needed."
[detectors.camera]
[rules."camera.frozen"]
"""


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database that keeps its word when the power goes."""
    if kind == "sqlite":
        yield ""
        return
    programs = hub_world._postgres_programs()
    if programs is None:
        raise SystemExit("PostgreSQL's programs (initdb, pg_ctl) are not on this machine.")
    home = Path(tempfile.mkdtemp(prefix="pg", dir=folder))
    folder.chmod(0o755)
    account, port = hub_world._account(home), hub_world._free_port()
    data = home / "data"
    make = [str(programs / "initdb"), "-D", str(data), "-U", "hub", "-A", "trust", "-E", "UTF8"]
    hub_world._as(account, make)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home}"
    control = [str(programs / "pg_ctl"), "-D", str(data), "-l", str(home / "log"), "-w"]
    hub_world._as(account, [*control, "-o", options, "start"])
    try:
        import psycopg

        with psycopg.connect(f"postgresql://hub@127.0.0.1:{port}/postgres", autocommit=True) as one:
            one.execute("CREATE DATABASE hub")
        yield f"postgresql://hub@127.0.0.1:{port}/hub"
    finally:
        hub_world._as(account, [*control, "-m", "immediate", "stop"])


def family(pid: int) -> list[int]:
    """A process and everything that it started."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after = path.read_text().rpartition(") ")[2].split()
            if int(after[1]) in found:
                found.append(int(path.parent.name))
    return found


def memory(pid: int) -> float:
    """Megabytes that a hub with its workers holds of its own (proportional set size)."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return total / 1000


def cpu(pid: int) -> float:
    """CPU seconds of a hub with its workers so far."""
    ticks = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            after = Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2].split()
            ticks += int(after[11]) + int(after[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def line_of(kind: str, took: list[float]) -> str:
    took = sorted(took)
    at = [1000 * took[min(len(took) - 1, int(len(took) * share))] for share in (0.5, 0.95, 0.99)]
    return (
        f"    {kind:<16} {len(took):>6} requests   p50 {at[0]:>7.1f}   p95 {at[1]:>7.1f}   "
        f"p99 {at[2]:>7.1f}   most {1000 * took[-1]:>7.1f} ms"
    )


async def load(students: list[Student], measured: Measured, pid: int, seconds: float) -> None:
    """The students' day: they come, they sit, and at last some post as fast as they can."""
    gate = asyncio.Semaphore(32)

    async def come(one: Student) -> None:
        async with gate:
            await one.begin()

    began = time.monotonic()
    await asyncio.gather(*map(come, students))
    print(f"  {len(students)} students came within {time.monotonic() - began:.1f} s")
    lags: list[float] = []
    sizes: list[float] = []

    async def watch() -> None:
        while True:
            due = time.monotonic() + 0.1
            await asyncio.sleep(0.1)
            lags.append(time.monotonic() - due)
            if len(lags) % 100 == 1:
                sizes.append(memory(pid))

    watcher = asyncio.create_task(watch())
    measured.recording = True
    hub_before, mine_before, began = cpu(pid), time.process_time(), time.monotonic()
    until = began + seconds
    results = await asyncio.gather(
        *(one.sit(until, FLAG_S, BEAT_S) for one in students), return_exceptions=True
    )
    lasted = time.monotonic() - began
    measured.recording = False
    watcher.cancel()
    for kind in sorted(measured.took):
        print(line_of(kind, measured.took[kind]))
    wrong = [one for one in results if isinstance(one, BaseException)]
    print(f"    errors: {dict(measured.errors) or 'none'}; students that gave up: {len(wrong)}")
    print(
        f"    processor: hub {100 * (cpu(pid) - hub_before) / lasted:.0f} %, students "
        f"{100 * (time.process_time() - mine_before) / lasted:.0f} % of one core; the students' own "
        f"lag p99 {1000 * sorted(lags)[int(len(lags) * 0.99)]:.0f} ms"
    )
    half = len(sizes) // 2
    print(
        f"    memory of the hub: first half {statistics.fmean(sizes[: half or 1]):.0f} MB, second half "
        f"{statistics.fmean(sizes[half:]):.0f} MB, most {max(sizes):.0f} MB"
    )
    minutes = [sizes[at : at + PER_MINUTE] for at in range(0, len(sizes), PER_MINUTE)]
    if len(minutes) > 2:
        means = ", ".join(f"{statistics.fmean(one):.1f}" for one in minutes)
        print(f"    memory of the hub by minute: {means} MB")
    await full_speed(students[:AT_ONCE], measured)


async def full_speed(students: list[Student], measured: Measured) -> None:
    measured.took.clear()
    measured.recording = True
    until = time.monotonic() + FULL_S

    async def post(one: Student) -> None:
        count = 0
        while time.monotonic() < until:
            count += 1
            said = {"id": f"gaze.away-{count:04d}", "kind": "gaze.away", "start": float(count)}
            await one.event(*one.line("flag", said))

    await asyncio.gather(*map(post, students))
    took = measured.took.get("events", [])
    print(f"    as fast as it goes: {len(took) / FULL_S:.0f} events a second")
    print(line_of("events", took))


def run(kind: str, workers: int, arguments: argparse.Namespace, folder: Path) -> None:
    port = hub_world._free_port()
    with database(kind, folder) as address:
        settings = HubSettings(
            folder=folder / "hub", database=address, port=port, workers=workers, reserve=0
        )
        migrate.prepare(settings)
        hub = open_hub(settings)
        policy = POLICY.format(port=port).encode()
        envelope = sign.envelope(policy, sign.PAYLOAD_TYPE, [Ed25519PrivateKey.generate()])
        exam, digest = enrol.publish(hub, envelope, None)
        codes = enrol.new_codes(hub, exam, digest, arguments.students)
        hub.close()
        whose = {f"PROCTOR_HUB_{k}".upper(): str(v) for k, v in (
            ("folder", settings.folder), ("database", address), ("port", port),
            ("workers", workers), ("reserve", 0),
        ) if v != ""}  # fmt: skip
        program = [sys.executable, "-m", "proctor.cli.main", "hub", "serve"]
        log = (folder / "hub.log").open("wb")
        process = subprocess.Popen(program, env=os.environ | whose, stdout=log, stderr=log)
        try:
            wait_for(port, process)
            clip = encrypt(os.urandom(arguments.clip), [x25519.Identity.generate().to_public()])
            measured = Measured()
            students = [
                Student(port, one.code, (policy, envelope), clip, measured) for one in codes
            ]
            print(f"{kind}, {workers} worker{'s' if workers > 1 else ''}:", flush=True)
            asyncio.run(load(students, measured, process.pid, arguments.seconds))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
            log.close()


def wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    import socket

    ends = time.monotonic() + 60
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            time.sleep(2.0)  # every worker listens
            return
        time.sleep(0.1)
    raise SystemExit("The hub did not start.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--clip", type=int, default=2_000_000)
    parser.add_argument("--database", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    print(
        f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}; the students run here too"
    )
    for kind in arguments.database:
        for workers in arguments.workers:
            folder = Path(tempfile.mkdtemp(prefix="hub-load", dir=arguments.folder))
            try:
                run(kind, workers, arguments, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            print(f"    load of the machine: {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
