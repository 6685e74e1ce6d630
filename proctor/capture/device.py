"""What camera and microphone share: a device may be refused, vanish, block for ever, and come back.

Two threads a device. A daemon thread makes one *attempt*: it opens the device, reads it and
releases it. The watching thread waits for signs of life; when there are none it leaves the attempt
behind, says so in an event, and starts another a second later. Native code that never returns can
therefore hold neither the session nor :meth:`LiveDevice.stop`.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

from policies.consent import Grant, require
from policies.schema import PurposeName
from proctor.capture.source import Sink
from proctor.clock import SessionClock
from proctor.errors import DeviceError
from proctor.types import Marker

# How often the watching thread looks; a tenth of the patience it measures.
LOOK_S = 0.1
# Attempts that hang in native code and may be left behind at once; more would only pile up.
MOST_LEFT_BEHIND = 3
# stop() takes at most the sum of these two.
STOP_WATCH_S = 0.4
STOP_ATTEMPT_S = 0.5


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds without a sample before a device counts as lost, first while opening, and to retry."""

    silent_s: float = 2.0
    # Windows (Media Foundation) takes up to ten seconds to open some cameras.
    opening_s: float = 12.0
    retry_s: float = 1.0


class Attempt:
    """One opening of a device, as seen from both threads."""

    def __init__(self, grant: Grant) -> None:
        self._grant = grant
        self._given_up = threading.Event()
        self.done = threading.Event()
        self.samples = 0
        self.last_sign = time.monotonic()
        self.why = ""

    def wanted(self) -> bool:
        """False as soon as the attempt is given up or consent is withdrawn."""
        return self._grant.live and not self._given_up.is_set()

    def sample(self) -> None:
        """A sample came."""
        self.samples += 1
        self.last_sign = time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the attempt is wanted."""
        self._given_up.wait(seconds)

    def give_up(self) -> None:
        self._given_up.set()


class LiveDevice(ABC):
    """A source over one device, kept alive. Needs a live grant to be built and to be read."""

    def __init__(
        self, grant: Grant, purpose: PurposeName, clock: SessionClock, patience: Patience
    ) -> None:
        self._grant = require(grant, purpose)
        self._purpose = purpose
        self._clock = clock
        self._patience = patience
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None
        self._attempt: Attempt | None = None
        self._threads: list[threading.Thread] = []
        self._state = "new"

    @abstractmethod
    def _read(self, attempt: Attempt, sink: Sink) -> None:
        """Open, read while ``attempt.wanted()``, release. A :class:`DeviceError` is told as it is."""

    @abstractmethod
    def _refused(self) -> str:
        """The sentence for a device that never gave anything: how to let us use it."""

    def start(self, sink: Sink) -> None:
        """Begin to read the device into ``sink``, on threads of its own."""
        require(self._grant, self._purpose)
        self._watcher = threading.Thread(
            target=self._watch, args=(sink,), name=f"{self._purpose} watch", daemon=True
        )
        self._watcher.start()

    def stop(self) -> None:
        """Release the device and end the threads, within a second; may be called twice."""
        self._stop.set()
        attempt = self._attempt
        if attempt is not None:
            attempt.give_up()
        if self._watcher is not None:
            self._watcher.join(STOP_WATCH_S)
        deadline = time.monotonic() + STOP_ATTEMPT_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _watch(self, sink: Sink) -> None:
        while self._may_go_on():
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if len(self._threads) < MOST_LEFT_BEHIND:
                self._try_once(sink)
            self._stop.wait(self._patience.retry_s)

    def _try_once(self, sink: Sink) -> None:
        attempt = Attempt(self._grant)
        self._attempt = attempt
        thread = threading.Thread(
            target=self._make, args=(attempt, sink), name=self._purpose, daemon=True
        )
        self._threads.append(thread)
        thread.start()
        while self._may_go_on() and not attempt.done.wait(LOOK_S):
            if attempt.samples and self._state in ("refused", "lost"):
                self._say(sink, "found", f"The {self._purpose} is back.")
            patience = self._patience.silent_s if attempt.samples else self._patience.opening_s
            if time.monotonic() - attempt.last_sign > patience:
                break
        attempt.give_up()
        if not self._may_go_on():
            return
        if attempt.samples or self._state == "lost":
            self._say(
                sink,
                "lost",
                f"The {self._purpose} stopped giving anything; check its cable, and that no other "
                f"program took it. It is tried again every second.",
            )
        else:
            self._say(sink, "refused", attempt.why or self._refused())

    def _make(self, attempt: Attempt, sink: Sink) -> None:
        try:
            self._read(attempt, sink)
        except DeviceError as error:
            attempt.why = str(error)
        finally:
            attempt.done.set()

    def _may_go_on(self) -> bool:
        return self._grant.live and not self._stop.is_set()

    def _say(self, sink: Sink, state: str, sentence: str) -> None:
        """Tell of a change of state once, not once a retry."""
        if state == self._state:
            return
        self._state = state
        self._event(sink, f"device.{state}", sentence)

    def _event(self, sink: Sink, kind: str, sentence: str) -> None:
        sink.event(Marker(self._clock.now(), kind, {"device": self._purpose, "sentence": sentence}))
