"""A student's own exams on this computer: what was kept, who looked, what goes when (rule O4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from policies.errors import PolicyError
from policies.load import parse
from policies.schema import Language, Policy
from policies.texts import erased as erased_texts
from policies.texts import mine
from policies.texts.mine import TAKEN_BACK, VERDICTS, Look, Note, Said, Told
from policies.texts.notice import Part
from proctor.errors import InputError
from proctor.evidence import access, deciding, layout, retention, tombstone, view
from proctor.evidence.case import Case
from proctor.evidence.clearing import files_of
from proctor.evidence.story import Story
from proctor.evidence.story_reader import read_story
from proctor.evidence.untrusted import text
from proctor.evidence.words import clock
from proctor.session.invitation import kept

# What a student says to one flag fits on a page.
MAX_COMMENT = 2000
# Seconds that nobody could tell are told from this many on; below, it is how a detector begins.
TOLD_FROM_S = 1.0


@dataclass(frozen=True, slots=True)
class Mine:
    """One exam of the student. ``story`` is what the case shows to anybody; ``told`` what a letter says.

    ``lang`` is the language in which the student was asked.
    """

    folder: Path
    story: Story
    told: Told
    lang: Language


def find(given: str) -> Path:
    """The case folder that ``given`` names: a folder, or the name of an exam that is kept here."""
    if (Path(given) / layout.JOURNAL).is_file():
        return Path(given)
    problems: list[str] = []
    exams = kept(problems.append)
    found = [joined for joined in exams if given in (joined.folder.name, joined.policy.id)]
    if len(found) == 1:
        return found[0].case
    names = ", ".join([*(joined.folder.name for joined in exams), *problems]) or "none"
    raise InputError(
        f"There is no exam '{text(given, 100)}' on this computer (there are: {names}); give one of these "
        f"names, or the folder of a case."
    )


def gather(folder: Path, now: datetime | None = None) -> Mine:
    """Everything about one exam. Raises :class:`InputError` when the case cannot be read."""
    now = now or datetime.now(UTC)
    case = view.read(folder)
    try:
        policy = parse(case.policy, "of this case")
    except PolicyError as error:
        raise InputError(str(error)) from error
    story = read_story(case.records, policy)
    lang = erased_texts.language_of(case.consent.get("language"), policy)
    # What no rule uses is never put before anybody, so nobody needs to know how well it went.
    measured = [row for row in story.rows if not row.why_not and row.kind in policy.rules]
    return Mine(
        folder=folder,
        story=story,
        told=Told(
            policy=policy,
            attempt=case.attempt,
            began=story.began,
            measured=[row.kind for row in measured],
            unmeasured=[
                (row.kind, row.unmeasured_s) for row in measured if row.unmeasured_s >= TOLD_FROM_S
            ],
            notes=[
                Note(flag.number, clock(flag.start), flag.kind, flag.clip is not None, flag.comment)
                for flag in story.flags
            ],
            looks=[Look(entry.when, entry.who, entry.reason) for entry in access.read(folder)],
            erased=sorted(name for name in case.erased if name != tombstone.WHOLE),
            until=_until(case, policy, now),
            said=_said(case, story, policy, now),
        ),
        lang=lang,
    )


def _said(case: view.CaseView, story: Story, policy: Policy, now: datetime) -> list[Said]:
    """What people said about each note, as far as this machine's copy of the case knows."""
    found = deciding.read(case.folder, case.attempt)
    numbers = {flag.id: flag.number for flag in story.flags}
    told = []
    for one in found:
        stand = deciding.standing(case, found, one.flag, policy.review, now)
        stands = stand.state == "done" and one.id in {look.id for look in stand.counted}
        words = TAKEN_BACK if one.verdict is None else VERDICTS[one.verdict]
        if one.flag in numbers:
            told.append(Said(numbers[one.flag], one.when, one.who, words, one.reason, stands))
    return told


def _until(case: view.CaseView, policy: Policy, now: datetime) -> list[tuple[str, datetime]]:
    """The last day of each class of data that is there, the soonest first; holds aside."""
    research = access.copies(case.folder)
    decided = deciding.decided(case, policy.review, now)
    kept_here = retention.kept(case, files_of(case.folder), copies=research, decided=decided)
    latest: dict[str, datetime] = {}
    for item in kept_here.items:
        at = retention.deadline(kept_here, item, policy).at
        if item.name not in case.erased and at.year < datetime.max.year:
            latest[item.kind] = max(at, latest.get(item.kind, at))
    return sorted(latest.items(), key=lambda pair: pair[1])


def letter(mine_: Mine, parts: Mapping[str, Part], lang: Language | None = None) -> str:
    """The one-page explanation, in the student's language or ``lang``."""
    return mine.letter(mine_.told, parts, lang or mine_.lang)


def appeal(mine_: Mine, lang: Language | None = None, flags: Sequence[str] = ()) -> str:
    """The text of an appeal about ``flags`` (default: all of them)."""
    wanted = {flag.number for flag in mine_.story.flags if not flags or flag.id in flags}
    notes = [note for note in mine_.told.notes if note.number in wanted]
    return mine.appeal(replace(mine_.told, notes=notes), lang or mine_.lang)


def comment(folder: Path, flag: str, words: str, now: datetime | None = None) -> None:
    """Keep what the student says to one flag, in the journal and signed, for whoever reviews it.

    A later comment takes the place of an earlier one. Raises :class:`InputError` when there is no such
    flag, the words are too many, or this is not the computer the exam was sat on.
    """
    said = " ".join(words.split())
    if not said or len(said) > MAX_COMMENT:
        raise InputError(
            f"A comment has between 1 and {MAX_COMMENT} characters; it has {len(said)}."
        )
    known = [str(one.get("id")) for one in view.read(folder).flags]
    if flag not in known:
        raise InputError(
            f"There is no flag '{text(flag, 100)}' in this exam (there are: {', '.join(known) or 'none'})."
        )
    moment = now or datetime.now(UTC)
    case = Case.maintain(folder, now=moment)
    try:
        second = max(0.0, (moment - case.anchor).total_seconds())
        case.record("flag.comment", {"flag": flag, "words": text(said, MAX_COMMENT)}, second)
        case.checkpoint()
    finally:
        case.close()
