"""What a session says of itself when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened in a session, in numbers. Time of a break is neither measured nor not measured."""

    seconds: float
    frames_seen: int
    frames_dropped: int
    not_measured_s: Mapping[str, float]
    not_measured_why: Mapping[str, Mapping[str, float]]
    break_s: float
    real_time_factor: float
    cpu_s: Mapping[str, float]
    flags: int
    clips: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 3),
            "frames_seen": self.frames_seen,
            "frames_dropped": self.frames_dropped,
            "flags": self.flags,
            "clips": self.clips,
            "not_measured_s": dict(self.not_measured_s),
            "not_measured_why": {k: dict(v) for k, v in self.not_measured_why.items()},
            "break_s": round(self.break_s, 2),
            "real_time_factor": round(self.real_time_factor, 2),
            "cpu_s": {k: round(v, 3) for k, v in self.cpu_s.items()},
        }
