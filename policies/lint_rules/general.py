"""Who answers for the policy, how long it holds, and in which languages it speaks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from policies.lint_rules.base import BASE, Hit, Pack, View, placeholder

_pack = Pack("GEN")

# Longest life of a policy: 18 months of at most 31 days are 549 days at the most. Our own choice:
# a policy is looked at again at least every third semester.
LONGEST_LIFE = timedelta(days=549)
# An address, a web page or a telephone number.
_REACHABLE = re.compile(r"\S+@\S+\.\S+|https?://\S+|(?:\d[ ()/.-]?){6,}")


@_pack.warning(
    "no end date",
    "A policy without an end is used long after anybody last thought about it.",
    "POLICY P1",
    "Add `expires` with a date and a time zone before you sign.",
)
def _no_end(view: View) -> Iterable[Hit]:
    if view.real and view.policy.expires is None:
        yield Hit(("expires",), "The policy never expires.")


@_pack.warning(
    "holds for more than 18 months",
    "What is necessary and what the law asks changes faster than that.",
    "POLICY P1; GDPR Art. 35(11)",
    "Bring `expires` within 18 months and renew the policy after looking at it again.",
)
def _long_life(view: View) -> Iterable[Hit]:
    policy = view.policy
    start = policy.not_before or view.now
    if policy.expires is not None and policy.expires - start > LONGEST_LIFE:
        yield Hit(("expires",), f"The policy holds until {policy.expires:%Y-%m-%d}.")


@_pack.error(
    "already expired",
    "The agent refuses an expired policy, so no exam could start.",
    "POLICY P1",
    "Look the policy over, raise `version` and set a new `expires`.",
)
def _expired(view: View) -> Iterable[Hit]:
    expires = view.policy.expires
    if expires is not None and expires <= view.now:
        yield Hit(("expires",), f"The policy expired on {expires:%Y-%m-%d}.")


@_pack.warning(
    "contact that cannot be reached",
    "A student who has a question, withdraws or objects needs somebody who answers.",
    "POLICY P3; GDPR Art. 13(1)(a)",
    "Write an e-mail address, a telephone number or a web page into `contact`.",
)
def _unreachable(view: View) -> Iterable[Hit]:
    if view.real and not _REACHABLE.search(view.policy.contact):
        yield Hit(("contact",), "The contact holds no address, number or page.")


@_pack.warning(
    "a preset's placeholder is left in",
    "Students would be sent to people and papers that do not exist.",
    BASE,
    "Put in your own institution, contact and references.",
)
def _placeholder(view: View) -> Iterable[Hit]:
    for name in ("institution", "exam", "contact", "dpia"):
        if placeholder(getattr(view.policy, name)):
            yield Hit((name,), f"The field {name} still holds the preset's placeholder.")


@_pack.warning(
    "no jurisdiction",
    "Only the general rules were looked at; the law of the place was not.",
    "POLICY P3",
    "List every place where students sit the exam in `jurisdictions`.",
)
def _nowhere(view: View) -> Iterable[Hit]:
    if view.real and not view.places:
        yield Hit(("jurisdictions",), "The policy does not say where the exam is sat.")


@_pack.warning(
    "English is missing where it is the common language",
    "A notice that a student cannot read informs nobody.",
    "POLICY P4; GDPR Art. 12(1)",
    'Add "en" to `languages`.',
)
def _no_english(view: View) -> Iterable[Hit]:
    if view.within("GB", "US", "AU") and "en" not in view.policy.languages:
        yield Hit(("languages",), "English is not among the languages.")


@_pack.warning(
    "no impact assessment for an exam of high stakes",
    "Watching people at home for something that matters to them deserves a written weighing first.",
    "POLICY P3; compare GDPR Art. 35",
    "Write an impact assessment (`proctor policy explain` helps) and name it in `dpia`.",
)
def _no_assessment(view: View) -> Iterable[Hit]:
    elsewhere = view.within("EU", "GB", "CA", "AU")  # their own packs ask for it
    if view.high and not elsewhere and not view.policy.dpia.strip():
        yield Hit(("dpia",), "No impact assessment is named.")


@_pack.warning(
    "students cannot mend what they are not shown",
    "A student who sees at once that the light is poor turns on a lamp; told at the end, it is too "
    "late and a reviewer has more to judge.",
    "POLICY O4; " + BASE,
    'Set show_flags = "live", or remove the rules for light and camera.',
)
def _shown_late(view: View) -> Iterable[Hit]:
    mendable = [k for k in view.policy.rules if k.startswith(("light.", "camera."))]
    if view.policy.show_flags == "at_end" and mendable:
        yield Hit(("show_flags",), f"Flags such as {mendable[0]} are shown only at the end.")


RULES = _pack.rules
