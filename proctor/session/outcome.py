"""Adds to a student's own exam what the hub knows: what people decided there, and who looked (rule O4)."""

from __future__ import annotations

from dataclasses import replace

from policies.texts.mine import VERDICTS, Look, Said
from proctor.errors import CheckFailed, MissingError
from proctor.hub import outcome_client
from proctor.hub.outcome_client import Outcome
from proctor.session.invitation import kept
from proctor.session.my_data import Mine


def learn(mine: Mine) -> tuple[Mine, tuple[str, ...]]:
    """``mine`` with what the hub of its policy tells, and sentences about what is not there or does not hold.

    Nothing is asked where the policy names no hub.
    """
    hub = mine.told.policy.hub
    if not hub:
        return mine, ()
    sentences: list[str] = []
    here = mine.folder.resolve()
    exams = kept(sentences.append)
    code = next((one.invitation.code for one in exams if one.case.resolve() == here), "")
    if not code:
        return mine, (
            *sentences,
            "The invitation to this exam is not on this computer, so its hub was not asked what people "
            "decided.",
        )
    try:
        found = outcome_client.ask(hub, mine.told.attempt, code)
    except (MissingError, CheckFailed) as error:
        return mine, (str(error),)
    sides = [
        f"Until {until:%Y-%m-%d %H:%M} UTC you can say your side of {flag}; nothing is decided before."
        for flag, until in sorted(found.comment_until.items())
    ]
    return with_outcome(mine, found), (*found.doubts, *sides)


def with_outcome(mine: Mine, found: Outcome) -> Mine:
    """``mine`` with what was signed at the hub, beside what the case itself holds; nothing twice."""
    told = mine.told
    numbers = {flag.id: flag.number for flag in mine.story.flags}
    said = [
        Said(
            numbers[one.flag],
            one.when,
            one.who,
            VERDICTS[one.verdict],
            one.reason,
            one.id in found.decided,
        )
        for one in found.statements
        if one.verdict is not None and one.flag in numbers
    ]
    known = {(one.note, one.when, one.who) for one in told.said}
    new = [one for one in said if (one.note, one.when, one.who) not in known]
    looks = [Look(one.when, one.who, one.reason) for one in found.looks]
    return replace(
        mine,
        told=replace(
            told,
            said=[*told.said, *new],
            looks=[*told.looks, *(look for look in looks if look not in told.looks)],
        ),
    )
