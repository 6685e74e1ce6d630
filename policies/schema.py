"""The policy: what an institution asks for, in one strict, frozen model. TOML in, JSON Schema out.

Every field has a title, a description and, where it is a quantity, a ``unit``; forms, the reference
page and ``policy new`` are made from them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies.values import (
    AGE,
    DAYS,
    HOURS,
    MAX_CLIP_RETENTION_DAYS,
    MAX_CLIP_S,
    MAX_ESCROW_HOLDERS,
    MAX_IDENTITY_RETENTION_DAYS,
    MAX_MIN_DURATION_S,
    MAX_POST_ROLL_S,
    MAX_PRE_ROLL_S,
    MAX_ROOM_SCAN_RETENTION_DAYS,
    MAX_ROOM_SCAN_S,
    MAX_VERSION,
    MIN_ESCROW_THRESHOLD,
    MINUTES,
    NEVER_A_FLAG,
    SCORE,
    SECONDS,
    YEARS,
    AgeRecipient,
    HubAddress,
    Identifier,
    Jurisdiction,
    KindName,
    Language,
    MaybeRecipient,
    Minute,
    PageOrigin,
    PurposeName,
    Score,
    SettingName,
    SettingValue,
    Text,
)

# Values that others take from here, beside the model that is made of them.
__all__ = [
    "MAX_CLIP_S",
    "MAX_ESCROW_HOLDERS",
    "MAX_VERSION",
    "MIN_ESCROW_THRESHOLD",
    "NEVER_A_FLAG",
    "SCORE",
    "SECONDS",
    "YEARS",
    "AgeRecipient",
    "Identifier",
    "Jurisdiction",
    "KindName",
    "Language",
    "Policy",
    "PurposeName",
    "Score",
    "Text",
]


class Part(BaseModel):
    """Base of every table in a policy: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Purpose(Part):
    """One thing a student is asked about, by itself."""

    basis: Literal["consent", "public_task", "contract", "legitimate_interest"] = Field(
        "consent",
        title="Legal basis",
        description="Where it is not consent, a notice with a right to object is shown instead.",
    )
    alternative: Text = Field(
        min_length=10,
        max_length=500,
        title="Alternative",
        description="What a student who declines gets instead, in one sentence shown beside Decline.",
    )


class DetectorChoice(Part):
    """One detector plug-in that this exam runs."""

    required: bool = Field(
        False,
        title="Required",
        description="Refuse to start the exam when this detector cannot run here.",
    )
    settings: dict[SettingName, SettingValue] = Field(
        default_factory=dict,
        title="Settings",
        description="The plug-in's own settings; checked by the plug-in.",
    )


class RuleSettings(Part):
    """When observations of one kind become a flag."""

    on: Score = Field(
        0.6,
        title="Seen from",
        description="Score at or above which the act counts as seen.",
        json_schema_extra=SCORE,
    )
    off: Score = Field(
        0.4,
        title="No longer seen below",
        description="Score below which it counts as no longer seen; not above `on`.",
        json_schema_extra=SCORE,
    )
    min_s: float = Field(
        2.0,
        ge=0.0,
        le=MAX_MIN_DURATION_S,
        title="Shortest act",
        description="Seconds it must last before a flag opens.",
        json_schema_extra=SECONDS,
    )
    gap_s: float = Field(
        1.0,
        ge=0.0,
        le=60.0,
        title="Longest gap",
        description="Seconds unseen that are still bridged within one flag.",
        json_schema_extra=SECONDS,
    )
    cooldown_s: float = Field(
        5.0,
        ge=0.0,
        le=600.0,
        title="Pause after a flag",
        description="Seconds after a flag in which no new one of its kind opens.",
        json_schema_extra=SECONDS,
    )
    stale_after_s: float = Field(
        2.0,
        gt=0.0,
        le=60.0,
        title="Not measured after",
        description="Seconds without an observation after which time counts as not measured.",
        json_schema_extra=SECONDS,
    )

    @model_validator(mode="after")
    def _ordered(self) -> RuleSettings:
        if self.off > self.on:
            raise ValueError(f"off ({self.off}) must not be above on ({self.on})")
        return self


