"""What people said about a study's flags, read from two optional files beside its recordings.

``reviews.csv``: session, kind, start_s, reviewer, verdict, seconds (how long it took; may be empty).
``causes.csv``: session, kind, start_s, cause: a short code for what set a false flag off.
``start_s`` is the flag's start in ``flags.csv`` of a report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from proctor.errors import InputError
from proctor.evaluate import agreement
from proctor.evaluate.dataset import Fault, rows
from proctor.evaluate.matching import touches
from proctor.evaluate.statistics import Answer, Unsaid
from proctor.evaluate.truths import annotators
from proctor.evaluate.values import Run, Session
from proctor.evidence.decision import VERDICTS

REVIEWS, CAUSES = "reviews.csv", "causes.csv"
# Verdicts by which a person says that there was something to talk about.
SEEN = frozenset({"please_discuss", "confirmed"})
# A start is written with one decimal in flags.csv.
START_S = 0.06
# Annotators are compared second by second.
STEP_S = 1.0

Key = tuple[str, str, float]


@dataclass(frozen=True, slots=True)
class Review:
    """One reviewer's verdict about one flag; ``seconds`` is ``None`` where nobody took the time."""

    session: str
    kind: str
    start: float
    reviewer: str
    verdict: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that people said about the flags."""

    reviews: tuple[Review, ...] = ()
    causes: Mapping[Key, str] | None = None

    def cause(self, session: str, kind: str, start: float) -> str:
        """The cause code of a flag, or an empty text."""
        for (where, what, when), code in (self.causes or {}).items():
            if where == session and what == kind and abs(when - start) <= START_S:
                return code
        return ""


def read(folder: Path | None) -> Study:
    """Both files where they are there. Raises :class:`InputError` for a line that does not read."""
    if folder is None:
        return Study()
    reviews = tuple(
        Review(
            row["session"],
            row["kind"],
            _number(folder / REVIEWS, line, "start_s", row["start_s"]),
            row["reviewer"],
            _verdict(folder / REVIEWS, line, row["verdict"]),
            _number(folder / REVIEWS, line, "seconds", row["seconds"]) if row["seconds"] else None,
        )
        for line, row in _rows(
            folder / REVIEWS, ("session", "kind", "start_s", "reviewer", "verdict", "seconds")
        )
    )
    causes = {
        (
            row["session"],
            row["kind"],
            _number(folder / CAUSES, line, "start_s", row["start_s"]),
        ): row["cause"]
        for line, row in _rows(folder / CAUSES, ("session", "kind", "start_s", "cause"))
    }
    return Study(reviews, causes)


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    if not path.is_file():
        return []
    faults: list[Fault] = []
    found = list(rows(path, columns, (), faults, own=""))
    if faults:
        raise InputError(f"{path.parent / str(faults[0])}.")
    return found


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise InputError(f"{path}, line {line}: {column} is '{text}', not a number.") from error
    if not 0 <= number < 1e7:
        raise InputError(f"{path}, line {line}: {column} is {text}; give seconds from 0 on.")
    return number


def _verdict(path: Path, line: int, text: str) -> str:
    if text not in VERDICTS:
        raise InputError(
            f"{path}, line {line}: the verdict '{text}' is none of {', '.join(VERDICTS)}."
        )
    return text


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far people agree: ``reviewers`` about flags, ``annotators`` about what was there (alpha), and
    every two of them (kappa)."""

    reviewers: Answer
    annotators: Answer
    reviewer_pairs: Mapping[tuple[str, str], Answer]
    annotator_pairs: Mapping[tuple[str, str], Answer]


def agree(run: Run, study: Study) -> Agreement:
    """Agreement of reviewers and of annotators."""
    person_of = {session.id: session.person for session in run.sessions}
    said: dict[str, dict[str, str]] = {}
    owner: dict[str, str] = {}
    for review in study.reviews:
        thing = f"{review.session} {review.kind} {review.start:.1f}"
        said.setdefault(review.reviewer, {})[thing] = review.verdict
        owner[thing] = person_of.get(review.session, review.session)
    marked, marks_of = marks(run.sessions)
    return Agreement(
        agreement.alpha(said, owner) if said else Unsaid("nobody reviewed a flag", 0, "flags"),
        agreement.alpha(marked, marks_of)
        if marked
        else Unsaid("no session was labelled by two people", 0, "seconds"),
        agreement.kappas(said),
        agreement.kappas(marked),
    )


def marks(
    sessions: Sequence[Session],
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """What each annotator says of every second and kind that anybody labelled in a session."""
    said: dict[str, dict[str, str]] = {}
    owner: dict[str, str] = {}
    for session in sessions:
        raters = annotators(session)
        if len(raters) < 2:
            continue
        for kind in sorted({event.kind for event in session.truth}):
            for step in range(int(session.duration_s / STEP_S)):
                thing = f"{session.id} {kind} {step:06d}"
                middle = (step + 0.5) * STEP_S
                owner[thing] = session.person
                for rater in raters:
                    there = any(
                        touches((e.start, e.end), (middle, middle))
                        for e in session.truth
                        if e.kind == kind and e.annotator == rater
                    )
                    said.setdefault(rater, {})[thing] = "there" if there else "not there"
    return said, owner
