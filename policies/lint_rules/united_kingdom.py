"""The United Kingdom: UK GDPR, Data Protection Act 2018, Human Rights Act, Children's code."""

from __future__ import annotations

import re
from collections.abc import Iterable

from policies.lint_rules.base import (
    MONITORING,
    Hit,
    Pack,
    View,
    contact_without_officer,
    identity_not_asked,
)

_pack = Pack("GB", "GB")


@_pack.error(
    "no impact assessment",
    "Biometrics, tracking and watching with new technology are on the ICO's list of what needs one.",
    "UK GDPR Art. 35; ICO list under Art. 35(4)",
    "Write it, and name it in `dpia`; ask your counsel.",
)
def _assessment(view: View) -> Iterable[Hit]:
    if view.real and not view.policy.dpia.strip():
        yield Hit(("dpia",), "No data protection impact assessment is named.")


@_pack.error(
    "legitimate interest of a public authority",
    "A public authority cannot rest its tasks on a legitimate interest.",
    "UK GDPR Art. 6(1)",
    'Use basis = "public_task"; ask your counsel which law gives the task.',
)
def _interest(view: View) -> Iterable[Hit]:
    for name in MONITORING:
        purpose = view.policy.purposes.get(name)
        if view.public and purpose is not None and purpose.basis == "legitimate_interest":
            yield Hit(("purposes", name, "basis"), f"{name} rests on a legitimate interest.")


@_pack.error(
    "identity check without explicit consent",
    "Biometric data that tells who somebody is needs explicit consent or a condition of Schedule 1.",
    "UK GDPR Art. 9; Data Protection Act 2018 s. 10",
    'Set basis = "consent" for the identity purposes; ask your counsel before anything else.',
)
def _identity(view: View) -> Iterable[Hit]:
    yield from identity_not_asked(view)


@_pack.warning(
    "minors, and no word of the Children's code",
    "An online service that under-18s are likely to use puts the child's interest first and says how.",
    "ICO Age appropriate design code; Data Protection Act 2018 s. 123",
    "Assess the code's standards (or why it does not apply) and mention children in `dpia`.",
)
def _children(view: View) -> Iterable[Hit]:
    dpia = view.policy.dpia
    if view.minors and dpia.strip() and not re.search(r"(?i)child|under.?18|minor", dpia):
        yield Hit(("dpia",), "The assessment named does not speak of children.")


@_pack.warning(
    "room scan by a public authority",
    "A look round somebody's home interferes with private life and must be necessary and in proportion.",
    "Human Rights Act 1998 s. 6; ECHR Art. 8",
    "Leave the scan off, or have your counsel write down why nothing milder serves.",
)
def _home(view: View) -> Iterable[Hit]:
    if view.public and view.scans:
        yield Hit(("room_scan", "mode"), "A public authority offers to look round the room.")


@_pack.warning(
    "no data protection officer in the contact",
    "A public authority has one, and tells students how to reach them.",
    "UK GDPR Art. 13(1)(b), 37(1)(a)",
    "Add the data protection officer's address to `contact`.",
)
def _officer(view: View) -> Iterable[Hit]:
    yield from contact_without_officer(view)


@_pack.warning(
    "an exam that depends on reading gaze",
    "Some eyes move otherwise (squint, nystagmus, tics); a bar to starting would be hard to justify.",
    "Equality Act 2010 s. 20, 91",
    "Set required = false for gaze; a student's arrangement can switch it off altogether.",
)
def _gaze(view: View) -> Iterable[Hit]:
    gaze = view.policy.detectors.get("gaze")
    if view.high and gaze is not None and gaze.required:
        yield Hit(("detectors", "gaze", "required"), "The exam cannot start without gaze.")


RULES = _pack.rules
