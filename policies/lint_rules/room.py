"""The room scan and breaks."""

from __future__ import annotations

from collections.abc import Iterable

from policies.lint_rules.base import ADULT, BASE, Hit, Pack, View

_pack = Pack("ROOM")

# Our own bounds.
SHORTEST_NOTICE_HOURS = 24
LONGEST_SCAN_DAYS = 14
SHORTEST_BREAK_MINUTES = 5.0


@_pack.warning(
    "short notice of a room scan",
    "A student needs a day to put private things away, or to ask for another room.",
    "POLICY R1; compare Ogletree v. Cleveland State Univ., N.D. Ohio 2022",
    f"Set room_scan.notice_hours to at least {SHORTEST_NOTICE_HOURS} and tell students then.",
)
def _notice(view: View) -> Iterable[Hit]:
    hours = view.policy.room_scan.notice_hours
    if view.scans and hours < SHORTEST_NOTICE_HOURS:
        yield Hit(("room_scan", "notice_hours"), f"Students are told {hours} h before.")


@_pack.error(
    "the room scan opens with the keys of clips",
    "Who judges a flag need not see a bedroom; the scan has recipients and a key of its own.",
    "POLICY R3",
    "Give room_scan.recipients other keys than `recipients`.",
)
def _same_keys(view: View) -> Iterable[Hit]:
    if view.scans and set(view.policy.room_scan.recipients) & set(view.policy.recipients):
        yield Hit(("room_scan", "recipients"), "A key opens both clips and room scans.")


@_pack.warning(
    "room scan without recipients",
    "Students cannot be told who will see their room.",
    "POLICY R3; GDPR Art. 13(1)(e)",
    "Put the public key of whoever looks at scans into room_scan.recipients.",
)
def _no_keys(view: View) -> Iterable[Hit]:
    if view.scans and view.real and not view.policy.room_scan.recipients:
        yield Hit(("room_scan", "recipients"), "Nobody is named who can open the scan.")


@_pack.warning(
    "room scan although little hangs on the exam",
    "Looking around somebody's home is out of proportion to a quiz.",
    "POLICY R1; GDPR Art. 5(1)(c)",
    'Set room_scan.mode = "off" and remove the purpose room_scan.',
)
def _stakes(view: View) -> Iterable[Hit]:
    if view.scans and not view.high:
        yield Hit(("room_scan", "mode"), f"A scan is offered at stakes '{view.policy.stakes}'.")


@_pack.warning(
    "room scan kept longer than two weeks",
    "A scan is looked at once, soon after the exam.",
    "POLICY R1; GDPR Art. 5(1)(e)",
    f"Set retention.room_scan_days to at most {LONGEST_SCAN_DAYS}.",
)
def _kept(view: View) -> Iterable[Hit]:
    days = view.policy.retention.room_scan_days
    if view.scans and days > LONGEST_SCAN_DAYS:
        yield Hit(("retention", "room_scan_days"), f"Scans are kept {days} days.")


@_pack.warning(
    "two different alternatives to the room scan",
    "The student reads one beside the notice and another beside the question.",
    "POLICY R2; GDPR Art. 12(1)",
    "Write the same sentence into room_scan.alternative and purposes.room_scan.alternative.",
)
def _two_alternatives(view: View) -> Iterable[Hit]:
    purpose = view.policy.purposes.get("room_scan")
    if purpose is not None and purpose.alternative != view.policy.room_scan.alternative:
        yield Hit(("room_scan", "alternative"), "It differs from purposes.room_scan.alternative.")


@_pack.warning(
    "room scans of minors",
    "It is the bedroom of a child, in a home of people who were not asked.",
    "POLICY R1, C6; UN Convention on the Rights of the Child Art. 16",
    f"Leave room scans off for students under {ADULT}.",
)
def _child(view: View) -> Iterable[Hit]:
    if view.scans and view.minors:
        yield Hit(("room_scan", "mode"), f"Students may be {view.policy.min_age} years old.")


@_pack.error(
    "room scan that is not asked",
    "A scan needs the student's own consent at the moment it is made.",
    "POLICY R2",
    'Set basis = "consent" for the purpose room_scan.',
)
def _imposed(view: View) -> Iterable[Hit]:
    purpose = view.policy.purposes.get("room_scan")
    if purpose is not None and purpose.basis != "consent":
        yield Hit(("purposes", "room_scan", "basis"), f"The scan rests on {purpose.basis}.")


@_pack.warning(
    "no breaks",
    "Bodies need them: toilet, medicine, milk, prayer, pain. Each would have to ask for an exception.",
    "POLICY A2; ADA 28 CFR 36.309(b); Equality Act 2010 s. 20; WCAG 2.2 SC 2.2.1",
    'Set breaks.mode = "on_demand".',
)
def _no_breaks(view: View) -> Iterable[Hit]:
    if view.real and view.policy.breaks.mode == "off":
        yield Hit(("breaks", "mode"), "There are no breaks.")


@_pack.warning(
    f"breaks shorter than {SHORTEST_BREAK_MINUTES:.0f} minutes",
    "Nobody with a wheelchair, a stoma or a long corridor is back by then.",
    "POLICY A2; " + BASE,
    f"Set breaks.max_minutes to at least {SHORTEST_BREAK_MINUTES:.0f}.",
)
def _short_breaks(view: View) -> Iterable[Hit]:
    breaks = view.policy.breaks
    if breaks.mode != "off" and breaks.max_minutes < SHORTEST_BREAK_MINUTES:
        yield Hit(("breaks", "max_minutes"), f"A break lasts {breaks.max_minutes:g} min at most.")


@_pack.error(
    "breaks that contradict themselves",
    "Students are promised breaks that can never begin, or a plan that is never followed.",
    "POLICY P1, A2",
    "Planned breaks need `planned_at_minutes` and a `max_count` that covers them; other modes need no "
    "plan; breaks on demand need a `max_count` of at least 1.",
)
def _contradiction(view: View) -> Iterable[Hit]:
    breaks = view.policy.breaks
    planned = len(breaks.planned_at_minutes)
    if breaks.mode == "planned" and not 0 < planned <= breaks.max_count:
        yield Hit(
            ("breaks", "planned_at_minutes"),
            f"{planned} breaks are planned and {breaks.max_count} allowed.",
        )
    if breaks.mode != "planned" and planned:
        yield Hit(("breaks", "planned_at_minutes"), f"There is a plan, yet mode is {breaks.mode}.")
    if breaks.mode == "on_demand" and breaks.max_count == 0:
        yield Hit(("breaks", "max_count"), "Breaks come on demand, and there are 0 of them.")


RULES = _pack.rules
