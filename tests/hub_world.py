"""A real hub on loopback for tests: SQLite and a folder, or PostgreSQL and an S3 server of the tests' own.

    @pytest.fixture(params=hub_world.BACKENDS)
    def hub(request, tmp_path): with hub_world.running(request.param, tmp_path) as hub: yield hub

PostgreSQL and the S3 server are started once a test run, in a temporary folder, and need no account of
the machine's own; where their programs are missing, a test is skipped with the reason.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from proctor.hub import migrate, serve
from proctor.hub.app import Hub, create_app
from proctor.hub.settings import HubSettings

BACKENDS = ("sqlite", "postgresql")
START_S = 120.0
# Whom PostgreSQL runs as where the tests run as root, which it refuses.
ACCOUNTS = ("postgres", "nobody")


class RunningHub:
    """A hub that answers at ``url``; ``hub`` is what its one worker, a thread here, has open."""

    def __init__(self, settings: HubSettings) -> None:
        self.settings = settings
        self.app: FastAPI = create_app(settings)
        self.hub: Hub = self.app.state.hub
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(serve.config(settings, self.app))
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started:
            assert self._thread.is_alive(), "the hub did not start"
            assert time.monotonic() < deadline, "the hub takes too long to start"
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(START_S)
        self._socket.close()
        assert not self._thread.is_alive(), "the hub does not stop"


def settings_for(backend: str, folder: Path, **more: Any) -> HubSettings:
    """Settings of a fresh hub in ``folder`` on ``backend``; its tables are made."""
    # No second look by lot, which no test could foresee; those about it say so.
    said: dict[str, Any] = {"folder": folder / "hub", "reserve": 0, "second_looks": 0.0}
    if backend == "postgresql":
        said["database"] = fresh_database()
        endpoint, bucket = s3_server(), f"hub-{uuid.uuid4().hex[:12]}"
        make_bucket(endpoint, bucket)
        said |= {"blobs": f"s3://{bucket}/clips", "s3_endpoint": endpoint}
        said["ledger"] = f"s3://{bucket}/ledger"
    settings = HubSettings(**{**said, **more})
    migrate.prepare(settings)
    return settings


@contextlib.contextmanager
def running(backend: str, folder: Path, **more: Any) -> Iterator[RunningHub]:
    """A fresh hub that runs; ``more`` are settings."""
    with started(settings_for(backend, folder, **more)) as hub:
        yield hub


@contextlib.contextmanager
def started(settings: HubSettings) -> Iterator[RunningHub]:
    """The hub of ``settings``, whose tables are there, as one more worker in this process."""
    hub = RunningHub(settings)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


# PostgreSQL.


@functools.cache
def postgres_server() -> str:
    """The address of a PostgreSQL server of the tests' own, without a database's name."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, pg_ctl) are not on this machine")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    account = _account(folder)
    data, port = folder / "data", _free_port()
    _as(
        account,
        [str(programs / "initdb"), "-D", str(data), "-U", "hub", "-A", "trust", "-N", "-E", "UTF8"],
    )
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    )
    control = [str(programs / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w"]
    _as(account, [*control, "-o", options, "start"])

    def stop() -> None:
        _as(account, [*control, "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return f"postgresql://hub@127.0.0.1:{port}"


def fresh_database() -> str:
    """The address of an empty database."""
    import psycopg

    server, name = postgres_server(), f"hub_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"


def _postgres_programs() -> Path | None:
    places = [Path(found).parent] if (found := shutil.which("initdb")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


def _account(folder: Path) -> str | None:
    """Another account for PostgreSQL where this process is root; the folder becomes that account's."""
    if sys.platform == "win32" or os.getuid() != 0:
        return None
    import pwd

    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            return name
    pytest.skip("PostgreSQL does not run as root, and there is no account postgres or nobody")


def _as(account: str | None, command: list[str]) -> None:
    # Into a file: a server that goes on running would hold a pipe open.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            command,
            user=account,
            extra_groups=[] if account else None,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said.seek(0)
        assert done.returncode == 0, said.read().decode(errors="replace")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


# S3.


@functools.cache
def s3_server() -> str:
    """The address of a server that speaks S3, in this process (moto)."""
    moto = pytest.importorskip(
        "moto.server", reason="the S3 server of the tests (moto) is not here"
    )
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "tests")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "tests")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def make_bucket(endpoint: str, name: str) -> None:
    """An empty bucket."""
    import boto3

    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)
