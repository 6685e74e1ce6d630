"""The report of a run: ``report.html``, ``report.json`` with every count, and tables as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from proctor.evaluate import cards as model_cards
from proctor.evaluate import compare, fragment, people, preregister, sweep
from proctor.evaluate.page import Extras, page
from proctor.evaluate.plain import ANSWER, FORMAT, columns, to_json, write_csv
from proctor.evaluate.results import Results, work_out
from proctor.evaluate.statistics import Answer, Unsaid
from proctor.evaluate.tallies import Tally
from proctor.evaluate.values import Run, Scores

# Recorded hours up to which a rough operating curve is drawn without being asked for.
ROUGH_HOURS = 20.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed besides dataset and policy, read."""

    earlier: dict[str, Any] | None
    plan: preregister.Plan | None
    goal: sweep.Goal | None
    said: people.Study


def asked(
    against: Path | None,
    preregistered: Path | None,
    public: Sequence[str],
    target: str,
    study: Path | None,
) -> Asked:
    """Read an earlier run, a plan, a target and the tables of reviewers.

    Whoever scores for hours calls it before. Raises :class:`InputError` for what does not read.
    """
    return Asked(
        compare.read(against) if against else None,
        preregister.open_plan(preregistered, [_key(one) for one in public])
        if preregistered
        else None,
        sweep.goal(target) if target else None,
        people.read(study),
    )


def write(
    run: Run,
    out: Path,
    *,
    scores: Scores,
    against: Path | None = None,
    sweep: bool = False,
    target: str = "",
    preregistered: Path | None = None,
    cards: Path | bool = False,
    prevalence: float = 0.02,
    study: Path | None = None,
    public: Sequence[str] = (),
) -> list[Path]:
    """Write everything into ``out``; the files written, ``report.html`` first.

    ``study`` is the dataset's folder, where reviews.csv and causes.csv may lie. Raises
    :class:`InputError` for an earlier run, plan, target or table that does not read.
    """
    # What was typed is read before anything long is worked out.
    read = asked(against, preregistered, public, target, study)
    results = work_out(run, scores, read.said, prevalence)
    curves = _curves(results, scores, fine=sweep)
    tuned = _tuned(run, scores, read.goal, results.level)
    out.mkdir(parents=True, exist_ok=True)
    card_paths: list[Path] = []
    notes: list[str] = []
    if cards:
        where = cards if isinstance(cards, Path) else out / "cards"
        source = cards if isinstance(cards, Path) else None
        today = datetime.now(UTC).date()
        card_paths, notes = model_cards.write(results, where, today, source)
    extras = Extras(
        compare.compare(results, read.earlier, results.level) if read.earlier else None,
        curves,
        tuned,
        preregister.judge(read.plan, run, answers(results)) if read.plan else None,
        tuple(notes),
    )
    html, document = out / "report.html", out / "report.json"
    document.write_text(to_json({"format": FORMAT, "results": results, **_extra(extras)}), "utf-8")
    html.write_text(page(results, extras), encoding="utf-8")
    written = [html, document, *_tables(results, extras, out)]
    if tuned is not None and not isinstance(tuned, Unsaid):
        path = out / "thresholds.toml"
        path.write_text(fragment.text(tuned, run, document.read_bytes()), encoding="utf-8")
        written.append(path)
    return [*written, *card_paths]


def answers(results: Results) -> dict[tuple[str, str], Answer]:
    """What a plan can foretell: each measure of each kind."""
    found: dict[tuple[str, str], Answer] = {}
    for one in (results.whole, *results.primary):
        found["HFR", one.kind] = one.hfr
        found["FA/h", one.kind] = one.fa_hour
        found["Se", one.kind] = one.sensitivity
        found["not measured", one.kind] = one.not_measured
    return found


def _key(text: str) -> Ed25519PublicKey:
    import base64

    from proctor.evidence.signing import public_key

    return Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(text)))


def _tuned(
    run: Run, scores: Scores, wanted: sweep.Goal | None, level: float
) -> sweep.Tuned | Unsaid | None:
    return sweep.tune(run, scores, wanted, level) if wanted else None


def _curves(results: Results, scores: Scores, *, fine: bool) -> tuple[tuple[sweep.Point, ...], ...]:
    """Operating curves: every kind in fine steps when asked for, else roughly and where they can be drawn."""
    if not fine and results.whole.recorded_h > ROUGH_HOURS:
        return ()
    ons = sweep.steps(sweep.FINE if fine else sweep.COARSE)
    return tuple(
        tuple(sweep.points(results.run, scores, one.kind, ons, results.level))
        for one in results.primary
        if one.kind in results.run.thresholds
        and (fine or not (isinstance(one.sensitivity, Unsaid) or isinstance(one.fa_hour, Unsaid)))
    )


