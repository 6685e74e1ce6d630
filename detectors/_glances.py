"""Looks away over time: how many, how long, and how much of the time before an answer.

A glance is a stretch of looks away of at least ``GLANCE_S``; what is shorter never counts. Its
numbers are our own choice, made on principle: people look aside for a second or two while they
think (Glenberg, Schroeder and Robertson, 1998), so neither one such glance nor two say anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# A look counts as away from this score on: the limit itself.
AWAY_FROM = 0.5
# Shorter looks away are no glance; a return to the screen shorter than this does not end one.
GLANCE_S = 1.0
BRIDGE_S = 0.3
# One look stands for the time until the next, but for no longer (a busy machine looks every 0.4 s).
HOLD_S = 0.6
# History that is kept: the longest time before an answer that a policy may ask about.
KEPT_S = 15.0
# Often: this much of the last seconds away, in this many glances.
OFTEN_S = 10.0
OFTEN_SHARE = 0.6
OFTEN_GLANCES = 3
# Before an answer, each pair is (score 0, score 1), and the smaller of seconds and pattern counts;
# the standard preset's threshold of 0.6 lies at 3 s and at 44 % of the time or 3 glances.
ANSWER_SECONDS = (1.5, 4.0)
ANSWER_SHARE = (0.2, 0.6)
ANSWER_GLANCES = (0.0, 5.0)
# More of the time than this unknown, and nothing is said.
MOST_UNKNOWN = 0.3
# Questions whose first showing is remembered, for a page that shows many at once.
MAX_QUESTIONS = 500


@dataclass(frozen=True, slots=True)
class Looked:
    """A stretch of time: its length (s), how much was measured, and its glances (begin, end)."""

    seconds: float
    unknown_s: float
    glances: tuple[tuple[float, float], ...]

    @property
    def away_s(self) -> float:
        return sum(end - begin for begin, end in self.glances)


@dataclass(frozen=True, slots=True)
class BeforeAnswer:
    """What was seen before an answer: ``score`` (``None``: cannot tell), and where it began (s)."""

    score: float | None
    reason: str
    since: float


class Glances:
    """Remembers the last looks, and judges them."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float | None]] = deque()
        self._away = 0

    def add(self, t: float, score: float | None) -> None:
        """One look at second ``t``: its score for *away*, ``None`` for unknown."""
        if self._looks and t <= self._looks[-1][0]:
            self._looks.clear()  # time went back: another recording, or a device that came back
            self._away = 0
        self._looks.append((t, score))
        self._away += _is_away(score)
        while self._looks[0][0] < t - KEPT_S - HOLD_S:
            self._away -= _is_away(self._looks.popleft()[1])

    def between(self, start: float, end: float) -> Looked:
        """What was seen from ``start`` to ``end`` (s)."""
        known = 0.0
        runs: list[list[float]] = []
        looks = list(self._looks)
        for i, (t, score) in enumerate(looks):
            until = looks[i + 1][0] if i + 1 < len(looks) else end
            begin, stop = max(t, start), min(until, t + HOLD_S, end)
            if score is None or stop <= begin:
                continue
            known += stop - begin
            if score < AWAY_FROM:
                continue
            if runs and begin - runs[-1][1] <= BRIDGE_S:
                runs[-1][1] = stop
            else:
                runs.append([begin, stop])
        # Sums of tenths of a second: a glance of exactly one second counts.
        glances = tuple((b, e) for b, e in runs if e - b >= GLANCE_S - 1e-6)
        return Looked(end - start, max(0.0, end - start - known), glances)

    def often(self, t: float) -> str:
        """Numbers that say so, when the last seconds hold many glances; else empty."""
        # Too few looks away to fill the time, were each followed by the longest bridge: no need to
        # go through all of them, ten times a second.
        if self._away * (HOLD_S + BRIDGE_S) < OFTEN_SHARE * OFTEN_S:
            return ""
        looked = self.between(t - OFTEN_S, t)
        few = len(looked.glances) < OFTEN_GLANCES
        if few or looked.away_s < OFTEN_SHARE * OFTEN_S - 1e-6:
            return ""
        return f"away for {looked.away_s:.1f} of {OFTEN_S:g} s, in {len(looked.glances)} looks"


def _is_away(score: float | None) -> bool:
    return score is not None and score >= AWAY_FROM


class Answers:
    """Looks back from every answer, with what the exam page tells (``question.shown`` …)."""

    def __init__(self, glances: Glances, longest_s: float) -> None:
        self._glances = glances
        self._longest_s = longest_s
        self._shown: dict[str, float] = {}
        self._last_shown: float | None = None
        self._last_answer: float | None = None

    def question(self, t: float, data: Mapping[str, Any]) -> None:
        """A question came into view; of one that is shown again the first time counts."""
        self._last_shown = t
        if len(self._shown) < MAX_QUESTIONS:
            self._shown.setdefault(str(data.get("id"))[:64], t)

    def answer(self, t: float, data: Mapping[str, Any]) -> BeforeAnswer:
        """An answer was given: how much of the time before it was spent looking away?"""
        shown = self._shown.get(str(data.get("id"))[:64], self._last_shown)
        starts = [(t - self._longest_s, "the last")]
        if shown is not None and shown <= t:
            starts.append((shown, "the question came"))
        if self._last_answer is not None and self._last_answer <= t:
            starts.append((self._last_answer, "the answer before"))
        start, since = max(starts)
        self._last_answer = t
        return judge(self._glances.between(start, t), start, since)


def judge(looked: Looked, start: float, since: str) -> BeforeAnswer:
    """The score of the time before an answer, in numbers that explain it."""
    whole = f"{looked.seconds:.1f} s"
    if looked.seconds <= 0.0:
        return BeforeAnswer(0.0, "no time before the answer", start)
    if looked.unknown_s > MOST_UNKNOWN * looked.seconds:
        why = f"unknown for {looked.unknown_s:.1f} of the {whole} before the answer"
        return BeforeAnswer(None, why, start)
    share, count = looked.away_s / looked.seconds, len(looked.glances)
    pattern = max(_ramp(share, *ANSWER_SHARE), _ramp(count, *ANSWER_GLANCES))
    score = min(_ramp(looked.away_s, *ANSWER_SECONDS), pattern)
    after = "" if since == "the last" else f" since {since}"
    looks = "1 look" if count == 1 else f"{count} looks"
    reason = f"{looked.away_s:.1f} of the {whole}{after}, in {looks} of {GLANCE_S:g} s or more"
    return BeforeAnswer(score, reason, looked.glances[0][0] if looked.glances else start)


def _ramp(value: float, nothing: float, everything: float) -> float:
    return float(np.clip((value - nothing) / (everything - nothing), 0.0, 1.0))
