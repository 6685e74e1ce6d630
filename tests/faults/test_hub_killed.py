"""Workers killed, a database restarted, clocks a day apart: nothing acknowledged is lost or stored twice.

Killing goes on for as long as a case arrives; ``PROCTOR_FAULTS=1`` (``make faults``) takes more cases.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proctor.hub.app import open_hub
from proctor.hub.live_client import LiveClient
from proctor.hub.settings import HubSettings

if sys.platform == "win32":
    pytest.skip("kill -9 and PostgreSQL's own account are of Unix", allow_module_level=True)

_TESTS = Path(__file__).resolve().parents[1]
ROUNDS, KILLS = (6, 40) if os.environ.get("PROCTOR_FAULTS") else (1, 2)


def _load(name: str, below: str = "") -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TESTS / below / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_world, hub_cases, live_kit = _load("hub_world"), _load("hub_cases"), _load("live_kit")
check_whole = _load("test_hub_trouble", "faults").check_whole


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


@contextlib.contextmanager
def served(settings: HubSettings) -> Iterator[int]:
    """``proctor hub serve`` with the settings, and its process."""
    names = ("folder", "database", "headers", "blobs", "ledger", "s3_endpoint", "port", "workers")
    told = {f"PROCTOR_HUB_{name.upper()}": str(getattr(settings, name)) for name in names}
    told |= {"PROCTOR_HUB_RESERVE": "0"}
    program = [sys.executable, "-m", "proctor.cli.main", "hub", "serve"]
    process = subprocess.Popen(
        program, env=os.environ | told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        live_kit.wait(lambda: _answers(settings.port), "the hub", 60.0)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def _answers(port: int) -> bool:
    import urllib3

    with contextlib.suppress(urllib3.exceptions.HTTPError):
        asked = urllib3.request(
            "GET", f"http://127.0.0.1:{port}/v1/hub", retries=False, timeout=2.0
        )
        return asked.status == 200
    return False


def workers_of(pid: int) -> list[int]:
    """The processes that the hub started to answer: those that hold most of its memory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after = path.read_text().rpartition(") ")[2].split()
            line = (path.parent / "cmdline").read_bytes()
            if int(after[1]) == pid and b"spawn_main" in line:
                found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="workers are found below /proc")
@pytest.mark.parametrize("backend", hub_world.BACKENDS)
def test_workers_that_are_killed_lose_and_double_nothing(backend: str, tmp_path: Path) -> None:
    settings = hub_world.settings_for(backend, tmp_path, port=hub_world._free_port(), workers=2)
    hub, url = open_hub(settings), f"http://127.0.0.1:{settings.port}"
    exam = hub_cases.publish(hub, url)
    sent = [hub_cases.whole(tmp_path / f"case{n}", exam, 3, size=400_000) for n in range(ROUNDS)]
    with served(settings) as pid:
        live_kit.wait(lambda: len(workers_of(pid)) == 2, "both workers")
        over, killed = threading.Event(), []

        def kill() -> None:
            # One after the other, the first in the midst of the first case, each later one soon after
            # the last has begun to work again.
            while len(killed) < KILLS:
                for one in workers_of(pid)[:1]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(one, signal.SIGKILL)
                        killed.append(one)
                if over.wait(2.15):
                    return

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            for folder in sent:
                code = hub_cases.code(hub, exam)
                assert hub_cases.send(folder, url, code, most=100_000) == []
        finally:
            over.set()
            killer.join()
        assert killed
    for folder in sent:
        check_whole(hub, folder)
    hub.close()


