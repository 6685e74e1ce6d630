"""When what an exam left must go (rules T1, T2, O2). Pure: cases, policy and time in, a list out.

Each class of data has its own clock (T1). A flag that nobody decided on within the review window
loses its clip when the window ends (O2). Only a hold stops a clock (T2), and not even a hold brings
back what has a tombstone: where a restored backup has it again, it is due at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from policies.engine import ConsentState
from policies.schema import Language, Policy
from policies.texts import erased as texts
from proctor.evidence import layout
from proctor.evidence.access import Copy
from proctor.evidence.erasure import RULE, WITHDRAWN, is_room_scan, taken_back
from proctor.evidence.hold import Hold
from proctor.evidence.tombstone import WHOLE
from proctor.evidence.untrusted import moment
from proctor.evidence.view import CaseView

Class = texts.Erasable
# Classes whose things are sealed files of a flag.
SEALED = ("clips", "room_scan")
ERASED_BEFORE = "It was erased before, and came back from a backup or was not yet written down."
UNREVIEWED = "Nobody decided on it within the review window of {days} days."
KEPT_LONG_ENOUGH = "It was kept for the {days} days that the policy allows."
WITH_ITS_JOURNAL = "The journal that it is checked against has to go, so it goes as well."
_DECISION = "decision"
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is kept: its class, its name (a clip's: the flag), and since when (UTC).

    ``since`` is ``None`` while the clock has not begun (identity data of an exam that is not closed).
    """

    kind: Class
    name: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one attempt, each under a name of its own.

    ``decided`` are flags that a person decided on, ``erased`` names that have a tombstone already,
    ``taken_back`` classes whose purpose the student withdrew from or objected to.
    """

    attempt: str
    items: tuple[Item, ...]
    decided: frozenset[str] = frozenset()
    holds: tuple[Hold, ...] = ()
    erased: frozenset[str] = frozenset()
    taken_back: frozenset[Class] = frozenset()


@dataclass(frozen=True, slots=True)
class Due:
    """One thing that must go: since when it must, why, and by which rule."""

    attempt: str
    item: Item
    at: datetime
    why: str
    rule: str


def due(cases: Iterable[Kept], policy: Policy, now: datetime) -> list[Due]:
    """Everything in ``cases`` that must be erased at ``now`` (aware), clips before their journal."""
    return [one for case in cases for one in _due(case, policy, now)]


def deadline(case: Kept, item: Item, policy: Policy) -> Due:
    """When, why and by which rule ``item`` has to go, holds aside."""
    days = days_of(item.kind, policy)
    window = policy.review.window_days
    if item.name in case.erased:
        return Due(case.attempt, item, item.since or _NEVER, ERASED_BEFORE, "T2")
    if item.kind in case.taken_back:
        return Due(case.attempt, item, item.since or _NEVER, WITHDRAWN, RULE)
    if item.kind == "clips" and item.name not in case.decided and window <= days:
        return Due(
            case.attempt, item, _after(item.since, window), UNREVIEWED.format(days=window), "O2"
        )
    rule = "T3" if item.kind == "identity" else "T1"
    why = KEPT_LONG_ENOUGH.format(days=days)
    return Due(case.attempt, item, _after(item.since, days), why, rule)


def days_of(kind: Class, policy: Policy) -> int:
    """For how many days ``policy`` lets a class of data be kept."""
    keep = policy.retention
    return {
        "clips": keep.clips_days,
        "room_scan": keep.room_scan_days,
        "identity": keep.identity_days,
        "journal": keep.journal_days,
        "decisions": keep.decisions_days,
        "research": keep.research_days,
    }[kind]


def held(case: Kept, item: Item, now: datetime) -> Hold | None:
    """The hold that stops the erasure of ``item`` at ``now``, if there is one."""
    flag = item.name if item.kind in SEALED else None
    return next((hold for hold in case.holds if hold.stops(case.attempt, flag, now)), None)


def _due(case: Kept, policy: Policy, now: datetime) -> list[Due]:
    found: list[Due] = []
    journals: list[Due] = []
    for item in case.items:
        one = deadline(case, item, policy)
        if item.name in case.erased:
            found.append(Due(case.attempt, item, now, one.why, one.rule))
        elif one.at <= now and held(case, item, now) is None:
            if item.kind == "journal":
                journals.append(one)
            else:
                found.append(one)
    if not journals:
        return found
    at = min(one.at for one in journals)
    # Nobody could tell any more whether a clip without its journal is the true one.
    known = {(one.item.kind, one.item.name) for one in found}
    clips = (i for i in case.items if i.kind in SEALED and (i.kind, i.name) not in known)
    found += [Due(case.attempt, i, at, WITH_ITS_JOURNAL, "T1") for i in clips]
    return [*found, *journals]


def _after(since: datetime | None, days: int) -> datetime:
    if since is None:
        return _NEVER
    try:
        return since + timedelta(days=days)
    except OverflowError:
        # A journal can claim any year; one at the end of the calendar is never over.
        return _NEVER


def kept(
    view: CaseView,
    files: Collection[str],
    holds: Iterable[Hold] = (),
    copies: Iterable[Copy] = (),
    decided: Iterable[str] = (),
) -> Kept:
    """What the case ``view`` keeps: clips, each since it was sealed, and its journal since it ended.

    ``files`` are the paths that are there, as :func:`layout.clip_name` says them. ``copies`` for
    research lie elsewhere, each since it was made; what the student took back has no time left. ``decided``
    are flags that people decided on (:func:`deciding.decided`), beside those that the journal names.
    """
    sealed: dict[str, datetime | None] = {}
    judged = set(decided)
    recorded: set[str] = set()
    scans: set[str] = set()
    last: datetime | None = None
    ended: datetime | None = None
    for record in view.records:
        flag = str(record["data"].get("flag"))
        # An erasure, and the gap before it, come later and do not begin the journal's clock anew.
        if record["type"] not in ("erased", "agent.gap"):
            last = moment(record["time"]) or last
        if record["type"] == "session.ended":
            ended = moment(record["time"])
        elif record["type"] == "sealed" and layout.FLAG_ID.fullmatch(flag):
            sealed[flag] = moment(record["time"])
            if is_room_scan(record["data"]):
                scans.add(flag)
        elif record["type"] == "erased":
            recorded.add(flag)
        elif record["type"] == _DECISION:
            judged.add(flag)
    items = [
        Item("room_scan" if flag in scans else "clips", flag, since)
        for flag, since in sealed.items()
        # One whose file went before its tombstone was written still needs the tombstone.
        if flag not in recorded or layout.clip_name(flag) in files
    ]
    items += [Item("research", copy.name, copy.since) for copy in copies]
    withdrawn = taken_back(ConsentState.from_records(view.records), "research")
    return Kept(
        attempt=view.attempt,
        items=(*items, Item("journal", WHOLE, ended or last)),
        taken_back=frozenset({"research"} if withdrawn else ()),
        decided=frozenset(judged),
        holds=tuple(holds),
        erased=frozenset(view.erased),
    )


def notice(policy: Policy, erased: Iterable[Due], when: datetime, lang: Language = "en") -> str:
    """What the student is told in ``lang`` once things were erased (rule T2)."""
    return texts.notice(policy, [_told(one, policy) for one in erased], when, lang)


def _told(one: Due, policy: Policy) -> texts.Erased:
    kind, name = one.item.kind, one.item.name
    if one.rule == "request":
        return texts.Erased(kind, name, "asked", words=one.why)
    if one.rule == "C4":
        return texts.Erased(kind, name, "withdrawn")
    if one.rule == "O2":
        return texts.Erased(kind, name, "unreviewed", policy.review.window_days)
    if one.why in (ERASED_BEFORE, WITH_ITS_JOURNAL):
        return texts.Erased(kind, name, "again" if one.why == ERASED_BEFORE else "journal")
    return texts.Erased(kind, name, "kept", days_of(kind, policy))
