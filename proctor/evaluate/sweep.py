"""Operating points: what other thresholds would have flagged, with the agent's own rules over cached scores.

Thresholds are proposed on development persons and scored on others; the two never share a person.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from proctor.errors import InputError
from proctor.evaluate.primary import Primary, primary
from proctor.evaluate.statistics import LEVEL, Answer, Estimate, Unsaid, rate
from proctor.evaluate.tallies import ALL, count, side
from proctor.evaluate.truths import kinds
from proctor.evaluate.values import Run, Scores, Session, Thresholds

# The linter calls thresholds beyond these unwise (policies/lint_rules/signals.py).
LOWEST_ON, HIGHEST_ON = 0.3, 0.9
FINE, COARSE = 0.025, 0.1
# Fewer persons on a side of the study say nothing about the others.
LEAST_EACH = 2
_TARGET = re.compile(r"\s*(FA/h|HFR)\s*(?:≤|<=)\s*([0-9.]+)\s*(%?)\s*")


@dataclass(frozen=True, slots=True)
class Point:
    """One kind at one threshold: false flags and hours of the honest, events and those found."""

    kind: str
    rule: Thresholds
    false: int
    hours: float
    events: int
    found: int
    persons: int
    persons_found: int
    fa_hour: Answer

    @property
    def sensitivity(self) -> float:
        """Share of instructed persons found; NaN without any."""
        return self.persons_found / self.persons if self.persons else math.nan


def steps(step: float) -> list[float]:
    """Thresholds from 0.05 to 0.95."""
    return [round(0.05 + i * step, 4) for i in range(int(0.9 / step + 1e-9) + 1)]


def moved(rule: Thresholds, on: float) -> Thresholds:
    """The same rule from another score on; hysteresis keeps its width as far as there is room."""
    return replace(rule, on=on, off=max(0.0, round(on - (rule.on - rule.off), 4)))


def points(
    run: Run, scores: Scores, kind: str, ons: Sequence[float], level: float = LEVEL
) -> list[Point]:
    """What the rule of ``kind`` would have done at each threshold; nothing where no rule is."""
    rule = run.thresholds.get(kind)
    if rule is None:
        return []
    return [_point(run, scores, kind, moved(rule, on), level) for on in ons]


def _point(run: Run, scores: Scores, kind: str, rule: Thresholds, level: float) -> Point:
    sessions = tuple(
        replace(session, found=scores.flags(session.id, kind, rule)) for session in run.sessions
    )
    people = count(replace(run, sessions=sessions), [kind])
    honest = [p.kinds[kind] for p in people if p.side == "honest" and p.kinds[kind].covered]
    asked = [p.kinds[kind] for p in people if p.side == "instructed" and p.kinds[kind].events]
    false = sum(one.false for one in honest)
    hours = sum(one.judged_h for one in honest)
    return Point(
        kind,
        rule,
        false,
        hours,
        sum(one.events for one in asked),
        sum(one.found for one in asked),
        len(asked),
        sum(one.found > 0 for one in asked),
        rate(false, hours, "honest measured hours", level),
    )


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached: ``FA/h`` or ``HFR`` of all kinds together, at most ``most``."""

    measure: str
    most: float

    def __str__(self) -> str:
        return f"{self.measure} ≤ {self.most:g}"


def goal(text: str) -> Goal:
    """A target as it is typed: ``FA/h ≤ 0.05``, ``HFR <= 1 %``. Raises :class:`InputError` otherwise."""
    read = _TARGET.fullmatch(text)
    try:
        most = float(read[2]) / (100 if read[3] else 1) if read else math.nan
    except ValueError:
        most = math.nan
    if read is None or not 0 < most < 1000:
        raise InputError(
            f"'{text}' is no target; write for instance --target 'FA/h <= 0.05' or --target 'HFR <= 1 %'."
        )
    return Goal(read[1], most)


@dataclass(frozen=True, slots=True)
class Tuned:
    """Thresholds proposed on ``development`` persons, and what they did there and with the others.

    ``before`` is the policy as it was, with the other persons. ``met`` is True where even the upper
    end of the interval reaches the goal with the others, False where the number does not,
    ``None`` where the number does and its upper end does not.
    """

    goal: Goal
    thresholds: Mapping[str, Thresholds]
    changed: tuple[str, ...]
    development: tuple[str, ...]
    others: tuple[str, ...]
    on_development: Primary
    on_others: Primary
    before: Primary
    met: bool | None
    trail: tuple[str, ...]