@contextlib.contextmanager
def own_postgres() -> Iterator[tuple[str, Any]]:
    """A PostgreSQL server that keeps its word, and what restarts it as a power cut would."""
    programs = hub_world._postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, pg_ctl) are not on this machine")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    account, port = hub_world._account(folder), hub_world._free_port()
    data = folder / "data"
    make = [str(programs / "initdb"), "-D", str(data), "-U", "hub", "-A", "trust", "-E", "UTF8"]
    hub_world._as(account, make)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control = [str(programs / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w"]
    start = [*control, "-o", options, "start"]
    stop = [*control, "-m", "immediate", "stop"]
    hub_world._as(account, start)

    def restart() -> None:
        hub_world._as(account, stop)
        time.sleep(0.3)
        hub_world._as(account, start)

    try:
        import psycopg

        server = f"postgresql://hub@127.0.0.1:{port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as one:
            one.execute("CREATE DATABASE hub")
        yield f"{server}/hub", restart
    finally:
        hub_world._as(account, stop)
        shutil.rmtree(folder)


def test_a_database_that_is_restarted_under_the_hub_loses_nothing(tmp_path: Path) -> None:
    from proctor.hub import migrate

    with own_postgres() as (address, restart):
        settings = HubSettings(folder=tmp_path / "hub", database=address, reserve=0)
        migrate.prepare(settings)
        with hub_world.started(settings) as world:
            exam = hub_cases.publish(world.hub, world.url)
            folder = hub_cases.whole(tmp_path / "case", exam, 3, size=300_000)
            duty = live_kit.OnDuty(world.hub, world.url, "A. Person", "proctor")
            code = hub_cases.code(world.hub, exam)
            with live_kit.listening(duty) as heard:
                restart()
                over = threading.Event()

                def restart_now_and_then() -> None:
                    for pause in (0.4, 1.0):
                        if over.wait(pause):
                            return
                        restart()

                trouble = threading.Thread(target=restart_now_and_then)
                trouble.start()
                try:
                    assert hub_cases.send(folder, world.url, code, most=100_000) == []
                finally:
                    over.set()
                    trouble.join()
                check_whole(world.hub, folder)
                # The alerts are heard again, each once, though the line to the database was cut.
                live_kit.wait(lambda: len(heard.of("alert")) == 3, "the alerts of three flags")
                numbers = [number for _, number, _, _ in heard.events]
                assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1)])
def test_a_hub_whose_clock_is_a_day_off_takes_everything_and_says_so(
    ahead: timedelta, tmp_path: Path
) -> None:
    settings = hub_world.settings_for("sqlite", tmp_path)
    world = hub_world.RunningHub(settings)
    world.hub.now = lambda: datetime.now(UTC) + ahead
    world.start()
    try:
        exam = hub_cases.publish(world.hub, world.url)
        code = hub_cases.code(world.hub, exam)
        folder = hub_cases.whole(tmp_path / "case", exam, 2)
        attempt = hub_cases.attempt_of(folder)
        duty = live_kit.OnDuty(world.hub, world.url, "A. Person", "proctor")
        line = LiveClient(world.url, attempt, token=code)
        line.redeem(code)
        line.beat("running", "all", help_asked=False, at=time.time())
        live_kit.wait(lambda: duty.row(attempt)["state"] == "running", "the heartbeat")
        off = duty.row(attempt)["clock_ahead_s"]
        assert off == pytest.approx(-ahead.total_seconds(), abs=30.0)
        # How long a command makes sense is told as what is left, so no clock is compared with another.
        duty.give(attempt, "message", text="Hello.")
        (told,) = line.commands(0, wait=5)
        assert 800.0 < told.left_s <= 900.0
        line.close()
        assert hub_cases.send(folder, world.url, code) == []
        check_whole(world.hub, folder)
    finally:
        world.stop()


def test_a_command_whose_time_is_over_is_handed_out_no_more(tmp_path: Path) -> None:
    settings = hub_world.settings_for("sqlite", tmp_path)
    world, turned = hub_world.RunningHub(settings), [timedelta(0)]
    world.hub.now = lambda: datetime.now(UTC) + turned[0]
    world.start()
    try:
        exam = hub_cases.publish(world.hub, world.url)
        code = hub_cases.code(world.hub, exam)
        attempt = "ab" * 16
        line = LiveClient(world.url, attempt, token=code)
        line.redeem(code)
        duty = live_kit.OnDuty(world.hub, world.url, "A. Person", "proctor")
        number = duty.give(attempt, "pause", reason="There is a fire alarm in your building.")
        assert [one.id for one in line.commands(0, wait=0)] == [number]
        assert [one.id for one in line.commands(0, wait=0)] == [number]  # until it is done
        turned[0] = timedelta(minutes=3)
        assert line.commands(0, wait=0) == []
        assert duty.became(attempt, number) == "expired"
        line.done(number, "shown")  # a late word is still heard
        assert duty.became(attempt, number) == "shown"
        line.close()
    finally:
        world.stop()
