"""Looks at the flags of a case that is a folder: kept in ``decisions/``, each a signed file (0029).

A file is called after what it says (the begin of its digest), so that copies of one case, in which
two people looked at their own machines, are put together by copying. The access log of whoever
signed names it as well, so that one which is taken out later is missed.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.errors import CheckFailed, InputError
from proctor.evidence import access, decision, layout
from proctor.evidence.access import Reader
from proctor.evidence.decision import ADVERSE, Decision, DecisionError, Standing, Verdict
from proctor.evidence.disk import read_bounded, said_plainly, write_new
from proctor.evidence.journal import JournalError
from proctor.evidence.untrusted import moment, text

if TYPE_CHECKING:
    from policies.schema import Review
    from proctor.evidence.view import CaseView

# No case has so many looks; a fuller folder is a broken program or an attack on the reader.
MAX_DECISIONS = 5_000


def name_of(one: Decision) -> str:
    """The file of a statement, below the folder of decisions."""
    return f"{one.id[:32]}{layout.DECISION_SUFFIX}"


def read(folder: Path, attempt: str, known: Mapping[str, Decision] | None = None) -> list[Decision]:
    """Every statement of the case in ``folder``, in the order of time.

    Each is signed by the key that it names; whose key that is, is not known here. ``known`` are
    statements that this program has read and checked before, by file name. Raises
    :class:`CheckFailed` at one that does not hold: verdicts must not vanish without a word.
    """
    found = []
    for path in _files(folder):
        if known and path.name in known:
            found.append(known[path.name])
            continue
        try:
            one = decision.read(read_bounded(path, decision.MAX_BYTES))
        except (OSError, ValueError, DecisionError) as error:
            raise CheckFailed(f"The decision {path.name} does not hold: {error}") from error
        if one.attempt != attempt or path.name != name_of(one):
            raise CheckFailed(
                f"The decision {path.name} is of another exam, or under another's name."
            )
        found.append(one)
    return sorted(found, key=lambda one: (one.when, one.id))


def of(decisions: Sequence[Decision], flag: str) -> list[Decision]:
    """Those of ``decisions`` that are about ``flag``."""
    return [one for one in decisions if one.flag == flag]


def comments(view: CaseView, flag: str) -> list[datetime]:
    """When the student commented on ``flag``."""
    found = (
        moment(record["time"])
        for record in view.records
        if record["type"] == "flag.comment" and record["data"].get("flag") == flag
    )
    return [when for when in found if when is not None]


def readable(view: CaseView) -> datetime | None:
    """Since when the student can read what was noted: the end of the exam; ``None`` before it."""
    ends = (moment(r["time"]) for r in view.records if r["type"] == "session.ended")
    return next(ends, None)


def standing(
    view: CaseView, decisions: Sequence[Decision], flag: str, review: Review, now: datetime
) -> Standing:
    """Where ``flag`` of the case stands at ``now``."""
    return decision.standing(of(decisions, flag), review, comments(view, flag), readable(view), now)


def decided(view: CaseView, review: Review, now: datetime) -> frozenset[str]:
    """Flags on which a person has decided, which do not expire unreviewed (rule O2)."""
    found = read(view.folder, view.attempt)
    return frozenset(
        flag
        for flag in {one.flag for one in found}
        if standing(view, found, flag, review, now).state == "done"
    )


def decide(
    view: CaseView,
    flag: str,
    verdict: Verdict,
    reason: str,
    reader: Reader,
    review: Review,
    now: datetime | None = None,
    known: Mapping[str, Decision] | None = None,
) -> Decision:
    """Sign and keep the next look at ``flag``; ``known`` as in :func:`read`.

    Raises :class:`DecisionError` where the policy or the rules do not let it be made now, and
    :class:`~proctor.errors.MissingError` where it cannot be written.
    """
    now = now or datetime.now(UTC)
    if flag not in {str(one.get("id")) for one in view.flags}:
        raise InputError(f"There is no flag '{text(flag, 100)}' in this case.")
    earlier = read(view.folder, view.attempt, known)
    stand = standing(view, earlier, flag, review, now)
    clip = str(view.sealed[flag].get("sha256")) if flag in view.sealed else ""
    new = Decision(
        attempt=view.attempt,
        flag=flag,
        clip=clip,
        look=stand.look or "first",
        verdict=verdict,
        reason=text(reason, decision.MAX_REASON),
        who=reader.name,
        when=now,
    )
    if verdict == ADVERSE and clip and not _opened(view, flag, reader):
        raise DecisionError("Open the clip first: nobody confirms what they have not looked at.")
    return _keep(view, new, earlier, reader, review, now)


def take_back(
    view: CaseView, old: Decision, reader: Reader, review: Review, now: datetime | None = None
) -> Decision:
    """Sign and keep that ``reader`` takes ``old`` back. Raises as :func:`decide` does."""
    now = now or datetime.now(UTC)
    new = replace(
        old, verdict=None, reason="", who=reader.name, when=now, withdraws=old.id, key="", id=""
    )
    return _keep(view, new, read(view.folder, view.attempt), reader, review, now)


def key_of(reader: Reader) -> str:
    """The reader's public key, as statements name it."""
    return base64.b64encode(reader.key.public_key().public_bytes_raw()).decode("ascii")


