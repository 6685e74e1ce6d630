"""Ceilings that no policy can lift, and the kinds of values that its fields have."""

from __future__ import annotations

import math
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

# Ceilings compiled into the agent: no policy, signed or not, can lift them (rule P2).
MAX_CLIP_S = 60.0
MAX_PRE_ROLL_S = 15.0
MAX_POST_ROLL_S = 15.0
MAX_CLIP_RETENTION_DAYS = 365
MAX_MIN_DURATION_S = 60.0
MAX_ROOM_SCAN_S = 60.0
MAX_ROOM_SCAN_RETENTION_DAYS = 30
MAX_IDENTITY_RETENTION_DAYS = 30
# For k of n holders there is a nested file for each choice of k: 126 for 4 or 5 of 9.
MAX_ESCROW_HOLDERS = 9
# One holder alone would be a recipient whom nobody named.
MIN_ESCROW_THRESHOLD = 2
# What is seen of the program and its camera, not of a person: it makes a case *unattested*, and no
# policy can make a flag of it (docs/attestation.md).
NEVER_A_FLAG = frozenset({"camera.virtual"})
# A version is counted by hand; a larger number is a mistake, and none could ever follow it.
MAX_VERSION = 1_000_000
# Years a policy can name; outside, arithmetic with time zones leaves the calendar.
YEARS = (2000, 2199)

SECONDS: dict[str, Any] = {"unit": "s"}
MINUTES: dict[str, Any] = {"unit": "min"}
HOURS: dict[str, Any] = {"unit": "h"}
DAYS: dict[str, Any] = {"unit": "days"}
AGE: dict[str, Any] = {"unit": "years"}
SCORE: dict[str, Any] = {"unit": "score"}

# Characters that change the order or the look of what stands around them, or cannot be seen.
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}
_DISGUISES = frozenset("\u00ad\u200b\u200e\u200f\u2060\ufeff") | {
    chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def _plain(text: str) -> str:
    """One line that reads as it is written: a student sees it, and a terminal prints it."""
    for char in text:
        if unicodedata.category(char) in _UNSEEN or char in _DISGUISES:
            raise ValueError(
                f"holds the character U+{ord(char):04X}, which cannot be seen; take it out"
            )
    return text


def _setting(value: object) -> object:
    """A plug-in's setting, as TOML and JSON both can say it."""
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, bool | int | float | str):
            raise ValueError("must be a text, a number, true or false, or a list of these")
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError("must be a number that is finite")
    return value


Text = Annotated[str, AfterValidator(_plain)]
Score = Annotated[float, Field(ge=0.0, le=1.0)]
Minute = Annotated[float, Field(ge=0.0, le=24.0 * 60.0)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
KindName = Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z_]+)+$")]
AgeRecipient = Annotated[
    str,
    Field(
        pattern=r"^age1[02-9ac-hj-np-z]{58}$",
        description="An age X25519 public key, as printed by `proctor keys new`.",
    ),
]

MaybeRecipient = Annotated[
    str,
    Field(
        pattern=r"^(age1[02-9ac-hj-np-z]{58})?$",
        description="An age X25519 public key, or nothing.",
    ),
]

# Secure everywhere but on this very computer, where a hub is tried out.
_HOST_AND_PATH = r"(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]{0,200})?"
HubAddress = Annotated[
    str,
    Field(
        pattern=rf"^(|https://[a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?{_HOST_AND_PATH}"
        rf"|http://(127\.0\.0\.1|localhost){_HOST_AND_PATH})$",
        description="An address that begins with https://, or http://localhost for a trial.",
    ),
]

# What a browser sends as ``Origin``: no path, and the usual port left out.
PageOrigin = Annotated[
    str,
    Field(
        pattern=r"^(|https://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?"
        r"|http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?)$",
        description="https:// and a host, without a path; or http://localhost for a trial.",
    ),
]

SettingName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
SettingValue = Annotated[
    Any,
    AfterValidator(_setting),
    WithJsonSchema(
        {
            "description": "A text, a number, true or false, or a list of these.",
            "type": ["string", "number", "boolean", "array"],
            "items": {"type": ["string", "number", "boolean"]},
        }
    ),
]

PurposeName = Literal[
    "camera", "microphone", "clips", "identity", "room_scan", "identity_retention", "research"
]
Jurisdiction = Literal["EU", "GB", "US", "US-IL", "US-CA", "CA", "AU"]
Language = Literal["en", "de", "fr", "es", "nl"]
