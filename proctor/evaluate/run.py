"""A dataset under a policy: what is not scored yet is scored, then the rules run over everything."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from models import registry
from policies.schema import RuleSettings
from proctor.capture import milestones
from proctor.errors import InputError, MissingError, ProctorError
from proctor.evaluate import pool
from proctor.evaluate.cache import Facts, Store
from proctor.evaluate.check import off_the_end, unit_guess
from proctor.evaluate.dataset import Dataset, Entry
from proctor.evaluate.recipe import (
    Recipe,
    agreed,
    code_version,
    detector_versions,
    libraries,
    media_digest,
    recipe_of,
)
from proctor.evaluate.rescore import CachedScores, Kept, overridden, thresholds_of
from proctor.evaluate.score import (
    Played,
    Scored,
    Task,
    facts_name,
    file_name,
    machine,
    peak_memory,
)
from proctor.evaluate.values import Run, Session, Skipped, Speed
from proctor.session.plan import Plan

KEEP_GOING = "Mend or remove it, or give --keep-going to leave it out and have it listed."


class Watcher(Protocol):
    """Hears how far a run is. Seconds are of recordings."""

    def total(self, seconds: float, recordings: int) -> None: ...

    def reached(self, session: str, seconds: float) -> None: ...

    def through(self, session: str) -> None: ...


class Quiet:
    """Hears it and says nothing."""

    def total(self, seconds: float, recordings: int) -> None:
        pass

    def reached(self, session: str, seconds: float) -> None:
        pass

    def through(self, session: str) -> None:
        pass


@dataclass(frozen=True, slots=True)
class How:
    """How a run is carried out; none of it changes what comes out."""

    workers: int = 1
    scheduler: str = ""
    keep_going: bool = False
    cache: Path | None = None


@dataclass(slots=True)
class _Work:
    """What is known while a run goes on."""

    kept: dict[str, Kept] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    media: dict[str, str] = field(default_factory=dict)
    tasks: list[tuple[float, Task]] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=dict)
    machines: set[str] = field(default_factory=set)
    oldest: float = math.inf
    cached_s: float = 0.0
    scored_s: float = 0.0
    cpu_s: float = 0.0
    peak: int = 0


def default_cache() -> Path:
    """Where scores are kept unless another folder is named."""
    return registry.cache_dir() / "scores"


def evaluate(
    dataset: Dataset, plan: Plan, how: How, watcher: Watcher | None = None
) -> tuple[Run, CachedScores]:
    """Score what is not in the cache, run the policy's rules over all of it, and say what was found.

    What was computed is kept as soon as it is there, so the same call after an interruption goes on.
    Raises :class:`InputError` for the first recording that cannot be scored, unless ``how.keep_going``.
    """
    began, wall = datetime.now(UTC), time.perf_counter()
    watcher = watcher or Quiet()
    plan = agreed(plan)
    if not plan.choices:
        raise MissingError(
            f"Nothing can be measured under the policy '{plan.policy.id}': "
            + " ".join(absent.sentence() for absent in plan.not_measured)
        )
    rules = {entry.id: overridden(plan.rules, entry.overrides) for entry in dataset.entries}
    recipe = recipe_of(plan)
    store = Store(how.cache or default_cache())
    work = _Work()
    for entry in dataset.entries:
        _look(entry, store, recipe, how, work)
    store.remember()
    _score(store, how, work, watcher)
    problems = _labels(dataset, work, how)
    kinds = {kind.name: kind for kind in plan.kinds}
    absent = {kind: a.why for a in plan.not_measured for kind in a.kinds}
    scores = CachedScores(store, recipe, kinds, absent, work.kept)
    ruling = time.perf_counter()
    sessions = tuple(
        _session(entry, scores, rules[entry.id], work)
        for entry in dataset.entries
        if entry.id in work.kept
    )
    ended = time.perf_counter()
    if work.oldest < began.timestamp():
        # Whoever kept scores may have looked at them: that is when this study began.
        began = datetime.fromtimestamp(work.oldest, UTC)
    speed = Speed(
        work.scored_s,
        work.cached_s,
        ended - wall,
        work.cpu_s,
        ended - ruling,
        how.workers,
        max(work.peak, peak_memory()),
    )
    run = Run(
        dataset=dataset.folder.name,
        dataset_sha256=dataset.sha256,
        policy_id=plan.policy.id,
        policy_sha256=plan.policy_sha256,
        sessions=sessions,
        skipped=tuple(
            Skipped(e.id, e.person, e.arm, work.skipped[e.id])
            for e in dataset.entries
            if e.id in work.skipped
        ),
        thresholds={kind: thresholds_of(rule) for kind, rule in plan.rules.items()},
        titles={kind.name: kind.title for kind in plan.kinds},
        models=plan.model_digests(),
        detectors=detector_versions(plan),
        not_measured=tuple(a.sentence() for a in plan.not_measured),
        code_version=code_version(),
        machine={"computers": "; ".join(sorted(work.machines or {machine()})), **libraries()},
        speed=speed,
        began=began.isoformat(timespec="seconds"),
        problems=(*dataset.notes, *problems),
    )
    return run, scores


def _look(entry: Entry, store: Store, recipe: Recipe, how: How, work: _Work) -> None:
    """Find out what is missing of one session's scores."""
    try:
        # What an exam page told lies beside a recording, and detectors answer to it.
        beside = (milestones.sidecar(path) for path in entry.files)
        files = [*entry.files, *(path for path in beside if path.is_file())]
        digest = media_digest(files, {path: store.sha256(path) for path in files})
        facts = store.facts(digest, facts_name(recipe))
        if facts is None:
            played = Played(entry.media, entry.sound)
            has, length = (played.has_video, played.has_audio), played.duration or 0.0
        else:
            has, length = (facts.has_video, facts.has_audio), facts.end_s
            work.oldest = min(work.oldest, store.kept_at(digest, facts_name(recipe)))
    except (OSError, ProctorError) as error:
        name = entry.media.name
        why = (
            f"{name} cannot be read ({error.strerror})."
            if isinstance(error, OSError)
            else str(error)
        )
        _broken(entry.id, why, how, work)
        return
    work.media[entry.id] = digest
    lanes = {
        part.lane
        for part in recipe.parts
        if has[part.takes == "audio"] and not store.path(digest, file_name(part)).is_file()
    }
    if facts is not None and not lanes:
        work.kept[entry.id] = Kept(digest, facts)
        work.cached_s += facts.end_s
        return
    wanted = tuple(part.plugin for part in recipe.parts if part.lane in lanes)
    sound = str(entry.sound.resolve()) if entry.sound else ""
    task = Task(entry.id, str(entry.media.resolve()), sound, recipe, wanted, facts is None)
    work.tasks.append((length, task))


