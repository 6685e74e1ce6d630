"""The hub's log: one JSON record per line of a tree (RFC 6962) that only grows, whose state the hub signs.

What stands in it: who enrolled, what was stored, whose header was released, who viewed, decided, held or
erased. An append costs O(log n) rows: only the roots of complete subtrees are kept, and one row, which
whoever appends locks, holds the size and the few roots that the next append needs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, insert, select, tuple_, update

from proctor.evidence import checkpoint
from proctor.evidence.checkpoint import Checkpoint
from proctor.evidence.tree import EMPTY_ROOT, leaf_hash, node_hash
from proctor.hub.store import Transaction
from proctor.hub.tables import log_head, log_nodes, log_records

HASH = 32
ONE = 1


class LogError(Exception):
    """The log has no such place or size."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in the log: ``position`` from 0, and the bytes whose hash is the leaf."""

    position: int
    kind: str
    body: bytes


def name_of(public: bytes) -> str:
    """The name of a hub's log where its operator gave it none."""
    return f"hub-{hashlib.sha256(public).hexdigest()[:16]}"


def leaf_of(one: Record) -> bytes:
    """The leaf of a record: what its inclusion is proved of."""
    return leaf_hash(one.body)


def prepare(tx: Transaction) -> None:
    """Make the head's row where it is missing."""
    tx.insert_once(log_head, {"one": ONE, "size": 0, "frontier": b""})


def append(
    tx: Transaction,
    kind: str,
    data: Mapping[str, Any],
    *,
    attempt: str | None = None,
    flag: str | None = None,
    at: datetime | None = None,
) -> int:
    """Append one record; returns its position. It stands when the transaction is committed.

    Locks the head until then, so it belongs to the end of a transaction. ``data`` is JSON and holds no
    student's name; ``kind`` is dotted, such as ``header.released``.
    """
    # The lock; SQLite has the whole database already.
    size, frontier = tx.execute(
        select(log_head.c.size, log_head.c.frontier).with_for_update()
    ).one()
    moment = at or datetime.now(UTC)
    about = {"attempt": attempt, "flag": flag}
    document = {
        "number": size,
        "kind": kind,
        "at": moment.isoformat(timespec="milliseconds"),
        **{name: value for name, value in about.items() if value is not None},
        "data": data,
    }
    body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    leaf = leaf_hash(body)
    frontier, nodes = grown(bytes(frontier), size, leaf)
    values = {"position": size, "kind": kind, "at": moment, "body": body, **about}
    tx.execute(insert(log_records).values(**values))
    tx.execute(
        insert(log_nodes),
        [{"level": level, "place": place, "hash": node} for level, place, node in nodes],
    )
    tx.execute(update(log_head).values(size=size + 1, frontier=frontier))
    return int(size)


def grown(frontier: bytes, size: int, leaf: bytes) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """The frontier after one more leaf, and every subtree that it completes (level, place, root).

    A frontier is the roots of the complete subtrees that make up ``size`` leaves, the largest first:
    as many as ``size`` has ones in binary (a *compact range*).
    """
    nodes = [(0, size, leaf)]
    node, level, place = leaf, 0, size
    while place & 1:
        node = node_hash(frontier[-HASH:], node)
        frontier = frontier[:-HASH]
        level, place = level + 1, place >> 1
        nodes.append((level, place, node))
    return frontier + node, nodes


def root_of(frontier: bytes) -> bytes:
    """The tree's root, from its frontier."""
    if not frontier:
        return EMPTY_ROOT
    parts = [frontier[at : at + HASH] for at in range(0, len(frontier), HASH)]
    node = parts.pop()
    while parts:
        node = node_hash(parts.pop(), node)
    return node


def state(connection: Connection) -> tuple[int, bytes]:
    """The log's size and root."""
    size, frontier = connection.execute(select(log_head.c.size, log_head.c.frontier)).one()
    return int(size), root_of(bytes(frontier))


