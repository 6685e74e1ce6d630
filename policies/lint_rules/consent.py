"""What the student is asked, what a refusal leads to, and who is too young to be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from policies.lint_rules.base import (
    BASE,
    BUILT_IN,
    COMPARING,
    IDENTITY_KINDS,
    MONITORING,
    SENSOR_OF_KIND,
    Hit,
    Key,
    Pack,
    Sensor,
    View,
    identity_not_asked,
)

_pack = Pack("CON")

# Words by which a refusal is punished, in the languages a policy can list. Negated ones are let pass.
_THREAT = re.compile(
    r"(?i)(?<!not )(?<!never )(?<!cannot )(?<!no )\b("
    r"fail(s|ed)?|zero marks?|no (credit|marks?|grade)|exclu(ded|sion)|disqualif\w+|expel\w*|"
    r"misconduct|(may|can) ?not (sit|take) the exam|not be (allowed|admitted)|forfeit\w*|"
    r"durchgefallen|nicht bestanden|ausgeschlossen|exmatrikul\w+|ungen.gend|"
    r"exclue?s?|échec|note de zéro|éliminé|suspens[oa]|expulsad[oa]|descalificad[oa]|"
    r"gezakt|uitgesloten|onvoldoende"
    r")\b"
)
_NOTHING = re.compile(
    r"(?i)^\W*(tbd|to be (decided|defined|announced)|n/?a|not applicable|"
    r"none( (given|offered|exists?|at all|yet))?|nothing( else| at all)?|"
    r"(there is )?no alternative.*|not available.*|keine alternative.*|pas d.alternative.*|"
    r"ninguna alternativa.*|geen alternatief.*|lorem ipsum.*)\W*$"
)
_BIOMETRIC = re.compile(
    r"(?i)(?<!without )(?<!no )(?<!without a )(?<!without any )"
    r"\b(biometric\w*|finger ?prints?|voice ?prints?|iris|face (recognition|match\w*|scan)|selfie)\b"
)


def alternatives(view: View) -> Iterator[tuple[Key, str]]:
    """Every sentence that says what a student who declines gets."""
    for name, purpose in view.policy.purposes.items():
        yield ("purposes", name, "alternative"), purpose.alternative
    if view.scans:
        yield ("room_scan", "alternative"), view.policy.room_scan.alternative


@_pack.error(
    "alternative that punishes",
    "A refusal that costs the exam is no free choice, and declining never blocks the exam.",
    "POLICY C2; GDPR Art. 7(4)",
    "Name a way to sit the exam as well as anybody else: a room with an invigilator, a live human "
    "without recording, an oral follow-up.",
)
def _threat(view: View) -> Iterable[Hit]:
    for key, text in alternatives(view):
        if found := _THREAT.search(text):
            yield Hit(key, f"The alternative speaks of '{found[0]}'.")


@_pack.error(
    "alternative that is none",
    "Each purpose a student may refuse has a real alternative, or the question is no question.",
    "POLICY C2; GDPR Art. 7(4)",
    "Write in one sentence what a student who declines gets instead.",
)
def _nothing(view: View) -> Iterable[Hit]:
    for key, text in alternatives(view):
        if _NOTHING.search(text):
            yield Hit(key, "The alternative names nothing that a student could do.")


@_pack.error(
    "biometrics of minors",
    "A child's face is not measured to tell who it is, whoever consents.",
    "POLICY C6",
    "Remove the identity purposes (let a person look at an identity card), or raise `min_age` to 18.",
)
def _minor_biometrics(view: View) -> Iterable[Hit]:
    for name in ("identity", "identity_retention"):
        if view.minors and name in view.policy.purposes:
            yield Hit(("purposes", name), f"Students may be {view.policy.min_age} years old.")


@_pack.error(
    "no consent for a guardian to give",
    "Under 18 a guardian consents as well; with a contract or an interest of the institution there is "
    "nothing to consent to.",
    "POLICY C6; GDPR Art. 6(1)(f) on children",
    'Use basis = "consent" (or "public_task" where a law gives the task), or raise `min_age` to 18.',
)
def _minor_basis(view: View) -> Iterable[Hit]:
    for name, purpose in view.policy.purposes.items():
        # The identity purposes are refused for minors altogether by the rule before.
        skipped = name.startswith("identity")
        if view.minors and not skipped and purpose.basis in ("contract", "legitimate_interest"):
            yield Hit(
                ("purposes", name, "basis"), f"The basis for students under 18 is {purpose.basis}."
            )


@_pack.warning(
    "research with minors",
    "Research on children needs their guardians, an ethics board and a purpose that adults cannot "
    "serve.",
    "POLICY C6; Declaration of Helsinki on vulnerable groups",
    "Leave the purpose research out for students under 18, or ask your ethics board and your counsel.",
)
def _minor_research(view: View) -> Iterable[Hit]:
    if view.minors and view.asks("research"):
        yield Hit(("purposes", "research"), "Copies for research may show minors.")


@_pack.error(
    "identity check that is not asked",
    "Telling by a face who somebody is needs that person's explicit consent.",
    "POLICY C1; compare GDPR Art. 9(2)(a)",
    'Set basis = "consent" for the identity purposes.',
)
def _identity_imposed(view: View) -> Iterable[Hit]:
    # The packs of these places say the same with the words of their own law.
    if not view.within("EU", "GB", "US-IL", "CA", "AU"):
        yield from identity_not_asked(view)


@_pack.warning(
    "alternative to biometrics that is biometric",
    "Whoever declines to have the face measured is not helped by having something else measured.",
    "POLICY C2; compare CQLR c. C-1.1 s. 44",
    "Offer a person who looks at an identity card.",
)
def _biometric_alternative(view: View) -> Iterable[Hit]:
    identity = view.policy.purposes.get("identity")
    if identity is not None and (found := _BIOMETRIC.search(identity.alternative)):
        yield Hit(
            ("purposes", "identity", "alternative"), f"The alternative speaks of '{found[0]}'."
        )


@_pack.warning(
    "research that is not asked",
    "Helping research is a gift; it is asked by itself and no exam hangs on it.",
    "POLICY C1; GDPR Recital 33",
    'Set basis = "consent" for the purpose research.',
)
def _research_imposed(view: View) -> Iterable[Hit]:
    research = view.policy.purposes.get("research")
    canada = view.within("CA")  # where it is an error, in the words of a commissioner
    if research is not None and research.basis != "consent" and not canada:
        yield Hit(("purposes", "research", "basis"), f"Research rests on {research.basis}.")


def _needs(view: View, sensor: Sensor) -> Iterable[Key]:
    for name in view.policy.detectors:
        if name in BUILT_IN and BUILT_IN[name][0] == sensor:
            yield ("detectors", name)
    for kind in view.policy.rules:
        if SENSOR_OF_KIND.get(kind.split(".")[0]) == sensor:
            yield ("rules", kind)


@_pack.error(
    "listens without a microphone purpose",
    "Nothing is listened to that no question was asked about.",
    "POLICY C1, C3; GDPR Art. 5(1)(a)",
    "Add [purposes.microphone], or remove the detectors and rules for speech and wake phrases.",
)
def _unasked_microphone(view: View) -> Iterable[Hit]:
    if not view.asks("microphone"):
        for key in _needs(view, "microphone"):
            yield Hit(key, f"{key[1]} needs the microphone, which the policy does not ask for.")


@_pack.error(
    "looks without a camera purpose",
    "Nothing is looked at that no question was asked about.",
    "POLICY C1, C3; GDPR Art. 5(1)(a)",
    "Add [purposes.camera], or remove the detectors and rules that need a picture.",
)
def _unasked_camera(view: View) -> Iterable[Hit]:
    if not view.asks("camera"):
        for key in _needs(view, "camera"):
            yield Hit(key, f"{key[1]} needs the camera, which the policy does not ask for.")


@_pack.warning(
    "asks for a sensor that nothing uses",
    "What is not needed is not asked for.",
    "GDPR Art. 5(1)(c); POLICY C1",
    "Remove the purpose, or add the detector it is for.",
)
def _idle_sensor(view: View) -> Iterable[Hit]:
    foreign = any(name not in BUILT_IN for name in view.policy.detectors)
    sensors: tuple[Sensor, ...] = ("camera", "microphone")
    for sensor in sensors:
        if view.asks(sensor) and not foreign and not list(_needs(view, sensor)):
            yield Hit(("purposes", sensor), f"No detector and no rule uses the {sensor}.")


@_pack.error(
    "compares faces or voices without an identity purpose",
    "Telling faces or voices apart is biometrics, and has a question of its own.",
    "POLICY C1; GDPR Art. 9(1)",
    "Add [purposes.identity], or remove the detectors identity and speaker and the rules face.other "
    "and speech.other_voice.",
)
def _unasked_identity(view: View) -> Iterable[Hit]:
    if view.asks("identity"):
        return
    for name, what in COMPARING.items():
        if name in view.policy.detectors:
            yield Hit(("detectors", name), f"The detector {name} compares {what}.")
    for kind in view.policy.rules:
        if kind in IDENTITY_KINDS:
            what = "faces" if kind.startswith("face.") else "voices"
            yield Hit(("rules", kind), f"The rule {kind} compares {what}.")


@_pack.warning(
    "identity purpose that nothing uses",
    "A biometric question is put to every student and leads to nothing.",
    "GDPR Art. 5(1)(c)",
    "Remove [purposes.identity], or add the detector that compares faces or voices.",
)
def _idle_identity(view: View) -> Iterable[Hit]:
    foreign = any(name not in BUILT_IN for name in view.policy.detectors)
    if view.asks("identity") and not foreign and not COMPARING.keys() & view.policy.detectors:
        yield Hit(("purposes", "identity"), "No detector compares faces or voices.")


@_pack.warning(
    "different bases for what is watched together",
    "A student can object to one and withdraw from the other, and will hardly know which is which.",
    BASE + "; GDPR Art. 12(1)",
    "Use one basis for camera, microphone and clips.",
)
def _mixed_bases(view: View) -> Iterable[Hit]:
    bases = {n: p.basis for n, p in view.policy.purposes.items() if n in MONITORING}
    if len(set(bases.values())) > 1:
        said = ", ".join(f"{name}: {basis}" for name, basis in bases.items())
        yield Hit(("purposes",), f"The bases differ ({said}).")


RULES = _pack.rules
