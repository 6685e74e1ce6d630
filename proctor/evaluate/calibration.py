"""Whether scores mean what they say: the Brier score and the reliability of segments' scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from proctor.evaluate import resampling
from proctor.evaluate.statistics import LEVEL, Answer, Unsaid

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Segments with scores from ``low`` to ``high``: their mean score, and the share with an event."""

    low: float
    high: float
    mean: float
    share: Answer
    segments: int
    positives: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """``brier``: mean squared distance of score and truth (0 best; Brier 1950). ``base``: the Brier
    score of always saying the share of positives. ``bins``: those with any segment."""

    brier: Answer
    base: float
    bins: tuple[Bin, ...]


def reliability(
    persons: Sequence[tuple[Bools, Floats]], level: float = LEVEL
) -> Reliability | Unsaid:
    """Labels and scores (0…1) of segments, a pair of arrays a person; persons are drawn anew."""
    persons = [one for one in persons if len(one[1])]
    labels = np.concatenate([np.empty(0, bool), *(a for a, _ in persons)])
    if not len(labels):
        return Unsaid("no score of this kind was measured", 0, "segments")
    if labels.all() or not labels.any():
        return Unsaid("there is only one sort of segment", len(labels), "segments")
    lost = [float(np.square(scores - truth).sum()) for truth, scores in persons]
    sizes = [float(len(scores)) for _, scores in persons]
    made = []
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = [
            (scores >= low) & ((scores < high) | (number == BINS - 1)) for _, scores in persons
        ]
        n = sum(int(one.sum()) for one in inside)
        if not n:
            continue
        right = [float(truth[one].sum()) for (truth, _), one in zip(persons, inside, strict=True)]
        total = sum(
            float(scores[one].sum()) for (_, scores), one in zip(persons, inside, strict=True)
        )
        made.append(
            Bin(
                low,
                high,
                total / n,
                resampling.share(right, [float(one.sum()) for one in inside], "persons", level),
                n,
                int(sum(right)),
            )
        )
    prior = float(labels.mean())
    return Reliability(
        resampling.share(lost, sizes, "persons", level), prior * (1 - prior), tuple(made)
    )
