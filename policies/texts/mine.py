"""What a student gets about their own exam (rule O4): a one-page letter, and the text of an appeal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from policies.schema import Language, Policy
from policies.texts import Plural, Texts, mark, texts
from policies.texts.numbers import Parts, kind_title

NOTES = Plural("{n} moment was noted.", "{n} moments were noted.")
UNMEASURED = Plural(
    "For {n} second the program could not tell: “{title}”. This does not count against you.",
    "For {n} seconds the program could not tell: “{title}”. This does not count against you.",
)
LOOKS = Plural("Your clips were looked at {n} time.", "Your clips were looked at {n} times.")


@dataclass(frozen=True, slots=True)
class Note:
    """One noted moment: its number, when (session time as people read it), kind, and what is kept."""

    number: int
    at: str
    kind: str
    clip: bool
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said about one note after looking: when, who, and why.

    ``words`` is the English sentence of it, one of :data:`VERDICTS`; ``decides``: nothing is left open.
    """

    note: int
    when: datetime
    who: str
    words: str
    reason: str
    decides: bool


# What a look at a note can end with, as the student is told it.
VERDICTS = {
    "nothing_to_see": mark("there is nothing to see"),
    "please_discuss": mark("somebody would like to talk with you about it"),
    "confirmed": mark("what was noted can be seen"),
    "cannot_tell": mark("it could not be told"),
}
TAKEN_BACK = mark("this was taken back")


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the student's clips: when, who, and the reason they gave."""

    when: datetime | None
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to tell about one exam. ``unmeasured`` are seconds by kind; ``erased`` clips'
    names; ``until`` the last day of each class of data that is still there."""

    policy: Policy
    attempt: str
    began: datetime | None
    measured: Sequence[str]
    unmeasured: Sequence[tuple[str, float]]
    notes: Sequence[Note]
    looks: Sequence[Look]
    erased: Sequence[str]
    until: Sequence[tuple[str, datetime]]
    said: Sequence[Said] = ()


# The classes of data whose last day a letter names; "clips" are told one by one.
CLASSES = {
    "room_scan": mark("the film of your room"),
    "identity": mark("the data of the identity check"),
    "journal": mark("the log"),
    "clips": mark("the clips"),
    "decisions": mark("the decisions"),
    "research": mark("the copies for research"),
}


def letter(told: Told, parts: Parts, lang: Language) -> str:
    """The one-page explanation: what was measured, what was noted, who looked, and what goes when."""
    t = texts(lang)
    return "\n".join(_letter(t, told, parts)) + "\n"


def _letter(t: Texts, told: Told, parts: Parts) -> Iterator[str]:
    policy = told.policy
    yield t.say(
        "About your exam “{exam}”, {institution}", exam=policy.exam, institution=policy.institution
    )
    yield ""
    if told.began is not None:
        yield t.say("It began on {moment}.", moment=told.began)
    yield t.say("It has the number {attempt}.", attempt=told.attempt)
    yield t.say(
        "A program watched for the things below. A program decides nothing. A person decides."
    )
    yield ""
    yield t.say("What was measured: {titles}.", titles=_titles(t, told.measured, parts))
    for kind, seconds in told.unmeasured:
        yield "- " + t.count(UNMEASURED, round(seconds), title=kind_title(t, kind, parts))
    yield ""
    yield t.count(NOTES, len(told.notes)) if told.notes else t.say("No moment was noted.")
    for note in told.notes:
        title = kind_title(t, note.kind, parts)
        kept = t.say("A locked clip is kept.") if note.clip else t.say("No clip is kept.")
        yield (
            "- "
            + t.say("{number}. At {at}: “{title}”.", number=note.number, at=note.at, title=title)
            + f" {kept}"
        )
        if note.comment:
            yield "  " + t.say("You wrote: “{words}”", words=note.comment)
    yield ""
    if told.looks:
        yield t.count(LOOKS, len(told.looks))
        for look in told.looks:
            yield "- " + _look(t, look)
    else:
        yield t.say("As far as this computer knows, nobody has looked at your clips.")
    if told.notes:
        yield ""
        yield from _decisions(t, told)
    for name in told.erased:
        yield t.say("The clip “{name}” was erased.", name=name)
    yield ""
    for kind, moment in told.until:
        yield t.say("Erased by {moment}: {what}.", moment=moment, what=t.say(CLASSES[kind]))
    yield ""
    yield t.say("You can ask for everything that is kept about you, say what is wrong, and object.")
    yield t.say("Questions? Ask here: {contact}", contact=policy.contact)


def appeal(told: Told, lang: Language) -> str:
    """A text to send to the institution; what is the student's own to say is left open."""
    t = texts(lang)
    policy = told.policy
    lines = [
        policy.contact,
        "",
        t.say("I ask you to look at my exam again"),
        "",
        t.say("Exam: “{exam}”. Number: {attempt}.", exam=policy.exam, attempt=told.attempt),
    ]
    if told.began is not None:
        lines.append(t.say("It began on {moment}.", moment=told.began))
    lines += [
        "",
        t.say(
            "A person who did not decide before should look at what was noted, and hear me first."
        ),
        t.say(
            "Please tell me in writing what was decided, why, by whom, and from which pictures or sounds."
        ),
        t.say("Until then, please do not erase what could help me."),
        "",
    ]
    lines += [
        t.say("About note {number}, at {at}:", number=note.number, at=note.at)
        + (f" {note.comment}" if note.comment else " …")
        for note in told.notes
    ]
    lines += ["", t.say("My reasons:"), "…", ""]
    return "\n".join(lines)


def _look(t: Texts, look: Look) -> str:
    when = t.moment(look.when) if look.when is not None else t.say("time not known")
    if look.reason:
        return t.say(
            "{when}: {who}, because: {reason}", when=when, who=look.who, reason=look.reason
        )
    return t.say("{when}: {who}, no reason given", when=when, who=look.who)


def _decisions(t: Texts, told: Told) -> Iterator[str]:
    """What people decided, and why; what is still open is said to be."""
    if not told.said:
        yield t.say("As far as this computer knows, nobody has decided anything yet.")
        return
    yield t.say("What people decided, and why:")
    for one in told.said:
        yield "- " + said(t, one)


def said(t: Texts, one: Said) -> str:
    """One statement as a sentence."""
    words = t.say(one.words)
    told = t.say(
        "Note {number}, {when}, {who}: {words}.",
        number=one.note,
        when=t.moment(one.when),
        who=one.who,
        words=words,
    )
    if one.reason:
        told += " " + t.say("Reason: {reason}", reason=one.reason)
    if not one.decides:
        told += " " + t.say("This alone decides nothing.")
    return told


def _titles(t: Texts, kinds: Sequence[str], parts: Parts) -> str:
    found = t.listed([kind_title(t, kind, parts) for kind in kinds])
    return found or t.say("nothing")
