"""What is arranged for one student on top of a policy (rule A1): a signed TOML file of its own.

It says *what* is different, never why: the model has no field for a reason, so none can be stored.
An arrangement can only take away. What it switches off is not computed, and a rule it changes can
only become gentler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, ValidationError, model_validator

from policies import sign
from policies.errors import PolicyError, Refused
from policies.load import as_tuples, document_of, sentence_of
from policies.schema import (
    SCORE,
    SECONDS,
    Identifier,
    KindName,
    Part,
    Policy,
    RuleSettings,
    Score,
)

PAYLOAD_TYPE = "application/vnd.proctor.addendum+toml"

# What each expectation makes meaningless to look for: kinds by name, or by the part before the dot.
# A kind that the addendum gives a rule of its own stays.
EXPECTED: Mapping[str, tuple[str, ...]] = {
    # No detector of ours looks at the screen; a plug-in that does declares its kinds so.
    "assistive_technology": ("screen.",),
    "speech_expected": ("speech.",),
    "reader_allowed": ("face.several", "face.other", "object.person", "speech.other_voice"),
    "movement_expected": ("gaze.", "face.covered"),
}

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RuleChange(Part):
    """A gentler rule for one kind; what is left out stays as the policy has it."""

    on: Score | None = Field(
        None,
        title="Seen from",
        description="Score at or above which the act counts as seen; not below the policy's.",
        json_schema_extra=SCORE,
    )
    min_s: float | None = Field(
        None,
        ge=0.0,
        le=600.0,
        title="Shortest act",
        description="Seconds it must last before a flag opens; not below the policy's.",
        json_schema_extra=SECONDS,
    )
    cooldown_s: float | None = Field(
        None,
        ge=0.0,
        le=3600.0,
        title="Pause after a flag",
        description="Seconds in which no new flag of its kind opens; not below the policy's.",
        json_schema_extra=SECONDS,
    )

    def applied(self, kind: str, rule: RuleSettings) -> RuleSettings:
        """``rule`` with these changes; raises :class:`PolicyError` where one would be stricter."""
        changes = {name: value for name, value in self if value is not None}
        for name, value in changes.items():
            if value < getattr(rule, name):
                raise PolicyError(
                    f'The addendum: rules."{kind}".{name} is {value:g}, stricter than the policy\'s '
                    f"{getattr(rule, name):g}; an arrangement can only take away."
                )
        return rule.model_copy(update=changes)


class Addendum(Part):
    """What is arranged for one student."""

    policy_sha256: Digest = Field(
        title="Policy", description="SHA-256 of the policy file that this stands on top of."
    )
    student: Identifier = Field(
        title="Student",
        description="The code of the student or attempt; a code that says nothing to strangers.",
    )
    expires: datetime | None = Field(
        None,
        title="Expires",
        description="Moment after which it no longer holds, with a time zone.",
    )
    detectors_off: tuple[Identifier, ...] = Field(
        (),
        max_length=100,
        title="Detectors off",
        description="Detectors that do not run for this student.",
    )
    kinds_off: tuple[KindName, ...] = Field(
        (),
        max_length=100,
        title="Kinds off",
        description="Single kinds that are not measured for this student.",
    )
    rules: dict[KindName, RuleChange] = Field(
        default_factory=dict, title="Rules", description="Gentler rules, by kind."
    )
    assistive_technology: bool = Field(
        False,
        title="Assistive technology",
        description="A magnifier, screen reader or such is on the screen.",
    )
    speech_expected: bool = Field(
        False,
        title="Speech expected",
        description="Speech is part of working: dictation, a screen reader, reading aloud.",
    )
    reader_allowed: bool = Field(
        False, title="Reader allowed", description="A second person may be in the room and help."
    )
    movement_expected: bool = Field(
        False, title="Movement expected", description="Head and eyes may go anywhere."
    )
    breaks_unlimited: bool = Field(
        False,
        title="Breaks unlimited",
        description="Breaks whenever and for as long as the student needs them.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Addendum:
        if self.expires is not None and self.expires.tzinfo is None:
            raise ValueError("expires needs a time zone, for instance 2027-01-31T12:00:00Z")
        both = sorted(set(self.kinds_off) & set(self.rules))
        if both:
            raise ValueError(f"{both[0]} is both in kinds_off and in rules; choose one")
        return self

    def off(self, kind: str) -> bool:
        """Whether ``kind`` is not to be measured."""
        if kind in self.kinds_off:
            return True
        if kind in self.rules:
            return False
        return any(
            kind == name or (name.endswith(".") and kind.startswith(name))
            for expected, names in EXPECTED.items()
            if getattr(self, expected)
            for name in names
        )

    def rules_of(self, policy: Policy) -> dict[str, RuleSettings]:
        """The policy's rules as they hold for this student."""
        return {
            kind: self.rules[kind].applied(kind, rule) if kind in self.rules else rule
            for kind, rule in policy.rules.items()
            if not self.off(kind)
        }

    def check(self, policy: Policy) -> None:
        """Raise :class:`PolicyError` when it speaks of what the policy does not have."""
        for name in self.detectors_off:
            if name not in policy.detectors:
                raise PolicyError(_unknown("detector", name, policy.detectors))
        for kind in self.rules:
            if kind not in policy.rules:
                raise PolicyError(_unknown("rule", kind, policy.rules))
        self.rules_of(policy)


def open_addendum(
    raw: bytes,
    where: str,
    keys: Sequence[Ed25519PublicKey],
    policy_sha256: str,
    now: datetime,
) -> Addendum:
    """The addendum in an envelope, when one of the institution's ``keys`` signed it for this policy.

    One signature is enough, however many a policy needs: it can only take away. Raises
    :class:`Refused` when it must not be followed, :class:`PolicyError` when it is not usable.
    """
    try:
        payload = sign.open_envelope(raw, keys, payload_type=PAYLOAD_TYPE)
    except sign.SignatureError as error:
        raise Refused(f"The addendum {where} is not followed: {error}") from error
    addendum = parse(payload, where)
    if addendum.policy_sha256 != policy_sha256:
        raise Refused(
            f"The addendum {where} was made for another policy; ask the institution for one for this "
            f"policy (SHA-256 {policy_sha256})."
        )
    if addendum.expires is not None and addendum.expires <= now:
        raise Refused(f"The addendum {where} has expired; ask the institution for a new one.")
    return addendum


def parse(raw: bytes, where: str) -> Addendum:
    """Check the bytes of an addendum; ``where`` names them in error sentences."""
    text, document = document_of(raw, where, "addendum")
    try:
        return Addendum.model_validate(as_tuples(document))
    except ValidationError as error:
        raise PolicyError(sentence_of(error, text, f"addendum {where}")) from error


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f"The addendum names the {what} '{name}', which the policy does not have (it has: {', '.join(known)})."
