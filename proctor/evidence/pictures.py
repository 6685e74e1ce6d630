"""Still pictures from a clip that a key has opened: in memory, as data URIs, with the flag's box drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """One JPEG as a data URI; ``t`` is session seconds, ``boxed`` whether a box was drawn on it."""

    t: float
    uri: str
    width: int
    height: int
    boxed: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of one clip: its pictures, perhaps the whole clip as a data URI, or why neither."""

    pictures: tuple[Picture, ...] = ()
    video: str = ""
    problem: str = ""
