"""What a person says after looking at a flag: signed statements, and where they leave the flag (0029).

A statement is one *look*, signed with the reviewer's key as a DSSE envelope. A look is not yet a
verdict: :func:`standing` says what all looks at a flag come to, by the policy's review rules, and
:func:`refusal` whether a statement may be signed now. Both are pure, so that a case on a disk and a
server cannot come to different ends.

Nothing adverse stands on a look from before the student could comment (rule O3). Statements are
never changed or removed: who takes one back signs another that withdraws it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proctor.errors import InputError
from proctor.evidence import statement

if TYPE_CHECKING:
    from policies.schema import Review

PAYLOAD_TYPE = "application/vnd.proctor.decision+json"
Verdict = Literal["nothing_to_see", "please_discuss", "confirmed", "cannot_tell"]
Look = Literal["first", "second", "third"]
State = Literal["waiting", "looked", "second", "disagreed", "may_comment", "done"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
LOOKS: tuple[Look, ...] = get_args(Look)
# The one verdict that can be held against the student, and those that a student is told a reason of.
ADVERSE: Verdict = "confirmed"
NEEDS_REASON: frozenset[Verdict] = frozenset({"confirmed", "please_discuss"})
MAX_REASON = 1000
MAX_WHO = 100
MAX_BYTES = statement.MAX_BYTES
# A slip of the hand is noticed within this time; an adverse statement can be taken back at any time.
UNDO_FOR = timedelta(minutes=10)
_DIGEST = re.compile(r"[0-9a-f]{64}")


class DecisionError(InputError):
    """A statement cannot be read, is not signed by the key it names, or may not be made now."""


_FIELDS = (
    "attempt", "flag", "clip", "look", "verdict", "reason", "who", "key", "when", "withdraws",
)  # fmt: skip
FORM = statement.Form(
    "decision", PAYLOAD_TYPE, frozenset(_FIELDS), DecisionError, frozenset({"verdict"})
)


@dataclass(frozen=True, slots=True)
class Decision:
    """One look of a person at a flag, or the withdrawal of one.

    ``clip`` is the SHA-256 (hex) of the sealed clip that was looked at, empty where there is none.
    ``verdict`` is ``None`` in a withdrawal, and ``withdraws`` then the ``id`` of what it takes back.
    ``key`` is the signer's raw Ed25519 public key in base64, ``id`` the SHA-256 (hex) of the signed
    payload; both are set by :func:`read`.
    """

    attempt: str
    flag: str
    clip: str
    look: Look
    verdict: Verdict | None
    reason: str
    who: str
    when: datetime
    withdraws: str = ""
    key: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a flag stands. ``verdict`` is set once ``state`` is ``done``.

    ``waiting``: nobody looked. ``may_comment``: a look is adverse, and the student has until ``until``
    to comment. ``looked``: that time is over (or there is a comment), and the flag is to be looked at
    again, with what the student says. ``second``: another person is to look. ``disagreed``: two
    people differ, and a third decides. ``look`` is the look that comes next (``None``: none does now).
    ``counted`` are the statements that are in force, in the order of time.
    """

    state: State
    verdict: Verdict | None = None
    look: Look | None = None
    until: datetime | None = None
    counted: tuple[Decision, ...] = ()


def sign(decision: Decision, key: Ed25519PrivateKey) -> bytes:
    """``decision`` in an envelope signed with ``key``; its ``key`` and ``id`` are not asked for.

    Raises :class:`DecisionError` where it says something that no statement says.
    """
    said = {
        "attempt": decision.attempt,
        "flag": decision.flag,
        "clip": decision.clip,
        "look": decision.look,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "who": decision.who,
        "when": decision.when.isoformat(),
        "withdraws": decision.withdraws,
    }
    envelope = statement.sign(said, FORM, key)
    read(envelope)
    return envelope


def read(envelope: bytes, key: str = "") -> Decision:
    """The statement in ``envelope``, signed by the key that it names; ``key`` (base64): by that one.

    Whose key it is, and whether they may decide, is for the caller to know. Raises
    :class:`DecisionError`.
    """
    found = statement.self_signed(envelope, FORM, key)
    said = found.said
    with statement.reading(FORM):
        attempt, flag = statement.of_a_flag(said)
        if not all(not d or _DIGEST.fullmatch(d) for d in (said["clip"], said["withdraws"])):
            raise ValueError("one of its digests is none")
        look, verdict, reason = said["look"], said["verdict"], said["reason"]
        if look not in LOOKS:
            raise ValueError(f"its look is none of {', '.join(LOOKS)}")
        if (verdict is None) != bool(said["withdraws"]) or verdict not in (None, *VERDICTS):
            raise ValueError(f"its verdict is none of {', '.join(VERDICTS)}")
        if verdict in NEEDS_REASON and not reason:
            raise ValueError("its verdict needs a reason")
        return Decision(
            attempt=attempt,
            flag=flag,
            clip=said["clip"],
            look=look,
            verdict=verdict,
            reason=statement.one_line(said, "reason", MAX_REASON),
            who=statement.who(said, MAX_WHO),
            when=statement.when(said),
            withdraws=said["withdraws"],
            key=said["key"],
            id=found.id,
        )


