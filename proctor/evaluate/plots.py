"""Plots of a report as SVG: readable without colour (shapes, line styles), on paper, and offline.

Colours are those of Okabe & Ito (2008), told apart with every common colour blindness.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from proctor.evaluate.base_rates import ppv
from proctor.evaluate.calibration import Reliability
from proctor.evaluate.fairness import LEAST_GROUP
from proctor.evaluate.results import Results
from proctor.evaluate.secondary import Secondary
from proctor.evaluate.statistics import Estimate
from proctor.evaluate.sweep import Point
from proctor.evaluate.tallies import ALL
from proctor.evaluate.truths import agreed
from proctor.evaluate.values import Session

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "osD^vPX*"
LINES = ("-", "--", "-.", ":")
# Kinds in one plot; more could not be told apart.
MOST_KINDS = 8
# Strips of sessions on the page; all flags are in flags.csv.
MOST_STRIPS = 40
WIDTH = 7.2


def svg(figure: Figure) -> str:
    """The figure as an ``<svg>`` element, the same bytes for the same numbers."""
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "proctor"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    made = text.getvalue()
    return made[made.index("<svg") :]


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(visible=True, color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _style(number: int) -> dict[str, Any]:
    return {
        "color": OKABE_ITO[number % len(OKABE_ITO)],
        "linestyle": LINES[number % len(LINES)],
        "marker": MARKS[number % len(MARKS)],
        "markersize": 4.5,
    }


def det(made: Sequence[Secondary]) -> str | None:
    """Misses against false alarms of segments on normal deviates (DET, Martin et al. 1997)."""
    usable = [
        one
        for one in made
        if one.curve is not None and one.curve.positives.sum() and one.curve.negatives.sum()
    ]
    usable.sort(key=lambda one: -int(one.curve.positives.sum()) if one.curve else 0)
    if not usable:
        return None
    from scipy.stats import norm

    figure, axes = _figure(4.6)
    least = 0.0005
    for number, one in enumerate(usable[:MOST_KINDS]):
        if one.curve is None:
            continue
        false, hits = one.curve.rates()
        x = norm.ppf(np.clip(false, least, 1 - least))
        y = norm.ppf(np.clip(1 - hits, least, 1 - least))
        axes.plot(
            x,
            y,
            drawstyle="steps-post",
            markevery=max(1, len(x) // 8),
            label=f"{one.kind} ({int(one.curve.positives.sum())} / {int(one.curve.negatives.sum())})",
            **_style(number),
        )
    ticks = [0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(norm.ppf(ticks), [f"{100 * t:g} %" for t in ticks])
    ends = norm.ppf([least, 0.99])
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.plot(ends, ends, color="#999999", linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set_xlabel("false alarms: segments without an event at or above the threshold")
    axes.set_ylabel("misses")
    axes.legend(fontsize=8, title="kind (segments with / without)", title_fontsize=8)
    return svg(figure)


def operating(curves: Sequence[Sequence[Point]], results: Results) -> str | None:
    """False flags an hour against sensitivity; a large ring is where the policy stands."""
    usable = [made for made in curves if made and made[0].hours and made[0].persons]
    usable.sort(key=lambda made: -made[0].events)
    if not usable:
        return None
    figure, axes = _figure(4.2)
    here = {one.kind: one for one in results.primary}
    for number, made in enumerate(usable[:MOST_KINDS]):
        style = _style(number)
        axes.plot(
            [p.fa_hour.value for p in made if isinstance(p.fa_hour, Estimate)],
            [p.sensitivity for p in made],
            label=f"{made[0].kind} ({made[0].persons} persons, {made[0].hours:.3g} h)",
            **style,
        )
        policy = here[made[0].kind]
        if isinstance(policy.fa_hour, Estimate) and isinstance(policy.sensitivity, Estimate):
            axes.plot(
                policy.fa_hour.value,
                policy.sensitivity.value,
                "o",
                markersize=13,
                markerfacecolor="none",
                markeredgecolor=style["color"],
                markeredgewidth=2,
            )
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xlim(left=-0.01)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("false flags an honest hour (linear below 0.1)")
    axes.set_ylabel("instructed persons found")
    axes.legend(fontsize=8, title="ring: the policy's threshold", title_fontsize=8)
    return svg(figure)


def per_person(results: Results) -> str | None:
    """False flags an hour of every honest person, from the most to the least."""
    honest = [
        p.kinds[ALL]
        for p in results.people
        if p.side == "honest" and p.kinds[ALL].covered and p.kinds[ALL].judged_h > 0
    ]
    if not any(one.false for one in honest):
        return None
    rates = sorted((one.false / one.judged_h for one in honest), reverse=True)
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(2.8)
    at = np.arange(1, len(rates) + 1)
    axes.bar(at, rates, color=OKABE_ITO[5], edgecolor="#333333", linewidth=0.4, width=0.8)
    whole = results.whole.fa_hour
    if isinstance(whole, Estimate):
        axes.axhline(whole.value, color=OKABE_ITO[1], linestyle="--", linewidth=1.4)
        axes.text(
            len(rates) + 0.5, whole.value, "all together ", ha="right", va="bottom", fontsize=8
        )
    axes.set_xlim(0.4, len(rates) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"honest persons, from the most to the least (n = {len(rates)})")
    axes.set_ylabel("false flags an hour")
    return svg(figure)


def reliability(made: Sequence[Secondary]) -> str | None:
    """The share of segments with an event against what their scores say, 95 % where it can be given."""
    usable = [
        (one.kind, one.reliability) for one in made if isinstance(one.reliability, Reliability)
    ]
    usable.sort(key=lambda one: -sum(b.positives for b in one[1].bins))
    if not usable:
        return None
    figure, axes = _figure(4.0)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=(0, (1, 3)))
    for number, (kind, found) in enumerate(usable[:MOST_KINDS]):
        x = [one.mean for one in found.bins]
        y = [one.positives / one.segments for one in found.bins]
        low = [
            y[i] - b.share.low if isinstance(b.share, Estimate) else 0.0
            for i, b in enumerate(found.bins)
        ]
        high = [
            min(1.0, b.share.high) - y[i] if isinstance(b.share, Estimate) else 0.0
            for i, b in enumerate(found.bins)
        ]
        n = sum(one.segments for one in found.bins)
        axes.errorbar(
            x,
            y,
            yerr=[np.maximum(low, 0), np.maximum(high, 0)],
            capsize=2,
            linewidth=1.2,
            label=f"{kind} ({n} segments)",
            **_style(number),
        )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("score of a segment")
    axes.set_ylabel("segments with an event")
    axes.legend(fontsize=8)
    return svg(figure)


def prevalence(results: Results) -> str | None:
    """Of those flagged, who did something, against how many do; the band takes both intervals' ends."""
    se, hfr = results.whole.sensitivity, results.whole.hfr
    if not (isinstance(se, Estimate) and isinstance(hfr, Estimate)):
        return None
    figure, axes = _figure(3.2)
    x = np.geomspace(0.001, 0.5, 120)
    middle = [ppv(se.value, hfr.value, p) for p in x]
    low = [ppv(se.low, hfr.high, p) for p in x]
    high = [1.0 if hfr.low == 0 else ppv(se.high, hfr.low, p) for p in x]
    axes.fill_between(x, np.nan_to_num(low), high, color=OKABE_ITO[5], alpha=0.35, linewidth=0)
    axes.plot(x, middle, color=OKABE_ITO[0], linewidth=2, label="this study")
    axes.plot(
        x,
        [ppv(0.87, 0.01, p) for p in x],
        color=OKABE_ITO[1],
        linestyle="--",
        label="sensitivity 0.87, 1 % of the honest flagged",
    )
    axes.axvline(results.prevalence, color="#555555", linestyle=":", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_xticks(
        [0.001, 0.01, 0.02, 0.05, 0.1, 0.5], ["0.1 %", "1 %", "2 %", "5 %", "10 %", "50 %"]
    )
    axes.minorticks_off()
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("share of students who do something (dotted: the one asked for)")
    axes.set_ylabel("of those flagged, did")
    axes.legend(fontsize=8)
    return svg(figure)


def forest(results: Results, number: int = 0) -> str | None:
    """Every group's share with its interval; groups too small to say anything are hollow."""
    if number >= len(results.fairness):
        return None
    measure = results.fairness[number]
    rows = [
        (one.attribute, one.group, one.share, one.verdict)
        for one in measure.slices
        if isinstance(one.share, Estimate) and " and " not in one.attribute
    ]
    if not rows:
        return None
    figure, axes = _figure(0.9 + 0.27 * len(rows))
    for place, (_, _, answer, verdict) in enumerate(reversed(rows)):
        few = "too few" in verdict or ("hour" not in answer.of and answer.n < LEAST_GROUP)
        axes.plot([answer.low, answer.high], [place, place], color="#555555", linewidth=1.4)
        axes.plot(
            answer.value,
            place,
            "o" if few else "s",
            markersize=6,
            color=OKABE_ITO[0],
            markerfacecolor="white" if few else OKABE_ITO[0],
        )
    axes.set_yticks(
        range(len(rows)),
        [
            f"{a}: {g} ({s.n:.3g} h)" if "hour" in s.of else f"{a}: {g} (n = {int(s.n)})"
            for a, g, s, _ in reversed(rows)
        ],
        fontsize=8,
    )
    axes.set_ylim(-0.6, len(rows) - 0.4)
    if measure.hourly:
        axes.set_xlim(left=0)
    else:
        axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(f"{measure.measure}, 95 % (hollow: too few to say)")
    return svg(figure)


def strip(session: Session, kinds: Sequence[str]) -> str:
    """One session's time: hatched what was not measured, a bar below what was labelled, a triangle and
    bar above for each flag."""
    shown = [
        kind
        for kind in kinds
        if any(f.kind == kind for f in session.found) or any(e.kind == kind for e in session.truth)
    ]
    rows = max(1, len(shown))
    figure, axes = _figure(0.62 + 0.24 * rows)
    axes.grid(visible=False)
    minutes = session.duration_s > 180
    unit = 60.0 if minutes else 1.0
    for place, kind in enumerate(reversed(shown)):
        for span in session.unmeasured.get(kind, ()):
            axes.barh(
                place,
                (span.end - span.start) / unit,
                left=span.start / unit,
                height=0.8,
                color="white",
                edgecolor="#999999",
                hatch="////",
                linewidth=0,
            )
        truth = agreed(session, kind)
        for start, end in truth.events:
            axes.barh(
                place - 0.2,
                (end - start) / unit,
                left=start / unit,
                height=0.34,
                color=OKABE_ITO[2],
            )
        for start, end in truth.doubtful:
            axes.barh(
                place - 0.2, (end - start) / unit, left=start / unit, height=0.34, color="white",
                edgecolor=OKABE_ITO[2], linestyle="--",
            )  # fmt: skip
        for flag in (f for f in session.found if f.kind == kind):
            axes.barh(
                place + 0.2,
                max(flag.end - flag.start, 0.0) / unit,
                left=flag.start / unit,
                height=0.26,
                color=OKABE_ITO[1],
            )
            axes.plot(flag.start / unit, place + 0.2, ">", color=OKABE_ITO[1], markersize=5)
    axes.set_yticks(range(len(shown)), list(reversed(shown)), fontsize=7)
    axes.set_ylim(-0.6, rows - 0.4)
    axes.set_xlim(0, max(session.duration_s, 1e-3) / unit)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("minutes" if minutes else "seconds", fontsize=7)
    return svg(figure)


def strips(results: Results) -> list[tuple[Session, str]]:
    """Strips of sessions with a flag or an event, those with most flags first, at most :data:`MOST_STRIPS`."""
    kinds = [one.kind for one in results.primary]
    chosen = [s for s in results.run.sessions if s.found or s.truth]
    chosen.sort(key=lambda s: (-len(s.found), s.id))
    return [(session, strip(session, kinds)) for session in chosen[:MOST_STRIPS]]
