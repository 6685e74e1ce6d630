"""The tables of an MP4 or QuickTime file, before a decoder makes room for what they claim.

A few bytes can claim thousands of millions of samples. ISO/IEC 14496-12 says where each table stands
and how long its entries are, so a claim that its box has no room for is found without decoding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf"}
# Kinds that begin such a file; anything else is another format.
_FIRST = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot"}
# Bytes of an entry, in tables whose count stands four bytes into the box.
_ENTRY = {b"stts": 8, b"ctts": 8, b"stsc": 12, b"stco": 4, b"co64": 8, b"stss": 4, b"elst": 12}
# A fragment may give its samples no bytes at all; half an hour of a phone's pictures is fewer.
_MOST_BARE = 100_000
# Three hours in fragments of half a second have some 400 000 boxes.
_MOST_BOXES = 2_000_000
_SAMPLE_FIELDS = 0xF00


def too_much(path: Path) -> str:
    """What a file's tables claim and cannot hold; empty where it holds what it claims, or is no MP4."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(4)
        if file.read(4) not in _FIRST:
            return ""
        for number, (kind, body, end) in enumerate(_boxes(file, 0, length)):
            if number > _MOST_BOXES:
                return f"it has more than {_MOST_BOXES:,} boxes"
            claimed, room = _claim(file, kind, body, end)
            if claimed > room:
                name = kind.decode("latin-1")
                return f"its table '{name}' claims {claimed:,} entries and has room for {room:,}"
    return ""


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin of the body and end of every box from ``at`` on, with those inside of them.

    What is cut off ends with the file, and what cannot be a box ends the walk there: a recording whose
    end is missing is still one.
    """
    todo = [(at, end)]
    while todo:
        at, end = todo.pop()
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            size, kind, body = int.from_bytes(head[:4], "big"), head[4:8], at + 8
            if size == 1:
                size, body = int.from_bytes(head[8:16], "big"), at + 16
            elif size == 0:
                size = end - at
            if size < body - at:
                break
            close = min(at + size, end)
            yield kind, body, close
            if kind in CONTAINERS:
                todo.append((body, close))
            at += size


def _claim(file: BinaryIO, kind: bytes, body: int, end: int) -> tuple[int, int]:
    """How many entries a table claims, and how many it has room for."""
    if kind not in _ENTRY and kind not in (b"stsz", b"trun"):
        return 0, 0
    file.seek(body)
    head = file.read(12)
    if kind == b"stsz":
        # Where all samples have one size, there is no table.
        claimed = int.from_bytes(head[8:12], "big") if not any(head[4:8]) else 0
        return claimed, max(0, end - body - 12) // 4
    claimed = int.from_bytes(head[4:8], "big")
    if kind in _ENTRY:
        return claimed, max(0, end - body - 8) // _ENTRY[kind]
    entry = 4 * (int.from_bytes(head[1:4], "big") & _SAMPLE_FIELDS).bit_count()
    return claimed, max(0, end - body - 8) // entry if entry else _MOST_BARE
