"""Sentences for what a new policy changes, beside the ones that :mod:`policies.diff` says itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from policies.texts import Plural, mark


class Words(NamedTuple):
    """What is said when a number rises or falls to ``{n}``; ``{before}`` is what it was.

    ``more_is``: whether a higher number asks more or less of a student; empty when neither.
    """

    rises: Plural
    falls: Plural
    more_is: Literal["more", "less", ""]


# By the purpose that the class of data needs (empty: none) and the name of its clock.
DAYS: Mapping[tuple[str, str], Words] = {
    ("clips", "clips_days"): Words(
        Plural("Clips are kept longer: {n} day. Before: {before}.",
               "Clips are kept longer: {n} days. Before: {before}."),
        Plural("Clips are kept less long: {n} day. Before: {before}.",
               "Clips are kept less long: {n} days. Before: {before}."),
        "more",
    ),
    ("room_scan", "room_scan_days"): Words(
        Plural("The film of your room is kept longer: {n} day. Before: {before}.",
               "The film of your room is kept longer: {n} days. Before: {before}."),
        Plural("The film of your room is kept less long: {n} day. Before: {before}.",
               "The film of your room is kept less long: {n} days. Before: {before}."),
        "more",
    ),
    ("identity_retention", "identity_days"): Words(
        Plural("The data of the identity check is kept longer: {n} day. Before: {before}.",
               "The data of the identity check is kept longer: {n} days. Before: {before}."),
        Plural("The data of the identity check is kept less long: {n} day. Before: {before}.",
               "The data of the identity check is kept less long: {n} days. Before: {before}."),
        "more",
    ),
    ("research", "research_days"): Words(
        Plural("Copies for research are kept longer: {n} day. Before: {before}.",
               "Copies for research are kept longer: {n} days. Before: {before}."),
        Plural("Copies for research are kept less long: {n} day. Before: {before}.",
               "Copies for research are kept less long: {n} days. Before: {before}."),
        "more",
    ),
    ("", "journal_days"): Words(
        Plural("The log is kept longer: {n} day. Before: {before}.",
               "The log is kept longer: {n} days. Before: {before}."),
        Plural("The log is kept less long: {n} day. Before: {before}.",
               "The log is kept less long: {n} days. Before: {before}."),
        "more",
    ),
    ("", "decisions_days"): Words(
        Plural("What people decided is kept longer: {n} day. Before: {before}.",
               "What people decided is kept longer: {n} days. Before: {before}."),
        Plural("What people decided is kept less long: {n} day. Before: {before}.",
               "What people decided is kept less long: {n} days. Before: {before}."),
        "more",
    ),
}  # fmt: skip

RULE_FACTS: Mapping[str, Words] = {
    "on": Words(
        Plural("“{title}” is noted less easily: from {n} point. Before: {before}.",
               "“{title}” is noted less easily: from {n} points. Before: {before}."),
        Plural("“{title}” is noted more easily: from {n} point. Before: {before}.",
               "“{title}” is noted more easily: from {n} points. Before: {before}."),
        "less",
    ),
    "off": Words(
        Plural("A note of “{title}” ends sooner: below {n} point. Before: {before}.",
               "A note of “{title}” ends sooner: below {n} points. Before: {before}."),
        Plural("A note of “{title}” ends later: below {n} point. Before: {before}.",
               "A note of “{title}” ends later: below {n} points. Before: {before}."),
        "less",
    ),
    "min_s": Words(
        Plural("“{title}” is noted later: after {n} second. Before: {before}.",
               "“{title}” is noted later: after {n} seconds. Before: {before}."),
        Plural("“{title}” is noted sooner: after {n} second. Before: {before}.",
               "“{title}” is noted sooner: after {n} seconds. Before: {before}."),
        "less",
    ),
    "gap_s": Words(
        Plural("Longer gaps in “{title}” are joined: up to {n} second. Before: {before}.",
               "Longer gaps in “{title}” are joined: up to {n} seconds. Before: {before}."),
        Plural("Only shorter gaps in “{title}” are joined: up to {n} second. Before: {before}.",
               "Only shorter gaps in “{title}” are joined: up to {n} seconds. Before: {before}."),
        "more",
    ),
    "cooldown_s": Words(
        Plural("The wait between two notes of “{title}” is longer: {n} second. Before: {before}.",
               "The wait between two notes of “{title}” is longer: {n} seconds. Before: {before}."),
        Plural("The wait between two notes of “{title}” is shorter: {n} second. Before: {before}.",
               "The wait between two notes of “{title}” is shorter: {n} seconds. Before: {before}."),
        "less",
    ),
    "stale_after_s": Words(
        Plural("“{title}” counts as not measured later: after {n} second. Before: {before}.",
               "“{title}” counts as not measured later: after {n} seconds. Before: {before}."),
        Plural("“{title}” counts as not measured sooner: after {n} second. Before: {before}.",
               "“{title}” counts as not measured sooner: after {n} seconds. Before: {before}."),
        "",
    ),
}  # fmt: skip

FACTS: Mapping[tuple[str, str], Words] = {
    ("clips", "pre_roll_s"): Words(
        Plural("Clips start earlier: {n} second before what was noted. Before: {before}.",
               "Clips start earlier: {n} seconds before what was noted. Before: {before}."),
        Plural("Clips start later: {n} second before what was noted. Before: {before}.",
               "Clips start later: {n} seconds before what was noted. Before: {before}."),
        "more",
    ),
    ("clips", "post_roll_s"): Words(
        Plural("Clips end later: {n} second after what was noted. Before: {before}.",
               "Clips end later: {n} seconds after what was noted. Before: {before}."),
        Plural("Clips end earlier: {n} second after what was noted. Before: {before}.",
               "Clips end earlier: {n} seconds after what was noted. Before: {before}."),
        "more",
    ),
    ("clips", "max_s"): Words(
        Plural("Clips can be longer: {n} second. Before: {before}.",
               "Clips can be longer: {n} seconds. Before: {before}."),
        Plural("Clips must be shorter: {n} second at most. Before: {before}.",
               "Clips must be shorter: {n} seconds at most. Before: {before}."),
        "more",
    ),
    ("room_scan", "notice_hours"): Words(
        Plural("You hear of the room scan earlier: {n} hour before. Until now: {before}.",
               "You hear of the room scan earlier: {n} hours before. Until now: {before}."),
        Plural("You hear of the room scan later: {n} hour before. Until now: {before}.",
               "You hear of the room scan later: {n} hours before. Until now: {before}."),
        "less",
    ),
    ("room_scan", "max_s"): Words(
        Plural("The film of your room can be longer: {n} second. Before: {before}.",
               "The film of your room can be longer: {n} seconds. Before: {before}."),
        Plural("The film of your room must be shorter: {n} second at most. Before: {before}.",
               "The film of your room must be shorter: {n} seconds at most. Before: {before}."),
        "more",
    ),
    ("review", "window_days"): Words(
        Plural("People have longer to look at a note: {n} day. Before: {before}.",
               "People have longer to look at a note: {n} days. Before: {before}."),
        Plural("People have less time to look at a note: {n} day. Before: {before}.",
               "People have less time to look at a note: {n} days. Before: {before}."),
        "more",
    ),
    ("review", "comment_days"): Words(
        Plural("You have longer to tell your side: {n} day. Before: {before}.",
               "You have longer to tell your side: {n} days. Before: {before}."),
        Plural("You have less time to tell your side: {n} day. Before: {before}.",
               "You have less time to tell your side: {n} days. Before: {before}."),
        "less",
    ),
    ("breaks", "max_count"): Words(
        Plural("You can take more breaks: {n} break. Before: {before}.",
               "You can take more breaks: {n} breaks. Before: {before}."),
        Plural("You can take fewer breaks: {n} break. Before: {before}.",
               "You can take fewer breaks: {n} breaks. Before: {before}."),
        "less",
    ),
    ("breaks", "max_minutes"): Words(
        Plural("Breaks can be longer: {n} minute. Before: {before}.",
               "Breaks can be longer: {n} minutes. Before: {before}."),
        Plural("Breaks must be shorter: {n} minute at most. Before: {before}.",
               "Breaks must be shorter: {n} minutes at most. Before: {before}."),
        "less",
    ),
}  # fmt: skip

# What is said when a clock falls to zero days.
GONE: Mapping[str, str] = {
    "identity_days": mark("The data of the identity check now goes when the exam is closed."),
    "research_days": mark("Copies for research are no longer kept."),
}

# The sentence for "on" or "added", and the one for the opposite.
SWITCHES: Mapping[str, tuple[str, str]] = {
    "keys.clips": (
        mark("One more key can open your clips: {key}."),
        mark("This key can no longer open your clips: {key}."),
    ),
    "keys.room_scan": (
        mark("One more key can open the film of your room: {key}."),
        mark("This key can no longer open the film of your room: {key}."),
    ),
    "keys.escrow": (
        mark("There is now a spare key to your clips, for people who act together: {key}."),
        mark("This spare key to your clips is gone: {key}."),
    ),
    "student_copy": (
        mark("You can now have a key of your own to your clips."),
        mark("You can no longer have a key of your own to your clips."),
    ),
    "required": (
        mark("The exam can only start if this part works: “{part}”."),
        mark("The exam can now also start without this part: “{part}”."),
    ),
    "second_reviewer": (
        mark("A decision against you now needs a second person."),
        mark("A decision against you no longer needs a second person."),
    ),
    "show_flags": (
        mark("You now see each note as soon as it is made."),
        mark("You now see your notes only when the exam ends."),
    ),
    "institution_kind": (
        mark("The institution is now a public one."),
        mark("The institution is now a private one."),
    ),
    "breaks.off": (
        mark("There are no breaks any more."),
        "",
    ),
    "breaks.planned": (mark("Breaks are now at set times."), ""),
    "breaks.on_demand": (mark("You can now take a break when you need one."), ""),
}
