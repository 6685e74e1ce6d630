"""The European Union: GDPR, and the AI Act, under which watching exams is of high risk (Annex III, 3(d))."""

from __future__ import annotations

import re
from collections.abc import Iterable

from policies.lint_rules.base import (
    FACE_MEASURING,
    MONITORING,
    SIX_MONTHS_DAYS,
    Hit,
    Pack,
    View,
    contact_without_officer,
    identity_not_asked,
)

_pack = Pack("EU", "EU")

# From which age a child consents alone to online services, where a country has set no lower one.
AGE_OF_CONSENT = 16


@_pack.error(
    "no impact assessment",
    "Systematic watching with new technology of people who can hardly refuse needs one before it starts.",
    "GDPR Art. 35(1) and WP248 rev.01",
    "Write it with your data protection officer and name it in `dpia`; ask your counsel.",
)
def _assessment(view: View) -> Iterable[Hit]:
    if view.real and not view.policy.dpia.strip():
        yield Hit(("dpia",), "No data protection impact assessment is named.")


@_pack.error(
    "logs kept for less than six months",
    "Whoever uses an AI system of high risk keeps its logs for at least six months.",
    "EU AI Act Art. 26(6) with Annex III 3(d)",
    f"Set retention.journal_days to at least {SIX_MONTHS_DAYS}.",
)
def _logs(view: View) -> Iterable[Hit]:
    days = view.policy.retention.journal_days
    if days < SIX_MONTHS_DAYS:
        yield Hit(("retention", "journal_days"), f"The journal is kept {days} days.")


@_pack.error(
    "legitimate interest of a public body",
    "A public authority cannot rest its tasks on a legitimate interest.",
    "GDPR Art. 6(1), last sentence",
    'Use basis = "public_task" with the law that gives the task, or "consent" where refusing is free.',
)
def _interest(view: View) -> Iterable[Hit]:
    for name, purpose in view.policy.purposes.items():
        # Identity, research and the room scan are never anything but asked: other rules say so.
        watched = name in MONITORING
        if view.public and watched and purpose.basis == "legitimate_interest":
            yield Hit(("purposes", name, "basis"), f"{name} rests on a legitimate interest.")


@_pack.warning(
    "consent to a public body where much hangs on it",
    "Consent is hardly free between a student and a university that grades; withdrawn, it falls.",
    "GDPR Recital 43, Art. 7(4)",
    'Use basis = "public_task" for camera, microphone and clips where your law gives one: the student '
    "then gets a notice and can object (Art. 21); ask your counsel.",
)
def _unfree(view: View) -> Iterable[Hit]:
    # Illinois wants the consent; the rule about both places says so.
    if not (view.public and view.high) or view.within("US-IL"):
        return
    for name in MONITORING:
        purpose = view.policy.purposes.get(name)
        if purpose is not None and purpose.basis == "consent":
            yield Hit(("purposes", name, "basis"), f"{name} rests on consent to a public body.")


@_pack.warning(
    "watching founded on a contract",
    "A contract covers what the exam cannot do without, and exams were held without cameras.",
    "GDPR Art. 6(1)(b); EDPB Guidelines 2/2019",
    "Use another basis, or have your counsel write down why nothing less would do.",
)
def _contract(view: View) -> Iterable[Hit]:
    for name in MONITORING:
        purpose = view.policy.purposes.get(name)
        if not view.minors and purpose is not None and purpose.basis == "contract":
            yield Hit(("purposes", name, "basis"), f"{name} rests on a contract.")


@_pack.error(
    "identity check without explicit consent",
    "Biometric data that tells who somebody is needs explicit consent, or a law that says otherwise.",
    "GDPR Art. 9(1), 9(2)(a)",
    'Set basis = "consent" for the identity purposes and keep the alternative open.',
)
def _identity(view: View) -> Iterable[Hit]:
    yield from identity_not_asked(view)


@_pack.warning(
    "younger than the age of consent",
    "Below 16 (in some countries 13 to 15) a parent consents to online services.",
    "GDPR Art. 8(1)",
    "Raise `min_age`, or check the age of each country and how parents are reached.",
)
def _young(view: View) -> Iterable[Hit]:
    if view.policy.min_age < AGE_OF_CONSENT:
        yield Hit(("min_age",), f"Students may be {view.policy.min_age} years old.")


@_pack.warning(
    "notice in English only",
    "Information is given in a form that is easily understood, first of all in one's own language.",
    "GDPR Art. 12(1)",
    "Add the languages of your students to `languages`.",
)
def _english_only(view: View) -> Iterable[Hit]:
    if view.real and view.policy.languages == ("en",):
        yield Hit(("languages",), "English is the only language.")


@_pack.warning(
    "no data protection officer in the contact",
    "A public body has one, and tells students how to reach them.",
    "GDPR Art. 13(1)(b), 37(1)(a)",
    "Add the data protection officer's address to `contact`.",
)
def _officer(view: View) -> Iterable[Hit]:
    yield from contact_without_officer(view)


@_pack.warning(
    "no fundamental rights impact assessment",
    "A body governed by public law assesses fundamental rights before it uses a high-risk system.",
    "EU AI Act Art. 27(1)",
    "Name the fundamental rights assessment in `dpia` beside the other; one paper may hold both.",
)
def _rights(view: View) -> Iterable[Hit]:
    dpia = view.policy.dpia.strip()
    named = re.search(r"(?i)fundamental rights|\bfria\b|grundrecht|droits fondamentaux", dpia)
    spanish_dutch = re.search(r"(?i)derechos fundamentales|grondrechten", dpia)
    if view.public and view.real and dpia and not named and not spanish_dutch:
        yield Hit(("dpia",), "It names no assessment of fundamental rights.")


@_pack.warning(
    "biometrics where little hangs on the exam",
    "The most protected kind of data is out of proportion to a quiz.",
    "GDPR Art. 5(1)(c), 9",
    "Let a person look at an identity card instead.",
)
def _proportion(view: View) -> Iterable[Hit]:
    if not view.high and not view.minors and view.asks("identity"):
        stakes = view.policy.stakes
        yield Hit(("purposes", "identity"), f"Faces are compared at stakes '{stakes}'.")


@_pack.warning(
    "faces measured by more than one detector for little",
    "Face, gaze and identity together follow a face through the whole exam, for an exam of low stakes.",
    "GDPR Art. 5(1)(c)",
    "At low stakes run faces alone, without gaze.",
)
def _much_measured(view: View) -> Iterable[Hit]:
    measuring = [name for name in FACE_MEASURING if name in view.policy.detectors]
    if view.policy.stakes == "low" and len(measuring) > 1:
        yield Hit(("detectors", measuring[1]), f"{' and '.join(measuring)} all measure the face.")


RULES = _pack.rules
