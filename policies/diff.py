"""What a new policy changes for a student, in sentences, the most important first (rule P4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from policies.schema import Policy, RuleSettings
from policies.texts import Texts, plain, texts
from policies.texts.changes import (
    DAYS,
    FACTS,
    GONE,
    RULE_FACTS,
    SWITCHES,
    Words,
)
from policies.texts.notice import Part
from policies.texts.numbers import Parts, kind_title, part_title, setting
from policies.texts.words import BASES, LANGUAGE_NAMES, PLACES, PURPOSES, STAKES, short_key

# More: asks, sees or keeps more than before. Less: the opposite. Other: neither can be said.
Effect = Literal["more", "less", "other"]

# How much a change matters to a student, the smallest number first.
PURPOSE, ROOM, RECIPIENT, KEPT, SIGNAL, REVIEW, BREAK, WHO = range(8)

BREAK_EFFECTS: Mapping[str, Effect] = {"off": "more", "planned": "other", "on_demand": "less"}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different, in a sentence; ``was`` and ``now`` are the institution's words."""

    rank: int
    effect: Effect
    text: str
    was: str = ""
    now: str = ""

    def __post_init__(self) -> None:
        for name in ("was", "now"):
            object.__setattr__(self, name, plain(getattr(self, name)))


def changes(old: Policy, new: Policy, lang: str, parts: Mapping[str, Part]) -> tuple[Change, ...]:
    """Every change, by importance, and of equal importance those that ask more of a student first.

    ``parts`` describes the plug-ins of both policies. Raises
    :class:`policies.texts.UnknownLanguageError` for a language without texts.
    """
    t = texts(lang)
    found = [
        *_purposes(t, old, new),
        *_room(t, old, new),
        *_keys(t, old, new),
        *_kept(t, old, new),
        *_signals(t, old, new, parts),
        *_detectors(t, old, new, parts),
        *_facts(t, old, new),
        *_who(t, old, new),
    ]
    order: Sequence[Effect] = ("more", "less", "other")
    return tuple(sorted(found, key=lambda change: (change.rank, order.index(change.effect))))


def as_text(found: Sequence[Change], lang: str) -> str:
    """The changes for a terminal, one a line; a sentence that says so when there are none."""
    t = texts(lang)
    if not found:
        return t.say("Nothing changes for a student.") + "\n"
    lines = []
    for change in found:
        lines.append(f"- {change.text}")
        if change.was:
            lines.append("    " + t.say("Before: {words}", words=change.was))
        if change.now:
            lines.append("    " + t.say("Now: {words}", words=change.now))
    return "\n".join(lines) + "\n"


def _purposes(t: Texts, old: Policy, new: Policy) -> Iterator[Change]:
    for name, purpose in new.purposes.items():
        title = t.say(PURPOSES[name])
        before = old.purposes.get(name)
        if before is None:
            text = t.say("New: you are asked about “{purpose}”.", purpose=title)
            if purpose.basis != "consent":
                text = t.say("New, and you are not asked first: “{purpose}”.", purpose=title)
            yield Change(PURPOSE, "more", text, now=purpose.alternative)
            continue
        if before.basis != purpose.basis:
            effect: Effect = "less" if purpose.basis == "consent" else "more"
            text = t.say("It changes whether you are asked about “{purpose}”.", purpose=title)
            yield Change(
                PURPOSE, effect, text, t.say(BASES[before.basis]), t.say(BASES[purpose.basis])
            )
        if before.alternative != purpose.alternative:
            text = t.say("What you get if you say no to “{purpose}” changes.", purpose=title)
            yield Change(PURPOSE, "other", text, before.alternative, purpose.alternative)
    for name in old.purposes:
        if name not in new.purposes:
            text = t.say("No longer done: “{purpose}”.", purpose=t.say(PURPOSES[name]))
            yield Change(PURPOSE, "less", text)


def _room(t: Texts, old: Policy, new: Policy) -> Iterator[Change]:
    before, after = old.room_scan, new.room_scan
    if before.mode != after.mode:
        if after.mode == "offered":
            text = t.say("You may now be asked to film your room. You can say no.")
            yield Change(ROOM, "more", text, now=after.reason)
        else:
            yield Change(ROOM, "less", t.say("Your room is no longer filmed."))
    if "off" in (before.mode, after.mode):
        return
    if before.reason != after.reason:
        text = t.say("The reason for the film of your room changes.")
        yield Change(ROOM, "other", text, before.reason, after.reason)
    if before.alternative != after.alternative:
        text = t.say("What you get instead of the film of your room changes.")
        yield Change(ROOM, "other", text, before.alternative, after.alternative)


