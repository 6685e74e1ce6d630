"""The sources of a live session: opened, shut for a break, opened again; and a valve behind them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from policies.errors import GrantError
from policies.schema import PurposeName
from proctor.capture.naming import Described, DeviceFacts
from proctor.capture.source import Sink, Source
from proctor.pipeline.live import Live
from proctor.types import AudioChunk, Frame, Marker

# What can be taken back while its device is opened: camera and microphone, each perhaps given again.
MOST_TRIES = 4
# A source is started once in its life; what makes new ones can be shut and opened again.
Sources = Sequence[Source] | Callable[[], Sequence[Source]]


class Capture:
    """What gives samples in a live session. Used by one thread."""

    def __init__(self, sources: Sources, live: Live, may: Callable[[PurposeName], bool]) -> None:
        self._sources = sources
        self._live = live
        self._may = may
        self._running: list[Source] = []
        # What the system says of the devices in use; kept through a break.
        self._facts: tuple[DeviceFacts, ...] = ()
        self._valve = _Valve(live, may)
        self.can_reopen = callable(sources)
        # Set while this session has no device; any thread may wait for it.
        self.released = threading.Event()
        self.released.set()

    @property
    def facts(self) -> tuple[DeviceFacts, ...]:
        """What the system says of the devices in use; asked anew when a source took another device."""
        if self._valve.changed:
            self._valve.changed = False
            self._facts = self._asked()
        return self._facts

    def _asked(self) -> tuple[DeviceFacts, ...]:
        return tuple(s.facts() for s in self._running if isinstance(s, Described))

    @property
    def over(self) -> bool:
        """Whether every source has ended by itself."""
        return bool(self._running) and self._valve.ended >= len(self._running)

    def open(self) -> None:
        """Start the sources; what sensors they are is up to the grants at this moment."""
        self.released.clear()
        self._valve = _Valve(self._live, self._may)
        self._running = self._made()
        # Asked before they start: the sound system may be set up anew by the device's own thread.
        self._facts = self._asked()
        for source in list(self._running):
            try:
                source.start(self._valve)
            except GrantError:
                self._running.remove(source)

    def _made(self) -> list[Source]:
        """New sources. The student may take a sensor back in this very moment: then it stays closed."""
        if not callable(self._sources):
            return list(self._sources)
        for _ in range(MOST_TRIES - 1):
            try:
                return list(self._sources())
            except GrantError:
                continue
        return list(self._sources())

    def close(self) -> None:
        """Release every device; safe to call twice."""
        for source in self._running:
            source.stop()
        self._running = []
        self.released.set()

    def forget_waiting(self) -> None:
        """Let go of what waits for the detectors."""
        self._live.forget_frames()
        self._live.forget_audio()

    def forget(self, sensor: PurposeName) -> None:
        """Let go of what waits of one sensor. Its device ends by itself: its grant is gone."""
        if sensor == "camera":
            self._live.forget_frames()
        elif sensor == "microphone":
            self._live.forget_audio()


class _Valve:
    """A sink that lets a sample through only while its sensor may capture."""

    def __init__(self, sink: Sink, may: Callable[[PurposeName], bool]) -> None:
        self._sink = sink
        self._may = may
        self.ended = 0
        self.changed = False

    def frame(self, frame: Frame) -> None:
        if self._may("camera"):
            self._sink.frame(frame)

    def audio(self, chunk: AudioChunk) -> None:
        if self._may("microphone"):
            self._sink.audio(chunk)

    def event(self, marker: Marker) -> None:
        self._sink.event(marker)
        if marker.kind == "source.ended":
            self.ended += 1
        elif marker.kind == "device.changed":
            self.changed = True
