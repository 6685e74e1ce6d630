"""The United States: the Fourth Amendment for public institutions, FERPA, and rules for research."""

from __future__ import annotations

import re
from collections.abc import Iterable

from policies.lint_rules.base import Hit, Pack, View
from policies.lint_rules.consent import alternatives

_pack = Pack("US", "US")

OGLETREE = "Ogletree v. Cleveland State Univ., N.D. Ohio 2022"
# Days within which a school answers a request to inspect records (34 CFR 99.10(b)).
INSPECTION_DAYS = 45

_IN_PERSON = (
    r"in[ -]person|campus|test(?:ing)? cent(?:er|re)|library|exam room|"
    r"(?:a|in a|the|another|our) (?:quiet |supervised )?room|presencial|en persona|présentiel|"
    r"vor ort|präsenz|ter plaatse"
)
_FROM_AFAR = (
    r"live (?:human|person|proctor|invigilator)|without (?:a |the |any )?(?:room )?scan|oral|"
    r"video call|remote|from home|online|a la distancia|à distance|mündlich|mondeling"
)


@_pack.error(
    "room scan of a public institution without a reasonable alternative",
    "The court held a public university's scan of a student's bedroom an unreasonable search.",
    OGLETREE + "; U.S. Const. amend. IV",
    "Offer another way to sit the same exam (in person, or a live human without a scan), or leave the "
    "scan off; ask your counsel.",
)
def _ogletree(view: View) -> Iterable[Hit]:
    if not (view.public and view.scans):
        return
    for key, text in alternatives(view):
        about_scan = "room_scan" in key
        if about_scan and not re.search(f"(?i){_IN_PERSON}|{_FROM_AFAR}", text):
            yield Hit(key, "It names no other way to sit the same exam.")


@_pack.warning(
    "the only alternative to a room scan is to travel",
    "The student in that case could not come to the campus for reasons of health.",
    OGLETREE,
    "Offer a way from afar as well, for instance a live human without a scan.",
)
def _only_travel(view: View) -> Iterable[Hit]:
    if not (view.public and view.scans):
        return
    for key, text in alternatives(view):
        about_scan = "room_scan" in key
        travel = re.search(f"(?i){_IN_PERSON}", text)
        if about_scan and travel and not re.search(f"(?i){_FROM_AFAR}", text):
            yield Hit(key, "It names only a place to travel to.")


@_pack.warning(
    "decisions gone before a record can be inspected",
    "A student may inspect education records, and the school has up to 45 days to answer.",
    "FERPA, 34 CFR 99.10(b)",
    f"Set retention.decisions_days to at least window_days + comment_days + {INSPECTION_DAYS}.",
)
def _inspection(view: View) -> Iterable[Hit]:
    policy = view.policy
    needed = policy.review.window_days + policy.review.comment_days + INSPECTION_DAYS
    days = policy.retention.decisions_days
    if view.real and days < needed:
        yield Hit(
            ("retention", "decisions_days"),
            f"Decisions are kept {days} days; review and inspection take up to {needed}.",
        )


@_pack.warning(
    "school exams, where parents hold the rights",
    "Until 18, or until college, it is the parents who inspect records and consent to disclosure.",
    "FERPA, 34 CFR 99.3 to 99.5",
    "Say in `contact` how parents reach you, or raise `min_age` to 18; ask your counsel about state law.",
)
def _parents(view: View) -> Iterable[Hit]:
    told = re.search(r"(?i)parent|guardian|famil|padres", view.policy.contact)
    if view.minors and not told:
        yield Hit(("min_age",), f"Students may be {view.policy.min_age} years old.")


@_pack.warning(
    "research without a review board",
    "Research with people goes before an institutional review board first.",
    "45 CFR 46.109; FERPA, 34 CFR 99.30",
    "Name the board's approval in `dpia`, for instance 'IRB 2027-014'.",
)
def _board(view: View) -> Iterable[Hit]:
    if view.asks("research") and not re.search(r"\bIRB\b|review board", view.policy.dpia):
        yield Hit(("purposes", "research"), "No approval of a review board is named in dpia.")


@_pack.warning(
    "an exam that depends on reading gaze",
    "An exam must measure what a student knows and not how their eyes or body move.",
    "ADA 42 U.S.C. 12189; 28 CFR 36.309(b)",
    "Set required = false for gaze; a student's arrangement can switch it off altogether.",
)
def _gaze(view: View) -> Iterable[Hit]:
    gaze = view.policy.detectors.get("gaze")
    if view.high and gaze is not None and gaze.required:
        yield Hit(("detectors", "gaze", "required"), "The exam cannot start without gaze.")


RULES = _pack.rules