def _keep(
    view: CaseView,
    new: Decision,
    earlier: Sequence[Decision],
    reader: Reader,
    review: Review,
    now: datetime,
) -> Decision:
    refused = decision.refusal(
        replace(new, key=key_of(reader)),
        of(earlier, new.flag),
        review,
        comments(view, new.flag),
        readable(view),
        now,
    )
    if refused:
        raise DecisionError(refused)
    raw = decision.sign(new, reader.key)
    signed = decision.read(raw)
    folder = view.folder / layout.DECISIONS
    if folder.is_symlink():
        raise InputError(f"{folder} is a link; no case has one.")
    with said_plainly(f"the decision in {folder}"):
        folder.mkdir(mode=0o700, exist_ok=True)
        write_new(folder / name_of(signed), raw)
    facts = {"flags": [new.flag], "decision": signed.id, "withdraws": new.withdraws}
    access.note(view, reader, access.DECIDED, facts, reason=new.reason, now=now)
    return signed


def _opened(view: CaseView, flag: str, reader: Reader) -> bool:
    """Whether the reader's own log says that they opened the clip."""
    log = access.name_of(reader.key.public_key().public_bytes_raw())
    return any(
        entry.log == log and entry.kind == access.OPENED and flag in entry.flags
        for entry in access.read(view.folder)
    )


def _files(folder: Path) -> list[Path]:
    below = folder / layout.DECISIONS
    if below.is_symlink() or not below.is_dir():
        return []
    found = sorted(path for path in below.iterdir() if layout.DECISION.fullmatch(path.name))
    if len(found) > MAX_DECISIONS:
        raise CheckFailed(f"{below} holds more than {MAX_DECISIONS} decisions; no case does.")
    return found


def files(folder: Path) -> Iterator[str]:
    """Paths of the statements below the case folder, with forward slashes."""
    for path in _files(folder):
        yield f"{layout.DECISIONS}/{path.name}"


def check(folder: Path, attempt: str, flags: Collection[str], sealed: Mapping[str, str]) -> str:
    """A sentence about a case's decisions that hold; :class:`CheckFailed` says which does not.

    ``sealed``: by flag, the digest of the clip that the journal says was sealed.
    """
    found = read(folder, attempt)
    wrong = [
        f"{name_of(one)} is about no flag of this case" for one in found if one.flag not in flags
    ]
    wrong += [
        f"{name_of(one)} is about another clip than the one that was sealed"
        for one in found
        if one.clip and one.clip != sealed.get(one.flag)
    ]
    by_id = {one.id: one for one in found}
    named: set[str] = set()
    for path in access.logs(folder):
        try:
            records = access.records_of(path)
        except (JournalError, OSError, ValueError) as error:
            raise CheckFailed(f"The access log {path.name} cannot be read: {error}") from error
        for record in records:
            if record.type == access.DECIDED:
                said = text(record.data.get("decision"), 64)
                named.add(said)
                if said not in by_id:
                    wrong.append(f"{said[:32]}{layout.DECISION_SUFFIX} is on record and not there")
    if wrong:
        raise CheckFailed(f"Decisions do not hold: {', '.join(wrong[:3])}.")
    if not found:
        return "Nobody has decided anything on this machine's copy."
    people = sorted({f"{one.who} ({one.key[:12]}…)" for one in found})
    told = f"{len(found)} statements, each signed by the key it names: {', '.join(people[:3])}."
    left = len(set(by_id) - named)
    if left:
        told = f"Warning: {left} of them stand in no access log. {told}"
    return told
