"""Where two places ask for opposite things. One policy is one text: the stricter of both wins."""

from __future__ import annotations

from collections.abc import Iterable

from policies.lint_rules.base import FACE_MEASURING, SIX_MONTHS_DAYS, Hit, Pack, View

_pack = Pack("MIX")


@_pack.warning(
    "Europe advises against the consent that Illinois demands",
    "A European public body should not rest on consent, and Illinois wants a written release before a "
    "face is measured: consent is the stricter and wins.",
    "GDPR Recital 43 and UK GDPR against Illinois BIPA, 740 ILCS 14/15(b)",
    'Set basis = "consent" for camera, microphone and clips and keep the right to object, or write a '
    "policy for each place.",
)
def _consent(view: View) -> Iterable[Hit]:
    camera = view.policy.purposes.get("camera")
    measuring = any(name in view.policy.detectors for name in FACE_MEASURING)
    both = view.within("US-IL") and view.within("EU", "GB")
    if both and measuring and camera is not None and camera.basis != "consent":
        yield Hit(("purposes", "camera", "basis"), f"The camera rests on {camera.basis}.")


@_pack.warning(
    "Europe's shortest and California's longest time for the journal meet",
    "Europe wants logs for at least six months, California nothing longer than necessary: six months "
    "and no day more satisfies both.",
    "EU AI Act Art. 26(6) against California SB 1172, Bus. & Prof. Code 22588",
    f"Set retention.journal_days and decisions_days to {SIX_MONTHS_DAYS}, or write a policy for each "
    "place.",
)
def _journal(view: View) -> Iterable[Hit]:
    days = view.policy.retention.journal_days
    if view.within("EU") and view.within("US-CA") and days > SIX_MONTHS_DAYS:
        yield Hit(("retention", "journal_days"), f"The journal is kept {days} days.")


RULES = _pack.rules
