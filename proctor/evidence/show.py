"""Everything there is to show about a case folder, gathered once for the page, the table and JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from policies.errors import PolicyError
from policies.load import parse
from policies.schema import Policy
from proctor.errors import CheckFailed, InputError
from proctor.evidence import access, deciding, view
from proctor.evidence.access import Entry
from proctor.evidence.access_checks import Held, holds
from proctor.evidence.attestation import Attestation, attest, known_models
from proctor.evidence.decision import Decision
from proctor.evidence.judged import Judged, judged, unproved
from proctor.evidence.story import Story
from proctor.evidence.story_reader import read_story
from proctor.evidence.verify import Check, verify


@dataclass(frozen=True, slots=True)
class Shown:
    """What a case tells, what its verification answered, and what the reader should know besides.

    ``looks``: who opened, showed or exported what; ``holds``: what stops its erasure; neither is checked.
    ``decisions``: what people said after looking, each signed by the key that it names. ``judged``: of flags
    that are decided, what a page may tell of it; ``None`` where the case does not prove its decisions, or its
    policy cannot be read, and a sentence of ``notes`` then says so.
    """

    story: Story
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    attestation: Attestation
    looks: tuple[Entry, ...] = ()
    holds: tuple[Held, ...] = ()
    decisions: tuple[Decision, ...] = ()
    judged: Mapping[str, Judged] | None = None


def gather(
    folder: Path,
    titles: Mapping[str, str] | None = None,
    listed: Collection[str] | None = None,
    now: datetime | None = None,
) -> Shown:
    """Read and verify the case in ``folder``. Raises :class:`InputError` when it cannot be read.

    ``now`` decides whether the student's days for a comment are over; ``listed`` are the digests in the
    institution's list of builds, where it has one.
    """
    case = view.read(folder)
    policy, notes = _policy(case.policy)
    try:
        looks, held = tuple(access.read(folder)), tuple(holds(folder, None))
    except InputError as error:
        looks, held, notes = (), (), (*notes, str(error))
    decisions: tuple[Decision, ...] = ()
    try:
        decisions = tuple(deciding.read(folder, case.attempt))
    except CheckFailed as error:
        notes = (*notes, str(error))
    checks = tuple(verify(folder))
    known, wrong = None, unproved(checks)
    if wrong and decisions:
        notes = (*notes, f"What people decided is not told here, because it is not proved: {wrong}")
    elif policy is not None:
        known = judged(case, decisions, policy.review, now or datetime.now(UTC))
    return Shown(
        read_story(case.records, policy, titles),
        checks,
        notes,
        attest(case.records, listed=listed, models=known_models()),
        looks,
        held,
        decisions,
        known,
    )


def about_others(shown: Shown) -> tuple[str, ...]:
    """Sentences for a page: what holds the case, and how often it was looked at."""
    held = tuple(
        f"{one.hold.name} holds {'some clips' if one.hold.flags else 'this case'} until "
        f"{one.hold.until:%Y-%m-%d}, so that nothing held is erased before: {one.hold.reason}"
        for one in shown.holds
    )
    if not shown.looks:
        return held
    people = len({(look.log, look.who) for look in shown.looks})
    times = "once" if len(shown.looks) == 1 else f"{len(shown.looks)} times"
    who = "one person" if people == 1 else f"{people} people"
    return (*held, f"It was opened, shown or handed on {times}, by {who}; `case show` lists each.")


def _policy(raw: bytes) -> tuple[Policy | None, tuple[str, ...]]:
    """The policy of the case; a case of another version may hold one that this version cannot read."""
    try:
        return parse(raw, "of this case"), ()
    except PolicyError as error:
        return None, (f"{error} Its thresholds are not shown.",)