def signed(connection: Connection, name: str, key: Ed25519PrivateKey) -> tuple[int, bytes]:
    """The log's size, and its checkpoint: a signed note whose origin and signer are ``name``."""
    size, root = state(connection)
    return size, checkpoint.sign(Checkpoint(name, size, root), key)


def record(connection: Connection, position: int) -> Record:
    """The record at ``position``. Raises :class:`LogError` where there is none."""
    row = connection.execute(
        select(log_records.c.kind, log_records.c.body).where(log_records.c.position == position)
    ).one_or_none()
    if row is None:
        raise LogError(f"The log has no record {position}.")
    return Record(position, row.kind, bytes(row.body))


def of_attempt(
    connection: Connection, attempt: str, after: int = -1, most: int = 1000
) -> list[Record]:
    """Records of an attempt in their order, from ``after`` (exclusive) on."""
    rows = connection.execute(
        select(log_records.c.position, log_records.c.kind, log_records.c.body)
        .where(log_records.c.attempt == attempt, log_records.c.position > after)
        .order_by(log_records.c.position)
        .limit(most)
    )
    return [Record(row.position, row.kind, bytes(row.body)) for row in rows]


def root_at(connection: Connection, size: int) -> bytes:
    """The root over the first ``size`` records."""
    _check(connection, size)
    if size == 0:
        return EMPTY_ROOT
    return _folded(connection, [_span(0, size)])[0]


def inclusion_proof(connection: Connection, position: int, size: int) -> list[bytes]:
    """Hashes from the record at ``position`` up to the root over ``size`` (RFC 6962, 2.1.1)."""
    _check(connection, size)
    if not 0 <= position < size:
        raise LogError(f"The log of {size} records has no record {position}.")
    spans: list[tuple[int, int]] = []
    first, last = 0, size
    while last - first > 1:
        middle = first + _split(last - first)
        spans.append((middle, last) if position < middle else (first, middle))
        first, last = (first, middle) if position < middle else (middle, last)
    return _folded(connection, [_span(*span) for span in reversed(spans)])


def consistency_proof(connection: Connection, old: int, size: int) -> list[bytes]:
    """Hashes that show the log of ``size`` to extend that of ``old`` (RFC 6962, 2.1.2)."""
    _check(connection, size)
    if not 0 < old <= size:
        raise LogError(f"The log of {size} records has no earlier size {old}.")
    spans: list[tuple[int, int]] = []
    first, last = 0, size
    while last != old:
        middle = first + _split(last - first)
        spans.append((middle, last) if old <= middle else (first, middle))
        first, last = (first, middle) if old <= middle else (middle, last)
    if first > 0:
        spans.append((first, last))
    return _folded(connection, [_span(*span) for span in reversed(spans)])


Spot = tuple[int, int]


def _span(first: int, last: int) -> list[Spot]:
    """The complete subtrees (level, place) that make up leaves ``first`` to ``last``, left to right."""
    spots: list[Spot] = []
    while first < last:
        level = (last - first).bit_length() - 1
        spots.append((level, first >> level))
        first += 1 << level
    return spots


def _folded(connection: Connection, spans: list[list[Spot]]) -> list[bytes]:
    """The root over each span; one question to the database for all of them."""
    wanted = {spot for span in spans for spot in span}
    if not wanted:
        return []
    rows = connection.execute(
        select(log_nodes.c.level, log_nodes.c.place, log_nodes.c.hash).where(
            tuple_(log_nodes.c.level, log_nodes.c.place).in_(sorted(wanted))
        )
    )
    known: Mapping[Spot, bytes] = {(row.level, row.place): bytes(row.hash) for row in rows}
    return [root_of(b"".join(known[spot] for spot in span)) for span in spans]


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def _check(connection: Connection, size: int) -> None:
    there = connection.execute(select(log_head.c.size)).scalar_one()
    if not 0 <= size <= there:
        raise LogError(f"The log has {there} records, not {size}.")
