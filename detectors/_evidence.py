"""Evidence that adds up: single looks at a moving thing become one steady probability.

A two-state Bayes filter runs for every *place* where the network sees something. Each look adds the
log-likelihood ratio of its score ("how many times more often does such a score occur when the thing
is really there?"), a look that finds nothing subtracts, and what is not confirmed fades towards
the prior. A glimpse of a hand is forgotten; a half-hidden phone, found in every third picture, is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot

import numpy as np

from detectors._yolo import Found
from proctor.types import Box


@dataclass(frozen=True, slots=True)
class Weights:
    """How much one look counts, in log odds, by the network's score (linear in between).

    ``scores`` starts at 0.0, the weight of a look that finds nothing. ``prior`` is the log odds
    before any look, ``ceiling`` the most that can pile up (it bounds how long a flag lingers),
    ``memory_s`` the time after which unconfirmed evidence has faded to 1/e.
    """

    scores: tuple[float, ...]
    values: tuple[float, ...]
    prior: float = -3.0
    ceiling: float = 3.0
    memory_s: float = 6.0

    def of(self, score: float) -> float:
        return float(np.interp(score, self.scores, self.values))


@dataclass(slots=True)
class Place:
    """One followed thing: where it was last, its log odds, and in how many looks it was found."""

    box: Box
    log_odds: float
    best: float = 0.0
    looks: int = 0
    hits: int = 0
    seen: bool = True

    @property
    def score(self) -> float:
        return 1.0 / (1.0 + exp(-self.log_odds))


class Evidence:
    """Follows the things of one class and says how likely one of them is really there."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._places: list[Place] = []
        self._t: float | None = None

    def add(self, t: float, things: Sequence[Found]) -> Place | None:
        """One look at time ``t``; the likeliest place now, ``None`` when there is none."""
        weights = self._weights
        keep = 1.0 if self._t is None else exp(-max(0.0, t - self._t) / weights.memory_s)
        self._t = t
        for place in self._places:
            place.log_odds = weights.prior + keep * (place.log_odds - weights.prior)
            place.looks += 1
            place.seen = False
        for thing in sorted(things, key=lambda f: -f.score):
            found_at = self._place_for(thing.box)
            found_at.box = thing.box
            found_at.seen = True
            found_at.hits += 1
            found_at.best = max(found_at.best, thing.score)
            found_at.log_odds = min(weights.ceiling, found_at.log_odds + weights.of(thing.score))
        for place in self._places:
            if not place.seen:
                place.log_odds += weights.of(0.0)
        # A place that has sunk to "probably nothing" is dropped, so the list stays short.
        self._places = [p for p in self._places if p.seen or p.log_odds > weights.prior]
        return max(self._places, key=lambda p: p.log_odds, default=None)

    def _place_for(self, box: Box) -> Place:
        near = [p for p in self._places if not p.seen and _within_reach(p.box, box)]
        if near:
            return max(near, key=lambda p: p.log_odds)
        new = Place(box, self._weights.prior, looks=1)
        self._places.append(new)
        return new


def _within_reach(a: Box, b: Box) -> bool:
    """Whether a hand can have moved a thing from ``a`` to ``b`` between two looks: not further than
    the thing is long. Overlap alone loses a phone that is waved about."""
    dx = (a.x + a.width / 2) - (b.x + b.width / 2)
    dy = (a.y + a.height / 2) - (b.y + b.height / 2)
    return hypot(dx, dy) < max(a.width, a.height, b.width, b.height)
