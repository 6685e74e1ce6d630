"""What a live source is, and where its samples go."""

from __future__ import annotations

from typing import Protocol

from proctor.types import AudioChunk, Frame, Marker

# One grid of camera frames for detectors, clips and room scans alike (docs/decisions/0005).
FPS = 10.0


class Sink(Protocol):
    """Takes samples. Called on the source's own threads; must return quickly and never raise."""

    def frame(self, frame: Frame) -> None: ...

    def audio(self, chunk: AudioChunk) -> None: ...

    def event(self, marker: Marker) -> None:
        """``device.lost``, ``device.found``, ``device.refused``, ``device.format``,
        ``source.damaged`` or ``source.ended``; ``data`` holds ``device`` (``camera``,
        ``microphone`` or ``recording``) and ``sentence``, a text for the person at the machine.
        """
        ...


class Source(Protocol):
    """Something that gives samples by itself, in real time."""

    def start(self, sink: Sink) -> None:
        """Begin to fill ``sink``. A source is started once in its life."""
        ...

    def stop(self) -> None:
        """Join the threads and release the device within a second, whatever the device does."""
        ...
