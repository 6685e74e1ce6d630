"""Sealed clips over tus 1.0 (creation, checksum): parts, then the whole, its header apart.

A part is put into the store of blobs first and counted in the database after, so that an offset never
promises bytes that are not on the disk. When the last part is there, the whole is held against the
digest in the journal's ``sealed`` record; then the age header goes to the headers' table, the payload
to the blobs, and the clip is *stored*. Every step can be repeated by any worker after a crash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from proctor.evidence import layout, tombstone
from proctor.hub import erasing, log
from proctor.hub.app import Hub
from proctor.hub.blobs import Missing
from proctor.hub.client import CHECKSUM_MISMATCH
from proctor.hub.enrol import Seat
from proctor.hub.items import other
from proctor.hub.problems import Problem
from proctor.hub.store import Transaction
from proctor.hub.tables import attempts, clips, headers, parts

_NAME = re.compile(r"[0-9a-f]{32}")
RETRY_S = 30


def create(hub: Hub, seat: Seat, length: int, metadata: str) -> str:
    """The name of the upload of a clip: the same one for the same flag and digest."""
    flag, digest = _announced(metadata)
    if length > hub.settings.max_clip:
        raise Problem(413, "clip.large", f"A clip has at most {hub.settings.max_clip} bytes here.")
    with hub.store.transaction() as tx:
        state = tx.execute(
            select(attempts.c.state).where(attempts.c.attempt == seat.attempt)
        ).scalar_one()
        row = tx.execute(_clip(seat.attempt, flag).with_for_update()).one_or_none()
        if row is None:
            if state == "erased":
                raise other("This attempt's records were erased; nothing is taken.")
            raise Problem(
                425, "clip.early", "The journal that is stored seals no clip of this flag."
            )
        if row.state == "erased":
            raise other("This clip was erased; it is not taken again.")
        if (row.sha256, row.length) != (digest, length):
            raise other("The journal seals another clip of this flag.")
        if row.upload:
            return str(row.upload)
        name = secrets.token_hex(16)
        _set(tx, row, upload=name, state="begun")
    return name


def offset(hub: Hub, seat: Seat, upload: str) -> tuple[int, str | None]:
    """How many bytes have arrived, and the digest once the whole is stored."""
    row = _row(hub, seat, upload)
    if row.state != "stored" and row.arrived == row.length:
        # A worker ended between the last part and the whole.
        row = _finish(hub, row)
    return row.arrived, row.sha256 if row.state == "stored" else None


def append(hub: Hub, seat: Seat, upload: str, at: int, data: bytes, checksum: str) -> int:
    """Take the part that begins at ``at``; returns how many bytes have arrived."""
    row = _row(hub, seat, upload)
    if _damaged(data, checksum):
        raise Problem(CHECKSUM_MISMATCH, "part.damaged", "The part is not what its checksum says.")
    if at != row.arrived or row.state == "stored":
        raise other(f"The next part begins at {row.arrived}.")
    if at + len(data) > row.length:
        raise Problem(
            413, "part.large", f"The clip has {row.length} bytes, and this would be more."
        )
    if not data:
        return at
    _check_room(hub, len(data))
    blob = f"parts/{upload}/{at:010d}-{secrets.token_hex(4)}"
    hub.blobs.put(blob, data)
    row = _count(hub, seat, upload, at, len(data), blob)
    if row.arrived == row.length:
        row = _finish(hub, row)
    return int(row.arrived)


def _count(hub: Hub, seat: Seat, upload: str, at: int, length: int, blob: str) -> Row[Any]:
    """Count a part that lies in the blobs, unless another request was quicker."""
    with hub.store.transaction() as tx:
        row = tx.execute(_upload(seat, upload).with_for_update()).one_or_none()
        if row is None or row.arrived != at or row.state != "begun":
            quicker = True
        else:
            quicker = False
            values = {"upload": upload, "start": at, "length": length, "blob": blob}
            tx.execute(insert(parts).values(**values, at=hub.now()))
            _set(tx, row, arrived=at + length)
            row = tx.execute(_upload(seat, upload)).one()
    if quicker or row is None:
        hub.blobs.delete(blob)
        raise other("Another request brought this part." if row else "This clip was erased.")
    return row


def _finish(hub: Hub, row: Row[Any]) -> Row[Any]:
    """Put a whole clip together; returns its row, at offset 0 again where it is not what was sealed."""
    with hub.store.reading() as connection:
        listed = connection.execute(
            select(parts).where(parts.c.upload == row.upload).order_by(parts.c.start)
        ).all()
    try:
        whole = b"".join(hub.blobs.get(part.blob) for part in listed)
    except Missing:
        return _settled(hub, row, whole=None)  # another worker was quicker, or a part is lost
    if hashlib.sha256(whole).hexdigest() != row.sha256:
        return _settled(hub, row, whole=None)
    return _settled(hub, row, whole=whole)


def _settled(hub: Hub, row: Row[Any], *, whole: bytes | None) -> Row[Any]:
    split = tombstone.header_length(whole[: tombstone.MAX_HEADER]) if whole is not None else 0
    unsealed = whole is not None and split == 0
    if unsealed:
        whole = None
    blob = f"clips/{row.attempt[:2]}/{row.attempt}/{row.flag}.payload"
    if whole is not None:
        # The header is on the disk before the clip counts as stored.
        _keep_header(hub, row, whole[:split])
        hub.blobs.put(blob, whole[split:])
    with hub.store.transaction() as tx:
        now = hub.now()
        there = tx.execute(_clip(row.attempt, row.flag).with_for_update()).one()
        if there.state == "begun" and there.upload == row.upload:
            here = parts.c.upload == row.upload
            lying = list(tx.execute(select(parts.c.blob).where(here)).scalars())
            tx.execute(delete(parts).where(here))
            tx.after(lambda: _drop(hub, lying))
            if whole is None:
                # Not what was sealed: nothing of it is kept; where it was damaged, it comes anew.
                _set(tx, there, arrived=0)
            else:
                _set(tx, there, state="stored", stored=now, blob=blob, header_length=split)
                said = {"sha256": there.sha256, "length": there.length, "header": split}
                log.append(tx, "stored", said, attempt=there.attempt, flag=there.flag, at=now)
        after = tx.execute(_clip(row.attempt, row.flag)).one()
    if after.state == "erased" and whole is not None:
        # It was erased while it was put together.
        erasing.forget_header(hub, row.attempt, row.flag)
        hub.blobs.delete(blob)
        raise other("This clip was erased.")
    if unsealed:
        raise Problem(422, "clip.unsealed", "This is no age file; the hub keeps sealed clips only.")
    return after


def _keep_header(hub: Hub, row: Row[Any], header: bytes) -> None:
    # A flag is sealed once, so a header that is there already is this one.
    said = {"attempt": row.attempt, "flag": row.flag, "sha256": row.sha256, "header": header}
    with hub.store.headers() as connection:
        Transaction(connection).insert_once(headers, said)


def sweep(hub: Hub) -> int:
    """Delete parts that no upload needs any more, as crashes leave them; returns how many.

    Listed first and asked after: an upload is on record before its first part lies anywhere.
    """
    lying = list(hub.blobs.names("parts"))
    with hub.store.reading() as connection:
        going = set(
            connection.execute(select(clips.c.upload).where(clips.c.state == "begun")).scalars()
        )
    left = [name for name in lying if name.split("/")[1] not in going]
    _drop(hub, left)
    return len(left)


def _drop(hub: Hub, names: list[str]) -> None:
    for name in names:
        hub.blobs.delete(name)


def _check_room(hub: Hub, length: int) -> None:
    """Clips wait while the disk is nearly full, so that records and erasures still find room."""
    free = hub.blobs.free()
    if free is not None and free - length < hub.settings.reserve:
        raise Problem(
            507,
            "disk.full",
            "The hub has no room for clips now; ask again later.",
            headers={"Retry-After": str(RETRY_S)},
        )


def _announced(metadata: str) -> tuple[str, str]:
    """Flag and digest from a tus ``Upload-Metadata`` header."""
    try:
        said = {}
        for part in metadata.split(","):
            name, _, value = part.strip().partition(" ")
            if name in said:
                raise ValueError("a name stands there twice")
            said[name] = base64.b64decode(value, validate=True).decode("ascii")
        flag, digest = said["flag"], said["sha256"]
    except (binascii.Error, ValueError, KeyError) as error:
        raise Problem(422, "unusable", "Upload-Metadata names no flag and sha256.") from error
    if not layout.FLAG_ID.fullmatch(flag) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise Problem(422, "unusable", "Upload-Metadata names no flag and sha256.")
    return flag, digest


def _damaged(data: bytes, checksum: str) -> bool:
    kind, _, value = checksum.partition(" ")
    if kind != "sha256":
        raise Problem(400, "checksum.kind", "Upload-Checksum is sha256 and its base64.")
    return value != base64.b64encode(hashlib.sha256(data).digest()).decode("ascii")


def _clip(attempt: str, flag: str) -> Any:
    return select(clips).where(clips.c.attempt == attempt, clips.c.flag == flag)


def _upload(seat: Seat, upload: str) -> Any:
    return select(clips).where(clips.c.attempt == seat.attempt, clips.c.upload == upload)


def _row(hub: Hub, seat: Seat, upload: str) -> Row[Any]:
    row = None
    if _NAME.fullmatch(upload):
        with hub.store.reading() as connection:
            row = connection.execute(_upload(seat, upload)).one_or_none()
    if row is None:
        raise Problem(404, "upload.none", "There is no such upload; begin it anew.")
    return row


def _set(tx: Transaction, row: Row[Any], **values: Any) -> None:
    tx.execute(
        update(clips)
        .where(clips.c.attempt == row.attempt, clips.c.flag == row.flag)
        .values(**values)
    )
