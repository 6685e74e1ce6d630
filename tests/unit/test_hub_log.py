"""The hub's log is the tree of RFC 6962 over its records, however many append at once."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from proctor.evidence import tree
from proctor.hub import log, migrate, tables
from proctor.hub.settings import HubSettings
from proctor.hub.store import Store

SIZE = 37


@pytest.fixture
def store(tmp_path: Path):
    settings = HubSettings(folder=tmp_path)
    migrate.prepare(settings)
    made = Store(settings.database, settings.headers)
    yield made
    made.close()


def test_roots_and_proofs_are_those_of_the_whole_tree(store: Store) -> None:
    grown = tree.Tree()
    for number in range(SIZE):
        with store.transaction() as tx:
            assert log.append(tx, "test.kind", {"number": number}) == number
        with store.reading() as connection:
            grown.append(tree.leaf_hash(log.record(connection, number).body))
            assert log.state(connection) == (number + 1, grown.root())
    with store.reading() as connection:
        for size in range(1, SIZE + 1):
            assert log.root_at(connection, size) == grown.root(size)
            for place in range(size):
                proof = log.inclusion_proof(connection, place, size)
                assert proof == grown.inclusion_proof(place, size)
            for old in range(1, size + 1):
                proof = log.consistency_proof(connection, old, size)
                assert proof == grown.consistency_proof(old, size)
        for wrong in (lambda: log.inclusion_proof(connection, SIZE, SIZE),
                      lambda: log.consistency_proof(connection, 0, SIZE),
                      lambda: log.root_at(connection, SIZE + 1)):  # fmt: skip
            with pytest.raises(log.LogError):
                wrong()


def test_an_append_that_is_not_committed_never_was(store: Store) -> None:
    def broken() -> None:
        with store.transaction() as tx:
            log.append(tx, "test.kind", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    with store.reading() as connection:
        assert log.state(connection) == (0, tree.EMPTY_ROOT)


def test_threads_that_append_at_once_leave_one_tree(store: Store) -> None:
    def append(who: int) -> None:
        for number in range(15):
            with store.transaction() as tx:
                log.append(tx, "test.kind", {"who": who, "number": number})

    threads = [threading.Thread(target=append, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.reading() as connection:
        records = [log.record(connection, place) for place in range(60)]
        assert log.state(connection) == (60, tree.root(tree.leaf_hash(r.body) for r in records))
    said = [json.loads(record.body) for record in records]
    assert [one["number"] for one in said] == list(range(60))
    for who in range(4):
        mine = [one["data"]["number"] for one in said if one["data"]["who"] == who]
        assert mine == list(range(15))


def test_migrations_make_the_tables_that_the_program_means(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.reading() as connection:
        assert migrate.is_current(connection)
        whole = migrate.whole_metadata()
        differs = compare_metadata(MigrationContext.configure(connection), whole)
    assert differs == []
    assert tables.headers_metadata.tables.keys() == {"clip_headers"}
    with store.headers() as connection:
        # What was deleted must not stay readable in a free page of the file.
        assert connection.execute(text("PRAGMA secure_delete")).scalar() == 1
