"""Illinois (Biometric Information Privacy Act) and California (SB 1172, CCPA)."""

from __future__ import annotations

from collections.abc import Iterable

from policies.lint_rules.base import (
    FACE_MEASURING,
    Hit,
    Pack,
    View,
    days_needed,
    identity_not_asked,
)

_illinois = Pack("USIL", "US-IL")
_california = Pack("USCA", "US-CA")

# Three years after the last interaction, at the latest (740 ILCS 14/15(a)).
BIPA_DAYS = 3 * 365


@_illinois.error(
    "identity check without a written release",
    "No scan of face geometry is collected before the student was told in writing and signed a release.",
    "Illinois BIPA, 740 ILCS 14/15(b)",
    'Set basis = "consent" for the identity purposes: the receipt of consent is the written release.',
)
def _release(view: View) -> Iterable[Hit]:
    yield from identity_not_asked(view)


@_illinois.warning(
    "points of the face measured without a written release",
    "A court let students' claims go on that proctoring software took scans of face geometry without "
    "one; other courts held some universities exempt.",
    "Illinois BIPA, 740 ILCS 14/15(b); Patterson v. Respondus, N.D. Ill. 2022",
    'Set basis = "consent" for the camera, or run no detector that measures faces; ask your counsel.',
)
def _geometry(view: View) -> Iterable[Hit]:
    camera = view.policy.purposes.get("camera")
    measuring = [name for name in FACE_MEASURING if name in view.policy.detectors]
    abroad = view.within("EU", "GB")  # the rule about both places speaks then
    if camera is not None and camera.basis != "consent" and measuring and not abroad:
        yield Hit(
            ("purposes", "camera", "basis"),
            f"{' and '.join(measuring)} measure the face, on the basis {camera.basis}.",
        )


@_illinois.error(
    "research copies kept for more than three years",
    "What can be measured from a face is destroyed when its purpose is served, or after three years.",
    "Illinois BIPA, 740 ILCS 14/15(a)",
    f"Set retention.research_days to at most {BIPA_DAYS}.",
)
def _three_years(view: View) -> Iterable[Hit]:
    days = view.policy.retention.research_days
    if days > BIPA_DAYS:
        yield Hit(("retention", "research_days"), f"Research copies are kept {days} days.")


@_illinois.warning(
    "identity data kept after its purpose is served",
    "The purpose is served when the exam is closed; the written schedule has to say why it goes on.",
    "Illinois BIPA, 740 ILCS 14/15(a)",
    "Remove identity_retention, or publish the reason in your retention schedule.",
)
def _kept(view: View) -> Iterable[Hit]:
    if view.asks("identity_retention"):
        days = view.policy.retention.identity_days
        yield Hit(("purposes", "identity_retention"), f"Identity data is kept {days} days.")


@_california.error(
    "research with what a proctoring service saw",
    "A proctoring service uses personal information only as strictly necessary to proctor.",
    "California SB 1172, Bus. & Prof. Code 22588",
    "Remove the purpose research, or run the study apart from the exam; ask your counsel.",
)
def _research(view: View) -> Iterable[Hit]:
    if view.asks("research"):
        yield Hit(("purposes", "research"), "Copies are kept for research.")


@_california.error(
    "clips kept longer than proctoring needs",
    "A proctoring service retains personal information only as strictly necessary to proctor.",
    "California SB 1172, Bus. & Prof. Code 22588; CCPA, Civ. Code 1798.100(c)",
    "Bring retention.clips_days down to window_days + comment_days + 14.",
)
def _clips(view: View) -> Iterable[Hit]:
    days = view.policy.retention.clips_days
    if view.asks("clips") and days > days_needed(view.policy):
        yield Hit(
            ("retention", "clips_days"),
            f"Clips are kept {days} days; {days_needed(view.policy)} would do.",
        )


@_california.error(
    "identity data kept after the exam",
    "Once it is known who sat the exam, keeping the data is not strictly necessary to proctor.",
    "California SB 1172, Bus. & Prof. Code 22588",
    "Remove the purpose identity_retention and set retention.identity_days = 0.",
)
def _identity(view: View) -> Iterable[Hit]:
    if view.asks("identity_retention"):
        yield Hit(("purposes", "identity_retention"), "Identity data outlives the exam.")


@_california.warning(
    "sensitive information where little hangs on the exam",
    "Biometrics and a look into the home must be reasonably necessary and in proportion.",
    "CCPA, Civ. Code 1798.100(c), 1798.140(ae); Cal. Const. art. I, s. 1",
    "Leave the identity check out below high stakes.",
)
def _proportion(view: View) -> Iterable[Hit]:
    if view.asks("identity") and not view.high and not view.minors:
        stakes = view.policy.stakes
        yield Hit(("purposes", "identity"), f"Faces are compared at stakes '{stakes}'.")


RULES = (*_illinois.rules, *_california.rules)
