"""The policy: what an institution asks for, in one strict, frozen model. TOML in, JSON Schema out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Ceilings compiled into the agent: no policy, signed or not, can lift them (rule P2).
MAX_CLIP_S = 60.0
MAX_PRE_ROLL_S = 15.0
MAX_POST_ROLL_S = 15.0
MAX_CLIP_RETENTION_DAYS = 365
MAX_MIN_DURATION_S = 60.0

Score = Annotated[float, Field(ge=0.0, le=1.0)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
KindName = Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z_]+)+$")]
AgeRecipient = Annotated[
    str,
    Field(
        pattern=r"^age1[02-9ac-hj-np-z]{58}$",
        description="An age X25519 public key, as printed by `proctor keys new`.",
    ),
]

PurposeName = Literal["camera", "microphone", "clips"]


class Part(BaseModel):
    """Base of every table in a policy: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Purpose(Part):
    """One thing a student is asked about, by itself."""

    basis: Literal["consent", "public_task"] = Field(
        "consent", description="Legal basis; where it is not consent, a notice is shown instead."
    )
    alternative: str = Field(
        min_length=10,
        description="What a student who declines gets instead, in one sentence shown beside Decline.",
    )


class DetectorChoice(Part):
    """One detector plug-in that this exam runs."""

    required: bool = Field(
        False, description="Refuse to start the exam when this detector cannot run here."
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="The plug-in's own settings; checked by the plug-in."
    )


class RuleSettings(Part):
    """When observations of one kind become a flag."""

    on: Score = Field(0.6, description="Score at or above which the act counts as seen.")
    off: Score = Field(0.4, description="Score below which it counts as no longer seen.")
    min_s: float = Field(
        2.0,
        ge=0.0,
        le=MAX_MIN_DURATION_S,
        description="Seconds it must last before a flag opens.",
    )
    gap_s: float = Field(
        1.0, ge=0.0, le=60.0, description="Seconds unseen that are still bridged within one flag."
    )
    cooldown_s: float = Field(
        5.0,
        ge=0.0,
        le=600.0,
        description="Seconds after a flag in which no new one of its kind opens.",
    )
    stale_after_s: float = Field(
        2.0,
        gt=0.0,
        le=60.0,
        description="Seconds without an observation after which time counts as not measured.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> RuleSettings:
        if self.off > self.on:
            raise ValueError(f"off ({self.off}) must not be above on ({self.on})")
        return self


class ClipSettings(Part):
    """How much around a flag is kept."""

    pre_roll_s: float = Field(
        5.0, ge=0.0, le=MAX_PRE_ROLL_S, description="Seconds before the flag."
    )
    post_roll_s: float = Field(
        3.0, ge=0.0, le=MAX_POST_ROLL_S, description="Seconds after the flag."
    )
    max_s: float = Field(
        30.0,
        ge=1.0,
        le=MAX_CLIP_S,
        description="Longest clip in seconds; a longer flag is cut from its start.",
    )

    @model_validator(mode="after")
    def _room_for_the_act(self) -> ClipSettings:
        if self.pre_roll_s + self.post_roll_s >= self.max_s:
            raise ValueError(
                f"max_s ({self.max_s}) leaves no room between pre_roll_s and post_roll_s"
            )
        return self


class Retention(Part):
    """How long each class of data is kept, in days."""

    clips_days: int = Field(30, ge=1, le=MAX_CLIP_RETENTION_DAYS, description="Sealed clips.")
    journal_days: int = Field(365, ge=1, le=3650, description="The journal, which holds no media.")


class Policy(Part):
    """A whole policy file."""

    version: int = Field(ge=1, description="Version of this policy; only ever raised.")
    id: Identifier = Field(description="Short name of this policy.")
    institution: str = Field(min_length=1, max_length=200, description="Who answers for it.")
    exam: str = Field(min_length=1, max_length=200, description="What the student sits.")
    contact: str = Field(
        min_length=3, max_length=200, description="Whom a student can write to or call."
    )
    stakes: Literal["practice", "low", "high"] = Field(description="What hangs on the exam.")
    jurisdictions: tuple[str, ...] = Field(
        (), description="Where it is sat, for instance EU, US, GB."
    )
    languages: tuple[str, ...] = Field(
        ("en",), min_length=1, description="Languages of the notice."
    )
    recipients: tuple[AgeRecipient, ...] = Field(
        (), description="Who can open clips. Empty: keys are given when the exam starts."
    )
    purposes: dict[PurposeName, Purpose] = Field(min_length=1)
    detectors: dict[Identifier, DetectorChoice] = Field(min_length=1)
    rules: dict[KindName, RuleSettings] = Field(min_length=1)
    clips: ClipSettings = ClipSettings()
    retention: Retention = Retention()

    @model_validator(mode="after")
    def _clips_need_a_sensor(self) -> Policy:
        if "clips" in self.purposes and not {"camera", "microphone"} & set(self.purposes):
            raise ValueError("purpose clips needs camera or microphone beside it")
        return self
