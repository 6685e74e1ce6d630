"""How the console puts what a hub tells into words: states, commands, what became of them, coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QDateTime, QLocale

from policies.texts.numbers import kind_title
from proctor.evidence.untrusted import moment, plain_title, text
from proctor.evidence.words import clock
from ui.texts import Plural, Texts, mark

# Neutral: what a student's program says it is doing, and nothing about the student.
STATES: Mapping[str, tuple[str, str]] = {
    "waiting": (mark("Waits"), "empty"),
    "running": (mark("Runs"), "on"),
    "break": (mark("On a break"), "exam"),
    "paused": (mark("Paused"), "off"),
    "help": (mark("Asks for help"), "info"),
    "ended": (mark("Has ended"), "good"),
    "unheard": (mark("Not heard for a while"), "off"),
    "erased": (mark("Erased"), "empty"),
}
# Which look a flag waits for, and that somebody asked for the student's side, says what another person
# said: a reviewer reads the same words for all of it, as in a case (record 0029).
WAITS, CLOSED = mark("Waits for a look"), mark("Not open yet")
FLAGS: Mapping[str, str] = {
    "waiting": WAITS,
    "looked": WAITS,
    "second": WAITS,
    "disagreed": WAITS,
    "may_comment": CLOSED,
    "done": mark("Decided"),
    "expired": mark("Expired unseen"),
    "erased": mark("Erased"),
}
COMMANDS: Mapping[str, str] = {
    "message": mark("Message"),
    "answer_help": mark("Answer to a call for help"),
    "extend": mark("More time"),
    "approve_break": mark("Break allowed"),
    "pause": mark("Pause"),
    "resume": mark("Go on"),
    "room_scan": mark("Request for a room scan"),
}
BECAME: Mapping[str, str] = {
    "waiting": mark("on its way"),
    "shown": mark("shown to the student"),
    "accepted": mark("the student said yes"),
    "declined": mark("the student said no, which is only an answer"),
    "impossible": mark("not possible there"),
    "late": mark("came too late"),
    "expired": mark("its time is over"),
}
RECORDS: Mapping[str, str] = {
    "enrolled": mark("Came with an invitation"),
    "stored": mark("Took in a sealed clip"),
    "checkpoint.countersigned": mark("Countersigned the journal"),
    "erased": mark("Erased"),
    "erasure.held": mark("Kept what was to be erased: a hold"),
    "header.released": mark("Opened a clip"),
    "decision": mark("Signed a look"),
    "decision.withdrawn": mark("Took a look back"),
    "command.given": mark("Spoke to the student's program"),
    "command.done": mark("The student's program answered"),
    "hold.proposed": mark("Asked to keep it longer"),
    "hold.approved": mark("Agreed to keep it longer"),
    "erasure.proposed": mark("Asked to erase"),
    "erasure.approved": mark("Agreed to erase"),
    "export.proposed": mark("Asked for a copy"),
    "export.approved": mark("Agreed to a copy"),
}


def kind(t: Texts, name: str) -> str:
    """The kind of a flag for people; what a plug-in added is named after itself."""
    said = text(name, 60)
    known = kind_title(t, said, {})
    return plain_title(said) if known == said else known


def named(t: Texts, table: Mapping[str, str], key: object) -> str:
    """An entry of a table here; a word of a later hub stays as it is."""
    name = text(key, 60)
    return t.say(table[name]) if name in table else name


def at(second: object) -> str:
    """A second of an exam as a clock shows it."""
    return clock(float(second)) if isinstance(second, int | float) else ""


def local(t: Texts, when: object) -> str:
    """A moment (ISO 8601 or seconds since 1970) as this computer's people write it."""
    found = moment(when)
    seconds = float(when) if isinstance(when, int | float) else None
    if found is not None:
        seconds = found.timestamp()
    if seconds is None:
        return ""
    shown = QDateTime.fromSecsSinceEpoch(int(seconds))
    return QLocale(t.lang).toString(shown, QLocale.FormatType.ShortFormat)


def coverage(t: Texts, said: Mapping[str, Any]) -> str:
    """How far the flags are looked at; what expires is always told."""
    count = {name: int(said.get(name) or 0) for name in ("all", "reviewed", "expiring", "expired")}
    told = t.say("{done} of {all} flags decided", done=count["reviewed"], all=count["all"])
    expiring = t.count(EXPIRING, count["expiring"])
    return f"{told} · {expiring} · {t.say('{n} expired unseen', n=count['expired'])}"


EXPIRING = Plural("{n} expires within three days", "{n} expire within three days")
