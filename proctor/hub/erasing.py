"""How a clip goes: its header first, then a note in the ledger, then its row and record, then its bytes.

The header alone holds the clip's key, so once it is gone nobody opens the clip, wherever a copy of the
bytes may lie. The *ledger* is a signed tombstone a clip, kept apart from every backup: what it names
does not come back with a restored one (:func:`reconcile`, at every start).
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, tuple_, update

from policies import sign
from policies.errors import PolicyError
from proctor.errors import CheckFailed
from proctor.evidence import checkpoint, layout
from proctor.evidence.hold import Hold
from proctor.evidence.journal import Record
from proctor.evidence.retention import ERASED_BEFORE
from proctor.evidence.tombstone import PAYLOAD_TYPE, WHOLE
from proctor.hub import flags, log
from proctor.hub.app import Hub
from proctor.hub.blobs import Missing
from proctor.hub.live_tables import alerts, commands, heartbeats
from proctor.hub.store import Transaction
from proctor.hub.tables import attempts, batches, checkpoints, clips, events, headers, holds, parts

SUFFIX = ".dsse"
# Rows that one question is about; SQLite takes a few thousand values.
CHUNK = 500
_TOMBS, _HEADS = "tombstones", "log"
BY_STUDENT = "The student's journal says that it was erased."

_log = logging.getLogger("proctor.hub")


def by_student(hub: Hub, tx: Transaction, attempt: str, record: Record, now: datetime) -> None:
    """Erase the clip that an ``erased`` record names, unless a hold keeps it until the hold is over."""
    flag = record.data.get("flag")
    if not isinstance(flag, str) or not layout.FLAG_ID.fullmatch(flag):
        return
    if any(one.stops(attempt, flag, now) for one in holds_of(tx, attempt)):
        tx.execute(_of(attempt, flag).values(why=BY_STUDENT))
        tx.execute(update(attempts).where(attempts.c.attempt == attempt).values(due=None))
        log.append(tx, "erasure.held", {"line": record.number}, attempt=attempt, flag=flag, at=now)
        return
    clip(hub, tx, attempt, flag, why=BY_STUDENT, rule="T2", now=now)


def clip(
    hub: Hub,
    tx: Transaction,
    attempt: str,
    flag: str,
    *,
    why: str,
    rule: str,
    now: datetime,
    by: str = "",
    expired: bool = False,
) -> bool:
    """Erase a clip within ``tx``; whether there was one. The caller has asked about holds.

    Its header is gone when this returns, also where ``tx`` does not come to its commit.
    """
    row = tx.execute(
        select(clips).where(clips.c.attempt == attempt, clips.c.flag == flag).with_for_update()
    ).one_or_none()
    if row is None or row.state == "erased":
        return False
    forget_header(hub, attempt, flag)
    _note(hub, attempt, flag, why, rule, now)
    lying = [row.blob] if row.blob else []
    if row.upload:
        here = parts.c.upload == row.upload
        lying += list(tx.execute(select(parts.c.blob).where(here)).scalars())
        tx.execute(delete(parts).where(here))
    tx.execute(_of(attempt, flag).values(state="erased", erased=now, why=why, upload=None))
    flags.erased(tx, attempt, flag, expired=expired)
    said = {"why": why, "rule": rule, **({"by": by} if by else {})}
    log.append(tx, "erased", said, attempt=attempt, flag=flag, at=now)
    tx.after(lambda: _remove(hub, attempt, flag, lying))
    return True


def journal(hub: Hub, tx: Transaction, attempt: str, *, why: str, rule: str, now: datetime) -> None:
    """Erase the records of an attempt whose clips are gone; its row stays as a tombstone.

    With them go the student's comments, and what was said and heard while the exam ran.
    """
    _note(hub, attempt, WHOLE, why, rule, now)
    for table in (batches, events, checkpoints, commands, heartbeats, alerts):
        tx.execute(delete(table).where(table.c.attempt == attempt))
    flags.forget_words(tx, attempt)
    tx.execute(
        update(attempts)
        .where(attempts.c.attempt == attempt)
        .values(state="erased", policy=None, frontier=b"")
    )
    log.append(tx, "erased", {"why": why, "rule": rule, "what": "journal"}, attempt=attempt, at=now)


def forget_header(hub: Hub, attempt: str, flag: str) -> None:
    """Delete a clip's header, on its own and at once; nothing happens where there is none."""
    with hub.store.headers() as connection:
        connection.execute(
            delete(headers).where(headers.c.attempt == attempt, headers.c.flag == flag)
        )


def holds_of(tx: Transaction, attempt: str) -> list[Hold]:
    """The holds on an attempt, those that are over as well."""
    rows = tx.execute(select(holds).where(holds.c.attempt == attempt))
    return [
        Hold(attempt, frozenset(row.flags.split()), row.name, row.reason, row.until) for row in rows
    ]


def _of(attempt: str, flag: str) -> Any:
    return update(clips).where(clips.c.attempt == attempt, clips.c.flag == flag)


