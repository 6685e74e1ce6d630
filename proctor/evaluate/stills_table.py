"""The tables of `proctor evaluate-faces`: Markdown for people, JSON and CSV for machines."""

from __future__ import annotations

from pathlib import Path

from proctor.evaluate.fairness import Slice
from proctor.evaluate.plain import ANSWER, FORMAT, columns, to_json, write_csv
from proctor.evaluate.statistics import Answer, Unsaid
from proctor.evaluate.stills import QUESTIONS, Stills


def write(made: Stills, out: Path) -> list[Path]:
    """``faces.md``, ``faces.json`` and ``faces.csv`` in ``out``; their paths."""
    out.mkdir(parents=True, exist_ok=True)
    page, document = out / "faces.md", out / "faces.json"
    page.write_text(markdown(made), encoding="utf-8")
    document.write_text(to_json({"format": FORMAT, "stills": made}), encoding="utf-8")
    table = write_csv(
        out / "faces.csv",
        ["question", "attribute", "group", *ANSWER, "p_holm", "verdict"],
        (
            [one.question, s.attribute, s.group, *columns(s.share), s.p_holm or "", s.verdict]
            for one in made.asked
            for s in one.slices
        ),
    )
    return [page, document, table]


def markdown(made: Stills) -> str:
    """One table a question: single groups, and those intersections that differ."""
    lines = [f"{made.pictures} pictures, one a person. Shares with 95 % Clopper-Pearson intervals."]
    lines += [f"Left out: {one}." for one in made.unread]
    for one in made.asked:
        lines += [
            "",
            f"### {one.question[0].upper()}{one.question[1:]}",
            "",
            f"All: {_cell(one.whole)}",
        ]
        if one.question == QUESTIONS[3]:
            lines += _reasons(made)
        if not one.slices:
            continue
        lines += ["", "| group | share | p (Holm) | what can be said |", "|---|---|---|---|"]
        lines += [_row(s) for s in one.slices if " and " not in s.attribute]
        crossed = [s for s in one.slices if " and " in s.attribute]
        apart = [s for s in crossed if s.verdict.startswith(("higher", "lower"))]
        lines += [_row(s) for s in apart]
        few = sum("too few to say" in s.verdict for s in crossed)
        if crossed:
            lines += [
                "",
                f"Intersections of two: {len(crossed)}, of which {len(apart)} differ and {few} are too few "
                "to say.",
            ]
    return "\n".join(lines) + "\n"


def _reasons(made: Stills) -> list[str]:
    """Why faces were not learned: for what is in the picture, which is not asked then, or for something else."""
    lines = []
    if made.unfit:
        told = ", ".join(f"{count} {why}" for why, count in made.unfit.items())
        lines += ["", f"Not asked of {sum(made.unfit.values())} pictures: {told}."]
    if made.not_enrolled:
        told = ", ".join(f"{count} {why}" for why, count in made.not_enrolled.items())
        lines += ["", f"Not enrolled because: {told}."]
    return lines


def _row(one: Slice) -> str:
    p = "–" if one.p_holm is None else f"{one.p_holm:.2g}"
    return f"| {one.attribute}: {one.group} | {_cell(one.share)} | {p} | {one.verdict} |"


def _cell(answer: Answer) -> str:
    if isinstance(answer, Unsaid):
        return f"cannot be said: {answer.why}"
    return (
        f"{answer.count:g} of {answer.n:g} = {100 * answer.value:.1f} % "
        f"({100 * answer.low:.1f} to {100 * answer.high:.1f} %)"
    )
