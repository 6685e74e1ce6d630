"""A copy of a case, out of a hub into a folder, once two persons agreed: the same folder that a student has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from proctor.errors import CheckFailed, InputError
from proctor.evidence import deciding, decision, hub_receipts, layout
from proctor.evidence.access import Reader
from proctor.evidence.disk import said_plainly, write_new
from proctor.hub.staff_client import StaffClient
from ui.console.hub_source import access_of, checked_journal

LETTERS = 300


def take_out(
    client: StaffClient, reader: Reader, proposal: Mapping[str, Any], folder: Path
) -> tuple[int, int]:
    """Write the case of an approved export into ``folder``, which is new; how many clips and statements.

    Clips stay sealed. Each header leaves the hub for a signed record that names the export. Raises
    :class:`InputError` where something is there already, and what the hub says where it refuses.
    """
    attempt = str(proposal["attempt"])
    if not layout.ATTEMPT.fullmatch(attempt):
        raise CheckFailed("The hub names no attempt.")
    if folder.exists():
        raise InputError(f"{folder} is there already; choose another name.")
    raw = client.journal(attempt)
    notes = client.checkpoints(attempt)
    if not notes:
        raise CheckFailed("The hub has no signed checkpoint of this exam yet.")
    records = checked_journal(raw, notes[-1]["note"], attempt)
    sealed = {
        str(one.data.get("flag")): str(one.data.get("sha256"))
        for one in records
        if one.type == "sealed"
    }
    parts: dict[str, bytes] = {layout.POLICY: client.policy(attempt), layout.JOURNAL: raw}
    for note in notes:
        place = _place(note["place"])
        parts[place] = note["note"].encode("utf-8")
        # The hub's word for it travels with the copy, and whoever checks the copy holds it to it.
        parts[f"{layout.HUB}/{place.partition('/')[2]}"] = parts[place]
    parts[f"{layout.HUB}/{hub_receipts.KEY}"] = _hub(client.me())
    wanted = set(proposal["flags"]) or set(sealed)
    stored = {str(one["flag"]) for one in client.clips(attempt) if one["state"] == "stored"}
    taken = sorted(wanted & stored & set(sealed))
    for flag in taken:
        reason = f"a copy: {proposal['reason']}"[:LETTERS]
        record = access_of(attempt, flag, sealed[flag], reason, reader, str(proposal["id"]))
        whole = client.sealed(attempt, flag, sealed[flag], record)
        parts[layout.clip_name(_flag(flag))] = whole
    said = _statements(client.decisions(attempt), attempt)
    parts |= {f"{layout.DECISIONS}/{name}": envelope for name, envelope in said.items()}
    with said_plainly(f"the copy {folder}"):
        folder.mkdir(parents=True, mode=0o700)
        for name, data in parts.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True, mode=0o700)
            write_new(path, data)
    return len(taken), len(said)


def _place(place: str) -> str:
    """A checkpoint's place below the case, as the hub says it; nothing else is written anywhere."""
    if not (place.startswith(f"{layout.CHECKPOINTS}/") and layout.expected(place)):
        raise CheckFailed("The hub names a checkpoint that no case has.")
    return place


def _hub(said: Mapping[str, Any]) -> bytes:
    """The hub's name and key, as a case keeps them."""
    hub = said.get("hub")
    named = hub if isinstance(hub, Mapping) else {}
    told = {"name": named.get("name"), "public_key": named.get("public")}
    if hub_receipts.key_of(told) is None:
        raise CheckFailed("The hub does not say which key it signs with.")
    return json.dumps(told).encode("ascii")


def _flag(name: str) -> str:
    if not layout.FLAG_ID.fullmatch(name):
        raise CheckFailed("The journal names a flag that no case has.")
    return name


def _statements(rows: Sequence[Mapping[str, Any]], attempt: str) -> dict[str, bytes]:
    found = {}
    for row in rows:
        for envelope in row["statements"]:
            raw = str(envelope).encode("utf-8")
            one = decision.read(raw)
            if one.attempt == attempt:
                found[deciding.name_of(one)] = raw
    return found
