"""Session time: seconds since the session began, tied once to the wall clock."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


def steady() -> float:
    """Seconds of a clock that nobody can set, and that runs on while the computer sleeps.

    `time.monotonic` stands still during sleep on Linux and macOS, and would make every later moment of
    an exam too early. Linux: CLOCK_BOOTTIME (clock_gettime(2)). macOS: CLOCK_MONOTONIC, which counts
    sleep there, other than `time.monotonic` (clock_gettime(3)). Windows: `time.monotonic` does count it.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class SessionClock:
    """Steady session seconds with a wall-clock anchor (a changed system clock moves nothing)."""

    anchor: datetime = field(default_factory=lambda: datetime.now(UTC))
    origin: float = field(default_factory=steady)

    def now(self) -> float:
        """Seconds since the session began."""
        return steady() - self.origin

    def wall(self, t: float) -> datetime:
        """The wall-clock moment (UTC) of session second ``t``."""
        return self.anchor + timedelta(seconds=t)
