"""What may be kept no longer goes, header first; a hold stops it; a restored backup brings nothing back."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from proctor.errors import CheckFailed
from proctor.evidence import layout
from proctor.hub import (
    enrol,
    items,
    live_tables,
    log,
    retention,
    staff_tables,
    starting,
    tables,
)
from proctor.hub.blobs import Missing, open_blobs
from proctor.hub.problems import Problem

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


@pytest.fixture(params=hub_world.BACKENDS)
def settings(request, tmp_path: Path, own_home):
    return hub_world.settings_for(request.param, tmp_path)


@pytest.fixture
def world(settings):
    with hub_world.started(settings) as running:
        yield running


def delivered(world, folder: Path, flags: int, **policy) -> str:
    exam = hub_cases.publish(world.hub, world.url, **policy)
    hub_cases.whole(folder, exam, flags)
    assert hub_cases.send(folder, world.url, hub_cases.code(world.hub, exam)) == []
    return hub_cases.attempt_of(folder)


def states(hub) -> dict[str, str]:
    with hub.store.reading() as connection:
        return {r.flag: r.state for r in connection.execute(select(tables.clips))}


def flag_states(hub) -> dict[str, str]:
    with hub.store.reading() as connection:
        return {r.flag: r.state for r in connection.execute(select(staff_tables.flags))}


def headers(hub) -> set[str]:
    with hub.store.headers() as connection:
        return set(connection.execute(select(tables.headers.c.flag)).scalars())


def lying(hub) -> list[str]:
    return [name for name in hub.blobs.names("clips") if name.endswith(".payload")]


def records(hub, kind: str) -> list[dict]:
    with hub.store.reading() as connection:
        rows = connection.execute(
            select(tables.log_records.c.body)
            .where(tables.log_records.c.kind == kind)
            .order_by(tables.log_records.c.position)
        ).scalars()
        return [json.loads(bytes(row)) for row in rows]


def later(world, days: float) -> None:
    world.hub.now = lambda: datetime.now(UTC) + timedelta(days=days)


def test_each_class_goes_by_its_own_clock_and_a_hold_stops_all_of_them(
    world, tmp_path: Path
) -> None:
    attempt = delivered(world, tmp_path / "case", 3, window=5, clips=20, journal=40)
    one, two, three = sorted(states(world.hub))
    with world.hub.store.transaction() as tx:
        tx.execute(update(staff_tables.flags).values(comment="The student's words."))
        command = {"kind": "message", "text": "Are you well?", "person": "p", "name": "A. Person"}
        more = {"attempt": attempt, "minutes": 0.0, "signed": "", "at": 1.0, "expires": 2.0}
        tx.execute(insert(live_tables.commands).values(**command, **more, outcome="shown"))
        until = datetime.now(UTC) + timedelta(days=100)
        log.append(tx, "decision", {"verdict": "test"}, attempt=attempt, flag=two)
        tx.execute(
            insert(tables.holds).values(
                hold="0" * 32, attempt=attempt, flags=three, name="A. Person", reason="appeal",
                until=until, made=datetime.now(UTC),
            )
        )  # fmt: skip
    later(world, 4.9)
    assert retention.tick(world.hub) == 0
    later(world, 5.1)  # the review window is over: what nobody decided on goes
    assert retention.tick(world.hub) == 1
    assert states(world.hub) == {one: "erased", two: "stored", three: "stored"}
    assert headers(world.hub) == {two, three}
    assert len(lying(world.hub)) == 2
    assert records(world.hub, "erased")[-1]["data"]["rule"] == "O2"
    later(world, 20.1)
    assert retention.tick(world.hub) == 1
    assert states(world.hub)[two] == "erased"
    later(world, 90)
    assert retention.tick(world.hub) == 0, "the hold stops the last clip and its journal"
    later(world, 101)
    assert retention.tick(world.hub) == 2
    assert (set(states(world.hub).values()), headers(world.hub), lying(world.hub)) == (
        {"erased"},
        set(),
        [],
    )
    with world.hub.store.reading() as connection:
        for table in (tables.batches, live_tables.commands, live_tables.alerts):
            assert connection.execute(select(table)).all() == []
        assert set(connection.execute(select(staff_tables.flags.c.comment)).scalars()) == {""}
        assert connection.execute(select(tables.attempts.c.state)).scalar_one() == "erased"
    assert retention.tick(world.hub) == 0


def test_a_held_clip_that_the_student_erased_goes_when_the_hold_ends(world, tmp_path: Path) -> None:
    exam = hub_cases.publish(world.hub, world.url)
    code = hub_cases.code(world.hub, exam)
    case = hub_cases.begin(tmp_path / "case", exam)
    name = hub_cases.flag(case, 1)
    hub_cases.send(case.folder, world.url, code)
    now = datetime.now(UTC)
    with world.hub.store.transaction() as tx:
        tx.execute(
            insert(tables.holds).values(
                hold="0" * 32, attempt=case.attempt, flags="", name="A. Person", reason="appeal",
                until=now + timedelta(days=2), made=now,
            )
        )  # fmt: skip
    hub_cases.erase(case, name)
    said = (case.folder / layout.JOURNAL).read_bytes().splitlines()
    (number,) = [n for n, line in enumerate(said, 1) if b'"type":"erased"' in line]
    # Nor does it help to say so ahead of the journal, as an event.
    seat = enrol.attempt_of(world.hub, f"Bearer {code}", case.attempt)
    with pytest.raises(Problem, match="with its batch only"):
        items.take_event(world.hub, seat, str(number), said[number - 1])
    hub_cases.send(case.folder, world.url, code)
    case.close()
    assert (states(world.hub), headers(world.hub)) == ({name: "stored"}, {name})
    assert flag_states(world.hub) == {name: "waiting"}
    assert len(records(world.hub, "erasure.held")) == 1
    later(world, 1)
    assert retention.tick(world.hub) == 0
    later(world, 2.1)
    assert retention.tick(world.hub) == 1
    assert (states(world.hub), headers(world.hub), lying(world.hub)) == (
        {name: "erased"},
        set(),
        [],
    )
    assert flag_states(world.hub) == {name: "erased"}


def test_a_policy_that_cannot_be_read_any_more_keeps_nobody_elses_clips(
    world, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = delivered(world, tmp_path / "one", 1, name="one", window=5)
    delivered(world, tmp_path / "two", 1, name="two", window=5)
    with world.hub.store.transaction() as tx:
        tx.execute(
            update(tables.policies).where(tables.policies.c.exam == "one").values(envelope=b"{}")
        )
    later(world, 5.1)
    assert retention.tick(world.hub) == 1
    with world.hub.store.reading() as connection:
        left = select(tables.clips.c.attempt).where(tables.clips.c.state == "stored")
        assert list(connection.execute(left).scalars()) == [broken]
    (said,) = [one for one in caplog.records if one.message == "retention" and one.levelno >= 40]
    assert "Error" in said.fault


def test_a_fault_in_one_round_does_not_end_the_worker(world) -> None:
    rounds = 0

    def act(hub) -> int:
        nonlocal rounds
        rounds += 1
        raise KeyError("a fault of the program")

    async def three() -> None:
        async with retention.regularly(hub, "retention", act)():
            while rounds < 3:
                await asyncio.sleep(0.01)

    hub = replace(world.hub, settings=world.settings.model_copy(update={"retention_s": 0.01}))
    asyncio.run(asyncio.wait_for(three(), 30.0))


def test_a_clock_of_the_students_does_not_shorten_how_long_a_clip_is_kept(
    world, tmp_path: Path
) -> None:
    exam = hub_cases.publish(world.hub, world.url, window=5)
    case = hub_cases.begin(tmp_path / "case", exam, datetime(2001, 1, 1, tzinfo=UTC))
    name = hub_cases.flag(case, 1)
    case.close()
    hub_cases.send(case.folder, world.url, hub_cases.code(world.hub, exam))
    assert retention.tick(world.hub) == 0
    assert states(world.hub) == {name: "stored"}


def backup(settings, tmp_path: Path):
    """A whole copy of database, headers and clips, but not of the ledger; returns what restores it."""
    blobs = open_blobs(settings.blobs, settings)
    kept = {name: blobs.get(name) for name in blobs.names("clips")}
    if settings.on_sqlite:
        copy = tmp_path / "backup"
        copy.mkdir()
        files = ["hub.sqlite", "headers.sqlite"]
        for name in files:
            shutil.copy(settings.folder / name, copy / name)

        def database() -> None:
            for name in files:
                for side in ("-wal", "-shm"):
                    (settings.folder / (name + side)).unlink(missing_ok=True)
                shutil.copy(copy / name, settings.folder / name)
    else:
        import psycopg

        server, _, name = settings.database.replace("+psycopg", "").rpartition("/")
        saved = f"saved_{uuid.uuid4().hex[:12]}"

        def sql(*commands: str) -> None:
            with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
                for command in commands:
                    connection.execute(command)

        sql(f'CREATE DATABASE "{saved}" TEMPLATE "{name}"')

        def database() -> None:
            sql(f'DROP DATABASE "{name}"', f'CREATE DATABASE "{name}" TEMPLATE "{saved}"')

    def restore() -> None:
        database()
        for key, data in kept.items():
            blobs.put(key, data)

    return restore


def test_a_restored_backup_brings_no_clip_back(settings, tmp_path: Path) -> None:
    with hub_world.started(settings) as world:
        exam = hub_cases.publish(world.hub, world.url)
        code = hub_cases.code(world.hub, exam)
        case = hub_cases.begin(tmp_path / "case", exam)
        gone, stays = hub_cases.flag(case, 1), hub_cases.flag(case, 2)
        hub_cases.send(case.folder, world.url, code)
    restore = backup(settings, tmp_path)
    with hub_world.started(settings) as world:
        hub_cases.erase(case, gone)
        case.close()
        (tmp_path / "home" / "outbox").rename(tmp_path / "old-queue")
        hub_cases.send(case.folder, world.url, code)
        assert states(world.hub) == {gone: "erased", stays: "stored"}
        retention.tick(world.hub)
        longer = log_size(world.hub)
    restore()
    with starting.opened(settings) as hub:
        # Without the mechanism the clip would be back, whole and with its key.
        assert states(hub) == {gone: "stored", stays: "stored"}
        assert headers(hub) == {gone, stays}
        assert len(lying(hub)) == 2
        assert log_size(hub) < longer
    assert starting.start(settings) == 1
    assert starting.start(settings) == 0
    with starting.opened(settings) as hub:
        assert states(hub) == {gone: "erased", stays: "stored"}
        assert headers(hub) == {stays}
        assert len(lying(hub)) == 1
        with pytest.raises(Missing):
            hub.blobs.get(f"clips/{case.attempt[:2]}/{case.attempt}/{gone}.payload")
        # That the log lost its end is on record for everybody who reads it.
        (said,) = records(hub, "log.restored")
        assert said["data"]["before"]["size"] == longer


def log_size(hub) -> int:
    with hub.store.reading() as connection:
        return log.state(connection)[0]


def test_a_ledger_that_another_key_signed_stops_the_start(settings, tmp_path: Path) -> None:
    with hub_world.started(settings) as world:
        exam = hub_cases.publish(world.hub, world.url)
        case = hub_cases.begin(tmp_path / "case", exam)
        name = hub_cases.flag(case, 1)
        code = hub_cases.code(world.hub, exam)
        hub_cases.send(case.folder, world.url, code)
        hub_cases.erase(case, name)
        hub_cases.send(case.folder, world.url, code)
        case.close()
    settings.key_file.unlink()
    with pytest.raises(CheckFailed, match="not signed by this hub's key"):
        starting.start(settings)


def test_what_a_crash_left_of_an_upload_is_swept(world, tmp_path: Path) -> None:
    delivered(world, tmp_path / "case", 1)
    world.hub.blobs.put(
        f"parts/{'a' * 32}/0000000000-12345678", b"age-encryption.org/v1\nleft over"
    )
    retention.tick(world.hub)
    assert list(world.hub.blobs.names("parts")) == []
    assert len(lying(world.hub)) == 1


def test_the_ledger_is_no_secret_but_holds_no_name(world, tmp_path: Path) -> None:
    delivered(world, tmp_path / "case", 1, window=1)
    later(world, 2)
    assert retention.tick(world.hub) == 1
    (name,) = world.hub.ledger.names("tombstones")
    assert name.endswith("clip.camera.frozen-001.dsse")