def _remove(hub: Hub, attempt: str, flag: str, lying: list[str]) -> None:
    """Delete the bytes, and then forget where they lay: after a crash between, a start does it again."""
    for name in lying:
        hub.blobs.delete(name)
    with hub.store.transaction() as tx:
        tx.execute(_of(attempt, flag).values(blob=""))


# The ledger.


def _note(hub: Hub, attempt: str, flag: str, why: str, rule: str, now: datetime) -> None:
    said = {"attempt": attempt, "flag": flag, "why": why, "rule": rule, "when": now.isoformat()}
    payload = json.dumps(said, ensure_ascii=False).encode("utf-8")
    signed = sign.envelope(payload, PAYLOAD_TYPE, [hub.key])
    hub.ledger.put(f"{_TOMBS}/{attempt}/{_file_of(flag)}", signed)


def _file_of(flag: str) -> str:
    return ("whole" if flag == WHOLE else f"clip.{flag}") + SUFFIX


def keep_head(hub: Hub) -> None:
    """Keep the log's newest checkpoint in the ledger, so that a restored, shorter log shows itself."""
    with hub.store.reading() as connection:
        size, note = log.signed(connection, hub.name, hub.key)
    name = f"{_HEADS}/{size:012d}{layout.NOTE_SUFFIX}"
    older = [one for one in hub.ledger.names(_HEADS) if one < name]
    if size:
        hub.ledger.put(name, note)
    for one in older:
        hub.ledger.delete(one)


def reconcile(hub: Hub) -> int:
    """Erase again what the ledger names and a restored backup brought back; returns how many.

    Also ends what a crash left between two steps, and notes in the log where the log itself is shorter
    than the ledger knows. Raises :class:`CheckFailed` at a tombstone that this hub did not sign.
    """
    finish(hub)
    again = 0
    for name in list(hub.ledger.names(_TOMBS)):
        attempt, flag = _tombstone(hub, name)
        again += _again(hub, attempt, flag)
    _check_head(hub)
    return again


def _tombstone(hub: Hub, name: str) -> tuple[str, str]:
    try:
        raw = sign.open_envelope(
            hub.ledger.get(name), [hub.key.public_key()], payload_type=PAYLOAD_TYPE
        )
        said = json.loads(raw)
        if name != f"{_TOMBS}/{said['attempt']}/{_file_of(said['flag'])}":
            raise ValueError("it is of something else")
        return said["attempt"], said["flag"]
    except (PolicyError, ValueError, KeyError, TypeError) as error:
        raise CheckFailed(
            f"The ledger's {name} is not signed by this hub's key ({error}), so what was erased is not "
            f"known. Restore the hub's own key ({hub.settings.key_file}), and start again."
        ) from error


def _again(hub: Hub, attempt: str, flag: str) -> int:
    now = hub.now()
    said: Mapping[str, Any] = {"why": ERASED_BEFORE, "rule": "T2", "now": now}
    with hub.store.transaction() as tx:
        if flag != WHOLE:
            return int(clip(hub, tx, attempt, flag, **said))
        state = tx.execute(
            select(attempts.c.state).where(attempts.c.attempt == attempt).with_for_update()
        ).scalar_one_or_none()
        if state is None or state == "erased":
            return 0
        for name in tx.execute(select(clips.c.flag).where(clips.c.attempt == attempt)).scalars():
            clip(hub, tx, attempt, name, **said)
        journal(hub, tx, attempt, **said)
    return 1


def finish(hub: Hub) -> None:
    """End what a crash left of an erasure: headers and bytes of clips that the database says are erased."""
    with hub.store.reading() as connection:
        lying = connection.execute(
            select(clips.c.attempt, clips.c.flag, clips.c.blob).where(
                clips.c.state == "erased", clips.c.blob != ""
            )
        ).all()
    for row in lying:
        _remove(hub, row.attempt, row.flag, [row.blob])
    with hub.store.headers() as connection:
        there = connection.execute(select(headers.c.attempt, headers.c.flag)).all()
    for at in range(0, len(there), CHUNK):
        some = [(row.attempt, row.flag) for row in there[at : at + CHUNK]]
        with hub.store.reading() as connection:
            gone = connection.execute(
                select(clips.c.attempt, clips.c.flag).where(
                    clips.c.state == "erased", tuple_(clips.c.attempt, clips.c.flag).in_(some)
                )
            ).all()
        for attempt, flag in gone:
            forget_header(hub, attempt, flag)


def _check_head(hub: Hub) -> None:
    """Whether the log is at least as long as the ledger's checkpoint of it, and extends it."""
    names = sorted(hub.ledger.names(_HEADS))
    if not names:
        return
    try:
        known = checkpoint.read(hub.ledger.get(names[-1]), hub.name, hub.public)
    except (checkpoint.NoteError, Missing) as error:
        _log.error("ledger.head", extra={"fault": str(error)})
        return
    with hub.store.transaction() as tx:
        size, _ = log.state(tx.connection)
        if size >= known.size and log.root_at(tx.connection, known.size) == known.root:
            return
        said = {"size": known.size, "root": base64.b64encode(known.root).decode("ascii")}
        log.append(tx, "log.restored", {"before": said}, at=hub.now())
    _log.warning("log.restored", extra={"size": known.size})
    keep_head(hub)