def _keys(t: Texts, old: Policy, new: Policy) -> Iterator[Change]:
    spare_before, spare_after = _spare(old), _spare(new)
    for purpose, before, after in (
        ("clips", old.recipients, new.recipients),
        ("escrow", spare_before, spare_after),
        ("room_scan", old.room_scan.recipients, new.room_scan.recipients),
    ):
        if (purpose if purpose != "escrow" else "clips") not in new.purposes:
            continue  # nothing is locked any more, so it does not matter who could open it
        added, gone = SWITCHES[f"keys.{purpose}"]
        for key in after:
            if key not in before:
                yield Change(RECIPIENT, "more", t.say(added, key=short_key(key)))
        for key in before:
            if key not in after:
                yield Change(RECIPIENT, "less", t.say(gone, key=short_key(key)))
    if "clips" in new.purposes and old.student_copy != new.student_copy:
        yours, none = SWITCHES["student_copy"]
        own = new.student_copy
        yield Change(RECIPIENT, "less" if own else "more", t.say(yours if own else none))
    was, now = old.escrow, new.escrow
    if "clips" not in new.purposes or not (spare_before and spare_before == spare_after):
        return
    if (was.threshold, set(was.holders)) != (now.threshold, set(now.holders)):
        yield Change(
            RECIPIENT,
            "other",
            t.say("Other people, or another number of them, hold the spare key to your clips."),
            t.say("{n} of {all} people", n=was.threshold, all=len(was.holders)),
            t.say("{n} of {all} people", n=now.threshold, all=len(now.holders)),
        )


def _spare(policy: Policy) -> tuple[str, ...]:
    return (policy.escrow.recipient,) if policy.escrow.recipient else ()


def _kept(t: Texts, old: Policy, new: Policy) -> Iterator[Change]:
    for (purpose, name), words in DAYS.items():
        before, after = getattr(old.retention, name), getattr(new.retention, name)
        if purpose and purpose not in {*old.purposes, *new.purposes}:
            continue  # nothing of this class is ever made
        if after == 0 and before != 0:
            yield Change(KEPT, "less", t.say(GONE[name]))
        else:
            yield from _amount(t, KEPT, words, before, after)


def _amount(
    t: Texts, rank: int, words: Words, before: float, after: float, **values: str
) -> Iterator[Change]:
    """A number that rose or fell, in the sentence for that."""
    if before == after:
        return
    rose = after > before
    plural = words.rises if rose else words.falls
    effect: Effect = "other"
    if words.more_is:
        effect = words.more_is if rose else _opposite(words.more_is)
    yield Change(rank, effect, t.count(plural, after, before=before, **values))


def _opposite(effect: Effect) -> Effect:
    return "less" if effect == "more" else "more"


def _signals(t: Texts, old: Policy, new: Policy, parts: Parts) -> Iterator[Change]:
    for kind, rule in new.rules.items():
        title = kind_title(t, kind, parts)
        if kind not in old.rules:
            text = t.say("New: a note can be made of “{title}”.", title=title)
            yield Change(SIGNAL, "more", text)
        else:
            yield from _rule(t, title, old.rules[kind], rule)
    for kind in old.rules:
        if kind not in new.rules:
            title = kind_title(t, kind, parts)
            text = t.say("No note is made any more of “{title}”.", title=title)
            yield Change(SIGNAL, "less", text)


def _rule(t: Texts, title: str, old: RuleSettings, new: RuleSettings) -> Iterator[Change]:
    for name, words in RULE_FACTS.items():
        scale = 100 if name in ("on", "off") else 1
        before, after = getattr(old, name) * scale, getattr(new, name) * scale
        yield from _amount(t, SIGNAL, words, round(before, 2), round(after, 2), title=title)


def _detectors(t: Texts, old: Policy, new: Policy, parts: Parts) -> Iterator[Change]:
    for name, wanted in new.detectors.items():
        title = part_title(t, name)
        before = old.detectors.get(name)
        if before is None:
            text = t.say("New part of the program that measures: “{part}”.", part=title)
            yield Change(SIGNAL, "more", text)
            continue
        if before.required != wanted.required:
            needed, not_needed = SWITCHES["required"]
            text = t.say(needed if wanted.required else not_needed, part=title)
            yield Change(SIGNAL, "more" if wanted.required else "less", text)
        if before.settings != wanted.settings:
            text = t.say("The settings of the part “{part}” change.", part=title)
            yield Change(
                SIGNAL,
                "other",
                text,
                _settings(t, name, before.settings, parts),
                _settings(t, name, wanted.settings, parts),
            )
    for name in old.detectors:
        if name not in new.detectors:
            text = t.say("This part no longer measures: “{part}”.", part=part_title(t, name))
            yield Change(SIGNAL, "less", text)