def _score(store: Store, how: How, work: _Work, watcher: Watcher) -> None:
    # Two sessions of one recording are scored once.
    first: dict[str, str] = {}
    tasks: list[Task] = []
    # Longest first: no worker is left alone with an hour when the others are through.
    for _, task in sorted(work.tasks, key=lambda pair: -pair[0]):
        if first.setdefault(work.media[task.session], task.session) == task.session:
            tasks.append(task)
    by_session = {task.session: task for task in tasks}
    watcher.total(sum(length for length, t in work.tasks if t.session in by_session), len(tasks))
    for scored in _outcomes(tasks, how, watcher):
        watcher.through(scored.session)
        media = work.media[scored.session]
        same = [t.session for _, t in work.tasks if work.media[t.session] == media]
        if not scored.failed:
            store.put(media, scored.files)
            work.scored_s += scored.seconds
            work.cpu_s += scored.cpu_s
            work.peak = max(work.peak, scored.peak_memory)
            work.machines.add(scored.machine)
        failed = scored.failed or " ".join(scored.lost)
        task = by_session[scored.session]
        facts = store.facts(media, facts_name(task.recipe))
        for session in same:
            if failed or facts is None:
                _broken(session, failed, how, work)
            else:
                work.kept[session] = Kept(media, facts)


def _outcomes(tasks: Sequence[Task], how: How, watcher: Watcher) -> Iterator[Scored]:
    if how.scheduler and tasks:
        return pool.cluster(tasks, how.scheduler)
    if (how.workers > 1 and len(tasks) > 1) or len(tasks) > pool.EACH:
        return pool.processes(tasks, min(how.workers, len(tasks)), watcher.reached)
    return pool.here(tasks, watcher.reached)


def _broken(session: str, why: str, how: How, work: _Work) -> None:
    if not how.keep_going:
        raise InputError(f"The session '{session}' cannot be scored: {why} {KEEP_GOING}")
    work.skipped[session] = why


def _labels(dataset: Dataset, work: _Work, how: How) -> list[str]:
    """What does not fit between labels and recordings; a wrong unit stops the run."""
    ends = {session: kept.facts.end_s for session, kept in work.kept.items()}
    entries = [entry for entry in dataset.entries if entry.id in ends]
    guess = unit_guess(entries, ends)
    if guess and not how.keep_going:
        raise InputError(f"{guess}. `proctor dataset check` shows them; mend the times.")
    for entry in entries:
        work.problems[entry.id] = [str(fault.what) for fault in off_the_end(entry, ends[entry.id])]
    return [f"{guess}."] if guess else []


def _session(
    entry: Entry, scores: CachedScores, rules: dict[str, RuleSettings | None], work: _Work
) -> Session:
    facts: Facts = work.kept[entry.id].facts
    found, unmeasured = scores.outcome(entry.id, rules)
    problems = (*facts.problems, *scores.lost(entry.id), *work.problems.get(entry.id, ()))
    return Session(
        entry.id,
        entry.person,
        entry.arm,
        entry.media.name,
        entry.groups,
        facts.end_s,
        entry.truth,
        found,
        unmeasured,
        facts.frames,
        facts.audio_s,
        problems,
        entry.labelled,
        entry.split,
        work.kept[entry.id].media,
        entry.overrides,
    )
