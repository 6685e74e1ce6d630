"""All numbers of a study in one value: what the page, the JSON and the tables are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from proctor.evaluate import fairness, fairness_hours, people, resampling
from proctor.evaluate.base_rates import Predicted, predict
from proctor.evaluate.limits import cannot_say
from proctor.evaluate.people import Agreement, Study
from proctor.evaluate.primary import Primary, primary
from proctor.evaluate.secondary import Secondary, secondary
from proctor.evaluate.statistics import LEVEL, Answer, Unsaid, share
from proctor.evaluate.tallies import ALL, Person, count
from proctor.evaluate.truths import judge, kinds
from proctor.evaluate.values import ARMS, Run, Scores
from proctor.evaluate.values import Arm as ArmName

# Prevalences for which predictive values are printed, beside the one that was asked for.
PREVALENCES = (0.005, 0.01, 0.02, 0.05, 0.1)
# Seconds of a clip around a flag, and the longest clip, as in the standard preset.
AROUND_S, LONGEST_S = 8.0, 30.0


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of the study: persons, sessions, hours, and the share of persons with a flag."""

    arm: str
    persons: int
    sessions: int
    recorded_h: float
    measured_h: float
    flags: int
    flagged: Answer
    skipped: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Persons of one side whom the machine flagged, a human who looked saw something in, and both."""

    side: str
    persons: int
    machine: Answer
    human: Answer
    both: Answer


@dataclass(frozen=True, slots=True)
class Flagged:
    """One flag in the catalogue. ``judged``: right, false or open; ``cause``: a person's code or empty."""

    session: str
    person: str
    arm: str
    kind: str
    start: float
    end: float
    peak: float
    judged: str
    cause: str
    why: str


@dataclass(frozen=True, slots=True)
class Workload:
    """Minutes of a reviewer for each hour of exam: to watch every flag once, and as they were timed."""

    to_watch: Answer
    timed: Answer


