"""What the page of a case says of decisions: who, when, what, why, taken back; and nothing too early.

A reader of the page may be the next to look, and an adverse look counts for nothing before the student could
comment. So what people said of a flag is told once the flag is decided, and not before (records 0029 and 0037).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from policies.schema import Review
from proctor.evidence import deciding
from proctor.evidence.decision import Decision, Look, Verdict, in_force
from proctor.evidence.verify import Check
from proctor.evidence.view import CaseView

# What a decision rests on: without these answers nobody knows who said what, about which exam, or whether the
# student could comment. A clip that is missing or erased changes none of it.
RESTS_ON = frozenset(
    (
        "journal-whole", "journal-records", "consent-first", "journal-source", "journal-time", "policy-envelope",
        "policy-agreed", "checkpoint-signatures", "checkpoint-roots", "checkpoint-consistency",
        "checkpoint-coverage", "access", "decisions",
    )
)  # fmt: skip
VERDICTS: Mapping[Verdict, str] = {
    "nothing_to_see": "nothing to see",
    "please_discuss": "please talk about it",
    "confirmed": "what was noted can be seen",
    "cannot_tell": "it could not be told",
}
LOOKS: Mapping[Look, str] = {
    "first": "First look",
    "second": "Second look",
    "third": "Third look",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One statement in words. ``back``: when it was taken back; ``counts``: the verdict rests on it."""

    look: str
    who: str
    key: str
    when: datetime
    verdict: str
    reason: str
    back: datetime | None
    counts: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """A flag that is decided: the verdict in words, and everything that was said of it, in the order of time."""

    verdict: str
    said: tuple[Said, ...]


def unproved(checks: Sequence[Check]) -> str:
    """What of a case's verification keeps its decisions from being told; empty: nothing does."""
    wrong = [check for check in checks if check.code in RESTS_ON and not check.ok]
    return wrong[0].detail if wrong else ""


def judged(
    case: CaseView, decisions: Sequence[Decision], review: Review, now: datetime
) -> dict[str, Judged]:
    """By flag, those that are decided at ``now``. ``decisions`` are known to be signed and of this case."""
    found = {}
    for flag in sorted({one.flag for one in decisions}):
        about = deciding.of(decisions, flag)
        stand = deciding.standing(case, about, flag, review, now)
        if stand.verdict is None:
            continue
        stays = {one.id for one in in_force(about)}
        backs = {one.withdraws: one.when for one in about if one.withdraws}
        counted = {one.id for one in stand.counted}
        found[flag] = Judged(
            VERDICTS[stand.verdict],
            tuple(
                Said(
                    look=LOOKS[one.look],
                    who=one.who,
                    key=one.key,
                    when=one.when,
                    verdict=VERDICTS[one.verdict],
                    reason=one.reason,
                    back=None if one.id in stays else backs.get(one.id),
                    counts=one.id in counted,
                )
                for one in about
                if one.verdict is not None
            ),
        )
    return found
