"""The exact numbers of a notice, and the names of kinds and parts that it shares with other papers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.schema import Policy, RuleSettings
from policies.texts import Texts, mark, plain
from policies.texts.notice import Item, Part, Table
from policies.texts.words import DETECTORS, KINDS, SETTINGS

Parts = Mapping[str, Part]


def numbers(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """Every threshold, for those who want to know exactly."""
    yield Item(t.say("The program gives each thing a score from 0 to 100 points."))
    yield Item(t.say("More points mean that it is easier to see or hear."))
    for name, part in parts.items():
        for key, value in part.settings.items():
            text = setting(t, name, key, value)
            if text:
                yield Item(text)
    needed = [part_title(t, n) for n, wanted in policy.detectors.items() if wanted.required]
    if needed:
        yield Item(
            t.say(
                "These parts must work before the exam can start: {parts}.", parts=t.listed(needed)
            )
        )
    yield Item(
        t.say(
            "These are the rules “{id}”, version {version}.", id=policy.id, version=policy.version
        )
    )


def rule_row(t: Texts, title: str, rule: RuleSettings) -> tuple[str, ...]:
    """All thresholds of one kind, in the order of :data:`COLUMNS`."""
    points = (t.percent(rule.on), t.percent(rule.off))
    seconds = (rule.min_s, rule.gap_s, rule.cooldown_s, rule.stale_after_s)
    return (title, *points, *(t.number(value) for value in seconds))


COLUMNS = (
    mark("What"),
    mark("Starts at (points)"),
    mark("Ends below (points)"),
    mark("Must last (seconds)"),
    mark("Gaps that are joined (seconds)"),
    mark("Wait before the next note (seconds)"),
    mark("Not measured after (seconds without a look)"),
)


def thresholds(t: Texts, policy: Policy, parts: Parts) -> Table:
    """Every kind's thresholds, for those who want to know exactly."""
    return Table(
        tuple(t.say(column) for column in COLUMNS),
        tuple(rule_row(t, kind_title(t, kind, parts), rule) for kind, rule in policy.rules.items()),
    )


def setting(t: Texts, detector: str, key: str, value: Any) -> str:
    """A plug-in's setting in plain words; empty when it says nothing about the student."""
    if not DETECTORS.get(detector):
        return t.say(
            "Setting of an added part: {name} = {value}.",
            name=f"{detector}.{key}",
            value=_value(t, value, share=False),
        )
    known = SETTINGS.get((detector, key))
    if known is None or value is None or value == 0:
        return ""
    text, share = known
    return t.say(text, value=_value(t, value, share=share))


def _value(t: Texts, value: Any, *, share: bool) -> str:
    if isinstance(value, list | tuple):
        return t.listed([str(one) for one in value])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return t.percent(value) if share else t.number(value)


def kind_title(t: Texts, kind: str, parts: Parts) -> str:
    """A kind's name as a label: ours, or else the plug-in's own."""
    words = KINDS.get(kind)
    return t.say(words.title) if words else foreign_titles(parts).get(kind, kind)


def part_title(t: Texts, detector: str) -> str:
    """A detector's name as a label."""
    return t.say(DETECTORS[detector]) if detector in DETECTORS else detector


def foreign_titles(parts: Parts) -> dict[str, str]:
    """Kind → title in the plug-in's own words."""
    return {kind: plain(title) for part in parts.values() for kind, title in part.kinds.items()}
