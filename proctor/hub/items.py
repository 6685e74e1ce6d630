"""Small items of a case: policy, events, journal lines and checkpoints. docs/outbox.md is the contract.

Each is stored in one transaction that holds the attempt's row, so requests of one attempt take turns
on every worker. What is there already is confirmed again; another content under its name is a 409.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Row, insert, select, update

from policies import load
from policies.errors import PolicyError
from proctor.evidence import checkpoint, cosignature, journal, layout
from proctor.evidence.checkpoint import NoteError
from proctor.evidence.erasure import is_room_scan
from proctor.evidence.journal import JournalError, Record
from proctor.evidence.outbox import BATCH_BYTES, EVENTS
from proctor.evidence.tree import Tree, leaf_hash
from proctor.hub import erasing, flags, log
from proctor.hub.app import Hub
from proctor.hub.enrol import Seat
from proctor.hub.problems import Problem
from proctor.hub.store import Transaction
from proctor.hub.tables import attempts, batches, checkpoints, clips, events, policies

_NUMBER = re.compile(r"[1-9][0-9]{0,6}")
_RANGE = re.compile(r"([1-9][0-9]{0,6})-([1-9][0-9]{0,6})")
_PLACE = re.compile(rf"{layout.CHECKPOINTS}/([0-9]{{8}}){re.escape(layout.NOTE_SUFFIX)}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an item: whether it is ``new`` here, and what the answer says besides its digest."""

    new: bool
    more: Mapping[str, Any]


def other(detail: str) -> Problem:
    """Another content is stored under this name, or the order is broken."""
    return Problem(409, "differs", detail)


def bad(detail: str) -> Problem:
    """Will never be taken."""
    return Problem(422, "unusable", detail)


def locked(tx: Transaction, seat: Seat) -> Row[Any]:
    """The attempt's row, which nobody else changes until the transaction ends."""
    row = tx.execute(
        select(attempts).where(attempts.c.attempt == seat.attempt).with_for_update()
    ).one()
    if row.state == "erased":
        raise Problem(
            409, "attempt.erased", "This attempt's records were erased; nothing is taken."
        )
    return row


# The policy.


def take_policy(hub: Hub, seat: Seat, name: str, body: bytes) -> Taken:
    """Store the policy of an attempt: one that was published for its exam, with the same recipients."""
    if name != layout.POLICY:
        raise bad(f"A policy's name is {layout.POLICY}.")
    try:
        payload = load.payload_of(body, "sent")
    except PolicyError as error:
        raise bad(str(error)) from error
    digest = hashlib.sha256(payload).hexdigest()
    with hub.store.transaction() as tx:
        row = locked(tx, seat)
        if row.policy is not None:
            if bytes(row.policy) != body:
                raise other("Another policy of this attempt is stored.")
            return Taken(False, {})
        published = tx.execute(
            select(policies.c.sha256).where(
                policies.c.sha256 == digest, policies.c.exam == seat.exam
            )
        ).one_or_none()
        if published is None:
            raise bad("This is no policy that the institution published for this exam.")
        _set(tx, seat, policy=body, policy_sha256=digest, last_heard=hub.now(), due=None)
    return Taken(True, {})


# Events: journal lines that come at once, before their batch.


def take_event(hub: Hub, seat: Seat, name: str, body: bytes) -> Taken:
    """Store one journal line ahead of its batch, which must then hold the very same line."""
    if not _NUMBER.fullmatch(name):
        raise bad("An event's name is the number of its line.")
    number = int(name)
    record = _record(body, number, seat)
    if record.type not in EVENTS:
        raise bad("A line of this type comes with its batch only.")
    with hub.store.transaction() as tx:
        row, now = locked(tx, seat), hub.now()
        if number <= row.lines:
            if lines_of(tx, seat.attempt, number, number) != [body]:
                raise other("The journal that is stored has another line of this number.")
            return Taken(False, {})
        values = {
            "attempt": seat.attempt,
            "line": number,
            "type": record.type,
            "sha256": hashlib.sha256(body).hexdigest(),
            "body": body,
            "at": now,
        }
        if not tx.insert_once(events, values):
            there = _events(tx, seat.attempt, number, number)
            if there[number] != body:
                raise other("Another event of this number is stored.")
            return Taken(False, {})
        _set(tx, seat, **_heard(row, [record], now))
        flags.noted(tx, seat.attempt, record, now)
    return Taken(True, {})


# The journal.


