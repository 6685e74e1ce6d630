"""What a student is told once something of theirs was erased (rule T2), in their language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from policies.schema import Language, Policy
from policies.texts import LANGUAGES, Plural, Texts, mark, texts

Erasable = Literal["clips", "room_scan", "identity", "journal", "decisions", "research"]
# Why something went: nobody decided in time, its time was over, its journal went, it had come back,
# the student took the purpose back, or somebody asked for it in words of their own.
Cause = Literal["unreviewed", "kept", "journal", "again", "withdrawn", "asked"]

WHAT = {
    "clips": mark("The clip “{name}”."),
    "room_scan": mark("The film of your room, “{name}”."),
    "identity": mark("The data of the identity check."),
    "journal": mark("The log of your exam, and all that was kept with it."),
    "decisions": mark("What people decided about your notes."),
    "research": mark("The copy for research, “{name}”."),
}
UNREVIEWED = Plural("Nobody decided on it within {n} day.", "Nobody decided on it within {n} days.")
KEPT = Plural(
    "It was kept for {n} day, as the rules of the exam say.",
    "It was kept for {n} days, as the rules of the exam say.",
)
WHY = {
    "journal": mark("The log it is checked against had to go, so it went too."),
    "again": mark("It was erased before. A copy had come back and is erased now."),
    "withdrawn": mark("You took back your yes."),
    "asked": mark("The reason that was given: {words}"),
}


@dataclass(frozen=True, slots=True)
class Erased:
    """One thing that went: its class, its name, why, and for how many days it could be kept.

    ``words``: where somebody asked for it, their reason.
    """

    kind: Erasable
    name: str
    cause: Cause
    days: int = 0
    words: str = ""


def language_of(given: object, policy: Policy) -> Language:
    """The language that the student chose (``given``, of the consent record), else the policy's first."""
    return next((lang for lang in LANGUAGES if lang == given), policy.languages[0])


def notice(policy: Policy, erased: Iterable[Erased], when: datetime, lang: Language) -> str:
    """The notice, for a letter or a message: what went, when, why, and whom to ask."""
    t = texts(lang)
    head = t.say(
        "{institution} has erased data of your exam “{exam}”.",
        institution=policy.institution,
        exam=policy.exam,
    )
    lines = [head, "", t.say("When: {moment}", moment=when)]
    lines += [f"- {t.say(WHAT[one.kind], name=one.name)} {_why(t, one)}" for one in erased]
    lines += [
        "",
        t.say("First the keys inside each file were destroyed, then the file."),
        t.say("Nobody can open it again."),
        t.say("Questions? Ask here: {contact}", contact=policy.contact),
    ]
    return "\n".join(lines) + "\n"


def _why(t: Texts, one: Erased) -> str:
    if one.cause in ("unreviewed", "kept"):
        return t.count(UNREVIEWED if one.cause == "unreviewed" else KEPT, one.days)
    return t.say(WHY[one.cause], words=one.words)
