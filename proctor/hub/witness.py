"""Whether a hub keeps its word: receipts that are countersigned, one log that only grows, nothing left out.

Asked once everything of a case was delivered, and whenever it is sent again. Each thing that does not
hold is one sentence; none of them stops anything, since the case is whole on the student's computer.
What this cannot see is a hub that shows different people different logs and never meets their notes at
one place; the notes are kept so that they can meet.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from proctor.evidence import checkpoint, hub_receipts, layout, view
from proctor.evidence.checkpoint import Checkpoint, NoteError
from proctor.evidence.hub_receipts import HubKey
from proctor.evidence.outbox import Gone, Later, Outbox, Refused
from proctor.evidence.tree import leaf_hash, verify_consistency, verify_inclusion
from proctor.hub.client import API, HubClient

# A receipt with a countersigned note is a kilobyte; a proof over many records some hundred.
MAX_ANSWER = 4_000_000
MAX_RECORDS = 5_000

KEY_CHANGED = (
    "The hub shows another key than when this exam was first delivered. What it signed before is kept; "
    "ask the institution which key is right."
)
NO_RECEIPT = "The hub confirmed the log up to line {size} without signing for it ({why})."
FORKED = (
    "The hub's own log is not the one that it showed before: a part of it was changed or taken away. "
    "What it signed before is kept in the case."
)
UNSIGNED = "The hub's log is not signed by the hub's key ({why})."
UNPROVEN = "The hub shows a record about this exam that does not stand in the log which it signed."
NOT_STORED = "The hub confirmed {what}, and its log has no record of having stored it."


class _Unproven(Exception):
    """The hub shows something that does not hold; ``str`` is the sentence."""


class Witness(HubClient):
    """Asks a hub for its proofs. Every call raises :class:`Later` where it does not answer."""

    def look(self, folder: Path, outbox: Outbox) -> list[str]:
        """What does not hold of the case in ``folder``, a sentence each; receipts are kept in the case.

        Nothing is asked of a hub that has no proofs (docs/outbox.md asks for none).
        """
        key = hub_receipts.key_of(self._get(f"{self._hub}/{API}/hub"))
        if key is None:
            return []
        known = hub_receipts.kept_key(folder)
        if known is None:
            hub_receipts.keep_key(folder, key)
        elif known != key:
            return [KEY_CHANGED]
        wrong, signed = _receipts(folder, outbox, key)
        return wrong + self._log(folder, outbox, key, signed)

    def _log(self, folder: Path, outbox: Outbox, key: HubKey, signed: Sequence[int]) -> list[str]:
        """What the hub's log says about this attempt, held against what was confirmed."""
        last = hub_receipts.kept_log(folder, key)
        where = urljoin(self._base, "proof")
        said = self._get(f"{where}?size={last.size}" if last else where)
        if not said:
            return [FORKED] if last else []
        note = str(said.get("note", "")).encode("utf-8")
        try:
            now = checkpoint.read(note, key.name, key.public)
        except NoteError as error:
            return [UNSIGNED.format(why=error)]
        if last and not _extends(last, now, said):
            return [FORKED]
        hub_receipts.keep_log(folder, note)
        try:
            records = self._records(said, now, key)
        except _Unproven as error:
            return [str(error)]
        stored = {
            (str(one.get("flag")), str(one.get("data", {}).get("sha256")))
            for one in records
            if one.get("kind") == "stored"
        }
        sizes = {
            one.get("data", {}).get("size")
            for one in records
            if one.get("kind") == "checkpoint.countersigned"
        }
        sealed = view.read(folder).sealed
        missing = [
            NOT_STORED.format(what=f"the clip {name}")
            for kind, name, _ in outbox.receipts()
            if kind == "clip" and (name, str(sealed[name]["sha256"])) not in stored
        ]
        lost = [size for size in signed if size not in sizes]
        if lost:
            missing.append(NOT_STORED.format(what=f"the log up to line {max(lost)}"))
        return missing

    def _records(
        self, said: Mapping[str, Any], now: Checkpoint, key: HubKey
    ) -> list[Mapping[str, Any]]:
        """Every record of this attempt that can be read; a hub tells some at a time, in their order.

        Each further page comes with a log of its own, which must extend the last one.
        """
        found: list[Mapping[str, Any]] = []
        seen, last = 0, -1
        while True:
            page, position = _records(said, now)
            if position <= last:  # nothing more, or a hub that tells all at once
                return found
            found, last = found + page, position
            seen += len(said["records"])
            if seen > MAX_RECORDS:
                raise _Unproven(UNPROVEN)
            where = f"{urljoin(self._base, 'proof')}?size={now.size}&after={last}"
            said = self._get(where)
            if not said:
                return found
            try:
                later = checkpoint.read(str(said.get("note", "")).encode(), key.name, key.public)
            except NoteError as error:
                raise _Unproven(UNSIGNED.format(why=error)) from error
            if not _extends(now, later, said):
                raise _Unproven(FORKED)
            now = later

    def _get(self, address: str) -> Mapping[str, Any]:
        """A JSON object; empty where the hub has no such thing."""
        answer = self._ask("GET", address, {"Accept": "application/json"}, None, most=MAX_ANSWER)
        if answer.status in (400, 404, 405, 422, 501):
            return {}
        try:
            self._expect(answer, (200,))
        except (Refused, Gone) as error:
            raise Later(str(error)) from error
        said: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(answer.data)
        return said if isinstance(said, Mapping) else {}


