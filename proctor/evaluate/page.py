"""A study as one HTML page that needs nothing else: no script, no other file, no connection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from proctor.evaluate import base_rates, plots
from proctor.evaluate.compare import Comparison, Discord
from proctor.evaluate.matching import ONSET_COLLAR_S, SEGMENT_S, TIOUS
from proctor.evaluate.preregister import Registered
from proctor.evaluate.resampling import DRAWS
from proctor.evaluate.results import Results
from proctor.evaluate.secondary import mean_precision
from proctor.evaluate.statistics import Answer, Estimate, Unsaid, share
from proctor.evaluate.sweep import Point, Tuned
from proctor.evaluate.truths import EDGE_S

# Flags in the catalogue of the page; all of them are in flags.csv.
MOST_FLAGS = 300
# Groups in the table of the page besides the single attributes; all are in fairness.csv.
MOST_INTERSECTIONS = 40
DASH = "–"


@dataclass(frozen=True, slots=True)
class Extras:
    """What was asked for besides: a comparison, operating points, a target, a plan."""

    comparison: Comparison | None = None
    curves: tuple[tuple[Point, ...], ...] = ()
    tuned: Tuned | Unsaid | None = None
    registered: Registered | None = None
    notes: tuple[str, ...] = ()


def page(results: Results, extras: Extras) -> str:
    """The whole page."""
    drawn = {
        "det": plots.det(results.secondary),
        "operating": plots.operating(extras.curves, results),
        "per_person": plots.per_person(results),
        "reliability": plots.reliability(results.secondary),
        "prevalence": plots.prevalence(results),
        "forests": [
            made for i in range(len(results.fairness)) if (made := plots.forest(results, i))
        ],
    }
    false = [flag for flag in results.flags if flag.judged == "false"]
    return _template().render(
        r=results,
        run=results.run,
        extras=extras,
        drawn=drawn,
        strips=plots.strips(results),
        sessions_drawn=plots.MOST_STRIPS,
        false=false[:MOST_FLAGS],
        false_more=max(0, len(false) - MOST_FLAGS),
        sentences=base_rates.beside_its_own(),
        anchors=_anchors(),
        asked=next(one for one in results.predicted if one.prevalence == results.prevalence),
        mean_precision={least: mean_precision(results.secondary, least) for least in TIOUS},
        tious=TIOUS,
        collar=ONSET_COLLAR_S,
        segment=SEGMENT_S,
        edge=EDGE_S,
        draws=DRAWS,
        seconds=[
            one
            for one in results.secondary
            if one.events.hits + one.events.missed + one.events.extra or one.segments
        ],
        most_intersections=MOST_INTERSECTIONS,
    )


def _anchors() -> list[tuple[base_rates.Anchor, Answer | None]]:
    return [
        (
            one,
            share(one.found, one.n) if one.found is not None and one.n is not None else None,
        )
        for one in base_rates.ANCHORS
    ]


def percent(answer: Answer, digits: int = 1) -> str:
    """A share with n, interval and level."""
    if isinstance(answer, Unsaid):
        return _unsaid(answer)
    counted = (
        f"{answer.count:g} of {answer.n:g}" if answer.count is not None else f"n = {answer.n:g}"
    )
    if answer.method.startswith("bootstrap"):
        counted = f"n = {answer.n:g} {answer.of}"
    return (
        f"{_pc(answer.value, digits)} ({_pc(answer.low, digits)} to {_pc(answer.high, digits)}; "
        f"{answer.level:.0%}; {counted})"
    )


def number(answer: Answer, unit: str = "", digits: int = 3) -> str:
    """A number with n, interval and level."""
    if isinstance(answer, Unsaid):
        return _unsaid(answer)
    sized = f"{answer.n:.1f}" if "hour" in answer.of else f"{answer.n:g}"
    counted = (
        f"{answer.count:g} in " if answer.count is not None and "hour" in answer.of else "n = "
    )
    return (
        f"{_short(answer.value, digits)}{unit} ({_short(answer.low, digits)} to "
        f"{_short(answer.high, digits)}; {answer.level:.0%}; {counted}{sized} {answer.of})"
    )


def _unsaid(answer: Unsaid) -> str:
    return f"cannot be said: {answer.why}"


def _pc(value: float, digits: int) -> str:
    return f"{100 * value:.{digits}f} %"


def _short(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}"


def discord(one: Discord | Unsaid) -> str:
    """A McNemar table in a line."""
    if isinstance(one, Unsaid):
        return _unsaid(one)
    return (
        f"{one.this} now, {one.other} before, of {one.n}; only now {one.only_this}, only before "
        f"{one.only_other} (p = {one.p:.3g}, Holm {one.p_holm:.3g})"
    )


def clock(seconds: float) -> str:
    """Session seconds as h:mm:ss.s."""
    whole, tenths = divmod(round(seconds * 10), 10)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}.{tenths}"


def head(items: Sequence[object], most: int) -> Sequence[object]:
    return items[:most]


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": percent,
        "number": number,
        "discord": discord,
        "clock": clock,
        "head": head,
    }
    environment.tests["search_and"] = lambda value: " and " in str(value)
    environment.tests["unsaid"] = lambda value: isinstance(value, Unsaid)
    environment.tests["estimate"] = lambda value: isinstance(value, Estimate)
    source = files("proctor.evaluate").joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)