def take_batch(hub: Hub, seat: Seat, name: str, body: bytes) -> Taken:
    """Store whole journal lines that follow the last one stored."""
    first, lines = _batch(name, body)
    last = first + len(lines) - 1
    with hub.store.transaction() as tx:
        row, now = locked(tx, seat), hub.now()
        if last <= row.lines:
            if lines_of(tx, seat.attempt, first, last) != lines:
                raise other("The journal that is stored has other lines of these numbers.")
            return Taken(False, {"lines": row.lines})
        if first != row.lines + 1:
            raise other(f"The next line of this journal is {row.lines + 1}.")
        if row.policy is None:
            raise other("The policy of this attempt comes before its journal.")
        records = [_record(line, first + n, seat) for n, line in enumerate(lines)]
        if first == 1:
            _set(tx, seat, public_key=_begins(records[0], row))
        for number, line in _events(tx, seat.attempt, first, last).items():
            if lines[number - first] != line:
                raise other(f"Line {number} is not the one that came as an event.")
        frontier = bytes(row.frontier)
        for n, line in enumerate(lines):
            frontier, _ = log.grown(frontier, row.lines + n, leaf_hash(line))
        tx.execute(
            insert(batches).values(
                attempt=seat.attempt,
                first=first,
                last=last,
                sha256=hashlib.sha256(body).hexdigest(),
                body=body,
            )
        )
        _set(tx, seat, lines=last, frontier=frontier, **_heard(row, records, now))
        for record in records:
            flags.noted(tx, seat.attempt, record, now)
            if record.type == "sealed":
                _sealed(tx, row, record, now)
        for record in records:
            if record.type == "erased":
                erasing.by_student(hub, tx, seat.attempt, record, now)
    return Taken(True, {"lines": last})


def _batch(name: str, body: bytes) -> tuple[int, list[bytes]]:
    found = _RANGE.fullmatch(name)
    if found is None:
        raise bad("A batch's name is its first and last line number, such as 40-97.")
    first, last = int(found[1]), int(found[2])
    *lines, rest = body.split(b"\n")
    if rest or len(lines) != last - first + 1:
        raise bad("The batch does not hold the whole lines that its name says.")
    if len(body) > BATCH_BYTES and len(lines) > 1:
        raise Problem(413, "batch.large", f"A batch has at most {BATCH_BYTES} bytes, or one line.")
    if last > journal.MAX_RECORDS:
        raise Problem(413, "journal.long", f"No journal has more than {journal.MAX_RECORDS} lines.")
    return first, lines


def _record(line: bytes, number: int, seat: Seat) -> Record:
    try:
        record = journal.parse(line, number)
    except JournalError as error:
        raise bad(str(error)) from error
    if record.source != journal.SOURCE + seat.attempt or b"\n" in line or b"\0" in line:
        raise bad(f"Line {number} is none of this attempt's journal.")
    return record


def _begins(record: Record, row: Row[Any]) -> bytes:
    """The attempt's key, from record 1, which must name this attempt and its policy."""
    policy = record.data.get("policy")
    named = policy.get("sha256") if isinstance(policy, Mapping) else None
    if record.type != "consent.recorded" or record.data.get("attempt") != row.attempt:
        raise bad("The journal does not begin with the consent of this attempt.")
    if named != row.policy_sha256:
        raise bad("The consent is not about the policy of this attempt.")
    try:
        public = base64.b64decode(str(record.data.get("public_key")), validate=True)
        return Ed25519PublicKey.from_public_bytes(public).public_bytes_raw()
    except (binascii.Error, ValueError) as error:
        raise bad("The consent holds no usable public key.") from error


def _sealed(tx: Transaction, row: Row[Any], record: Record, now: datetime) -> None:
    """Expect the clip that a ``sealed`` record announces."""
    data = record.data
    flag, digest, length = data.get("flag"), data.get("sha256"), data.get("length")
    if not isinstance(flag, str) or not layout.FLAG_ID.fullmatch(flag):
        raise bad(f"Line {record.number} seals a clip of no flag.")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest) or type(length) is not int:
        raise bad(f"Line {record.number} says no digest or length of its clip.")
    if not 0 < length <= 2**31 - 1:
        raise bad(f"Line {record.number} says a length that no clip has.")
    values = {
        "attempt": row.attempt,
        "flag": flag,
        "sha256": digest,
        "length": length,
        "line": record.number,
        "what": "room_scan" if is_room_scan(data) else "clips",
        # A clock at the student's cannot shorten or stretch how long a clip is kept.
        "sealed": min(max(record.time, row.enrolled), now),
        "state": "sealed",
        "arrived": 0,
        "header_length": 0,
        "blob": "",
        "why": "",
    }
    if not tx.insert_once(clips, values):
        raise bad(f"Line {record.number} seals a second clip of {flag}.")
    # Its clock may end before any other of this attempt.
    tx.execute(update(attempts).where(attempts.c.attempt == row.attempt).values(due=None))