def standing(
    decisions: Sequence[Decision],
    review: Review,
    comments: Collection[datetime],
    readable: datetime | None,
    now: datetime,
) -> Standing:
    """What ``decisions``, all of one flag, come to at ``now``.

    ``comments``: when the student commented on the flag. ``readable``: since when the student can read
    of the flag and comment on it (the end of the exam), ``None`` while they cannot yet.
    """
    heard = heard_at(review, comments, readable)
    counted: tuple[Decision, ...] = ()
    for look in in_force(decisions):
        # A look that could not be made when it was made was forced in past the console, and counts not.
        before = _after(counted, review, heard, look.when)
        if before.look is not None and not _shared(before, look):
            counted = (*counted, look)
    return _after(counted, review, heard, now)


def _after(
    counted: tuple[Decision, ...], review: Review, heard: datetime | None, now: datetime
) -> Standing:
    """Where looks that may all have been made leave a flag at ``now``."""
    if not counted:
        return Standing("waiting", look="first")
    first, last = counted[0], counted[-1]
    if len(counted) == 1 and first.verdict == ADVERSE:
        if heard is None or now < heard:
            return Standing("may_comment", until=heard, counted=counted)
        if review.second_reviewer:
            return Standing("second", look="second", counted=counted)
        if first.when < heard:
            return Standing("looked", look="second", counted=counted)
    if len(counted) == 2 and last.verdict != ADVERSE and review.second_reviewer:
        return Standing("disagreed", look="third", counted=counted)
    return Standing("done", last.verdict, counted=counted)


def _shared(stand: Standing, new: Decision) -> bool:
    """Whether ``new`` is of a person who looked already, where another is asked for."""
    return stand.state in ("second", "disagreed") and any(
        same_person(new, other) for other in stand.counted
    )


def heard_at(
    review: Review, comments: Collection[datetime], readable: datetime | None
) -> datetime | None:
    """From when the student has had their say: their first comment, or the end of the days for one."""
    over = () if readable is None else (readable + timedelta(days=review.comment_days),)
    return min((*comments, *over), default=None)


def in_force(decisions: Sequence[Decision]) -> list[Decision]:
    """The looks that nobody took back, in the order of time.

    A withdrawal counts by its own key only, and only if it could be made when it was made.
    """
    by_id = {decision.id: decision for decision in decisions}
    gone = {
        d.withdraws
        for d in decisions
        if (old := by_id.get(d.withdraws)) is not None
        and old.key == d.key
        and not _too_late(old, d.when)
    }
    looks = [d for d in by_id.values() if not d.withdraws and d.id not in gone]
    return sorted(looks, key=lambda d: (d.when, d.id))


def same_person(one: Decision, other: Decision) -> bool:
    """Whether two statements may be one person's: another person has another key *and* another name."""
    return one.key == other.key or _folded(one.who) == _folded(other.who)


def visible(decisions: Sequence[Decision], key: str) -> list[Decision]:
    """Those of a flag's ``decisions`` that the owner of ``key`` may see: all, once they signed a look."""
    if any(d.key == key and not d.withdraws for d in in_force(decisions)):
        return list(decisions)
    return [d for d in decisions if d.key == key]


def knew(decision: Decision, decisions: Sequence[Decision]) -> bool:
    """Whether its signer could know another's look when signing: they had signed one of this flag before."""
    earlier = [d for d in decisions if d.when < decision.when and d.id != decision.id]
    return any(d.key == decision.key for d in earlier) and any(
        d.key != decision.key for d in earlier
    )


def refusal(
    new: Decision,
    decisions: Sequence[Decision],
    review: Review,
    comments: Collection[datetime],
    readable: datetime | None,
    now: datetime,
) -> str:
    """Why ``new`` (with its ``key`` set) may not be added to a flag's ``decisions`` now; empty: it may."""
    if new.withdraws:
        return _no_withdrawal(new, decisions, now)
    if new.verdict in NEEDS_REASON and not new.reason:
        return "This verdict needs a reason: the student is told why."
    stand = standing(decisions, review, comments, readable, now)
    if stand.state == "done":
        return "This flag is decided; a statement can be taken back by whoever signed it."
    if stand.look is None:
        if stand.until is None:
            return "The student can still comment on this flag; until then nothing is decided."
        return (
            f"The student can still comment on this flag (until {stand.until:%Y-%m-%d %H:%M} UTC); until then "
            f"nothing is decided."
        )
    if new.look != stand.look:
        return "This flag waits for another look than the one that was signed; look again."
    if _shared(stand, new):
        return "The next look is another person's, with a key and a name of their own."
    return ""


def _no_withdrawal(new: Decision, decisions: Sequence[Decision], now: datetime) -> str:
    old = next((d for d in in_force(decisions) if d.id == new.withdraws), None)
    if old is None:
        return "There is no such statement to take back, or it was taken back already."
    if old.key != new.key:
        return "Only whoever signed a statement can take it back."
    if _too_late(old, now):
        minutes = int(UNDO_FOR.total_seconds() // 60)
        return f"A statement can be taken back for {minutes} minutes, an adverse one at any time."
    return ""


def _too_late(old: Decision, when: datetime) -> bool:
    """Whether ``old`` could not be taken back any more at ``when``: a slip is, an adverse one always can be."""
    return old.verdict != ADVERSE and when - old.when > UNDO_FOR


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
