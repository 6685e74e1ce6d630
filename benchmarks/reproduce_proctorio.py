"""The three arms of Bergmans, Bouali, Luttikhuis & Rensink (CSEDU 2021) with this program in Proctorio's place.

    python benchmarks/reproduce_proctorio.py STUDY [--policy P] [--out DIR] [--cache DIR]

STUDY is a folder in the project's own layout with the arms honest, nervous and instructed. A file
``watched.csv`` in it (session,watcher,seen) may say what people found who watched whole recordings
without knowing the flags, as one person did in that study. Prints who was flagged in each arm.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from reproduction import Reproduced, about, run, said, table

from proctor.errors import InputError
from proctor.evaluate.base_rates import ANCHORS
from proctor.evaluate.dataset import Fault, rows
from proctor.evaluate.results import Results
from proctor.evaluate.statistics import Answer, Unsaid, share

WATCHED = "watched.csv"
# Persons of the study by arm, as its abstract has them (30 in all).
PUBLISHED = {"honest": 19, "nervous": 5, "instructed": 6}
NOT_HERE = (
    "Not run here: the recordings of that study were never published, so no number above is about its "
    "students, and Proctorio itself was not run. Its false flags in the arms honest and nervous are "
    "not in its abstract."
)


def watched(folder: Path, sessions: Sequence[str]) -> Mapping[str, bool]:
    """By session, whether more than half of those who watched it saw an act; empty without the file.

    Raises :class:`InputError` for a line that does not read.
    """
    path = folder / WATCHED
    if not path.is_file():
        return {}
    faults: list[Fault] = []
    votes: dict[str, list[bool]] = defaultdict(list)
    for line, row in rows(path, ("session", "watcher", "seen"), (), faults):
        if row["session"] not in sessions:
            faults.append(Fault(WATCHED, line, f"there is no session '{row['session'][:60]}'"))
        elif row["seen"] not in ("yes", "no"):
            faults.append(Fault(WATCHED, line, "seen must be yes or no"))
        else:
            votes[row["session"]].append(row["seen"] == "yes")
    if faults:
        raise InputError(str(faults[0]))
    return {session: 2 * sum(said) > len(said) for session, said in votes.items()}


def by_people(results: Results, arm: str, seen: Mapping[str, bool]) -> Answer:
    """The share of an arm's persons, as far as anybody watched them, in whom an act was seen."""
    persons: dict[str, bool] = {}
    for session in results.run.sessions:
        if session.arm == arm and session.id in seen:
            persons[session.person] = persons.get(session.person, False) or seen[session.id]
    if not persons:
        return Unsaid(f"nobody watched them ({WATCHED})", 0, "persons")
    return share(sum(persons.values()), len(persons), f"persons of the arm {arm} watched")


def show(made: Reproduced) -> list[str]:
    """The lines that are printed."""
    results = made.results
    seen = watched(made.dataset.folder, [entry.id for entry in made.dataset.entries])
    arms = {one.arm: one for one in results.arms}
    lines = []
    for arm, persons in PUBLISHED.items():
        one = arms.get(arm)
        machine: Answer = one.flagged if one else Unsaid(f"the study has no arm {arm}")
        here = str(one.persons) if one else "0"
        lines.append((arm, here, str(persons), said(machine), said(by_people(results, arm, seen))))
    head = ("arm", "persons", "in 2021", "flagged by this program", "found by people who watched")
    anchors = [
        f"{one.what}: {said(share(one.found or 0, one.n or 0, 'persons'))} ({one.source})"
        for one in ANCHORS
        if one.source.startswith("Bergmans")
    ]
    other = sorted(set(arms) - set(PUBLISHED))
    return [
        *about(made),
        "",
        *table(head, lines),
        "",
        "instructed persons with a flag that belongs to a labelled act: "
        + said(results.whole.sensitivity),
        "honest and nervous persons with a flag: " + said(results.whole.hfr),
        "",
        *(f"Published: {line}" for line in anchors),
        *([f"Left aside: the arms {', '.join(other)}."] if other else []),
        NOT_HERE,
        "",
        *results.limits,
    ]


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", show))
