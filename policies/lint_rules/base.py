"""What a rule of the linter is, and what it may look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from policies.schema import Jurisdiction, Policy, PurposeName

Severity = Literal["error", "warning"]
Sensor = Literal["camera", "microphone"]
Key = tuple[str, ...]
BASE = "our own rule"


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule strikes: the key, and what the policy says there in one sentence."""

    key: Key
    what: str


@dataclass(frozen=True, slots=True)
class View:
    """What a rule may look at: the policy, the moment of the check, and where the exam is sat."""

    policy: Policy
    now: datetime
    places: frozenset[Jurisdiction]

    @property
    def real(self) -> bool:
        """Whether something hangs on the exam; practice policies are spared what only paper needs."""
        return self.policy.stakes != "practice"

    @property
    def high(self) -> bool:
        return self.policy.stakes == "high"

    @property
    def public(self) -> bool:
        return self.policy.institution_kind == "public"

    @property
    def minors(self) -> bool:
        return self.policy.min_age < ADULT

    @property
    def scans(self) -> bool:
        return self.policy.room_scan.mode == "offered"

    def asks(self, *purposes: PurposeName) -> bool:
        """Whether the policy has one of ``purposes``."""
        return any(name in self.policy.purposes for name in purposes)

    def within(self, *places: Jurisdiction) -> bool:
        """Whether the exam is sat in one of ``places``."""
        return bool(self.places & set(places))


Find = Callable[[View], Iterable[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing the linter looks for.

    ``places`` empty: everywhere. ``why`` is the reason and ``source`` where it comes from; ``mend``
    says what to change.
    """

    id: str
    severity: Severity
    title: str
    why: str
    source: str
    mend: str
    find: Find
    places: tuple[Jurisdiction, ...] = ()


class Pack:
    """Collects the rules of one module, numbered in the order in which they are written."""

    def __init__(self, prefix: str, *places: Jurisdiction) -> None:
        self.prefix, self.places = prefix, places
        self._rules: list[Rule] = []

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(self._rules)

    def error(self, title: str, why: str, source: str, mend: str) -> Callable[[Find], Find]:
        """The policy must not be used like this."""
        return self._add("error", title, why, source, mend)

    def warning(self, title: str, why: str, source: str, mend: str) -> Callable[[Find], Find]:
        """The policy can be used, yet somebody should think again."""
        return self._add("warning", title, why, source, mend)

    def _add(
        self, severity: Severity, title: str, why: str, source: str, mend: str
    ) -> Callable[[Find], Find]:
        def keep(find: Find) -> Find:
            name = f"L-{self.prefix}-{len(self._rules) + 1:02d}"
            self._rules.append(Rule(name, severity, title, why, source, mend, find, self.places))
            return find

        return keep


# The age from which a student consents alone (rule C6).
ADULT = 18
# Days after the last comment in which a decision can still be contested: our own choice.
APPEAL_DAYS = 14
# Six months, which never have more days than this (EU AI Act, Articles 19 and 26(6)).
SIX_MONTHS_DAYS = 184

# What the built-in detectors listen to or look at, and what they can report. A test keeps it in step.
BUILT_IN: Mapping[str, tuple[Sensor, frozenset[str]]] = {
    "faces": ("camera", frozenset({"face.absent", "face.several", "face.covered"})),
    "gaze": ("camera", frozenset({"gaze.away", "gaze.down", "gaze.away_before_answer"})),
    "objects": (
        "camera",
        frozenset(
            {
                "object.phone",
                "object.tablet",
                "object.laptop",
                "object.book",
                "object.person",
            }
        ),
    ),
    "lighting": ("camera", frozenset({"light.dim", "light.glare", "light.backlit"})),
    "camera": ("camera", frozenset({"camera.covered", "camera.frozen", "camera.virtual"})),
    "speech": ("microphone", frozenset({"speech.voice"})),
    "wake": ("microphone", frozenset({"speech.wake_phrase"})),
    "speaker": ("microphone", frozenset({"speech.other_voice"})),
    "identity": ("camera", frozenset({"face.other"})),
}
SENSOR_OF_KIND: Mapping[str, Sensor] = {
    "face": "camera",
    "gaze": "camera",
    "object": "camera",
    "light": "camera",
    "camera": "camera",
    "speech": "microphone",
}
IDENTITY_KINDS = frozenset({"face.other", "speech.other_voice"})
# Detectors that tell one person's face or voice from another's, and what they compare.
COMPARING: Mapping[str, str] = {"identity": "faces", "speaker": "voices"}
# Detectors that measure points of a face, even where they store none.
FACE_MEASURING = ("faces", "gaze", "identity")
MONITORING: tuple[PurposeName, ...] = ("camera", "microphone", "clips")

# How the officer is called in the languages a policy can list.
_OFFICER = re.compile(
    r"(?i)\bdpo\b|data protection|datenschutz|\bdsb\b|\bdpd\b|protection des donn|"
    r"protecci.n de datos|\bfg\b|gegevensbescherming|privacy"
)
_PLACEHOLDER = re.compile(r"(?i)\breplace\b|\bexample\.|\bexample (university|school|college)\b")


def placeholder(text: str) -> bool:
    """Whether ``text`` is still what a preset put there for the institution to replace."""
    return bool(_PLACEHOLDER.search(text))


def days_needed(policy: Policy) -> int:
    """Days from a flag until its decision can no longer be contested."""
    return policy.review.window_days + policy.review.comment_days + APPEAL_DAYS


def identity_not_asked(view: View) -> Iterable[Hit]:
    """The identity check stands on another basis than the student's consent."""
    for name in ("identity", "identity_retention"):
        purpose = view.policy.purposes.get(name)
        if purpose is not None and purpose.basis != "consent":
            yield Hit(
                ("purposes", name, "basis"),
                f"The purpose {name} rests on {purpose.basis}, not on consent.",
            )


def contact_without_officer(view: View) -> Iterable[Hit]:
    """A public body's contact names nobody for data protection."""
    if view.public and view.real and not _OFFICER.search(view.policy.contact):
        yield Hit(("contact",), "The contact of a public body names nobody for data protection.")
