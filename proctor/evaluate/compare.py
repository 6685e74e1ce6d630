"""Two runs compared on the same persons: McNemar for who is flagged, drawn-anew pairs for how often."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.errors import InputError
from proctor.evaluate import resampling
from proctor.evaluate.plain import FORMAT
from proctor.evaluate.results import Results
from proctor.evaluate.statistics import LEVEL, Answer, Unsaid, holm, mcnemar
from proctor.evaluate.tallies import ALL

REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Discord:
    """Persons of whom only this run, or only the other, said yes; ``n`` persons are in both runs."""

    n: int
    this: int
    other: int
    only_this: int
    only_other: int
    p: float
    p_holm: float


@dataclass(frozen=True, slots=True)
class Pair:
    """One kind in both runs. ``flagged``: honest persons with a flag; ``found``: instructed persons with a
    flag that belongs to an event; ``fa_hour``: false flags an hour, this run less the other."""

    kind: str
    flagged: Discord | Unsaid
    found: Discord | Unsaid
    fa_hour: Answer


@dataclass(frozen=True, slots=True)
class Comparison:
    """This run against another. ``notes`` say what keeps the two from being a fair pair."""

    other: str
    other_policy: str
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]


def read(folder: Path) -> dict[str, Any]:
    """The report.json of an earlier run. Raises :class:`InputError` when there is none that reads."""
    path = folder / REPORT if folder.is_dir() else folder
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"There is no {REPORT} of an earlier run in {folder}; give the folder that --out named then."
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); run that evaluation again.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path} was written by another version; run that evaluation again.")
    return document


def compare(mine: Results, other: Mapping[str, Any], level: float = LEVEL) -> Comparison:
    """Persons who are in both runs on the same side, kind by kind and all together."""
    results = other["results"]
    theirs = {(p["id"], p["side"]): p["kinds"] for p in results["people"]}
    people = [p for p in mine.people if (p.id, p.side) in theirs]
    names = [ALL, *(one.kind for one in mine.primary)]
    pairs = []
    for kind in names:
        both = [
            (p.side, p.kinds[kind], theirs[p.id, p.side][kind])
            for p in people
            if kind in theirs[p.id, p.side]
        ]
        honest = [(a, b) for where, a, b in both if where == "honest" and a.covered]
        asked = [(a, b) for where, a, b in both if where == "instructed" and a.events]
        measured = [(a, b) for a, b in honest if a.judged_h > 0 and b["judged_h"] > 0]
        pairs.append(
            Pair(
                kind,
                _discord([(a.flags > 0, b["flags"] > 0) for a, b in measured], "honest"),
                _discord([(a.found > 0, b["found"] > 0) for a, b in asked], "instructed"),
                resampling.paired_difference(
                    ([a.false for a, _ in measured], [a.judged_h for a, _ in measured]),
                    (
                        [b["false"] for _, b in measured],
                        [b["judged_h"] for _, b in measured],
                    ),
                    "honest persons in both runs",
                    level,
                ),
            )
        )
    run = results["run"]
    return Comparison(
        str(run["dataset"]),
        str(run["policy_id"]),
        tuple(_corrected(pairs)),
        tuple(_notes(mine, results, len(people))),
    )


def _discord(pairs: Sequence[tuple[bool, bool]], side: str) -> Discord | Unsaid:
    if not pairs:
        return Unsaid(f"no {side} person is in both runs with this kind", 0, f"{side} persons")
    only_this = sum(a and not b for a, b in pairs)
    only_other = sum(b and not a for a, b in pairs)
    p = mcnemar(only_this, only_other)
    return Discord(
        len(pairs),
        sum(a for a, _ in pairs),
        sum(b for _, b in pairs),
        only_this,
        only_other,
        p,
        p,
    )


def _corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """The same pairs with Holm's correction over all their McNemar tests."""
    tests = [
        one for pair in pairs for one in (pair.flagged, pair.found) if isinstance(one, Discord)
    ]
    corrected = iter(holm([one.p for one in tests]))

    def with_holm(one: Discord | Unsaid) -> Discord | Unsaid:
        if isinstance(one, Unsaid):
            return one
        return Discord(
            one.n, one.this, one.other, one.only_this, one.only_other, one.p, next(corrected)
        )

    return [
        Pair(pair.kind, with_holm(pair.flagged), with_holm(pair.found), pair.fa_hour)
        for pair in pairs
    ]


def _notes(mine: Results, other: Mapping[str, Any], paired: int) -> list[str]:
    notes = []
    run = other["run"]
    if run["dataset_sha256"] != mine.run.dataset_sha256:
        notes.append("The two runs are of different datasets, or labels changed in between.")
    missing = len(mine.people) + len(other["people"]) - 2 * paired
    if missing:
        notes.append(f"{missing} persons are in one run only and were left out here.")
    if run["policy_sha256"] == mine.run.policy_sha256:
        notes.append("Both runs used the same policy.")
    changed = sorted(
        name
        for name in {*run["models"], *mine.run.models}
        if run["models"].get(name) != mine.run.models.get(name)
    )
    if changed:
        notes.append(f"Other networks: {', '.join(changed)}.")
    if run["code_version"] != mine.run.code_version:
        notes.append(f"Other code: {run['code_version']} before, {mine.run.code_version} now.")
    return notes
