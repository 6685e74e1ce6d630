"""The retention overview as a table of sentences, from the policy itself. No Qt in here."""

from __future__ import annotations

from policies.schema import Policy
from policies.texts import Texts
from policies.texts.words import short_key
from ui.texts import Plural, mark

HEADS = (mark("What"), mark("How long"), mark("From when"), mark("Who can open it"))
DAYS = Plural("{n} day", "{n} days")


def overview(t: Texts, policy: Policy) -> list[tuple[str, str, str, str]]:
    """One line for each class of data that the policy lets come into being, in the order of HEADS."""
    kept, asked = policy.retention, policy.purposes
    reviewers = _who(t, policy.recipients)
    people = t.say("Who reviews, and the student")
    rows = [
        (
            t.say("All other pictures and sound"),
            t.say("Not kept: some seconds, in memory only"),
            t.say("At once"),
            t.say("Nobody"),
        )
    ]
    if "clips" in asked:
        since = t.say("From the clip")
        days = t.count(DAYS, kept.clips_days)
        rows.append((t.say("Clips of flagged moments"), days, since, reviewers))
        days = t.count(DAYS, min(kept.clips_days, policy.review.window_days))
        rows.append((t.say("Clips that nobody has reviewed"), days, since, reviewers))
    if "room_scan" in asked:
        days = t.count(DAYS, kept.room_scan_days)
        who = _who(t, policy.room_scan.recipients)
        rows.append((t.say("Film of the room"), days, t.say("From the film"), who))
    if "identity" in asked:
        days = t.say("Until the exam is closed")
        if "identity_retention" in asked and kept.identity_days:
            days = t.count(DAYS, kept.identity_days)
        rows.append(
            (t.say("Identity data"), days, t.say("From the check"), t.say("The program alone"))
        )
    if "research" in asked:
        days = t.count(DAYS, kept.research_days)
        rows.append((t.say("Copies for research"), days, t.say("From the copy"), reviewers))
    days = t.count(DAYS, kept.journal_days)
    rows.append((t.say("Journal, without pictures or sound"), days, t.say("From the exam"), people))
    days = t.count(DAYS, kept.decisions_days)
    rows.append((t.say("Decisions and their reasons"), days, t.say("From the decision"), people))
    return rows


def _who(t: Texts, recipients: tuple[str, ...]) -> str:
    if not recipients:
        return t.say("Whoever is named when the exam starts")
    return t.listed([short_key(key) for key in recipients])
