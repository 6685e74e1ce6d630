"""Misses against false alarms as the threshold moves: segments counted once a person, so that persons
can be drawn anew.

A curve is kept as counts at each threshold (scores at or above it), one row a person. Thresholds are
all different scores, or evenly many of them where there are more than :data:`MOST`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from proctor.evaluate import resampling
from proctor.evaluate.statistics import LEVEL, Answer, Unsaid

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
MOST = 512
FARS = (0.01, 0.02, 0.05)
FMR = 1e-3
# The ends of the intervals move by about a hundredth of their width between two seeds.
DRAWS = 500


@dataclass(frozen=True, slots=True)
class Curve:
    """Counts of segments at or above each threshold.

    ``thresholds`` [T] fall, beginning with one that nothing reaches; ``hits`` and ``false`` are
    [persons, T], ``positives`` and ``negatives`` [persons].
    """

    thresholds: Floats
    hits: Floats
    false: Floats
    positives: Floats
    negatives: Floats

    def rates(self, chosen: Ints | None = None) -> tuple[Floats, Floats]:
        """False alarm rate and detection rate at each threshold, of the ``chosen`` persons or all."""
        if chosen is None:
            chosen = np.arange(len(self.positives))
        # Whole numbers as floats: exact up to 2^53, and multiplied much faster.
        times = np.bincount(chosen, minlength=len(self.positives)).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            false = (times @ self.false) / (times @ self.negatives)
            hits = (times @ self.hits) / (times @ self.positives)
        return false, hits


def curve(persons: Sequence[tuple[Bools, Floats]], most: int = MOST) -> Curve | None:
    """The curve of labels and scores, one pair of arrays a person; ``None`` without any segment."""
    everything = np.concatenate([np.empty(0), *(scores for _, scores in persons)])
    if not everything.size:
        return None
    steps = np.unique(everything)
    if len(steps) > most:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, most).round().astype(int))]
    falling = np.concatenate([[np.inf], steps[::-1]])
    hits = np.array([_at_least(scores[labels], falling) for labels, scores in persons])
    false = np.array([_at_least(scores[~labels], falling) for labels, scores in persons])
    return Curve(falling, hits, false, hits[:, -1], false[:, -1])


def _at_least(scores: Floats, falling: Floats) -> Floats:
    ordered = np.sort(scores)
    found: Floats = (len(ordered) - np.searchsorted(ordered, falling, side="left")).astype(
        np.float64
    )
    return found


def detection_at(false: Floats, hits: Floats, far: float) -> float:
    """The best detection rate with a false alarm rate of ``far`` at most; NaN where undefined."""
    if not (np.isfinite(false).all() and np.isfinite(hits).all()):
        return math.nan
    return float(hits[false <= far].max())


def equal_error(false: Floats, hits: Floats) -> float:
    """Where misses and false alarms are alike, on the line between neighbours; NaN where undefined."""
    missed = 1.0 - hits
    gap = false - missed
    if not np.isfinite(gap).all():
        return math.nan
    after = int(np.argmax(gap >= 0))
    if gap[after] == 0 or after == 0:
        return float(false[after])
    before = after - 1
    part = -gap[before] / (gap[after] - gap[before])
    return float(false[before] + part * (false[after] - false[before]))


def area(false: Floats, hits: Floats) -> float:
    """Area under the receiver operating characteristic, by trapezes; NaN where undefined."""
    if not (np.isfinite(false).all() and np.isfinite(hits).all()):
        return math.nan
    return float(np.trapezoid(hits, false))


def answer(
    made: Curve | None, number: Callable[[Floats, Floats], float], level: float = LEVEL
) -> Answer:
    """``number`` of the curve's rates, with persons drawn anew; or why there is none."""
    missing = lacking(made)
    if missing is not None or made is None:
        return missing or Unsaid("there are no segments")

    def of_persons(chosen: Ints) -> float:
        return number(*made.rates(chosen))

    persons = len(made.positives)
    return resampling.statistic(persons, of_persons, "persons", None, level, draws=DRAWS)


def lacking(made: Curve | None) -> Unsaid | None:
    """Why a curve says nothing, or ``None``."""
    if made is None:
        return Unsaid("no score of this kind was measured", 0, "segments")
    if not made.positives.sum():
        return Unsaid(
            "no measured segment holds such an event", int(made.negatives.sum()), "segments"
        )
    if not made.negatives.sum():
        return Unsaid(
            "every measured segment holds such an event", int(made.positives.sum()), "segments"
        )
    return None


def misses_at_fmr(made: Curve | None, fmr: float = FMR, level: float = LEVEL) -> Answer:
    """FNMR at a false match rate of ``fmr``; needs 3 / ``fmr`` segments without an event.

    With fewer, not one false match among them would show that the rate is as low (rule of three).
    """
    missing = lacking(made)
    if missing is not None or made is None:
        return missing or Unsaid("there are no segments")
    negatives = int(made.negatives.sum())
    if negatives * fmr < 3:
        return Unsaid(
            f"{negatives} segments without an event are too few for a rate of {fmr:g} "
            f"(at least {math.ceil(3 / fmr)})",
            negatives,
            "segments",
        )
    return answer(made, lambda false, hits: 1.0 - detection_at(false, hits, fmr), level)
