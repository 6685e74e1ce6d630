"""Second looks at flags that nobody doubted, so that a second look says nothing about the first (record 0036).

Only an adverse first look needs another person's. Whoever is given a second look would know from that alone what
the first one said, and rule O3 wants them not to. So the hub also gives a share of the other flags to a second
person. Such a flag is decided, its student has the verdict, and nothing said in the extra look changes it;
to whoever has not looked at it yet it shows itself as it would had the first look been adverse.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from proctor.evidence import decision
from proctor.evidence.decision import ADVERSE, Decision, Standing

if TYPE_CHECKING:
    from policies.schema import Review

# What the key that draws is derived for; the master is in the hub's key file, which is not in the database.
PURPOSE = "second looks that are drawn"
# States in which another person may take an extra look; before, the student could still comment.
READY = ("second", "looked")


def is_drawn(key: bytes, attempt: str, flag: str, share: float) -> bool:
    """Whether a flag gets an extra look: for ``share`` of all flags, and foreseen by nobody without ``key``.

    It follows from the flag alone, so that nobody draws again by taking a look back.
    """
    said = hmac.digest(key, f"{attempt}/{flag}".encode("ascii"), "sha256")
    return int.from_bytes(said[:8], "big") < share * 2**64


def as_if_adverse(made: Sequence[Decision]) -> list[Decision]:
    """The statements ``made``, were every verdict in them an adverse one."""
    return [one if one.verdict is None else replace(one, verdict=ADVERSE) for one in made]


def mask(
    stands: Standing,
    review: Review,
    comments: Collection[datetime],
    readable: datetime | None,
    now: datetime,
) -> Standing | None:
    """How a flag that one look decided shows itself to others; ``None`` where it needs no disguise."""
    if stands.state != "done" or len(stands.counted) != 1 or stands.verdict == ADVERSE:
        return None
    shown = decision.standing(as_if_adverse(stands.counted), review, comments, readable, now)
    # Where the policy wants no second person, an adverse look after the comment decides alone, too.
    return None if shown.state == "done" else shown