@dataclass(frozen=True, slots=True)
class Slices:
    """Fairness of one measure; ``hourly`` where it is a rate an hour and not a share."""

    measure: str
    slices: tuple[fairness.Slice, ...]
    hourly: bool = False


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that a report prints."""

    run: Run
    level: float
    seed: int
    people: tuple[Person, ...]
    arms: tuple[Arm, ...]
    whole: Primary
    primary: tuple[Primary, ...]
    secondary: tuple[Secondary, ...]
    predicted: tuple[Predicted, ...]
    prevalence: float
    confusion: tuple[Confusion, ...]
    fairness: tuple[Slices, ...]
    workload: Workload
    agreement: Agreement
    flags: tuple[Flagged, ...]
    limits: tuple[str, ...]


def work_out(
    run: Run,
    scores: Scores | None,
    study: Study | None = None,
    prevalence: float = 0.02,
    level: float = LEVEL,
) -> Results:
    """Every number of a run."""
    study = study or Study()
    names = kinds(run)
    everybody = count(run, names)
    whole = primary(everybody, ALL, level)
    each = tuple(primary(everybody, kind, level) for kind in names)
    others = tuple(secondary(run.sessions, kind, scores, level) for kind in names)
    agreed = people.agree(run, study)
    chances = sorted({*PREVALENCES, prevalence})
    slices = _fairness(everybody, level)
    return Results(
        run,
        level,
        resampling.SEED,
        tuple(everybody),
        tuple(_arm(run, arm, level) for arm in ARMS if _present(run, arm)),
        whole,
        each,
        others,
        tuple(predict(whole.sensitivity, whole.hfr, chance) for chance in chances),
        prevalence,
        tuple(_confusion(everybody, study, side, level) for side in ("honest", "instructed")),
        slices,
        _workload(run, study, level),
        agreed,
        tuple(_catalogue(run, names, study)),
        tuple(
            cannot_say(run, everybody, whole, each, agreed, [s for m in slices for s in m.slices])
        ),
    )


def _present(run: Run, arm: ArmName) -> bool:
    return arm in {one.arm for one in run.sessions} | {one.arm for one in run.skipped}


def _arm(run: Run, arm: str, level: float) -> Arm:
    sessions = tuple(session for session in run.sessions if session.arm == arm)
    # Times of a person are kept by side; here they are those of the arm's own sessions.
    mine = count(replace(run, sessions=sessions), ())
    names = {session.person for session in sessions}
    flagged = {session.person for session in sessions if session.found}
    return Arm(
        arm,
        len(names),
        len(sessions),
        sum(one.kinds[ALL].recorded_h for one in mine),
        sum(one.kinds[ALL].measured_h for one in mine),
        sum(len(session.found) for session in sessions),
        share(len(flagged), len(names), f"persons of the arm {arm}", level),
        sum(one.arm == arm for one in run.skipped),
    )


def _confusion(everybody: Sequence[Person], study: Study, side: str, level: float) -> Confusion:
    mine = [person for person in everybody if person.side == side]
    reviewed = {one.session for one in study.reviews}
    seen = _seen(study)
    machine = [person.flagged() for person in mine]
    looked = [person for person in mine if reviewed & set(person.sessions)]
    human = [bool(seen & set(person.sessions)) for person in looked]
    of = f"{side} persons"
    none: Answer = Unsaid("nobody reviewed a flag of theirs", len(mine), of)
    if not mine:
        none = Unsaid(f"there are no {of}", 0, of)
    # Whom the machine did not flag no reviewer sees: they count as not seen by the two together.
    return Confusion(
        side,
        len(mine),
        share(sum(machine), len(mine), of, level),
        share(sum(human), len(looked), f"{of} reviewed", level) if looked else none,
        share(sum(human), len(mine), of, level) if looked else none,
    )


def _seen(study: Study) -> set[str]:
    """Sessions with a flag in which more than half of its reviewers saw something."""
    verdicts: dict[tuple[str, str, float], list[bool]] = {}
    for one in study.reviews:
        key = (one.session, one.kind, one.start)
        verdicts.setdefault(key, []).append(one.verdict in people.SEEN)
    return {key[0] for key, said in verdicts.items() if said.count(True) * 2 > len(said)}


def _fairness(everybody: Sequence[Person], level: float) -> tuple[Slices, ...]:
    honest = [p for p in everybody if p.side == "honest" and p.kinds[ALL].measured_h > 0]
    asked = [p for p in everybody if p.side == "instructed" and p.kinds[ALL].events > 0]
    made = []
    if any(p.groups for p in honest):
        flagged = [p.flagged() for p in honest]
        of = "honest persons"
        found = fairness.slices([p.groups for p in honest], flagged, level=level, of=of)
        made.append(Slices("honest persons flagged", tuple(found)))
    judged = [p for p in everybody if p.side == "honest" and p.kinds[ALL].judged_h > 0]
    if any(p.groups for p in judged):
        false = [p.kinds[ALL].false for p in judged]
        hours = [p.kinds[ALL].judged_h for p in judged]
        by_hour = fairness_hours.rates([p.groups for p in judged], false, hours, level)
        made.append(Slices("false flags an honest hour", tuple(by_hour), hourly=True))
    if any(p.groups for p in asked):
        missed = [p.kinds[ALL].found == 0 for p in asked]
        of = "instructed persons"
        found = fairness.slices([p.groups for p in asked], missed, level=level, of=of)
        made.append(Slices("instructed persons missed", tuple(found)))
    return tuple(made)


def _workload(run: Run, study: Study, level: float) -> Workload:
    together: dict[str, tuple[float, float]] = {}
    for session in run.sessions:
        minutes = sum(min(LONGEST_S, f.end - f.start + AROUND_S) for f in session.found) / 60
        before = together.get(session.person, (0.0, 0.0))
        together[session.person] = (before[0] + minutes, before[1] + session.duration_s / 3600)
    timed = [one for one in study.reviews if one.seconds is not None]
    spent = dict.fromkeys(together, 0.0)
    person_of = {session.id: session.person for session in run.sessions}
    for one in timed:
        if one.session in person_of:
            spent[person_of[one.session]] += (one.seconds or 0.0) / 60
    hours = [hours for _, hours in together.values()]
    return Workload(
        _minutes([minutes for minutes, _ in together.values()], hours, level),
        _minutes(list(spent.values()), hours, level)
        if timed
        else Unsaid("no review was timed", 0, "reviews"),
    )


def _minutes(minutes: Sequence[float], hours: Sequence[float], level: float) -> Answer:
    found = resampling.ratio(minutes, hours, "persons", level)
    if isinstance(found, Unsaid) and sum(hours) > 0:
        return replace(found, here=sum(minutes) / sum(hours))
    return found


def _catalogue(run: Run, names: Sequence[str], study: Study) -> list[Flagged]:
    made = []
    for session in run.sessions:
        for kind in names:
            one = judge(session, kind)
            for word, flags in (("right", one.right), ("false", one.false), ("open", one.open)):
                made += [
                    Flagged(
                        session.id,
                        session.person,
                        session.arm,
                        kind,
                        flag.start,
                        flag.end,
                        flag.peak,
                        word,
                        study.cause(session.id, kind, flag.start),
                        flag.why,
                    )
                    for flag in flags
                ]
    return sorted(made, key=lambda flag: (flag.session, flag.start, flag.kind))