def _extra(extras: Extras) -> dict[str, Any]:
    return {
        "comparison": extras.comparison,
        "operating": extras.curves,
        "target": extras.tuned,
        "registered": extras.registered,
        "notes": extras.notes,
    }


def _tables(results: Results, extras: Extras, out: Path) -> Iterable[Path]:
    tally = [one.name for one in fields(Tally)]
    yield write_csv(
        out / "persons.csv",
        ["person", "side", "arms", "groups", "kind", *tally],
        (
            [
                p.id,
                p.side,
                " ".join(p.arms),
                "; ".join(f"{name}={value}" for name, value in sorted(p.groups.items())),
                kind,
                *(_cell(getattr(one, name)) for name in tally),
            ]
            for p in results.people
            for kind, one in p.kinds.items()
        ),
    )
    yield write_csv(
        out / "kinds.csv",
        ["kind", "measure", *ANSWER],
        (
            [one.kind, measure, *columns(answer)]
            for one in (results.whole, *results.primary)
            for measure, answer in (
                ("HFR", one.hfr),
                ("FA/h", one.fa_hour),
                ("FA/h, persons drawn anew", one.fa_hour_persons),
                ("Se", one.sensitivity),
                ("seconds to the first flag", one.first_s),
                ("not measured", one.not_measured),
            )
        ),
    )
    yield write_csv(
        out / "secondary.csv",
        ["kind", "measure", *ANSWER],
        (
            [one.kind, measure, *columns(answer)]
            for one in results.secondary
            for measure, answer in (
                ("event F1", one.f1),
                ("events with a flag", one.instances),
                *((f"AP at tIoU {least}", found) for least, found in one.precision.items()),
                *((f"segments found at FAR {far}", found) for far, found in one.detection.items()),
                ("EER", one.eer),
                ("FNMR at FMR 0.001", one.fnmr),
                ("AUC", one.auc),
            )
        ),
    )
    yield write_csv(
        out / "flags.csv",
        ["session", "person", "arm", "kind", "start_s", "end_s", "peak", "judged", "cause", "why"],
        (
            [
                one.session,
                one.person,
                one.arm,
                one.kind,
                f"{one.start:.1f}",
                f"{one.end:.1f}",
                one.peak,
                one.judged,
                one.cause,
                one.why,
            ]
            for one in results.flags
        ),
    )
    yield write_csv(
        out / "fairness.csv",
        ["measure", "attribute", "group", *ANSWER, "difference", "low", "high", "ratio", "low",
         "high", "p", "p_holm", "power", "needed", "verdict"],
        (
            [
                measure.measure,
                one.attribute,
                one.group,
                *columns(one.share),
                *columns(one.against.difference)[:3],
                *columns(one.against.ratio)[:3],
                _cell(one.against.p),
                _cell(one.p_holm),
                _cell(one.against.power),
                _cell(one.against.needed),
                one.verdict,
            ]
            for measure in results.fairness
            for one in measure.slices
        ),
    )  # fmt: skip
    yield write_csv(
        out / "base_rates.csv",
        ["prevalence", "measure", *ANSWER],
        (
            [one.prevalence, measure, *columns(answer)]
            for one in results.predicted
            for measure, answer in (
                ("PPV", one.ppv),
                ("NPV", one.npv),
                ("flagged of 10,000 honest", one.flagged_honest),
            )
        ),
    )
    yield write_csv(
        out / "det.csv",
        ["kind", "threshold", "false_alarm_rate", "detection_rate"],
        (
            [one.kind, *(_cell(float(x)) for x in row)]
            for one in results.secondary
            if one.curve is not None
            for row in zip(one.curve.thresholds, *one.curve.rates(), strict=True)
        ),
    )
    if extras.curves:
        yield write_csv(
            out / "operating.csv",
            ["kind", "on", "off", "false_flags", "honest_hours", "persons", "persons_found", "events",
             "events_found", *ANSWER],
            (
                [
                    one.kind,
                    one.rule.on,
                    one.rule.off,
                    one.false,
                    one.hours,
                    one.persons,
                    one.persons_found,
                    one.events,
                    one.found,
                    *columns(one.fa_hour),
                ]
                for made in extras.curves
                for one in made
            ),
        )  # fmt: skip


def _cell(value: Any) -> Any:
    """An empty cell for what there is not."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return value
