"""Which sealed clips a withdrawn purpose takes with it, and how one goes (rules C4, T2).

Pure on the journal's records, so that the session, a resumed case and an auditor come to one answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from policies.engine import EVENTS, PURPOSES, ConsentState
from policies.schema import PurposeName
from proctor.evidence import layout

WITHDRAWN = "The student took back what this clip came from."
RULE = "C4"
# What a ``sealed`` record's ``what`` says when it is no clip of a flag; also the purpose it lives on.
ROOM_SCAN: PurposeName = "room_scan"
_ENDING = {kind for kind, status in EVENTS.items() if status in ("withdrawn", "objected")}


def is_room_scan(sealed: Mapping[str, Any]) -> bool:
    """Whether what was sealed (its record's data) is a room scan and no clip of a flag."""
    return sealed.get("what") == ROOM_SCAN


def purposes_of(sealed: Mapping[str, Any]) -> frozenset[PurposeName]:
    """Every purpose that a clip (its ``sealed`` record's data) lives on: clips, and its sensors.

    A room scan was agreed to by itself, and by nothing else.
    """
    if is_room_scan(sealed):
        return frozenset({ROOM_SCAN})
    sensors = sealed.get("sensors")
    if not isinstance(sensors, list | tuple) or not sensors:
        # A record without them: a picture may have come with sound.
        picture = str(sealed.get("mime")).startswith("video/")
        sensors = ("camera", "microphone") if picture else ("microphone",)
    return frozenset(p for p in PURPOSES if p == "clips" or p in sensors)


def due(records: Iterable[Mapping[str, Any]]) -> dict[str, PurposeName]:
    """Flags whose sealed clip must go and is not erased yet, each with the purpose taken back.

    ``records`` are journal lines (``id``, ``type``, ``data``). A clip that was being sealed while the
    student took a purpose back goes as well.
    """
    state = ConsentState()
    kept: dict[str, frozenset[PurposeName]] = {}
    leaving: dict[str, PurposeName] = {}
    for record in records:
        state = state.after(record)
        kind, data = record.get("type"), record.get("data")
        if not isinstance(data, Mapping):
            continue
        flag = str(data.get("flag"))
        if kind == "sealed" and layout.FLAG_ID.fullmatch(flag):
            kept[flag] = purposes_of(data)
            lost = [p for p in PURPOSES if p in kept[flag] and taken_back(state, p)]
            if lost:
                leaving[flag] = lost[0]
        elif kind == "erased":
            kept.pop(flag, None)
            leaving.pop(flag, None)
        elif kind in _ENDING:
            # ``only`` names one room scan, which was thrown away before it was sealed.
            only = data.get("only")
            for name, purposes in kept.items():
                if only and name != only:
                    continue
                for purpose in purposes:
                    if purpose == data.get("purpose"):
                        leaving.setdefault(name, purpose)
    return leaving


def taken_back(state: ConsentState, purpose: PurposeName) -> bool:
    """Whether ``purpose`` was given and then withdrawn or objected to."""
    standing = state.purposes.get(purpose)
    return standing is not None and standing.status in ("withdrawn", "objected")
