"""What a student is told during an exam by the people on duty and about the line to them.

The sentence around is in the student's language; the words in it are the person's own.
"""

from __future__ import annotations

from policies.texts import Plural, Texts, mark

MORE_TIME = Plural("{by} gives you {n} minute more.", "{by} gives you {n} minutes more.")
MORE_TIME_WHY = Plural(
    "{by} gives you {n} minute more, and writes: {text}",
    "{by} gives you {n} minutes more, and writes: {text}",
)
GIVEN_BREAK = Plural(
    "{by} gives you a break of {n} minute. Begin it when you like.",
    "{by} gives you a break of {n} minutes. Begin it when you like.",
)
TIME_ADDED = Plural("{n} minute was added to your time.", "{n} minutes were added to your time.")

_WORDS = {
    "message": mark("{by} writes: {text}"),
    "answer_help": mark("{by} answers your call for help: {text}"),
    "pause": mark("{by} pauses the exam; nothing is captured meanwhile. The reason: {text}"),
    "resume": mark("{by} ends the break. The exam goes on."),
    "room_scan": mark(
        "{by} asks you to film your room once more. The reason: {text} You may say no, and that is not "
        "held against you."
    ),
    "away": mark(
        "The hub cannot be reached. The exam goes on, and your clips stay here, sealed, until it can."
    ),
    "back": mark("The hub can be reached again."),
    "in_use": mark(
        "This invitation is in use already, perhaps on another computer. Go on there, or ask for a new one: "
        "{contact}. What is recorded here stays here, sealed."
    ),
    "help_told": mark("Your call for help has reached the people on duty."),
}


def said(
    t: Texts, what: str, *, by: str = "", text: str = "", minutes: float = 0.0, contact: str = ""
) -> str:
    """The sentence for something of kind ``what``; raises :class:`KeyError` where there is no such kind."""
    if what == "extend":
        if text:
            return t.count(MORE_TIME_WHY, minutes, by=by, text=text)
        return t.count(MORE_TIME, minutes, by=by)
    if what == "approve_break":
        return t.count(GIVEN_BREAK, minutes, by=by)
    return t.say(_WORDS[what], by=by, text=text, contact=contact)
