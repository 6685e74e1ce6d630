"""What an auditor asks about consent: was each clip agreed to, is what was taken back gone, do the
receipts tell the truth. Each question returns what is wrong, or nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from policies.engine import EVENTS, ConsentState
from policies.load import parse
from policies.receipts import receipts
from policies.schema import PurposeName
from proctor.evidence import layout
from proctor.evidence.disk import read_bounded
from proctor.evidence.erasure import ROOM_SCAN, due, is_room_scan, purposes_of, taken_back

# A receipt is about 10 kB; the largest policy would make one of some hundred.
MAX_RECEIPT = 1_000_000
_TOMBSTONE = ("what", "when", "why", "rule")

Records = Sequence[Mapping[str, Any]]


def kept_without_leave(records: Records) -> Iterator[tuple[str, str]]:
    """Flags whose clip was sealed although one of its purposes was never agreed to, and that purpose."""
    state = ConsentState()
    for record in records:
        state = state.after(record)
        if record["type"] != "sealed":
            continue
        data = record["data"]
        # An older record does not say which sensors a clip came from.
        known: frozenset[PurposeName] = frozenset({"clips"})
        for purpose in sorted(purposes_of(data) if data.get("sensors") else known):
            if not (state.live(purpose) or taken_back(state, purpose)):
                yield str(data.get("flag")), purpose


def wrong_room_scans(policy: bytes, records: Records) -> list[str]:
    """Room scans that the policy does not offer, for others than it names, without a yes of their own,
    or a second one that nobody by name asked for with a reason (rules R1 to R4).

    Raises :class:`PolicyError` when this version cannot read the policy.
    """
    scans = [r["data"] for r in records if r["type"] == "sealed" and is_room_scan(r["data"])]
    if not scans:
        return []
    offered = parse(policy, "of this case").room_scan
    wrong = []
    for place, data in enumerate(scans):
        recipients = data.get("recipients")
        named = isinstance(recipients, list) and set(map(str, recipients)) <= {*offered.recipients}
        if offered.mode != "offered":
            wrong.append(f"{data.get('flag')} was kept, but the policy has no room scan")
        elif not named:
            wrong.append(f"{data.get('flag')} was sealed for someone whom the policy does not name")
        elif place and not (data.get("asked_by") and data.get("why")):
            wrong.append(f"{data.get('flag')} is a second scan that nobody asked for by name")
    return wrong + _without_a_yes(records)


def _without_a_yes(records: Records) -> list[str]:
    """Room scans before which no yes was given since the last one, or that were thrown away.

    A yes that was taken back while its film was being sealed is no such thing: that film is erased.
    """
    yes, wrong = False, []
    for record in records:
        kind, data = record["type"], record["data"]
        if kind == "sealed" and is_room_scan(data):
            if not yes:
                wrong.append(f"{data.get('flag')} was kept, but no yes was given for it")
            yes = False
        elif kind in EVENTS and data.get("purpose") == ROOM_SCAN:
            if EVENTS[kind] == "granted":
                yes = True
            elif EVENTS[kind] == "refused" or data.get("only"):
                yes = False
    return wrong


def wrong_erasures(records: Records, files: Collection[str]) -> Iterator[str]:
    """What is wrong with the erasures that the journal tells of."""
    sealed: set[str] = set()
    for record in records:
        data = record["data"]
        flag = str(data.get("flag"))
        if record["type"] == "sealed":
            sealed.add(flag)
        elif record["type"] == "erased":
            if flag not in sealed:
                yield f"{flag} was erased, but never sealed"
            elif not all(isinstance(data.get(name), str) and data[name] for name in _TOMBSTONE):
                yield f"the erasure of {flag} does not say what, when, why and by which rule"
            elif layout.clip_name(flag) in files:
                yield f"{flag} was erased, but its file is there"


def not_erased(records: Records) -> list[str]:
    """Flags whose clip should be gone, because the student took back what it came from."""
    return list(due(records))


def wrong_receipts(
    folder: Path, policy: bytes, records: Records, names: Sequence[str]
) -> list[str]:
    """Receipts (paths below ``folder``) that do not say what policy and journal say.

    Raises :class:`PolicyError` when this version cannot read the policy.
    """
    made = receipts(parse(policy, "of this case"), records)
    true = {layout.consent_name(number): data for number, data in enumerate(made, start=1)}
    return [name for name in names if _read(folder / name) != true.get(name)]


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_RECEIPT)
    except (OSError, ValueError):
        # A file that cannot be read says nothing, so it is wrong.
        return b""
