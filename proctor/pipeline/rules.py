"""Observations over time become flags: hysteresis, minimum duration, gap fill, cool-down.

Each observation stands for the time until the next one of its kind (zero-order hold), but for no
longer than ``stale_after_s``. Time that nobody measured neither opens nor closes a flag; it is
added up as *not measured*. Time comes from the data, so a replay and a live run agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from policies.schema import RuleSettings
from proctor.pipeline.detector import Kind
from proctor.types import Box, Flag, Observation


@dataclass(frozen=True, slots=True)
class FlagEvent:
    """A flag that just opened (``end`` is ``None``) or just closed."""

    what: Literal["opened", "closed"]
    t: float
    flag: Flag


class Rule:
    """The rule of one kind. Feed it observations in time order.

    ``opened``: how many flags of this kind the case has already.
    """

    def __init__(self, kind: Kind, settings: RuleSettings, opened: int = 0) -> None:
        self.kind = kind
        self.settings = settings
        self.measured_s = 0.0
        self.unknown_s: dict[str, float] = {}
        self._now: float | None = None
        self._last: Observation | None = None
        self._active = False
        self._cool_until = float("-inf")
        self._opened = opened
        self._silent = "nothing reported"
        self._clear()

    def _clear(self) -> None:
        self._start: float | None = None
        self._seen_until = 0.0
        self._unseen_s = 0.0
        self._held_s = 0.0
        self._peak = 0.0
        self._peak_reason = ""
        self._peak_t: float | None = None
        self._box: Box | None = None
        self._count = 0
        self._flag: Flag | None = None

    @property
    def idle(self) -> bool:
        """Nothing is under way: an observation below ``on`` changes no flag, now or later."""
        return self._start is None

    def begin(self, t: float, silent: str = "nothing reported") -> None:
        """Measuring starts at ``t``, or starts again: silence from here on counts as not measured.

        ``silent`` is the reason that such time gets; the time since :meth:`finish` gets none.
        """
        self._now = t
        self._last = None
        self._silent = silent

    def feed(self, observation: Observation) -> list[FlagEvent]:
        """One observation of this kind; returns what it opened or closed."""
        events = self._advance(observation.t)
        self._last = observation
        score = observation.score
        if score is None:
            return events
        self._active = score >= (self.settings.off if self._active else self.settings.on)
        if self._active:
            if self._start is None:
                self._start = observation.t
            else:
                self._held_s += self._unseen_s
            self._unseen_s = 0.0
            self._seen_until = observation.t
            self._count += 1
            # The first of equal peaks: a detector that smooths may hold its last score a little long.
            if self._count == 1 or score > self._peak:
                self._peak, self._peak_reason = score, observation.reason
                self._box, self._peak_t = observation.box, observation.t
            events += self._maybe_open(observation.t)
        return events

    def finish(self, t: float) -> list[FlagEvent]:
        """The session ends at ``t``: what is open closes."""
        events = self._advance(t)
        if self._flag is not None:
            events.append(self._close(t))
        self._clear()
        self._active = False
        return events

    def _advance(self, t: float) -> list[FlagEvent]:
        """Let the time up to ``t`` pass in the state of the last observation."""
        now = t if self._now is None else self._now
        # Plain comparisons: an evaluation comes here millions of times.
        passed = t - now if t > now else 0.0
        self._now = t if t > now else now
        last = self._last
        held = 0.0
        if last is not None and last.score is not None:
            stale = self.settings.stale_after_s
            held = passed if passed < stale else stale
            self.measured_s += held
        missing = passed - held
        if missing > 0:
            reason = self._silent
            if last is not None and last.score is None:
                reason = last.reason or "could not tell"
            self.unknown_s[reason] = self.unknown_s.get(reason, 0.0) + missing
        if self._start is None or held == 0.0:
            return []
        if self._active:
            self._held_s += held
            self._seen_until += held
            # A flag whose threshold is passed while time runs on opens at the next observation.
            return []
        self._unseen_s += held
        if self._unseen_s <= self.settings.gap_s:
            return []
        events = [self._close(t)] if self._flag is not None else []
        self._clear()
        return events

    def _maybe_open(self, t: float) -> list[FlagEvent]:
        if self._flag is not None or self._start is None:
            return []
        if t < self._cool_until or self._held_s + 1e-6 < self.settings.min_s:
            return []
        self._opened += 1
        self._flag = self._describe(self._start, None)
        return [FlagEvent("opened", t, self._flag)]

    def _close(self, t: float) -> FlagEvent:
        self._cool_until = self._seen_until + self.settings.cooldown_s
        start = self._seen_until if self._start is None else self._start
        return FlagEvent("closed", t, self._describe(start, self._seen_until))

    def _describe(self, start: float, end: float | None) -> Flag:
        seconds = max((self._seen_until if end is None else end) - start, 0.0)
        why = self.kind.sentence.format(seconds=f"{seconds:.1f}", reason=self._peak_reason)
        flag = self._flag or Flag(
            id=f"{self.kind.name}-{self._opened:03d}",
            kind=self.kind.name,
            rule=self.kind.name,
            start=start,
            end=None,
            peak=0.0,
            why="",
        )
        return replace(
            flag,
            start=start,
            end=end,
            peak=self._peak,
            why=why,
            observations=self._count,
            box=self._box,
            peak_t=self._peak_t,
        )


class RuleBook:
    """The rules of a policy, by kind."""

    def __init__(
        self,
        kinds: Iterable[Kind],
        settings: Mapping[str, RuleSettings],
        opened: Mapping[str, int] | None = None,
    ) -> None:
        by_name = {kind.name: kind for kind in kinds}
        before = opened or {}
        self.rules = {
            name: Rule(by_name[name], chosen, before.get(name, 0))
            for name, chosen in settings.items()
            if name in by_name
        }

    def begin(self, t: float) -> None:
        """Measuring starts, or starts again after :meth:`finish`."""
        for rule in self.rules.values():
            rule.begin(t)

    def feed(self, observation: Observation) -> list[FlagEvent]:
        rule = self.rules.get(observation.kind)
        return rule.feed(observation) if rule else []

    def finish(self, t: float) -> list[FlagEvent]:
        return [event for rule in self.rules.values() for event in rule.finish(t)]
