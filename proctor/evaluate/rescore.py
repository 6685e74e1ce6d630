"""From kept scores to flags, with the rules of an exam: seconds for what took hours to compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from policies.schema import RuleSettings
from proctor.errors import InputError
from proctor.evaluate.cache import Facts, Observations, Reader, Store
from proctor.evaluate.dataset import OVERRIDE
from proctor.evaluate.recipe import Part, Recipe
from proctor.evaluate.score import NO_PICTURE, NO_SOUND, file_name
from proctor.evaluate.values import Found, Series, Span, Thresholds
from proctor.evidence.words import BY_ARRANGEMENT
from proctor.pipeline.detector import Kind
from proctor.pipeline.rules import FlagEvent, Rule
from proctor.pipeline.series import flags_of, unmeasured
from proctor.types import Flag

# What a rule says of time in which nobody said anything.
SILENT = "nothing reported"
NO_ANSWER = "could not tell"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a session's scores are: the digest of its media, and what is known of it."""

    media: str
    facts: Facts


class CachedScores:
    """The scores of a run (:class:`proctor.evaluate.values.Scores`), read from the cache when asked for.

    ``kinds`` are those that the plan measures, ``absent`` says why each of the others is not.
    """

    def __init__(
        self,
        store: Store,
        recipe: Recipe,
        kinds: Mapping[str, Kind],
        absent: Mapping[str, str],
        kept: Mapping[str, Kept],
    ) -> None:
        self._store, self._kinds, self._absent, self._kept = store, kinds, absent, kept
        self._parts = {kind: part for part in recipe.parts for kind in part.kinds if kind in kinds}

    def series(self, session: str, kind: str) -> Series | None:
        """The scores of one kind; ``None`` where its detector did not run in that session."""
        reader = self._open(session, kind)
        if reader is None:
            return None
        with reader:
            times, scores, quality = reader.numbers(kind, "t", "score", "quality")
        return Series(session, kind, times, scores, quality, self._kept[session].facts.end_s)

    def flags(self, session: str, kind: str, rule: Thresholds) -> tuple[Found, ...]:
        """What the agent's own rule code flags with these thresholds instead of the policy's."""
        return tuple(
            _found(session, flag, raised)
            for flag, raised in self.whole_flags(session, kind, settings_of(kind, rule))
        )

    def whole_flags(
        self, session: str, kind: str, settings: RuleSettings
    ) -> list[tuple[Flag, float]]:
        """Every closed flag as an exam has it, and the second at which it was raised."""
        reader = self._open(session, kind)
        if reader is None:
            return []
        with reader:
            told = reader.observations(kind)
            return self._flags(kind, settings, told, self._kept[session].facts.end_s)

    def outcome(
        self, session: str, rules: Mapping[str, RuleSettings | None]
    ) -> tuple[tuple[Found, ...], dict[str, tuple[Span, ...]]]:
        """What the policy flags in one session, and what was not measured of every kind with a rule.

        A rule that is ``None`` is off by arrangement. Each file is opened once.
        """
        end = self._kept[session].facts.end_s
        found: list[Found] = []
        spans: dict[str, tuple[Span, ...]] = {}
        by_part: dict[str, list[tuple[str, RuleSettings]]] = {}
        for kind, settings in rules.items():
            why = BY_ARRANGEMENT if settings is None else self._why_absent(session, kind)
            if settings is None or why:
                spans[kind] = (Span(0.0, end, why),) if end > 0 else ()
            else:
                by_part.setdefault(self._parts[kind].plugin, []).append((kind, settings))
        for wanted in by_part.values():
            with self._reader(session, self._parts[wanted[0][0]]) as reader:
                for kind, settings in wanted:
                    told = reader.observations(kind)
                    for flag, raised in self._flags(kind, settings, told, end):
                        found.append(_found(session, flag, raised))
                    spans[kind] = _spans(told, settings.stale_after_s, end)
        found.sort(key=lambda f: (f.start, f.kind))
        return tuple(found), {kind: spans[kind] for kind in rules}

    def lost(self, session: str) -> list[str]:
        """A sentence for every detector that was given up while it looked at this session."""
        notes = []
        facts = self._kept[session].facts
        for part in dict.fromkeys(self._parts.values()):
            if not _sensor_missing(part, facts):
                with self._reader(session, part) as reader:
                    notes += [f"The detector '{part.plugin}' was {reader.note}."] * bool(
                        reader.note
                    )
        return notes

    def _why_absent(self, session: str, kind: str) -> str:
        if kind not in self._parts:
            return self._absent.get(kind, "no detector measures it")
        return _sensor_missing(self._parts[kind], self._kept[session].facts)

    def _open(self, session: str, kind: str) -> Reader | None:
        if session not in self._kept or self._why_absent(session, kind):
            return None
        return self._reader(session, self._parts[kind])

    def _reader(self, session: str, part: Part) -> Reader:
        return Reader(self._store.path(self._kept[session].media, file_name(part)))

    def _flags(
        self, kind: str, settings: RuleSettings, told: Observations, end: float
    ) -> list[tuple[Flag, float]]:
        rule = Rule(self._kinds[kind], settings)
        return _closed(flags_of(rule, told.times, told.scores, told, end))