class ClipSettings(Part):
    """How much around a flag is kept."""

    pre_roll_s: float = Field(
        5.0,
        ge=0.0,
        le=MAX_PRE_ROLL_S,
        title="Before the flag",
        description="Seconds kept from before the flag.",
        json_schema_extra=SECONDS,
    )
    post_roll_s: float = Field(
        3.0,
        ge=0.0,
        le=MAX_POST_ROLL_S,
        title="After the flag",
        description="Seconds kept from after the flag.",
        json_schema_extra=SECONDS,
    )
    max_s: float = Field(
        30.0,
        ge=1.0,
        le=MAX_CLIP_S,
        title="Longest clip",
        description="Longest clip in seconds; of a longer flag its beginning is kept.",
        json_schema_extra=SECONDS,
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

    mode: Literal["off", "offered"] = Field(
        "off", title="Room scan", description="Whether a scan may be offered."
    )
    reason: Text = Field(
        "",
        max_length=500,
        title="Reason",
        description="Why a scan is offered, in a sentence the student reads.",
    )
    alternative: Text = Field(
        "",
        max_length=500,
        title="Alternative",
        description="What a student gets who declines the scan.",
    )
    notice_hours: int = Field(
        0,
        ge=0,
        le=24 * 60,
        title="Notice",
        description="Hours before the exam at which the student was told.",
        json_schema_extra=HOURS,
    )
    max_s: float = Field(
        60.0,
        ge=10.0,
        le=MAX_ROOM_SCAN_S,
        title="Longest sweep",
        description="Longest sweep, in seconds.",
        json_schema_extra=SECONDS,
    )
    recipients: tuple[AgeRecipient, ...] = Field(
        (),
        title="Who can open it",
        description="Who can open the scan; its own keys, apart from those of clips.",
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


class Escrow(Part):
    """A spare key to the clips that no person has: so many of its holders must act together."""

    recipient: MaybeRecipient = Field(
        "",
        title="Spare key",
        description="Public key of the escrow that `proctor keys escrow new` makes. Empty: there is none.",
    )
    threshold: int = Field(
        MIN_ESCROW_THRESHOLD,
        ge=MIN_ESCROW_THRESHOLD,
        le=MAX_ESCROW_HOLDERS,
        title="Holders needed",
        description="How many holders must act together to open a clip with the spare key.",
    )
    holders: tuple[AgeRecipient, ...] = Field(
        (),
        max_length=MAX_ESCROW_HOLDERS,
        title="Holders",
        description="Public keys of the people who hold the escrow; none opens a clip by itself.",
    )

    @model_validator(mode="after")
    def _held(self) -> Escrow:
        if bool(self.recipient) != bool(self.holders):
            raise ValueError("recipient and holders go together: give both, or neither")
        if len(set(self.holders)) != len(self.holders):
            raise ValueError("holders: one stands there twice, and two people need two keys")
        if self.holders and self.threshold > len(self.holders):
            raise ValueError(f"threshold asks for {self.threshold} of {len(self.holders)} holders")
        if self.recipient in self.holders:
            raise ValueError("recipient is one of the holders, who could open every clip alone")
        return self


class ExamPage(Part):
    """The web page on which the exam is sat, where there is one."""

    origin: PageOrigin = Field(
        "",
        title="Exam page",
        description="The one web page that may tell the program when a question is shown and when "
        "an answer is given. Empty: none.",
    )


class Breaks(Part):
    """When the student may stop capture. A break is a neutral milestone, never a flag."""

    mode: Literal["off", "planned", "on_demand"] = Field(
        "on_demand",
        title="Breaks",
        description="How breaks come: none, at planned moments, or when the student asks.",
    )
    max_count: int = Field(
        2, ge=0, le=100, title="Most breaks", description="Most breaks in one exam."
    )
    max_minutes: float = Field(
        10.0,
        ge=0.0,
        le=240.0,
        title="Longest break",
        description="Longest single break, in minutes.",
        json_schema_extra=MINUTES,
    )
    planned_at_minutes: tuple[Minute, ...] = Field(
        (),
        max_length=100,
        title="Planned breaks",
        description="Minutes after the start at which a planned break begins.",
        json_schema_extra=MINUTES,
    )


class Review(Part):
    """How people judge what was flagged."""

    window_days: int = Field(
        14,
        ge=1,
        le=90,
        title="Review window",
        description="Days in which a flag is reviewed or expires with its clip.",
        json_schema_extra=DAYS,
    )
    second_reviewer: bool = Field(
        True,
        title="Second reviewer",
        description="Whether an adverse verdict needs a second reviewer.",
    )
    comment_days: int = Field(
        7,
        ge=1,
        le=60,
        title="Time to comment",
        description="Days the student has to comment before an adverse verdict.",
        json_schema_extra=DAYS,
    )


class Retention(Part):
    """How long each class of data is kept, in days. Each class has its own clock."""

    clips_days: int = Field(
        30,
        ge=1,
        le=MAX_CLIP_RETENTION_DAYS,
        title="Clips",
        description="Days for which sealed clips are kept.",
        json_schema_extra=DAYS,
    )
    room_scan_days: int = Field(
        7,
        ge=1,
        le=MAX_ROOM_SCAN_RETENTION_DAYS,
        title="Room scans",
        description="Days for which sealed room scans are kept.",
        json_schema_extra=DAYS,
    )
    identity_days: int = Field(
        0,
        ge=0,
        le=MAX_IDENTITY_RETENTION_DAYS,
        title="Identity data",
        description="Days for which identity data is kept; 0: until the exam is closed.",
        json_schema_extra=DAYS,
    )
    journal_days: int = Field(
        365,
        ge=1,
        le=3650,
        title="Journal",
        description="Days for which the journal is kept, which holds no media.",
        json_schema_extra=DAYS,
    )
    decisions_days: int = Field(
        365,
        ge=1,
        le=3650,
        title="Decisions",
        description="Days for which it is kept what people decided, and why.",
        json_schema_extra=DAYS,
    )
    research_days: int = Field(
        0,
        ge=0,
        le=3650,
        title="Research copies",
        description="Days for which copies for research are kept; 0: there are none.",
        json_schema_extra=DAYS,
    )


class Policy(Part):
    """A whole policy file."""

    version: int = Field(
        ge=1,
        le=MAX_VERSION,
        title="Version",
        description="Version of this policy; only ever raised, with every change.",
    )
    id: Identifier = Field(
        title="Short name",
        description="Short name of this policy; with the institution it tells policies apart.",
    )
    institution: Text = Field(
        min_length=1, max_length=200, title="Institution", description="Who answers for it."
    )
    institution_kind: Literal["public", "private"] = Field(
        "private",
        title="Kind of institution",
        description="Public institutions are bound by constitutional law as well.",
    )
    exam: Text = Field(
        min_length=1, max_length=200, title="Exam", description="What the student sits."
    )
    contact: Text = Field(
        min_length=3,
        max_length=200,
        title="Contact",
        description="Whom a student can write to or call.",
    )
    stakes: Literal["practice", "low", "high"] = Field(
        title="Stakes",
        description="What hangs on the exam; a policy file that is not for practice must be signed.",
    )
    jurisdictions: tuple[Jurisdiction, ...] = Field(
        (),
        max_length=20,
        title="Jurisdictions",
        description="Where the exam is sat; decides which packs of lint rules apply.",
    )
    languages: tuple[Language, ...] = Field(
        ("en",),
        min_length=1,
        max_length=20,
        title="Languages",
        description="Languages in which the student's notice is given.",
    )
    min_age: int = Field(
        18,
        ge=13,
        le=99,
        title="Youngest student",
        description="Youngest student; under 18 a guardian consents as well.",
        json_schema_extra=AGE,
    )
    dpia: Text = Field(
        "",
        max_length=300,
        title="Impact assessment",
        description="Reference of the data protection impact assessment.",
    )
    evaluation: Text = Field(
        "",
        max_length=600,
        title="Evaluation",
        description="The measurement behind the thresholds, as `proctor evaluate` writes it.",
    )
    not_before: datetime | None = Field(
        None,
        title="Holds from",
        description="Moment from which the policy holds, with a time zone.",
    )
    expires: datetime | None = Field(
        None,
        title="Expires",
        description="Moment after which the agent refuses it, with a time zone.",
    )
    recipients: tuple[AgeRecipient, ...] = Field(
        (),
        max_length=100,
        title="Who can open clips",
        description="Who can open clips. Empty: keys are given when the exam starts.",
    )
    escrow: Escrow = Field(
        Escrow(),
        title="Escrow",
        description="A spare key to clips that several people can only use together.",
    )
    student_copy: bool = Field(
        False,
        title="Student's own key",
        description="Whether students may have a key of their own to the clips of their exam.",
    )
    hub: HubAddress = Field(
        "",
        title="Hub",
        description="The only address to which notes and sealed clips are sent. Empty: nothing is sent.",
    )
    show_flags: Literal["live", "at_end"] = Field(
        "live",
        title="Student sees flags",
        description="When the student sees their own flags.",
    )
    purposes: dict[PurposeName, Purpose] = Field(
        min_length=1,
        title="Purposes",
        description="What the student is asked about, one question each.",
    )
    detectors: dict[Identifier, DetectorChoice] = Field(
        min_length=1,
        title="Detectors",
        description="The detector plug-ins that run.",
    )
    rules: dict[KindName, RuleSettings] = Field(
        min_length=1,
        title="Rules",
        description="When observations of a kind become a flag.",
    )
    exam_page: ExamPage = Field(
        ExamPage(), title="Exam page", description="The web page on which the exam is sat."
    )
    clips: ClipSettings = Field(
        ClipSettings(), title="Clips", description="How much around a flag is kept."
    )
    room_scan: RoomScan = Field(
        RoomScan(), title="Room scan", description="The room scan, off by default."
    )
    breaks: Breaks = Field(
        Breaks(), title="Breaks", description="When the student may stop capture."
    )
    review: Review = Field(
        Review(), title="Review", description="How people judge what was flagged."
    )
    retention: Retention = Field(
        Retention(), title="Retention", description="How long each class of data is kept."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        for kind in sorted(NEVER_A_FLAG & self.rules.keys()):
            raise ValueError(
                f"rules.{kind} cannot be: {kind} says something about a camera, not about a person; "
                f"it makes a case unattested and is never a flag. Remove the rule"
            )
        if "clips" in self.purposes and not {"camera", "microphone"} & set(self.purposes):
            raise ValueError("purpose clips needs camera or microphone beside it")
        if (self.room_scan.mode == "offered") != ("room_scan" in self.purposes):
            raise ValueError("room_scan.mode = offered and the purpose room_scan go together")
        if "identity_retention" in self.purposes and "identity" not in self.purposes:
            raise ValueError("purpose identity_retention needs identity beside it")
        if (self.retention.research_days > 0) != ("research" in self.purposes):
            raise ValueError("retention.research_days and the purpose research go together")
        if self.escrow.recipient in {*self.recipients, *self.room_scan.recipients}:
            raise ValueError("escrow.recipient is among the recipients, who could open it alone")
        for name in ("not_before", "expires"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"{name} needs a time zone, for instance 2027-01-31T12:00:00Z")
            if moment is not None and not YEARS[0] <= moment.year <= YEARS[1]:
                raise ValueError(f"{name} must lie between the years {YEARS[0]} and {YEARS[1]}")
        if self.not_before and self.expires and self.expires <= self.not_before:
            raise ValueError("expires must be later than not_before")
        return self
