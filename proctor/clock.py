"""Session time: seconds since the session began, tied once to the wall clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class SessionClock:
    """Monotonic session seconds with a wall-clock anchor (a changed system clock moves nothing)."""

    anchor: datetime = field(default_factory=lambda: datetime.now(UTC))
    origin: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Seconds since the session began."""
        return time.monotonic() - self.origin

    def wall(self, t: float) -> datetime:
        """The wall-clock moment (UTC) of session second ``t``."""
        return self.anchor + timedelta(seconds=t)
