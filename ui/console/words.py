"""How the console puts verdicts, states and moments into words."""

from __future__ import annotations

import re

from policies.texts.numbers import kind_title
from policies.texts.told import tell
from proctor.evidence.decision import Decision, Verdict
from proctor.evidence.story import FlagStory
from proctor.evidence.words import clock
from ui.console.source import CaseFile
from ui.texts import Texts, mark

# In the order of their keys, 1 to 4.
VERDICTS: dict[Verdict, str] = {
    "nothing_to_see": mark("Nothing to see"),
    "cannot_tell": mark("It could not be told"),
    "please_discuss": mark("Please talk about it"),
    "confirmed": mark("What was noted can be seen"),
}
ABOUT: dict[Verdict, str] = {
    "nothing_to_see": mark("Nothing in it needs another look."),
    "cannot_tell": mark("The clip does not show enough to say anything."),
    "please_discuss": mark("Somebody should hear the student; needs a reason, which they read."),
    "confirmed": mark("Can be held against the student; needs a reason, which they read."),
}
LOOKS = {
    "first": mark("First look"),
    "second": mark("Second look"),
    "third": mark("Third look"),
}
DONE = mark("Decided")
WAITS = mark("Waits for your look")
AGAIN = mark("Waits for your second look")
STUDENT = mark("The student can still comment")
OTHERS = mark("Waits for another person")
CLOSED = mark("Not open yet")
_MEASURED = re.compile(r" \(.*\)(?=\.?$)", re.DOTALL)


def title(t: Texts, flag: FlagStory) -> str:
    """The kind of a flag, in the reviewer's language; what a plug-in added keeps its own words."""
    known = kind_title(t, flag.kind, {})
    return flag.title if known == flag.kind else known


def state(t: Texts, case: CaseFile, flag: str) -> str:
    """Where a flag stands, for this reviewer: what others said is in no word of it before their own look."""
    stand = case.standing(flag)
    if stand.state == "done":
        return t.say(DONE)
    if not case.refusal(flag):
        return t.say(AGAIN) if case.seen(flag) else t.say(WAITS)
    if not case.seen(flag):
        return t.say(CLOSED)
    return t.say(STUDENT) if stand.state == "may_comment" else t.say(OTHERS)


def why(t: Texts, flag: FlagStory, *, measured: bool) -> str:
    """What was noted, in the reviewer's language; a plug-in's own words stay as they are.

    Without ``measured`` the brackets are left out in which a detector says what it measured (rule O3).
    """
    return tell(t, flag.why) if measured else _MEASURED.sub("", tell(t, flag.why))


def when(flag: FlagStory) -> str:
    """From when to when, in the time of the exam."""
    end = "" if flag.end is None else f"–{clock(flag.end)}"
    return f"{clock(flag.start)}{end}"


def said(t: Texts, one: Decision) -> str:
    """One statement as a sentence."""
    what = t.say("taken back") if one.verdict is None else t.say(VERDICTS[one.verdict])
    told = t.say(
        "{look}, {who}, {when}: {what}.",
        look=t.say(LOOKS[one.look]),
        who=one.who,
        when=one.when,
        what=what,
    )
    return f"{told} {t.say('Reason: {reason}', reason=one.reason)}" if one.reason else told
