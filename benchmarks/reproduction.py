"""What the two reproductions share: a run of ``proctor evaluate`` over a study, and numbers as people write them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from proctor.errors import InputError, ProctorError
from proctor.evaluate import people
from proctor.evaluate.cache import parquet
from proctor.evaluate.dataset import Dataset, read
from proctor.evaluate.report import write
from proctor.evaluate.results import Results, work_out
from proctor.evaluate.run import How, evaluate
from proctor.evaluate.statistics import Answer, Estimate, Unsaid
from proctor.session.plan import make_plan


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A study, and every number that the report has about it."""

    dataset: Dataset
    results: Results


def run(doc: str, show: Callable[[Reproduced], Sequence[str]]) -> int:
    """Evaluate the study that the command line names and print ``show`` of it; returns the exit code."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("study", type=Path, help="a folder of recordings (docs/reproductions.md)")
    parser.add_argument("--policy", default="standard")
    parser.add_argument("--out", type=Path, help="write the whole report there, too")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--keep-going", action="store_true")
    chosen = parser.parse_args()
    try:
        parquet()
        dataset = read(chosen.study)
        how = How(chosen.workers, "", chosen.keep_going, chosen.cache)
        done, scores = evaluate(dataset, make_plan(chosen.policy, require_all=False), how)
        results = work_out(done, scores, people.read(chosen.study))
        lines = show(Reproduced(dataset, results))
        if chosen.out is not None:
            write(done, chosen.out, scores=scores, study=chosen.study)
    except ProctorError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, InputError) else 3
    print("\n".join(lines))
    return 0


def said(answer: Answer) -> str:
    """A share with what it rests on and its interval, or why there is none."""
    if not isinstance(answer, Estimate):
        if answer.here is not None:
            return f"{answer.here:.1%} (no interval)"
        return f"cannot be said: {answer.why}"
    counted = "" if answer.count is None else f"{answer.count:g} of {answer.n:g} = "
    of = "" if answer.count is not None else f"; {answer.n:g} {answer.of}"
    return f"{counted}{answer.value:.1%} ({answer.low:.1%} to {answer.high:.1%}{of})"


def reasons(answers: Sequence[Answer]) -> list[str]:
    """Why some numbers have no interval, each reason once."""
    why = [one.why for one in answers if isinstance(one, Unsaid) and one.here is not None]
    return [f"No interval: {one}." for one in dict.fromkeys(why)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side; the last one is as wide as it likes."""
    wide = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head) - 1)]
    lines = []
    for row in (head, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, wide, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return [lines[0], "-" * min(100, max(map(len, lines))), *lines[1:]]


def about(made: Reproduced) -> list[str]:
    """What was evaluated, and what was left out."""
    done = made.results.run
    hours = sum(session.duration_s for session in done.sessions) / 3600
    lines = [
        f"{made.dataset.layout}: {len(done.sessions)} recordings, {hours:.2f} h, policy "
        f"{done.policy_id} ({done.policy_sha256[:12]}), dataset {made.dataset.sha256[:12]}.",
        *made.dataset.notes,
        *done.not_measured,
    ]
    return [*lines, *(f"Left out: {one.session}: {one.why}" for one in done.skipped)]
