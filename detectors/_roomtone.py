"""The student's own room tone: what is no louder than the room itself is not somebody talking in it.

A television behind a wall, a neighbour or a fan that hums like a voice is heard by every voice
detector. Learned while the student is quiet; levels in dBFS only, kept in memory.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors._voice import IS_VOICE, WINDOW_S, Window

# A voice counts when its window is this much louder than nine tenths of the room tone. Talk at a
# desk stands 15 dB and more above a room that a conversation can be held in (ANSI/ASA S12.60 asks
# for 15 dB in classrooms); what comes through a wall varies by a few dB around its own level.
ABOVE_DB = 6.0
# The limit never rises beyond this: talk of ordinary loudness (-30 dBFS) is heard in any room.
HIGHEST_DBFS = -40.0
# Louder voice than this while the room was being learned is somebody in it.
VOICE_DBFS = -40.0
VOICE_SHARE = 0.15
# Two seconds of sound are needed, and a minute is the most that is kept.
LEAST_S = 2.0
LONGEST_S = 60.0
QUIETEST_DBFS = -90.0


def level_dbfs(samples: npt.NDArray[np.int16]) -> float:
    """Loudness of a window: root mean square without its offset, in dB of full scale."""
    spread = float(np.std(samples.astype(np.float32))) / 32768.0
    return float(20.0 * np.log10(max(spread, 10.0 ** (QUIETEST_DBFS / 20.0))))


class RoomTone:
    """Collects windows from second ``t`` on."""

    def __init__(self, t: float) -> None:
        self.began = t
        self._levels: list[float] = []
        self._voiced: list[bool] = []
        self._unfit = ""

    def add(self, window: Window) -> None:
        """One more window of the quiet room."""
        if len(self._levels) * WINDOW_S >= LONGEST_S:
            return
        self._levels.append(level_dbfs(window.samples))
        self._voiced.append(window.voice >= IS_VOICE)
        self._unfit = window.fitness.unfit or window.fitness.drowned or self._unfit

    def problem(self, t: float) -> str:
        """Why the room tone cannot be learned from this; empty when it can."""
        if t - self.began > LONGEST_S:
            return "it took too long"
        if self._unfit:
            return self._unfit
        if len(self._levels) * WINDOW_S < LEAST_S:
            return f"only {len(self._levels) * WINDOW_S:.1f} s of sound came"
        levels = np.array(self._levels)
        loud = (levels >= VOICE_DBFS) & np.array(self._voiced)
        if loud.mean() > VOICE_SHARE:
            return f"somebody spoke ({float(np.median(levels[loud])):.0f} dBFS)"
        return ""

    @property
    def tone_dbfs(self) -> float:
        """The level that nine tenths of the windows stay below."""
        return float(np.quantile(np.array(self._levels), 0.9))

    @property
    def limit_dbfs(self) -> float:
        """From this level on a voice counts."""
        return min(self.tone_dbfs + ABOVE_DB, HIGHEST_DBFS)