def settings_of(kind: str, rule: Thresholds) -> RuleSettings:
    """Thresholds as the rule takes them; :class:`InputError` where no policy could say so."""
    try:
        return RuleSettings(**asdict(rule))
    except ValueError as error:
        raise InputError(
            f"The thresholds of {kind} are none that a policy can have: {error}."
        ) from error


def thresholds_of(settings: RuleSettings) -> Thresholds:
    """A policy's rule as a value."""
    return Thresholds(**settings.model_dump())


def overridden(
    rules: Mapping[str, RuleSettings], overrides: tuple[str, ...]
) -> dict[str, RuleSettings | None]:
    """The rules as they hold for one session; raises :class:`InputError` where a word changes nothing."""
    mine: dict[str, RuleSettings | None] = dict(rules)
    for word in overrides:
        match = OVERRIDE.fullmatch(word)
        kind, field, value = match.groups() if match else ("", None, "")
        settings = mine.get(kind)
        if settings is None or (value == "off") == bool(field):
            raise InputError(
                f"'{word}' changes no rule of this policy (rules: {', '.join(sorted(rules))}); "
                f"write for instance gaze.away.on=0.8 or gaze.down=off."
            )
        if field is None:
            mine[kind] = None
        else:
            changed = replace(thresholds_of(settings), **{field: float(value)})
            mine[kind] = settings_of(kind, changed)
    return mine


def _sensor_missing(part: Part, facts: Facts) -> str:
    if part.takes == "frame" and not facts.has_video:
        return NO_PICTURE
    return NO_SOUND if part.takes == "audio" and not facts.has_audio else ""


def _closed(events: list[FlagEvent]) -> list[tuple[Flag, float]]:
    raised = {event.flag.id: event.t for event in events if event.what == "opened"}
    return [(event.flag, raised[event.flag.id]) for event in events if event.what == "closed"]


def _found(session: str, flag: Flag, raised: float) -> Found:
    end = flag.start if flag.end is None else flag.end
    return Found(session, flag.kind, flag.start, end, flag.peak, flag.rule, raised, flag.why)


def _spans(told: Observations, stale_after_s: float, end: float) -> tuple[Span, ...]:
    starts, ends, after = unmeasured(told.times, told.scores, stale_after_s, end)
    if len(starts) == 0:
        return ()
    # What was said of an unknown score is the reason; 0 is for silence.
    reasons = np.zeros(len(starts), dtype=np.int64)
    words: Sequence[str] = ()
    unknown = after >= 0
    unknown[unknown] = np.isnan(told.scores[after[unknown]])
    if unknown.any():
        codes, words = told.reasons()
        reasons[unknown] = codes[after[unknown]] + 1
    apart = (starts[1:] != ends[:-1]) | (reasons[1:] != reasons[:-1])
    first = np.flatnonzero(np.concatenate([[True], apart]))
    last = np.concatenate([first[1:] - 1, [len(starts) - 1]])
    return tuple(
        Span(start, stop, (words[code - 1] or NO_ANSWER) if code else SILENT)
        for start, stop, code in zip(
            starts[first].tolist(), ends[last].tolist(), reasons[first].tolist(), strict=True
        )
    )