def _heard(row: Row[Any], records: Sequence[Record], now: datetime) -> dict[str, Any]:
    """What the attempt's row learns from new lines; moments are by this hub's clock."""
    said: dict[str, Any] = {"last_heard": now, "last_line": min(records[-1].time, now)}
    types = {record.type for record in records}
    if row.began is None and "session.started" in types:
        said |= {"began": now, "state": "running"}
    if row.ended is None and "session.ended" in types:
        said |= {"ended": now, "state": "ended"}
    return said


# Checkpoints.


def take_checkpoint(hub: Hub, seat: Seat, name: str, body: bytes) -> Taken:
    """Check a signed checkpoint against the stored lines, and countersign it."""
    found = _PLACE.fullmatch(name)
    if found is None:
        raise bad("A checkpoint's name is its place in the case, checkpoints/00000097.note.")
    with hub.store.transaction() as tx:
        row, now = locked(tx, seat), hub.now()
        if row.public_key is None:
            raise other("The journal comes before its checkpoint.")
        try:
            made = checkpoint.read(body, seat.attempt, bytes(row.public_key))
        except NoteError as error:
            raise bad(f"The checkpoint does not hold: {error}.") from error
        if made.size != int(found[1]):
            raise bad("The checkpoint is of another size than its name says.")
        there = tx.execute(
            select(checkpoints).where(
                checkpoints.c.attempt == seat.attempt, checkpoints.c.size == made.size
            )
        ).one_or_none()
        if there is not None:
            if bytes(there.note) != body:
                raise other("Another checkpoint of this size is stored.")
            return Taken(False, {"note": bytes(there.countersigned).decode("utf-8")})
        if made.size > row.lines:
            raise other(f"The checkpoint is over {made.size} lines, and {row.lines} are stored.")
        if made.root != _root(tx, row, made.size):
            raise other("The checkpoint signs other lines than those that are stored.")
        countersigned = cosignature.add(body, hub.name, hub.key, now)
        tx.execute(
            insert(checkpoints).values(
                attempt=seat.attempt,
                size=made.size,
                sha256=hashlib.sha256(body).hexdigest(),
                note=body,
                countersigned=countersigned,
                at=now,
            )
        )
        _set(tx, seat, signed=max(row.signed, made.size), last_heard=now)
        said = {"size": made.size, "root": base64.b64encode(made.root).decode("ascii")}
        place = log.append(tx, "checkpoint.countersigned", said, attempt=seat.attempt, at=now)
    return Taken(True, {"note": countersigned.decode("utf-8"), "log": place})


def _root(tx: Transaction, row: Row[Any], size: int) -> bytes:
    if size == row.lines:
        return log.root_of(bytes(row.frontier))
    # An older state, as when an agent's queue was made anew: the lines say it.
    return Tree(map(leaf_hash, lines_of(tx, row.attempt, 1, size))).root()


# What is stored.


def lines_of(tx: Transaction, attempt: str, first: int, last: int) -> list[bytes]:
    """Stored journal lines ``first`` to ``last``, without their newlines."""
    rows = tx.execute(
        select(batches.c.first, batches.c.body)
        .where(batches.c.attempt == attempt, batches.c.last >= first, batches.c.first <= last)
        .order_by(batches.c.first)
    ).all()
    found: list[bytes] = []
    for row in rows:
        lines = bytes(row.body).split(b"\n")[:-1]
        found += lines[max(0, first - row.first) : last - row.first + 1]
    return found


def _events(tx: Transaction, attempt: str, first: int, last: int) -> dict[int, bytes]:
    rows = tx.execute(
        select(events.c.line, events.c.body).where(
            events.c.attempt == attempt, events.c.line >= first, events.c.line <= last
        )
    )
    return {row.line: bytes(row.body) for row in rows}


def _set(tx: Transaction, seat: Seat, **values: Any) -> None:
    tx.execute(update(attempts).where(attempts.c.attempt == seat.attempt).values(**values))
