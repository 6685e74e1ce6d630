"""A real case reaches a real hub over a line that breaks, and onto a disk that fills: nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import importlib.util
import random
import shutil
import socket
import struct
import sys
import threading
from pathlib import Path

import pytest
import urllib3
from sqlalchemy import event, select, text

from proctor.errors import MissingError
from proctor.evidence import layout
from proctor.hub import log, starting, tables

_TESTS = Path(__file__).resolve().parents[1]


def _load(name: str):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TESTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_world, hub_cases = _load("hub_world"), _load("hub_cases")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


class BrokenLine:
    """A relay before a hub that cuts or resets connections after so many bytes, in either direction."""

    def __init__(self, port: int, seed: int, chance: float) -> None:
        self._target, self._chance = ("127.0.0.1", port), chance
        self._random = random.Random(seed)  # noqa: S311
        self.cut = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, act, *arguments) -> None:
        thread = threading.Thread(target=act, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._server.accept()
                there = socket.create_connection(self._target)
                breaks = self._random.random() < self._chance
                # Where it breaks: in a request or in its answer.
                limits = [self._random.randrange(1, 40_000), self._random.randrange(1, 600)]
                which = self._random.randrange(2)
                for way, (one, two) in enumerate(((here, there), (there, here))):
                    most = limits[way] if breaks and way == which else None
                    self._start(self._pump, one, two, most)

    def _pump(self, one: socket.socket, two: socket.socket, most: int | None) -> None:
        count = 0
        with contextlib.suppress(OSError):
            while data := one.recv(65_536):
                if most is not None and count + len(data) > most:
                    two.sendall(data[: most - count])
                    self.cut += 1
                    for line in (one, two):
                        line.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                    break
                count += len(data)
                two.sendall(data)
        for line in (one, two):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(5.0)


def check_whole(hub, folder: Path) -> None:
    """The hub has the case byte by byte, and its log says each thing once."""
    attempt = hub_cases.attempt_of(folder)
    with hub.store.reading() as connection:
        batches = connection.execute(
            select(tables.batches.c.body)
            .where(tables.batches.c.attempt == attempt)
            .order_by(tables.batches.c.first)
        ).scalars()
        assert b"".join(bytes(b) for b in batches) == (folder / layout.JOURNAL).read_bytes()
        notes = connection.execute(
            select(tables.checkpoints.c.note).where(tables.checkpoints.c.attempt == attempt)
        ).scalars()
        wanted = {path.read_bytes() for path in (folder / layout.CHECKPOINTS).iterdir()}
        assert {bytes(note) for note in notes} == wanted
        clips = connection.execute(
            select(tables.clips).where(tables.clips.c.attempt == attempt)
        ).all()
        records = [r.kind for r in log.of_attempt(connection, attempt)]
    for clip in clips:
        with hub.store.headers() as connection:
            header = connection.execute(
                select(tables.headers.c.header).where(
                    tables.headers.c.attempt == attempt, tables.headers.c.flag == clip.flag
                )
            ).scalar_one()
        whole = (folder / layout.clip_name(clip.flag)).read_bytes()
        assert bytes(header) + hub.blobs.get(clip.blob) == whole
    assert records.count("enrolled") == 1
    assert records.count("stored") == len(clips) == len(list((folder / layout.CLIPS).iterdir()))
    assert records.count("checkpoint.countersigned") == len(wanted)


@pytest.mark.parametrize("backend", hub_world.BACKENDS)
def test_over_a_line_that_breaks_all_the_time(backend: str, tmp_path: Path) -> None:
    with hub_world.running(backend, tmp_path) as world:
        line = BrokenLine(world.port, seed=7, chance=0.6)
        exam = hub_cases.publish(world.hub, line.url)
        folder = hub_cases.whole(tmp_path / "case", exam, 3, size=150_000)
        code = hub_cases.code(world.hub, exam)
        assert hub_cases.send(folder, line.url, code) == []
        line.close()
        assert line.cut >= 5
        check_whole(world.hub, folder)


def test_a_full_disk_takes_nothing_by_half_and_goes_on_later(tmp_path: Path) -> None:
    """SQLite is given no page more, as on a full disk; then the store of clips has no room."""
    with hub_world.running("sqlite", tmp_path) as world:
        exam = hub_cases.publish(world.hub, world.url)
        folder = hub_cases.whole(tmp_path / "case", exam, 2)
        code = hub_cases.code(world.hub, exam)
        pages = world.hub.store.engine
        full = {"is": True}

        def limit(connection, record, proxy) -> None:
            most = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {most if full['is'] else 2**30}")

        event.listen(pages, "checkout", limit)
        pages.dispose()
        told = trouble(folder, world.url, code)
        assert "the hub answered 507" in told
        with world.hub.store.reading() as connection:
            kept = connection.execute(select(tables.attempts.c.lines)).scalar_one_or_none() or 0
        assert kept < (folder / layout.JOURNAL).read_bytes().count(b"\n")
        full["is"] = False
        assert hub_cases.send(folder, world.url, code) == []
        check_whole(world.hub, folder)
        with world.hub.store.reading() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"


def test_clips_wait_while_little_of_the_disk_is_free(tmp_path: Path) -> None:
    settings = hub_world.settings_for("sqlite", tmp_path)
    with hub_world.started(settings.model_copy(update={"reserve": 2**60})) as world:
        exam = hub_cases.publish(world.hub, world.url)
        folder = hub_cases.whole(tmp_path / "case", exam, 1)
        code = hub_cases.code(world.hub, exam)
        assert "the hub answered 507" in trouble(folder, world.url, code)
        # Records still find room.
        with world.hub.store.reading() as connection:
            assert connection.execute(select(tables.attempts.c.state)).scalar_one() == "ended"
        assert list(world.hub.blobs.names("parts")) == []


def test_a_folder_that_is_not_there_any_more_is_no_empty_folder(tmp_path: Path) -> None:
    settings = hub_world.settings_for("sqlite", tmp_path)
    with hub_world.started(settings) as world:
        ready = f"{world.url}/readyz"
        assert urllib3.request("GET", ready, retries=False).status == 200
        shutil.rmtree(settings.blobs)
        assert urllib3.request("GET", ready, retries=False).status == 503
    # A ledger that cannot be read stops the start: it may name what a backup brought back.
    (Path(settings.ledger) / "tombstones").write_bytes(b"")
    with pytest.raises(MissingError, match="Look at the settings blobs and ledger"):
        starting.start(settings)


def trouble(folder: Path, url: str, code: str) -> str:
    """What the sender says is in the way, after a few tries."""
    from proctor.evidence.outbox import Outbox
    from proctor.evidence.sender import Sender
    from proctor.hub.client import HubClient

    told: list[str] = []
    with Outbox.of(folder, url) as outbox:
        client = HubClient(url, hub_cases.attempt_of(folder), token=code)
        sender = Sender(outbox, client, tell=told.append, chance=lambda: 0.0)
        for _ in range(40):
            sender.step()
        client.close()
    return " ".join(told)


def test_a_database_connection_that_lay_and_broke_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from proctor.hub import store as stores

    said = hub_world.settings_for("postgresql", tmp_path)
    store, other = (stores.Store(said.database, said.headers) for _ in range(2))

    def use() -> int:
        with store.transaction() as tx:
            return int(tx.execute(text("SELECT pg_backend_pid()")).scalar_one())

    def end(backend: int) -> None:
        with other.transaction() as tx:
            gone = tx.execute(text("SELECT pg_terminate_backend(:pid, 20000)"), {"pid": backend})
            assert gone.scalar_one()

    try:
        # One that was used a moment ago is believed: a single request fails, and the next has another.
        monkeypatch.setattr(stores, "ASK_S", 600.0)
        first = use()
        assert use() == first
        end(first)
        with pytest.raises(OperationalError):
            use()
        second = use()
        assert second != first
        # One that lay is asked, and no request fails.
        monkeypatch.setattr(stores, "ASK_S", 0.0)
        end(second)
        assert use() != second
    finally:
        store.close()
        other.close()


@pytest.mark.parametrize("backend", hub_world.BACKENDS)
def test_a_hub_with_older_tables_keeps_its_flags_and_decisions(
    backend: str, tmp_path: Path
) -> None:
    from alembic import command

    from proctor.hub import migrate, staff_tables
    from proctor.hub.settings import HubSettings
    from proctor.hub.store import Store

    database = hub_world.fresh_database() if backend == "postgresql" else ""
    said = HubSettings(folder=tmp_path / "hub", database=database)
    store = Store(said.database, said.headers)
    rows = (
        "INSERT INTO staff (id, name, roles, password, must_change, totp_step, disabled, created) "
        "VALUES ('p', 'Ada', 'reviewer', '', {no}, 0, {no}, {at})",
        "INSERT INTO decisions (id, attempt, flag, person, at, envelope) "
        "VALUES ('d', 'a', 'f1', 'p', {at}, {bytes})",
    )
    postgres = backend == "postgresql"
    literals = {
        "no": "false" if postgres else "0",
        "at": "'2026-11-22 12:00:00+00:00'" if postgres else "'2026-11-22 12:00:00.000000'",
        "bytes": "'\\x00'" if postgres else "x'00'",
    }
    try:
        with store.transaction() as tx:
            config = migrate._config(tx.connection)
            for step in ("staff_0001", "live_0001"):
                command.upgrade(config, step)
            for row in rows:
                tx.execute(text(row.format(**literals)))
        migrate.prepare(said)
        with store.reading() as connection:
            assert migrate.is_current(connection)
            (row,) = connection.execute(select(staff_tables.decisions)).all()
        assert (row.flag, row.extra, bytes(row.envelope)) == ("f1", False, b"\0")
    finally:
        store.close()
