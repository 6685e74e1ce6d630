"""What a study cannot say, worked out from what it lacks: the list that ends every report."""

from __future__ import annotations

from collections.abc import Sequence

from proctor.evaluate.agreement import LEAST_ALPHA
from proctor.evaluate.base_rates import clean_hours_for
from proctor.evaluate.fairness import LEAST_GROUP, Slice
from proctor.evaluate.people import Agreement
from proctor.evaluate.primary import Primary
from proctor.evaluate.resampling import LEAST_PERSONS
from proctor.evaluate.statistics import Estimate, Unsaid, at_most_when_none
from proctor.evaluate.tallies import ALL, Person
from proctor.evaluate.values import Run

# The rate below which at most 1 % of honest students are flagged in two hours.
LOW_RATE = 0.005


def cannot_say(
    run: Run,
    people: Sequence[Person],
    whole: Primary,
    kinds: Sequence[Primary],
    agreement: Agreement,
    slices: Sequence[Slice],
) -> list[str]:
    """Sentences, the weightiest first."""
    said = [
        "A flag is a question to a person. Nothing here says that anybody did, or did not do, anything.",
        *_arms(people),
        *_rates(whole),
        *_kinds(run, people, kinds),
        *_truth(run, agreement),
        *_groups(people, slices),
    ]
    if run.skipped:
        said.append(
            f"{len(run.skipped)} of {len(run.sessions) + len(run.skipped)} recordings were left out. If "
            "they broke because of what is on them, the numbers are too good."
        )
    said.append(
        "People who were asked to act, and who know that they are recorded, act otherwise than students "
        "in an exam; other cameras, rooms and exams give other numbers."
    )
    return said


def _arms(people: Sequence[Person]) -> list[str]:
    said = []
    names = {person.id for person in people}
    honest = [p for p in people if p.side == "honest"]
    asked = [p for p in people if p.side == "instructed"]
    if len(names) == 1:
        said.append(
            "There is one person only: whatever is seen may be that person's own way, and no interval "
            "over persons can be given."
        )
    elif len(names) < LEAST_PERSONS:
        said.append(
            f"With {len(names)} persons, what is counted more than once a person has no interval "
            f"(it takes {LEAST_PERSONS})."
        )
    if not honest:
        said.append(
            "There is no honest arm: how many honest students would be flagged, and every predictive "
            "value, cannot be said."
        )
    if not asked:
        said.append("There is no instructed arm: what the system misses cannot be said.")
    elif not any(p.kinds[ALL].events for p in asked):
        said.append(
            "No event is labelled in the instructed arm: what the system misses cannot be said."
        )
    if any(p.side == "unknown" for p in people):
        n = sum(p.side == "unknown" for p in people)
        said.append(
            f"Of {n} persons nothing is known (arm unknown): their flags are neither right nor false."
        )
    return said


def _rates(whole: Primary) -> list[str]:
    said = []
    if isinstance(whole.hfr, Estimate) and whole.hfr.count == 0:
        n = int(whole.hfr.n)
        said.append(
            f"No honest person was flagged. That does not make the share zero: with {n} persons it may "
            f"be up to {at_most_when_none(n):.1%} (rule of three)."
        )
    if isinstance(whole.fa_hour, Estimate):
        hours = whole.fa_hour.n
        if whole.fa_hour.count == 0:
            said.append(
                f"No false flag in {hours:.1f} honest hours: the rate may be up to "
                f"{at_most_when_none(hours):.3g} an hour (rule of three)."
            )
        if hours < clean_hours_for(LOW_RATE):
            said.append(
                f"{hours:.1f} honest hours are too few to show at most {LOW_RATE} false flags an hour; "
                f"that takes {clean_hours_for(LOW_RATE):.0f} without a single one."
            )
    if whole.clumped is not None and whole.clumped > 1.5:
        said.append(
            f"False flags come in clumps (variance over mean {whole.clumped:.1f}): the exact Poisson "
            "interval is too narrow here; trust the one from persons."
        )
    return said


def _kinds(run: Run, people: Sequence[Person], kinds: Sequence[Primary]) -> list[str]:
    said = []
    unruled = [one.kind for one in kinds if one.kind not in run.thresholds]
    if unruled:
        said.append(
            f"The policy has no rule for {_list(unruled)}; labels of that kind count nowhere."
        )
    never = [
        one.kind
        for one in kinds
        if one.kind in run.thresholds and not any(p.kinds[one.kind].measured_h > 0 for p in people)
    ]
    if never:
        said.append(f"Never measured in any recording: {_list(never)}.")
    without = [
        one.kind
        for one in kinds
        if one.kind in run.thresholds
        and one.kind not in never
        and not any(p.side == "instructed" and p.kinds[one.kind].events for p in people)
    ]
    if without:
        said.append(f"Nobody was asked to do what {_list(without)} looks for: misses are unknown.")
    said += [
        f"{one.kind}: {one.never_measured} instructed persons were never measured; they count as missed."
        for one in kinds
        if one.never_measured
    ]
    said += list(run.not_measured)
    return said


def _truth(run: Run, agreement: Agreement) -> list[str]:
    said = []
    annotators = agreement.annotators
    if isinstance(annotators, Estimate) and annotators.value < LEAST_ALPHA:
        said.append(
            f"Annotators disagree (alpha {annotators.value:.2f}, below {LEAST_ALPHA}): every number that "
            "rests on labels depends on whose labels one takes."
        )
    elif (
        isinstance(annotators, Unsaid)
        and annotators.here is not None
        and annotators.here < LEAST_ALPHA
    ):
        said.append(
            f"Annotators disagree (alpha {annotators.here:.2f} here, below {LEAST_ALPHA}): every number "
            "that rests on labels depends on whose labels one takes."
        )
    elif isinstance(annotators, Unsaid) and annotators.n:
        said.append(f"How far annotators agree cannot be said, because {annotators.why}.")
    doubtful = sum(not event.certain for session in run.sessions for event in session.truth)
    if doubtful:
        said.append(
            f"{doubtful} labels are marked as doubtful: flags there are neither right nor false."
        )
    if isinstance(agreement.reviewers, Unsaid):
        said.append(f"Whether reviewers agree cannot be said, because {agreement.reviewers.why}.")
    return said


def _groups(people: Sequence[Person], slices: Sequence[Slice]) -> list[str]:
    if not any(person.groups for person in people):
        return [
            "Nobody stated a group (skin tone, sex, glasses, disability …): for whom it is worse cannot be "
            "said."
        ]
    small = [
        one for one in slices if one.verdict.startswith("too few") or ": too few" in one.verdict
    ]
    if not small:
        return []
    return [
        f"{len(small)} of {len(slices)} groups and intersections are too few to say anything about "
        f"(fewer than {LEAST_GROUP} persons, or less than a fair chance of seeing twice as much)."
    ]


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
