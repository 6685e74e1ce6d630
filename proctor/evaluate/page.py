"""A study as one HTML page that needs nothing else: no script, no other file, no connection."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from proctor.evaluate import base_rates, curves, plots, resampling, secondary
from proctor.evaluate.compare import Comparison, Discord
from proctor.evaluate.matching import ONSET_COLLAR_S, SEGMENT_S, TIOUS
from proctor.evaluate.preregister import Registered
from proctor.evaluate.results import Results
from proctor.evaluate.secondary import Secondary, mean_precision
from proctor.evaluate.statistics import Answer, Estimate, Unsaid, share
from proctor.evaluate.sweep import Point, Tuned
from proctor.evaluate.truths import EDGE_S

# Flags in the catalogue of the page; all of them are in flags.csv.
MOST_FLAGS = 300
# Groups in the table of the page besides the single attributes; all are in fairness.csv.
MOST_INTERSECTIONS = 40
# Keeps a number and its sign on one line.
NARROW = "\u202f"


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
        why=Reasons(),
        run=results.run,
        extras=extras,
        drawn=drawn,
        strips=plots.strips(results),
        sessions_drawn=plots.MOST_STRIPS,
        false_flags=false[:MOST_FLAGS],
        false_more=max(0, len(false) - MOST_FLAGS),
        sentences=base_rates.beside_its_own(),
        anchors=_anchors(),
        asked=next(one for one in results.predicted if one.prevalence == results.prevalence),
        mean_precision={least: mean_precision(results.secondary, least) for least in TIOUS},
        tious=TIOUS,
        collar=ONSET_COLLAR_S,
        segment=SEGMENT_S,
        edge=EDGE_S,
        draws={"shares": resampling.DRAWS, "precision": secondary.DRAWS, "curves": curves.DRAWS},
        seconds=[one for one in results.secondary if _anything(one)],
        silent=[one.kind for one in results.secondary if not _anything(one)],
        most_intersections=MOST_INTERSECTIONS,
    )


def _anything(one: Secondary) -> bool:
    return one.events.hits + one.events.missed + one.events.extra > 0


def _anchors() -> list[tuple[base_rates.Anchor, Answer | None]]:
    return [
        (
            one,
            share(one.found, one.n) if one.found is not None and one.n is not None else None,
        )
        for one in base_rates.ANCHORS
    ]


class Reasons:
    """Why numbers lack, once below each table instead of again in each cell."""

    def __init__(self) -> None:
        self.listed: list[str] = []

    def fresh(self) -> str:
        """A new table begins."""
        self.listed = []
        return ""

    def percent(self, answer: Answer, digits: int = 1) -> Markup:
        """A cell with a share: the number, and below it interval, level and n."""
        if isinstance(answer, Unsaid):
            return self._lacks(answer, lambda x: _pc(x, digits))
        return _cell(_pc(answer.value, digits), told(answer, share=True, digits=digits))

    def number(self, answer: Answer, unit: str = "") -> Markup:
        """A cell with a number of any other kind."""
        if isinstance(answer, Unsaid):
            return self._lacks(answer, lambda x: _short(x) + unit)
        return _cell(_short(answer.value) + unit, told(answer))

    def _lacks(self, answer: Unsaid, shown: Callable[[float], str]) -> Markup:
        if answer.why not in self.listed:
            self.listed.append(answer.why)
        number = self.listed.index(answer.why) + 1
        here = "–" if answer.here is None else f"{shown(answer.here)} here only"
        return Markup('<span class="none">{}<sup>{}</sup></span>').format(here, number)


def _cell(value: str, rest: str) -> Markup:
    return Markup("<b>{}</b><small>{}</small>").format(value, rest)


def told(answer: Estimate, *, share: bool = False, digits: int = 1) -> str:
    """Interval, level and what an estimate rests on."""
    if share:
        low, high = f"{100 * answer.low:.{digits}f}", _pc(answer.high, digits)
    else:
        low, high = _short(answer.low), _short(answer.high)
    n = f"{answer.n:.3g}" if "hour" in answer.of else f"{answer.n:g}"
    if answer.count is None or answer.method.startswith("bootstrap"):
        counted = f"n = {n} {answer.of}"
    elif "hour" in answer.of:
        counted = f"{answer.count:g} in {n} h"
    else:
        counted = f"{answer.count:g} of {n}"
    return f"{low} to {high}, {_level(answer)}, {counted}"


def _level(answer: Estimate) -> str:
    return f"{100 * answer.level:.0f}{NARROW}%"


def _pc(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}{NARROW}%"


def _short(value: float) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def discord(one: Discord | Unsaid) -> str:
    """A McNemar table in a line."""
    if isinstance(one, Unsaid):
        return f"cannot be said: {one.why}"
    return (
        f"{one.this} now, {one.other} before, of {one.n}; only now {one.only_this}, only before "
        f"{one.only_other} (p = {one.p:.3g}, Holm {one.p_holm:.3g})"
    )


def clock(seconds: float) -> str:
    """Session seconds as h:mm:ss.s."""
    whole, tenths = divmod(round(seconds * 10), 10)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}.{tenths}"


def hours(value: float) -> str:
    """Hours as people read them, and a few seconds of them not as none."""
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def head(items: Sequence[object], most: int) -> Sequence[object]:
    return items[:most]


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "pc": _pc,
        "short": _short,
        "told": told,
        "discord": discord,
        "clock": clock,
        "head": head,
        "hours": hours,
    }
    environment.tests["search_and"] = lambda value: " and " in str(value)
    environment.tests["unsaid"] = lambda value: isinstance(value, Unsaid)
    environment.tests["estimate"] = lambda value: isinstance(value, Estimate)
    source = files("proctor.evaluate").joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)
