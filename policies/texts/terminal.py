"""What an exam in the terminal says and understands, in the student's language.

The words that are typed are short, and without letters that some keyboards lack. The English ones always count.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from policies.schema import PurposeName
from policies.texts import Plural, Texts, mark
from policies.texts.words import PURPOSES

Command = Literal["break", "resume", "withdraw", "call", "scan", "end", "help"]
COMMANDS: Mapping[Command, str] = {
    "break": mark("break"),
    "resume": mark("resume"),
    "withdraw": mark("withdraw"),
    "call": mark("call"),
    "scan": mark("scan"),
    "end": mark("end"),
    "help": mark("help"),
}
NO = mark("no")
DOES: Mapping[Command, str] = {
    "break": mark("capture stops, and the devices are released"),
    "resume": mark("the break is over"),
    "withdraw": mark("take back what you agreed to: {names}"),
    "call": mark("ask a person for help"),
    "scan": mark("no to a room scan that somebody asks for; the exam goes on"),
    "end": mark("end the exam"),
    "help": mark("this text"),
}
YOU_CAN_TYPE = mark("You can type, at any time:")
BREAK_BEGAN = mark("Break: nothing is captured. Type {word} to go on.")
BREAK_OVER = mark("The break is over; capture goes on.")
CALLED = mark("Noted. Whom to ask besides: {contact}")
NO_SCAN = mark("Nobody asks for a room scan now.")
SCAN_ELSEWHERE = mark(
    "A film of the room is made in the student's window (`proctor exam` without --terminal), "
    "not in a terminal. Type {words} to decline; the exam goes on either way."
)
DECLINED = mark("Declined. The exam goes on.")
WHAT_TO_TAKE_BACK = mark("Say what to take back: {names}.")
TAKEN_BACK = mark("Taken back: {purpose}. Nothing is noted about it. Instead: {alternative}")

FIRST_EXAM = mark(
    "This is the first exam of “{institution}” on this computer. Compare these keys with those on the "
    "institution's own page."
)
ARE_THEY_THE_SAME = mark("Are they the same?")
NOT_THEIRS = mark("Nothing was started. Ask whether the invitation is theirs: {contact}")
GOES_ON = mark("This exam has begun already. It goes on where it stopped.")

OWN_KEY_NONE = mark("No key of your own is made, since you said no to clips.")
OWN_KEY = mark("Your key to the clips is {path}; nobody can use it without the passphrase.")
PASSPHRASE = mark("Passphrase of {path}:")

EXAM_PAGE = mark(
    "Open the exam page with this link, or add its end, from the # on, to the page's address:"
)
EXAM_PAGE_TELLS = mark(
    "The page can then tell when a question is shown and when you answer it, and nothing else."
)

# The bar: what runs, and how long it will.
EXAM = mark("exam")
LEFT = mark("{time} left")

WATCHED = mark(
    "{time} watched at {speed} x real time, {share} % of one core per second of exam; {frames} frames, "
    "{dropped} dropped."
)
MOMENTS = Plural(
    "{n} moment is put before a person, {clips} with a sealed clip.",
    "{n} moments are put before a person, {clips} with a sealed clip.",
)
NO_VERDICT = mark("None of this is a verdict.")
CASE_IN = mark("The case is in {folder}. Look at it with: {command}")

ARRIVED = mark("{done} parts of the case have arrived, {waiting} are left.")
NOT_TAKEN = mark("not taken: {kind} {name} ({why})")
DOUBT = mark("{sentence} Tell the institution; the case is whole here.")
STILL_HERE = mark("Everything is still here. Go on with: {command}")


def help_text(t: Texts, purposes: Iterable[PurposeName]) -> str:
    """What can be typed, a line each."""
    words = {command: t.say(COMMANDS[command]) for command in get_args(Command)}
    words["scan"] += f" {t.say(NO)}"
    width = max(len(word) for word in words.values())
    named = names(t, purposes)
    lines = [f"  {word:<{width}}   {t.say(DOES[c], names=named)}" for c, word in words.items()]
    return "\n".join([t.say(YOU_CAN_TYPE), *lines])


def names(t: Texts, purposes: Iterable[PurposeName]) -> str:
    """What purposes are called when they are typed."""
    return t.listed([purpose_word(t, purpose) for purpose in purposes])


def purpose_word(t: Texts, purpose: PurposeName) -> str:
    """What a purpose is called when it is typed: in English its name in the policy, else its title."""
    return purpose if t.lang == "en" else t.say(PURPOSES[purpose]).lower()


def command_of(t: Texts, word: str) -> Command | None:
    """The command that was typed, in the language of ``t`` or in English."""
    for command, english in COMMANDS.items():
        if _bare(word) in (_bare(t.say(english)), english):
            return command
    return None


def purpose_of(t: Texts, words: str) -> PurposeName | None:
    """The purpose that was typed, in the language of ``t`` or as the policy names it."""
    for purpose in PURPOSES:
        if _bare(words) in (purpose, _bare(purpose_word(t, purpose))):
            return purpose
    return None


def is_no(t: Texts, word: str) -> bool:
    """Whether that is a no in the language of ``t``, or in English."""
    return _bare(word) in (_bare(t.say(NO)), NO)


def _bare(typed: str) -> str:
    """Small letters without accents: who types them or leaves them out means the same."""
    apart = unicodedata.normalize("NFKD", typed.casefold())
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).split())