def _settings(t: Texts, name: str, given: Mapping[str, Any], parts: Parts) -> str:
    """The settings in plain words where we have some, else as they stand in the policy."""
    plain = [setting(t, name, key, value) or f"{key} = {value}" for key, value in given.items()]
    return " ".join(plain) or t.say("the usual ones")


def _facts(t: Texts, old: Policy, new: Policy) -> Iterator[Change]:
    ranks = {"clips": KEPT, "room_scan": ROOM, "review": REVIEW, "breaks": BREAK}
    idle = {"clips"} - {*old.purposes, *new.purposes}
    idle |= {"room_scan"} - {*new.purposes}
    idle |= {"breaks"} if new.breaks.mode == "off" else set()
    for (table, name), words in FACTS.items():
        if table in idle:
            continue
        before, after = getattr(getattr(old, table), name), getattr(getattr(new, table), name)
        yield from _amount(t, ranks[table], words, before, after)
    if old.review.second_reviewer != new.review.second_reviewer:
        two, one = SWITCHES["second_reviewer"]
        second = new.review.second_reviewer
        yield Change(REVIEW, "less" if second else "more", t.say(two if second else one))
    if old.show_flags != new.show_flags:
        live, at_end = SWITCHES["show_flags"]
        shown = new.show_flags == "live"
        yield Change(REVIEW, "less" if shown else "more", t.say(live if shown else at_end))
    if old.breaks.mode != new.breaks.mode:
        text = t.say(SWITCHES[f"breaks.{new.breaks.mode}"][0])
        yield Change(BREAK, BREAK_EFFECTS[new.breaks.mode], text)
    if old.breaks.planned_at_minutes != new.breaks.planned_at_minutes:
        yield Change(
            BREAK,
            "other",
            t.say("The set times of breaks change (minutes into the exam)."),
            t.listed([t.number(minute) for minute in old.breaks.planned_at_minutes]),
            t.listed([t.number(minute) for minute in new.breaks.planned_at_minutes]),
        )


def _who(t: Texts, old: Policy, new: Policy) -> Iterator[Change]:
    for name, text in (
        ("institution", t.say("Somebody else answers for this exam.")),
        ("exam", t.say("The exam has another name.")),
        ("contact", t.say("The person to ask changes.")),
        ("dpia", t.say("The paper about the risks for you changes.")),
        ("evaluation", t.say("The test of how well the program flags changes.")),
    ):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change(WHO, "other", text, before, after)
    if old.hub != new.hub:
        text = t.say("What is noted and locked goes to another address.")
        nothing = t.say("nothing is sent")
        yield Change(WHO, "other", text, old.hub or nothing, new.hub or nothing)
    if old.exam_page != new.exam_page:
        text = t.say("Another web page, or none, tells the program when you answer a question.")
        none = t.say("no page")
        yield Change(WHO, "other", text, old.exam_page.origin or none, new.exam_page.origin or none)
    if old.stakes != new.stakes:
        text = t.say("It changes how much this exam counts.")
        yield Change(WHO, "other", text, t.say(STAKES[old.stakes]), t.say(STAKES[new.stakes]))
    if old.institution_kind != new.institution_kind:
        text = SWITCHES["institution_kind"][0 if new.institution_kind == "public" else 1]
        yield Change(WHO, "other", t.say(text))
    if old.min_age != new.min_age:
        text = t.say("You must now be {age} or older. Before: {before}.",
                     age=new.min_age, before=old.min_age)  # fmt: skip
        yield Change(WHO, "other", text)
    if set(old.jurisdictions) != set(new.jurisdictions):
        text = t.say("The places whose laws count change.")
        yield Change(
            WHO,
            "other",
            text,
            t.listed([t.say(PLACES[name]) for name in old.jurisdictions]),
            t.listed([t.say(PLACES[name]) for name in new.jurisdictions]),
        )
    if set(old.languages) != set(new.languages):
        text = t.say("The languages of this page change.")
        yield Change(
            WHO,
            "other",
            text,
            t.listed([t.say(LANGUAGE_NAMES[name]) for name in old.languages]),
            t.listed([t.say(LANGUAGE_NAMES[name]) for name in new.languages]),
        )
    for name, text in (
        ("not_before", t.say("The rules start on another date.")),
        ("expires", t.say("The rules end on another date.")),
    ):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change(
                WHO,
                "other",
                text,
                t.moment(before) if before else t.say("no date"),
                t.moment(after) if after else t.say("no date"),
            )