def _receipts(folder: Path, outbox: Outbox, key: HubKey) -> tuple[list[str], list[int]]:
    """Keep the countersigned checkpoints; what is wrong with them, and the sizes of the right ones."""
    case = view.read(folder)
    public = base64.b64decode(str(case.consent.get("public_key")))
    wrong, signed = [], []
    for kind, name, answer in outbox.receipts():
        if kind != "checkpoint":
            continue
        size = int(name.rpartition("/")[2].removesuffix(layout.NOTE_SUFFIX))
        said: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(answer)
        note = said.get("note") if isinstance(said, Mapping) else None
        if not isinstance(note, str):
            wrong.append(NO_RECEIPT.format(size=size, why="its answer holds no note"))
            continue
        whole = note.encode("utf-8")
        why = hub_receipts.wrong_with(whole, size, case.attempt, public, key)
        if why:
            wrong.append(NO_RECEIPT.format(size=size, why=why))
            continue
        hub_receipts.keep(folder, size, whole)
        signed.append(size)
    return wrong, signed


def _extends(last: Checkpoint, now: Checkpoint, said: Mapping[str, Any]) -> bool:
    proof = _hashes(said.get("consistency"))
    if proof is None or now.size < last.size:
        return False
    return verify_consistency(last.size, now.size, proof, last.root, now.root)


def _records(said: Mapping[str, Any], log: Checkpoint) -> tuple[list[Mapping[str, Any]], int]:
    """The records of one answer that can be read, and the position of its last one (-1: it has none).

    Raises :class:`_Unproven` where one is not proven to stand in ``log``.
    """
    listed = said.get("records")
    if not isinstance(listed, list) or len(listed) > MAX_RECORDS:
        raise _Unproven(UNPROVEN)
    found, last = [], -1
    for one in listed:
        if not isinstance(one, Mapping) or not isinstance(one.get("position"), int):
            raise _Unproven(UNPROVEN)
        leaf, proof = _hashes([one.get("leaf")]), _hashes(one.get("inclusion"))
        if leaf is None or proof is None:
            raise _Unproven(UNPROVEN)
        if not verify_inclusion(leaf[0], one["position"], log.size, proof, log.root):
            raise _Unproven(UNPROVEN)
        last = max(last, one["position"])
        body = one.get("body")
        if body is None:
            continue  # about somebody else's act; that it is there is proven
        if not isinstance(body, str) or leaf_hash(body.encode("utf-8")) != leaf[0]:
            raise _Unproven(UNPROVEN)
        try:
            record = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _Unproven(UNPROVEN) from error
        if isinstance(record, Mapping):
            found.append(record)
    return found, last


def _hashes(listed: object) -> list[bytes] | None:
    if not isinstance(listed, list) or len(listed) > 200:
        return None
    try:
        return [base64.b64decode(str(one), validate=True) for one in listed]
    except (binascii.Error, ValueError):
        return None
