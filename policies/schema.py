"""The policy: what an institution asks for, in one strict, frozen model. TOML in, JSON Schema out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Ceilings compiled into the agent: no policy, signed or not, can lift them (rule P2).
MAX_CLIP_S = 60.0
MAX_PRE_ROLL_S = 15.0
MAX_POST_ROLL_S = 15.0
MAX_CLIP_RETENTION_DAYS = 365
MAX_MIN_DURATION_S = 60.0
MAX_ROOM_SCAN_S = 60.0
MAX_ROOM_SCAN_RETENTION_DAYS = 30
MAX_IDENTITY_RETENTION_DAYS = 30

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

PurposeName = Literal[
    "camera", "microphone", "clips", "identity", "room_scan", "identity_retention", "research"
]
Jurisdiction = Literal["EU", "GB", "US", "US-IL", "US-CA", "CA", "AU"]
Language = Literal["en", "de", "fr", "es", "nl"]


class Part(BaseModel):
    """Base of every table in a policy: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Purpose(Part):
    """One thing a student is asked about, by itself."""

    basis: Literal["consent", "public_task", "contract", "legitimate_interest"] = Field(
        "consent",
        title="Legal basis",
        description="Where it is not consent, a notice with a right to object is shown instead.",
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


class RoomScan(Part):
    """A 360-degree sweep of the room. It can be off or offered; that it is required cannot be said."""

    mode: Literal["off", "offered"] = Field("off", description="Whether a scan may be offered.")
    reason: str = Field(
        "", max_length=500, description="Why a scan is offered, in a sentence the student reads."
    )
    alternative: str = Field(
        "", max_length=500, description="What a student gets who declines the scan."
    )
    notice_hours: int = Field(
        0, ge=0, le=24 * 60, description="Hours before the exam at which the student was told."
    )
    max_s: float = Field(
        60.0, ge=10.0, le=MAX_ROOM_SCAN_S, description="Longest sweep, in seconds."
    )
    recipients: tuple[AgeRecipient, ...] = Field(
        (), description="Who can open the scan; its own keys, apart from those of clips."
    )

    @model_validator(mode="after")
    def _explained(self) -> RoomScan:
        if self.mode == "offered":
            for name in ("reason", "alternative"):
                if len(getattr(self, name)) < 10:
                    raise ValueError(f"a room scan that is offered needs a written {name}")
            if self.notice_hours < 1:
                raise ValueError("a room scan that is offered needs notice_hours of at least 1")
        return self


class Breaks(Part):
    """When the student may stop capture. A break is a neutral milestone, never a flag."""

    mode: Literal["off", "planned", "on_demand"] = Field(
        "on_demand", description="How breaks come."
    )
    max_count: int = Field(2, ge=0, le=100, description="Most breaks in one exam.")
    max_minutes: float = Field(
        10.0, ge=0.0, le=240.0, description="Longest single break (minutes)."
    )
    planned_at_minutes: tuple[float, ...] = Field(
        (), description="Minutes after the start at which a planned break begins."
    )


class Review(Part):
    """How people judge what was flagged."""

    window_days: int = Field(
        14, ge=1, le=90, description="Days in which a flag is reviewed or expires with its clip."
    )
    second_reviewer: bool = Field(
        True, description="Whether an adverse verdict needs a second reviewer."
    )
    comment_days: int = Field(
        7, ge=1, le=60, description="Days the student has to comment before an adverse verdict."
    )


class Retention(Part):
    """How long each class of data is kept, in days. Each class has its own clock."""

    clips_days: int = Field(30, ge=1, le=MAX_CLIP_RETENTION_DAYS, description="Sealed clips.")
    room_scan_days: int = Field(
        7, ge=1, le=MAX_ROOM_SCAN_RETENTION_DAYS, description="Sealed room scans."
    )
    identity_days: int = Field(
        0,
        ge=0,
        le=MAX_IDENTITY_RETENTION_DAYS,
        description="Identity data; 0: until the exam is closed.",
    )
    journal_days: int = Field(365, ge=1, le=3650, description="The journal, which holds no media.")
    decisions_days: int = Field(365, ge=1, le=3650, description="What people decided, and why.")
    research_days: int = Field(
        0, ge=0, le=3650, description="Copies for research; 0: none are kept."
    )


class Policy(Part):
    """A whole policy file."""

    version: int = Field(ge=1, description="Version of this policy; only ever raised.")
    id: Identifier = Field(description="Short name of this policy.")
    institution: str = Field(min_length=1, max_length=200, description="Who answers for it.")
    institution_kind: Literal["public", "private"] = Field(
        "private", description="Public institutions are bound by constitutional law as well."
    )
    exam: str = Field(min_length=1, max_length=200, description="What the student sits.")
    contact: str = Field(
        min_length=3, max_length=200, description="Whom a student can write to or call."
    )
    stakes: Literal["practice", "low", "high"] = Field(description="What hangs on the exam.")
    jurisdictions: tuple[Jurisdiction, ...] = Field(
        (), description="Where the exam is sat; decides which packs of lint rules apply."
    )
    languages: tuple[Language, ...] = Field(
        ("en",), min_length=1, description="Languages in which the student's notice is given."
    )
    min_age: int = Field(
        18, ge=13, le=99, description="Youngest student; under 18 a guardian consents as well."
    )
    dpia: str = Field(
        "", max_length=300, description="Reference of the data protection impact assessment."
    )
    not_before: datetime | None = Field(None, description="Moment from which the policy holds.")
    expires: datetime | None = Field(None, description="Moment after which the agent refuses it.")
    recipients: tuple[AgeRecipient, ...] = Field(
        (), description="Who can open clips. Empty: keys are given when the exam starts."
    )
    show_flags: Literal["live", "at_end"] = Field(
        "live", description="When the student sees their own flags."
    )
    purposes: dict[PurposeName, Purpose] = Field(
        min_length=1, description="What the student is asked about, one question each."
    )
    detectors: dict[Identifier, DetectorChoice] = Field(
        min_length=1, description="The detector plug-ins that run."
    )
    rules: dict[KindName, RuleSettings] = Field(
        min_length=1, description="When observations of a kind become a flag."
    )
    clips: ClipSettings = Field(ClipSettings(), description="How much around a flag is kept.")
    room_scan: RoomScan = Field(RoomScan(), description="The room scan, off by default.")
    breaks: Breaks = Field(Breaks(), description="Breaks.")
    review: Review = Field(Review(), description="Review by people.")
    retention: Retention = Field(Retention(), description="How long data is kept.")

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        if "clips" in self.purposes and not {"camera", "microphone"} & set(self.purposes):
            raise ValueError("purpose clips needs camera or microphone beside it")
        if (self.room_scan.mode == "offered") != ("room_scan" in self.purposes):
            raise ValueError("room_scan.mode = offered and the purpose room_scan go together")
        if "identity_retention" in self.purposes and "identity" not in self.purposes:
            raise ValueError("purpose identity_retention needs identity beside it")
        if (self.retention.research_days > 0) != ("research" in self.purposes):
            raise ValueError("retention.research_days and the purpose research go together")
        for name in ("not_before", "expires"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"{name} needs a time zone, for instance 2027-01-31T12:00:00Z")
        if self.not_before and self.expires and self.expires <= self.not_before:
            raise ValueError("expires must be later than not_before")
        return self
