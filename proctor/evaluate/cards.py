"""Model cards with the rates of a run: the block for the machine at a card's head, written anew.

Rates of the same dataset are replaced, those of others stay, and a kind that is measured now is no
longer listed as unmeasured. models/cards/README.md tells the format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import models
from proctor.evaluate.primary import Primary
from proctor.evaluate.results import Flagged, Results
from proctor.evaluate.statistics import Answer, Estimate, share

_FRONT = re.compile(r"\A(# [^\n]+\n\n```toml\n)(.*?)(\n```\n)", re.DOTALL)


def write(
    results: Results, out: Path, today: date, cards: Path | None = None
) -> tuple[list[Path], list[str]]:
    """Cards of every plug-in whose kinds this run measured, into ``out``; the paths, and what was not done.

    ``cards`` is where the cards are read (default: those that came with the program); the two may be
    one folder. A card whose networks are not those of the run is left alone, and a sentence says so.
    """
    cards = cards or Path(models.__file__).parent / "cards"
    measured = {one.kind: one for one in results.primary}
    written: list[Path] = []
    notes: list[str] = []
    for card in sorted(cards.glob("*.md")):
        text = card.read_text(encoding="utf-8")
        front = _FRONT.match(text)
        if front is None:
            continue
        import tomlkit

        head = tomlkit.parse(front[2])
        if head.get("adopted", True) is False or head["plugin"] != card.stem:
            continue
        rates = [
            rate
            for kind in head["kinds"]
            if str(kind) in measured
            for rate in _rates(str(kind), measured[str(kind)], results)
        ]
        if not rates:
            continue
        other = sorted(
            str(name)
            for name, digest in head.get("networks", {}).items()
            if str(name) in results.run.models and results.run.models[str(name)] != str(digest)
        )
        if other:
            notes.append(f"{card.name}: the run used another {other[0]} than the card tells of.")
            continue
        out.mkdir(parents=True, exist_ok=True)
        path = out / card.name
        block = _with(head, rates, results.run.dataset, today)
        path.write_text(
            front[1] + block.strip("\n") + front[3] + text[front.end() :], encoding="utf-8"
        )
        written.append(path)
    return written, notes


def _rates(kind: str, one: Primary, results: Results) -> list[dict[str, Any]]:
    name = results.run.dataset
    found = []
    for answer, tells, what in (
        (one.sensitivity, "found", "instructed persons flagged"),
        (one.hfr, "false", "honest persons flagged"),
        (_right(kind, results), "right", "the first such flag of each person was right"),
    ):
        if isinstance(answer, Estimate) and answer.count is not None:
            found.append(
                {
                    "kind": kind,
                    "what": f"{name}: {what}",
                    "tells": tells,
                    "found": int(answer.count),
                    "n": int(answer.n),
                    "interval": [
                        math.floor(answer.low * 1000) / 1000,
                        math.ceil(answer.high * 1000) / 1000,
                    ],
                }
            )
    return found


def _right(kind: str, results: Results) -> Answer:
    """How many persons' first flag of ``kind`` was right, of those whose flag the truth judges.

    One flag a person: those of one person come in clumps, and an exact interval needs what is independent.
    """
    first: dict[str, Flagged] = {}
    for flag in sorted(results.flags, key=lambda flag: (flag.session, flag.start)):
        if flag.kind == kind and flag.judged in ("right", "false"):
            first.setdefault(flag.person, flag)
    right = sum(flag.judged == "right" for flag in first.values())
    return share(right, len(first), "persons with such a flag")


def _with(head: Any, rates: Sequence[dict[str, Any]], dataset: str, today: date) -> str:
    """The block with ``rates`` in place of those of the same dataset."""
    import tomlkit

    listed = tomlkit.aot()
    kept = [
        rate for rate in head.get("rates", []) if not str(rate["what"]).startswith(f"{dataset}: ")
    ]
    for rate in [*kept, *rates]:
        table = tomlkit.table()
        for name, value in rate.items():
            table[name] = value
        listed.append(table)
    unmeasured = dict(head.get("unmeasured", {}))
    for rate in rates:
        unmeasured.pop(rate["kind"], None)
    made = tomlkit.document()
    for name, value in head.items():
        if name not in ("rates", "unmeasured"):
            made[name] = today if name == "date" else value
    made["rates"] = listed
    if unmeasured:
        made["unmeasured"] = unmeasured
    return tomlkit.dumps(made)
