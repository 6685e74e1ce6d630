"""Is this sound fit to be judged? A muted, overdriven or drowned microphone can only say *unknown*."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 16_000
WINDOW = 512
WINDOW_S = WINDOW / RATE

# A microphone, even in a silent room, moves by its own hiss. The same value for this long means
# that it is muted or that the driver delivers nothing.
MUTED_S = 2.0
# Samples this close to full scale are taken as cut off.
FULL_SCALE = 0.998
# A single loud word cuts off a peak here and there; from this share on the sound counts as
# overdriven. Distortion makes noises resemble voice: of 85 noises amplified ten times, four keep
# Silero's mean above one half for a second, and none of them at its own level.
CLIPPED_SHARE = 0.05
# Speech of ordinary loudness (-30 dBFS) is still found in 87-98 % of its windows when steady noise
# is as loud as itself, and in 50-97 % when the noise is 5 dB louder (measured, eight noises).
NOISY_DBFS = -30.0
# The steady background is the level that is undercut in only a tenth of the last ten seconds, so
# that typing, coughs and pauses between words do not count as background.
BACKGROUND_SHARE = 10
BACKGROUND_S = 10.0
BACKGROUND_AFTER_S = 3.0
SECOND = round(1.0 / WINDOW_S)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fitness:
    """``unfit``: why nothing can be told; ``drowned``: why "no voice" cannot be told. Empty: fit."""

    unfit: str = ""
    drowned: str = ""


FIT = Fitness()


class SoundCheck:
    """Follows consecutive windows of 512 samples (float32, -1…1, 16 kHz)."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next window comes after a gap."""
        self._last: float | None = None
        self._still = 0
        self._clipped: deque[int] = deque(maxlen=SECOND)
        self._levels: deque[float] = deque(maxlen=round(BACKGROUND_S / WINDOW_S))
        self._windows = 0
        self._background_dbfs = -120.0

    def look(self, window: Floats) -> Fitness:
        """How fit the sound is up to and including ``window``."""
        low, high = float(window.min()), float(window.max())
        constant = low == high and self._last in (None, low)
        self._still = self._still + 1 if constant else 0
        self._last = float(window[-1])
        loud = max(-low, high) >= FULL_SCALE
        self._clipped.append(int(np.count_nonzero(np.abs(window) >= FULL_SCALE)) if loud else 0)
        # The spread, not the root mean square: a constant offset is no sound. (np.std would cost
        # five times as much on so few samples.)
        mean = float(window.sum()) / WINDOW
        spread = float(np.dot(window, window)) / WINDOW - mean * mean
        self._levels.append(max(spread, 0.0) ** 0.5)
        self._windows += 1
        if self._windows % SECOND == 0 and len(self._levels) * WINDOW_S >= BACKGROUND_AFTER_S:
            level = float(np.percentile(self._levels, BACKGROUND_SHARE))
            self._background_dbfs = 20.0 * float(np.log10(max(level, 1e-6)))
        return self._verdict()

    def _verdict(self) -> Fitness:
        if self._still * WINDOW_S > MUTED_S:
            return Fitness(unfit="the microphone gives only silence (muted?)")
        share = sum(self._clipped) / (SECOND * WINDOW)
        if share >= CLIPPED_SHARE:
            return Fitness(unfit=f"the microphone is overdriven ({share:.0%} of the sound cut off)")
        if self._background_dbfs >= NOISY_DBFS:
            return Fitness(drowned=f"too noisy ({self._background_dbfs:.0f} dBFS all the time)")
        return FIT
