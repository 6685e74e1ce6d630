"""A made study whose every number is known: persons, labels, scores, and the agent's own rules over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from policies.schema import RuleSettings
from proctor.evaluate.values import (
    Arm,
    Found,
    Run,
    Series,
    Session,
    Span,
    Speed,
    Thresholds,
    TruthEvent,
)
from proctor.pipeline.detector import Kind
from proctor.pipeline.rules import Rule
from proctor.types import Observation

PHONE, GAZE, DIM = "object.phone", "gaze.away", "light.dim"
RULES = {
    PHONE: Thresholds(0.5, 0.3, 1.5, 2.0, 5.0, 2.0),
    GAZE: Thresholds(0.6, 0.4, 4.0, 0.7, 5.0, 2.0),
    DIM: Thresholds(0.6, 0.4, 3.0, 2.0, 10.0, 2.0),
}
STEP_S = 1.0


class MadeScores:
    """Scores in memory, and the agent's own rule over them."""

    def __init__(self, series: Mapping[tuple[str, str], Series]) -> None:
        self._series = series
        self._known: dict[tuple[str, str, Thresholds], tuple[Found, ...]] = {}

    def series(self, session: str, kind: str) -> Series | None:
        return self._series.get((session, kind))

    def flags(self, session: str, kind: str, rule: Thresholds) -> tuple[Found, ...]:
        made = self.series(session, kind)
        if made is None:
            return ()
        key = (session, kind, rule)
        if key not in self._known:
            self._known[key] = self._flags(made, rule)
        return self._known[key]

    def _flags(self, made: Series, rule: Thresholds) -> tuple[Found, ...]:
        session, kind = made.session, made.kind
        machine = Rule(Kind(kind, kind, "{seconds} s"), RuleSettings(**asdict(rule)))
        machine.begin(0.0)
        raised: dict[str, float] = {}
        closed = []
        for t, score in zip(made.times, made.scores, strict=True):
            known = None if np.isnan(score) else float(score)
            for event in machine.feed(Observation(float(t), kind, known, "made")):
                if event.what == "opened":
                    raised[event.flag.id] = event.t
                else:
                    closed.append(event.flag)
        closed += [e.flag for e in machine.finish(made.duration_s) if e.what == "closed"]
        return tuple(
            Found(session, kind, f.start, f.end or f.start, f.peak, f.rule, raised[f.id], f.why)
            for f in closed
        )


def scores_of(
    session: str,
    kind: str,
    duration: float,
    humps: Sequence[tuple[float, float, float]],
    rest: float,
) -> Series:
    """A score of ``rest`` throughout, and of ``height`` from each ``start`` to ``end``."""
    times = np.arange(0.0, duration, STEP_S)
    scores = np.full(len(times), rest)
    for start, end, height in humps:
        scores[(times >= start) & (times < end)] = height
    return Series(session, kind, times, scores, np.ones(len(times)), duration)


def study(
    honest: int = 40,
    instructed: int = 30,
    seed: int = 1,
    duration: float = 240.0,
    thresholds: Mapping[str, Thresholds] = RULES,
) -> tuple[Run, MadeScores]:
    """Honest persons, some of whom hold a wallet (phone scores of 0.4 to 0.8), and instructed ones who hold
    a phone for 20 s and look away for 8 s; one in five is seen badly. Light is never labelled or low.
    """
    rng = np.random.default_rng(seed)
    series: dict[tuple[str, str], Series] = {}
    sessions = []
    for number in range(honest + instructed):
        acts = number >= honest
        name = f"{'acts' if acts else 'calm'}-{number:03d}"
        humps: dict[str, list[tuple[float, float, float]]] = {PHONE: [], GAZE: [], DIM: []}
        truth = []
        if acts:
            seen = 0.45 if number % 5 == 0 else 0.9
            humps[PHONE] = [(100.0, 120.0, seen)]
            humps[GAZE] = [(180.0, 188.0, 0.8)]
            truth = [
                TruthEvent(name, 100.0, 120.0, PHONE, "A"),
                TruthEvent(name, 180.0, 188.0, GAZE, "A"),
            ]
        else:
            for k in range(min(6, int(rng.poisson(rng.gamma(1.0, 0.6))))):
                start = 20.0 + 30.0 * k
                humps[PHONE].append((start, start + 6.0, float(rng.uniform(0.4, 0.8))))
        for kind, own in humps.items():
            series[name, kind] = scores_of(name, kind, duration, own, float(rng.uniform(0, 0.2)))
        arm: Arm = "instructed" if acts else "nervous" if number % 4 == 0 else "honest"
        sessions.append(
            Session(
                name,
                f"person {number:03d}",
                arm,
                f"{name}.mp4",
                groups={
                    "glasses": "yes" if number % 3 == 0 else "no",
                    "skin_tone": str(number % 4 + 1),
                },
                duration_s=duration,
                truth=tuple(truth),
                unmeasured={
                    PHONE: (),
                    GAZE: (Span(200.0, 224.0, "no face in view"),) if number % 2 else (),
                    DIM: (Span(0.0, 10.0, "starting"),),
                },
                frames=int(duration * 10),
            )
        )
    scores = MadeScores(series)
    return with_flags(run_of(sessions, thresholds), scores), scores


def run_of(sessions: Sequence[Session], thresholds: Mapping[str, Thresholds] = RULES) -> Run:
    """A run of some sessions, as it stands before any flag."""
    return Run(
        dataset="made study",
        dataset_sha256="d" * 64,
        policy_id="standard",
        policy_sha256="p" * 64,
        sessions=tuple(sessions),
        skipped=(),
        thresholds=dict(thresholds),
        titles={PHONE: "Phone", GAZE: "Looks away", DIM: "Dim light"},
        models={"yolo11n": "a" * 64},
        detectors={"objects": "b" * 16},
        not_measured=(),
        code_version="0.1.0",
        machine={"processor": "made"},
        speed=Speed(0.0, 1.0, 1.0, 1.0, 0.1, 1, 10**8),
        began="2026-11-22T10:00:00+00:00",
    )


def with_flags(run: Run, scores: MadeScores) -> Run:
    """The run with what the rules flag."""
    from dataclasses import replace

    return replace(
        run,
        sessions=tuple(
            replace(
                session,
                found=tuple(
                    flag
                    for kind, rule in run.thresholds.items()
                    for flag in scores.flags(session.id, kind, rule)
                ),
            )
            for session in run.sessions
        ),
    )
