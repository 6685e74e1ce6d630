"""Who is told what a preview or an exam sees as it happens; windows use it, evidence does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proctor.types import Frame, Marker, Observation


def nothing(_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What is called, on the thread that works; each must return quickly and never raise.

    ``on_frame`` and ``on_level`` (loudness of the last block in dBFS, 0 is full scale) are called by a
    preview only: during an exam no picture and no sound leaves the pipeline.
    """

    on_frame: Callable[[Frame], None] = nothing
    on_level: Callable[[float], None] = nothing
    on_seen: Callable[[Sequence[Observation]], None] = nothing
    on_marker: Callable[[Marker], None] = nothing
