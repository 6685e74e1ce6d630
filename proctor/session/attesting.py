"""Writes down what ran and what its devices looked like: the inventory, and what changes of it.

Nothing here is about the student, and nothing becomes a flag. What a reader can conclude is the matter
of :mod:`proctor.evidence.attestation`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from policies.schema import NEVER_A_FLAG
from proctor.capture.naming import DeviceFacts
from proctor.clock import SessionClock
from proctor.evidence.case import Case
from proctor.session import inventory
from proctor.session.plan import Plan
from proctor.types import Observation

# From this score on, what a detector says of the camera is written down.
NOTED_FROM = 0.5
# Intervals between pictures that are looked at together (a quarter of a minute at ten a second).
INTERVALS = 150
# Pictures of a device come a little early or late; a file's come on a grid. Told apart by how many
# different intervals there are, counted in steps of 10 µs: a file of 25 pictures a second on a grid
# of 10 has two, one with times in whole milliseconds up to four.
STEP_S = 1e-5
FEWEST_DIFFERENT = 8
# A coarser clock than this (Windows before Python 3.13) makes everything look like a grid.
FINE_CLOCK_S = 1e-4
# A correction over the network shifts the clock by less; a hand on it by more. Sleep shifts neither clock.
CLOCK_STEP_S = 5.0
CLOCK_LOOK_S = 5.0


class Attesting:
    """The inventory of one session. One thread (the evidence writer) calls it."""

    def __init__(
        self,
        case: Case,
        clock: SessionClock,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._case = case
        self._clock = clock
        self._wall = wall
        self._live = False
        self._devices: tuple[DeviceFacts, ...] = ()
        self._noted: set[str] = set()
        self._last_frame: float | None = None
        self._intervals: deque[int] = deque(maxlen=INTERVALS)
        self._clock_seen = -CLOCK_LOOK_S
        self._ahead = 0.0
        # Read now, before devices are open: it takes a few tenths of a second.
        inventory.build()

    def begin(
        self,
        t: float,
        plan: Plan,
        source: str,
        devices: Sequence[DeviceFacts] = (),
        recording: Path | None = None,
    ) -> None:
        """The whole inventory, when a session begins or goes on."""
        self._live = source == "live"
        self._devices = tuple(devices)
        self._ahead = self._wall_ahead()
        self._record("inventory", t, inventory.take(plan, source, devices, recording))

    def attend(self, t: float, devices: Sequence[DeviceFacts]) -> None:
        """Write down devices when they are others than before, and a step of the computer's clock."""
        if tuple(devices) != self._devices:
            self._devices = tuple(devices)
            data = {"devices": [inventory.device_data(facts) for facts in devices]}
            self._record("inventory.changed", t, data)
        if t - self._clock_seen < CLOCK_LOOK_S:
            return
        self._clock_seen = t
        ahead = self._wall_ahead()
        if abs(ahead - self._ahead) >= CLOCK_STEP_S:
            self._record("clock.changed", t, {"by_s": round(ahead - self._ahead, 1)})
            self._ahead = ahead

    def frame(self, t: float) -> None:
        """A picture came at session second ``t``. Of a recording that poses as none, nothing is said."""
        last, self._last_frame = self._last_frame, t
        if (
            not self._live
            or last is None
            or time.get_clock_info("monotonic").resolution > FINE_CLOCK_S
        ):
            return
        self._intervals.append(round((t - last) / STEP_S))
        if len(self._intervals) == INTERVALS:
            different = len(set(self._intervals))
            if different <= FEWEST_DIFFERENT:
                self._note(
                    "timing",
                    t,
                    f"{INTERVALS} pictures came at {different} different intervals, to a hundredth of "
                    f"a millisecond",
                )
            self._intervals.clear()

    def observations(self, observations: Sequence[Observation]) -> None:
        """What detectors said; only what they said of the camera is written down, once each."""
        for seen in observations:
            if seen.kind in NEVER_A_FLAG and seen.score is not None and seen.score >= NOTED_FROM:
                self._note(seen.kind, seen.t, seen.reason)

    def _wall_ahead(self) -> float:
        """Seconds by which the computer's clock is ahead of the session's."""
        return (self._wall() - self._clock.wall(self._clock.now())).total_seconds()

    def _note(self, what: str, t: float, reason: str) -> None:
        if what not in self._noted:
            self._noted.add(what)
            self._record("source.noted", t, {"what": what, "reason": reason})

    def _record(self, type: str, t: float, data: dict[str, Any]) -> None:
        self._case.record(type, {"t": round(t, 3), **data}, t)
