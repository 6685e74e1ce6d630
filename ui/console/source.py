"""Where a case comes from, and where looks at it go: a folder here, or a hub's copy elsewhere.

Everything of a :class:`Source` may take long and is called off the window's thread. A source never
gives a clip away before it is on record who opens it and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

from pyrage import x25519

from policies.load import parse
from policies.schema import Review
from proctor.errors import InputError
from proctor.evidence import deciding, decision, view
from proctor.evidence.access import Reader
from proctor.evidence.decision import Decision, Standing, Verdict
from proctor.evidence.opening import opened
from proctor.evidence.seal import NoKeyError
from proctor.evidence.story import FlagStory, Story
from proctor.evidence.story_reader import read_story

# The reason that stands in the log of looks, in English as everything there.
LOOK = "a look in the console"


@dataclass(frozen=True)
class CaseFile:
    """One case as a reviewer works on it.

    ``comments``: by flag, when the student commented; ``readable``: since when the student can read
    what was noted; ``key``: the reviewer's own public key in base64, ``who`` their name.
    """

    story: Story
    review: Review
    decisions: Sequence[Decision]
    comments: Mapping[str, Sequence[datetime]]
    readable: datetime | None
    key: str
    who: str

    @cached_property
    def _by_flag(self) -> dict[str, list[Decision]]:
        found: dict[str, list[Decision]] = {}
        for one in self.decisions:
            found.setdefault(one.flag, []).append(one)
        return found

    def of(self, flag: str) -> list[Decision]:
        """Every statement about ``flag``."""
        return self._by_flag.get(flag, [])

    @cached_property
    def read_at(self) -> datetime:
        """When this was first asked; what is shown of a case is of one moment."""
        return datetime.now(UTC)

    @cached_property
    def _stands(self) -> dict[str, Standing]:
        return {}

    @cached_property
    def _refusals(self) -> dict[str, str]:
        return {}

    def worked_out(self) -> CaseFile:
        """The same, with the standing of every flag known: done off the window's thread."""
        for flag in self.story.flags:
            self.refusal(flag.id)
        return self

    def standing(self, flag: str) -> Standing:
        """Where ``flag`` stands."""
        if flag not in self._stands:
            comments = self.comments.get(flag, ())
            self._stands[flag] = decision.standing(
                self.of(flag), self.review, comments, self.readable, self.read_at
            )
        return self._stands[flag]

    def seen(self, flag: str) -> bool:
        """Whether the reviewer has signed a look at ``flag``, which ends the blind look."""
        return any(one.key == self.key for one in decision.in_force(self.of(flag)))

    def visible(self, flag: str) -> list[Decision]:
        """The statements about ``flag`` that the reviewer may read."""
        return decision.visible(self.of(flag), self.key)

    def refusal(self, flag: str) -> str:
        """Why the reviewer can sign no look at ``flag`` now; empty: they can."""
        if flag not in self._refusals:
            self._refusals[flag] = self._refused(flag)
        return self._refusals[flag]

    def _refused(self, flag: str) -> str:
        look, when = self.standing(flag).look or "first", self.read_at
        new = Decision(
            self.story.attempt, flag, "", look, "nothing_to_see", "", self.who, when, key=self.key
        )
        comments = self.comments.get(flag, ())
        return decision.refusal(new, self.of(flag), self.review, comments, self.readable, when)

    def flag(self, name: str) -> FlagStory | None:
        """The flag of this name."""
        return next((flag for flag in self.story.flags if flag.id == name), None)


class Source(Protocol):
    """A case to look at."""

    def load(self) -> CaseFile:
        """The case as it is now; raises :class:`proctor.errors.ProctorError`."""

    def clip(self, flag: str) -> bytes:
        """The clip of ``flag``, an MP4 in memory, once it is on record who opens it."""

    def fetch(self, flag: str) -> None:
        """Bring what is sealed of ``flag`` nearer, without opening it; of no effect where it is near."""

    def decide(self, flag: str, verdict: Verdict, reason: str) -> CaseFile:
        """Sign and keep a look; gives the case with it."""

    def take_back(self, old: Decision) -> CaseFile:
        """Sign and keep that ``old`` is taken back; gives the case without it."""


class FolderSource:
    """A case in a folder of this machine, opened with ``identities`` for ``reader``."""

    def __init__(
        self, folder: Path, reader: Reader, identities: Sequence[x25519.Identity] = ()
    ) -> None:
        self.folder = folder
        self.reader = reader
        self.identities = list(identities)
        self._view: view.CaseView | None = None
        self._file: CaseFile | None = None

    def load(self) -> CaseFile:
        self._view = case = view.read(self.folder)
        policy = parse(case.policy, "of this case")
        names = [str(one.get("id")) for one in case.flags]
        self._file = CaseFile(
            story=read_story(case.records, policy),
            review=policy.review,
            decisions=deciding.read(self.folder, case.attempt),
            comments={name: deciding.comments(case, name) for name in names},
            readable=deciding.readable(case),
            key=deciding.key_of(self.reader),
            who=self.reader.name,
        )
        return self._file.worked_out()

    def clip(self, flag: str) -> bytes:
        if not self.identities:
            raise NoKeyError(
                "No key here opens the clips of this case; open the case again and choose a key file."
            )
        return opened(self._case(), flag, self.identities, self.reader, reason=LOOK)

    def fetch(self, flag: str) -> None:
        """A file is near enough; and nothing is opened before it is on record."""

    def decide(self, flag: str, verdict: Verdict, reason: str) -> CaseFile:
        case = self._file or self.load()
        known = {deciding.name_of(one): one for one in case.decisions}
        deciding.decide(self._case(), flag, verdict, reason, self.reader, case.review, known=known)
        return self._again(case)

    def take_back(self, old: Decision) -> CaseFile:
        case = self._file or self.load()
        deciding.take_back(self._case(), old, self.reader, case.review)
        return self._again(case)

    def _again(self, case: CaseFile) -> CaseFile:
        """The case with the statements that are there now; its journal is as it was read."""
        known = {deciding.name_of(one): one for one in case.decisions}
        found = deciding.read(self.folder, case.story.attempt, known)
        self._file = replace(case, decisions=found)
        return self._file.worked_out()

    def _case(self) -> view.CaseView:
        if self._view is None:
            raise InputError("The case was not read yet.")
        return self._view