def tune(run: Run, scores: Scores, wanted: Goal, level: float = LEVEL) -> Tuned | Unsaid:
    """Raise thresholds kind by kind on development persons, where that loses the fewest events, until
    the goal is met there; then score the others once.

    A kind that no development person was asked to do keeps its threshold: nothing shows what it loses.
    """
    first, second = split(run.sessions)
    few = _too_few(run, first, second)
    if few is not None:
        return few
    here = _only(run, first)
    chosen = dict(run.thresholds)
    curves: dict[str, list[Point]] = {}
    for kind in kinds(run):
        if kind not in run.thresholds:
            continue
        made = points(here, scores, kind, _between(FINE), level)
        if made and made[0].events:
            curves[kind] = made
    place = dict.fromkeys(curves, 0)
    chosen |= {kind: made[0].rule for kind, made in curves.items()}
    trail = [f"{kind}: from {made[0].rule.on:g}" for kind, made in curves.items()]
    now = _scored(here, scores, chosen, level)
    while not reached(now, wanted):
        best: tuple[float, int, str, int] | None = None
        for kind, made in curves.items():
            at = made[place[kind]]
            for later in range(place[kind] + 1, len(made)):
                gained = at.false - made[later].false
                lost = at.found - made[later].found
                if gained > 0:
                    worth = (gained / (lost + 0.5), -later, kind, later)
                    best = max(best, worth) if best else worth
        if best is None:
            return Unsaid(
                f"no thresholds between {LOWEST_ON} and {HIGHEST_ON} reach {wanted} even on the "
                "development persons",
                len(first),
                "development persons",
            )
        _, _, kind, later = best
        at, then = curves[kind][place[kind]], curves[kind][later]
        trail.append(
            f"{kind}: {at.rule.on:g} to {then.rule.on:g} takes {at.false - then.false} false flags and "
            f"{at.found - then.found} of {at.events} found events"
        )
        place[kind], chosen[kind] = later, then.rule
        now = _scored(here, scores, chosen, level)
    there = _only(run, second)
    after = _scored(there, scores, chosen, level)
    changed = tuple(sorted(k for k, rule in chosen.items() if rule != run.thresholds[k]))
    return Tuned(
        wanted,
        chosen,
        changed,
        tuple(sorted(first)),
        tuple(sorted(second)),
        now,
        after,
        primary(count(there, kinds(run)), ALL, level),
        _met(after, wanted),
        tuple(trail),
    )


def split(sessions: Sequence[Session]) -> tuple[set[str], set[str]]:
    """Development persons and others: as the dataset says, else every second person of each side.

    The order is that of the SHA-256 of their names, so that it is the same everywhere. Raises
    :class:`InputError` where a person is in both.
    """
    first = {s.person for s in sessions if s.split == "development"}
    second = {s.person for s in sessions if s.split == "test"}
    both = first & second
    if both:
        raise InputError(
            f"The person {min(both)} is in the split development and in the split test; put all sessions "
            "of a person into one, or thresholds would be scored on whom they were made for."
        )
    if first or second:
        return first, second
    sides: dict[str, tuple[str, ...]] = {}
    for session in sessions:
        sides[session.person] = tuple(sorted({*sides.get(session.person, ()), side(session)}))
    for group in sorted(set(sides.values())):
        names = sorted(
            (name for name, one in sides.items() if one == group),
            key=lambda name: hashlib.sha256(name.encode("utf-8")).hexdigest(),
        )
        first |= set(names[::2])
        second |= set(names[1::2])
    return first, second


def _too_few(run: Run, first: set[str], second: set[str]) -> Unsaid | None:
    for names, which in ((first, "development"), (second, "other")):
        for where in ("honest", "instructed"):
            n = len({s.person for s in run.sessions if s.person in names and side(s) == where})
            if n < LEAST_EACH:
                return Unsaid(
                    f"there are {n} {where} persons among the {which} persons (at least {LEAST_EACH})",
                    n,
                    f"{where} persons",
                )
    return None


def _between(step: float) -> list[float]:
    return [on for on in steps(step) if LOWEST_ON <= on <= HIGHEST_ON]


def _only(run: Run, names: set[str]) -> Run:
    return replace(run, sessions=tuple(s for s in run.sessions if s.person in names))


def with_thresholds(run: Run, scores: Scores, rules: Mapping[str, Thresholds]) -> Run:
    """The run as it would have been with other thresholds."""
    return replace(
        run,
        thresholds=dict(rules),
        sessions=tuple(
            replace(
                session,
                found=tuple(
                    flag
                    for kind, rule in rules.items()
                    for flag in (
                        # What did not change was flagged already.
                        [f for f in session.found if f.kind == kind]
                        if rule == run.thresholds.get(kind)
                        else scores.flags(session.id, kind, rule)
                    )
                ),
            )
            for session in run.sessions
        ),
    )


def _scored(run: Run, scores: Scores, rules: Mapping[str, Thresholds], level: float) -> Primary:
    return primary(count(with_thresholds(run, scores, rules), kinds(run)), ALL, level)


def _number(made: Primary, wanted: Goal) -> Answer:
    return made.fa_hour if wanted.measure == "FA/h" else made.hfr


def reached(made: Primary, wanted: Goal) -> bool:
    """Whether the number itself, without its interval, meets the goal."""
    number = _number(made, wanted)
    return isinstance(number, Estimate) and number.value <= wanted.most


def _met(made: Primary, wanted: Goal) -> bool | None:
    number = _number(made, wanted)
    if not isinstance(number, Estimate) or number.value > wanted.most:
        return False
    return True if number.high <= wanted.most else None
