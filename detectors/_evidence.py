"""Evidence that adds up: single looks at a moving thing become one steady probability.

A two-state Bayes filter runs for every *place* where the network sees something. Each look adds the
log-likelihood ratio of its score ("how many times more often does such a score occur when the thing
is really there?"), a look that finds nothing subtracts, and what is not confirmed fades towards
the prior. A glimpse of a hand is forgotten; a half-hidden phone, found in every other picture, is not.

Where a second, closer look can be had, its score and the first one's are averaged (geometrically: both
must agree), and how much a close look confirmed is remembered for the looks in between.

A thing that has not moved since the beginning shows the same picture every time: however often it is
looked at, it is one look. It counts only when its mean score alone outweighs the prior.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp, hypot, sqrt

import numpy as np

from detectors._yolo import Found, overlap
from proctor.types import Box

# A close look costs as much as the first one, so there is at most one in this time, and only for a
# thing that scores at least this much.
CLOSE_EVERY_S = 0.9
CLOSE_FROM = 0.1
# What a thing counts that no close look has seen yet. Between 0.4 and 0.8 the flags on the labelled
# recordings are the same.
UNCHECKED = 0.6
# Added to the close look's score: a look that finds nothing is strong evidence, not proof.
DOUBT = 0.02
# Two boxes of one unmoved thing overlap at least this much (intersection over union): looks at a still
# scene jitter by less, and a hand never holds so still.
UNMOVED = 0.7
# The log odds that a thing which counts for one look can reach: 0.38, under any sensible threshold.
ONE_LOOK = -0.5

CloseLook = Callable[[Box], float]


@dataclass(frozen=True, slots=True)
class Weights:
    """How much one look counts, in log odds, by the network's score (linear in between).

    ``scores`` starts at 0.0, the weight of a look that finds nothing. ``prior`` is the log odds
    before any look, ``ceiling`` the most that can pile up (it bounds how long a flag lingers),
    ``memory_s`` the time after which unconfirmed evidence has faded to 1/e. ``fixed`` is the mean score
    from which a thing counts that has not moved since the first ``begin_s`` seconds.
    """

    scores: tuple[float, ...]
    values: tuple[float, ...]
    prior: float = -3.0
    ceiling: float = 3.0
    memory_s: float = 6.0
    fixed: float = 0.0
    begin_s: float = 5.0

    def of(self, score: float) -> float:
        return float(np.interp(score, self.scores, self.values))


@dataclass(slots=True)
class Place:
    """One followed thing: where it was last and first, its log odds, in how many looks it was found, the
    factor on its scores that the last close look earned it, whether it has stood where it is since the
    beginning, and the sum of its scores by class name."""

    box: Box
    log_odds: float
    first: Box
    best: float = 0.0
    looks: int = 0
    hits: int = 0
    seen: bool = True
    trust: float = 1.0
    fixed: bool = False
    named: dict[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        return 1.0 / (1.0 + exp(-self.log_odds))

    @property
    def name(self) -> str:
        """The class it was mostly found as."""
        return max(self.named, key=lambda name: self.named[name])


class Evidence:
    """Follows the things of one class, or of classes that are taken for each other, and says how likely
    one of them is really there."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._places: list[Place] = []
        self._t: float | None = None
        self._began = 0.0
        self._looked_close = float("-inf")

    def likeliest(self, name: str) -> Place | None:
        """The likeliest place now of what was mostly found as ``name``."""
        mine = (p for p in self._places if p.name == name)
        return max(mine, key=lambda p: p.log_odds, default=None)

    def add(
        self, t: float, things: Sequence[Found], close_look: CloseLook | None = None
    ) -> Place | None:
        """One look at time ``t``; the likeliest place now, ``None`` when there is none.

        ``close_look`` gives the score of the same class at a box, seen enlarged.
        """
        weights = self._weights
        if self._t is None:
            self._began = self._t = t
        keep = exp(-max(0.0, t - self._t) / weights.memory_s)
        self._t = t
        for place in self._places:
            place.log_odds = weights.prior + keep * (place.log_odds - weights.prior)
            place.looks += 1
            place.seen = False
        worth = self._worth_a_close_look(t, things) if close_look else None
        for thing in sorted(things, key=lambda f: -f.score):
            found_at = self._place_for(thing.box, 1.0 if close_look is None else UNCHECKED)
            if close_look and thing is worth:
                found_at.trust = sqrt((close_look(thing.box) + DOUBT) / thing.score)
                self._looked_close = t
            found_at.box = thing.box
            found_at.seen = True
            found_at.hits += 1
            found_at.best = max(found_at.best, thing.score)
            found_at.named[thing.name] = found_at.named.get(thing.name, 0.0) + thing.score
            weight = weights.of(min(1.0, thing.score * found_at.trust))
            found_at.log_odds = min(self._most(found_at), found_at.log_odds + weight)
        for place in self._places:
            if not place.seen:
                place.log_odds += weights.of(0.0)
        # A place that has sunk to "probably nothing" is dropped, so the list stays short.
        self._places = [p for p in self._places if p.seen or p.log_odds > weights.prior]
        return max(self._places, key=lambda p: p.log_odds, default=None)

    def _place_for(self, box: Box, trust: float) -> Place:
        place = self._nearest(box)
        if place is None:
            since = (self._t or 0.0) - self._began
            place = Place(box, self._weights.prior, box, looks=1, trust=trust)
            place.fixed = since < self._weights.begin_s
            self._places.append(place)
        # What has moved once was moved by somebody, and stays news where it is put down.
        place.fixed = place.fixed and overlap(place.first, box) >= UNMOVED
        return place

    def _most(self, place: Place) -> float:
        """The log odds that ``place`` can have."""
        mean = sum(place.named.values()) / place.looks
        if place.fixed and mean < self._weights.fixed:
            return ONE_LOOK
        return self._weights.ceiling

    def _nearest(self, box: Box) -> Place | None:
        near = [p for p in self._places if not p.seen and _within_reach(p.box, box)]
        return max(near, key=lambda p: p.log_odds, default=None)

    def _worth_a_close_look(self, t: float, things: Sequence[Found]) -> Found | None:
        """The thing that is nearest to being believed, when a close look is due."""
        if t - self._looked_close < CLOSE_EVERY_S:
            return None

        def log_odds(thing: Found) -> float:
            place = self._nearest(thing.box)
            before = self._weights.prior if place is None else place.log_odds
            return before + self._weights.of(thing.score)

        return max((f for f in things if f.score >= CLOSE_FROM), key=log_odds, default=None)


def _within_reach(a: Box, b: Box) -> bool:
    """Whether a hand can have moved a thing from ``a`` to ``b`` between two looks: not further than
    the thing is long. Overlap alone loses a phone that is waved about."""
    dx = (a.x + a.width / 2) - (b.x + b.width / 2)
    dy = (a.y + a.height / 2) - (b.y + b.height / 2)
    return hypot(dx, dy) < max(a.width, a.height, b.width, b.height)
