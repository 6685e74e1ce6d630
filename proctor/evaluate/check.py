"""``proctor dataset check``: what a dataset cannot be evaluated with, and what would make a report say less."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from proctor.errors import InputError
from proctor.evaluate.dataset import SESSIONS, TRUTH, Dataset, Entry, Fault
from proctor.evaluate.score import Played
from proctor.evaluate.values import HONEST_ARMS, TruthEvent

# A label may end this much after the recording: headers round, and so do people.
SLACK_S = 0.5
# With fewer persons in a group no difference can be told: at 20 honest persons without a flag the upper limit of
# Clopper and Pearson is 17 %.
FEW = 20
# Events that lie within a recording when their times are divided by one of these were in that unit.
# The smaller one first: whatever fits as frames would fit as milliseconds, too.
UNITS = (("frames (at 25 to 30 a second)", 27.0), ("milliseconds", 1000.0))
# A file of which less than this lies between two labels of one annotator and kind is one act in two lines.
TOUCH_S = 0.05


@dataclass(frozen=True, slots=True)
class Checked:
    """``faults`` make an evaluation wrong; ``remarks`` make it say less. ``seconds`` are of all recordings."""

    faults: tuple[Fault, ...]
    remarks: tuple[Fault, ...]
    seconds: float
    persons: int


def check(dataset: Dataset, known: Collection[str]) -> Checked:
    """Look at every label and at the header of every recording.

    ``known`` are the kinds that installed detectors declare.
    """
    faults = list(dataset.faults)
    ends: dict[str, float] = {}
    for entry in dataset.entries:
        try:
            length = Played(entry.media, entry.sound).duration
        except InputError as error:
            faults.append(
                Fault(SESSIONS, entry.line, f"session '{entry.id}': {str(error).rstrip('.')}")
            )
            continue
        if length is not None:
            ends[entry.id] = length
    present = [entry for entry in dataset.entries if entry.id in ends]
    guess = unit_guess(present, ends)
    if guess:
        faults.append(Fault(TRUTH, 0, guess))
    else:
        faults += [fault for entry in present for fault in off_the_end(entry, ends[entry.id])]
    faults += _splits(dataset.entries)
    remarks = [*_events(dataset.entries, known), *_arms(dataset.entries), *_groups(dataset.entries)]
    remarks += _same_media(dataset.entries)
    persons = len({entry.person for entry in dataset.entries})
    told = (_there(faults, dataset), _there(remarks, dataset))
    return Checked(*told, sum(ends.values()), persons)


def _there(found: Iterable[Fault], dataset: Dataset) -> tuple[Fault, ...]:
    """Datasets of others have no table of ours that one could look into."""
    if dataset.layout == "own":
        return tuple(found)
    return tuple(
        replace(one, file="", line=0) if one.file in (SESSIONS, TRUTH) else one for one in found
    )


def off_the_end(entry: Entry, end: float) -> list[Fault]:
    """Labels that end after the recording does."""
    return [
        Fault(
            TRUTH,
            0,
            f"session '{entry.id}': {event.kind} at {event.start:g}-{event.end:g} s ends after the "
            f"recording does ({end:.1f} s)",
        )
        for event in entry.truth
        if event.end > end + SLACK_S
    ]


def unit_guess(entries: Iterable[Entry], ends: Mapping[str, float]) -> str:
    """Words where most labels lie after their recordings' ends, as if they were not in seconds."""
    told = [(event, ends[entry.id]) for entry in entries for event in entry.truth]
    off = [(event, end) for event, end in told if event.start > end + SLACK_S]
    if len(off) * 2 <= len(told):
        return ""
    for name, factor in UNITS:
        fits = sum(event.end / factor <= end + SLACK_S for event, end in told)
        if fits == len(told):
            return (
                f"{len(off)} of {len(told)} labels begin after their recording's end; they look like "
                f"{name}, and must be seconds"
            )
    return (
        f"{len(off)} of {len(told)} labels begin after their recording's end: they belong to other "
        f"recordings, or are not in seconds"
    )


def _splits(entries: Sequence[Entry]) -> list[Fault]:
    splits: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        splits[entry.person].add(entry.split)
    return [
        Fault(
            SESSIONS,
            0,
            f"the person '{person}' is in the splits {' and '.join(s or 'none' for s in sorted(found))}: "
            f"thresholds that are chosen on a person may not be tested on the same",
        )
        for person, found in splits.items()
        if len(found) > 1
    ]


def _events(entries: Sequence[Entry], known: Collection[str]) -> list[Fault]:
    remarks: list[Fault] = []
    kinds = Counter(event.kind for entry in entries for event in entry.truth)
    for kind in sorted(kinds.keys() - set(known)):
        what = f"no installed detector measures {kind} ({kinds[kind]} labels)"
        remarks.append(Fault(TRUTH, 0, what))
    for entry in entries:
        by: dict[tuple[str, str], list[TruthEvent]] = defaultdict(list)
        for event in entry.truth:
            if event.certain:  # what one may argue about may lie around what is certain
                by[event.kind, event.annotator].append(event)
            if entry.labelled is not None and event.kind not in entry.labelled:
                what = (
                    f"session '{entry.id}': {event.kind} is labelled, but not named in `labelled`"
                )
                remarks.append(Fault(SESSIONS, entry.line, what))
            if event.end == event.start:
                what = f"session '{entry.id}': {event.kind} at {event.start:g} s has no length"
                remarks.append(Fault(TRUTH, 0, what))
        for (kind, annotator), told in by.items():
            remarks += _beside(entry.id, kind, annotator, sorted(told, key=lambda e: e.start))
        annotators = {kind: {a for k, a in by if k == kind} for kind, _ in by}
        counts = {len(names) for names in annotators.values()}
        if len(counts) > 1:
            what = f"session '{entry.id}': some kinds have more annotators than others"
            remarks.append(Fault(TRUTH, 0, what))
    return remarks


def _beside(session: str, kind: str, who: str, told: Sequence[TruthEvent]) -> Iterable[Fault]:
    for one, two in pairwise(told):
        gap = two.start - one.end
        at = f"session '{session}': {kind} by {who} at {one.start:g}-{one.end:g} s and {two.start:g} s"
        if gap < 0:
            yield Fault(TRUTH, 0, f"{at} overlap; one act is one line")
        elif gap < TOUCH_S:
            yield Fault(TRUTH, 0, f"{at} touch with a gap of {gap:.3f} s; one act is one line")


def _arms(entries: Sequence[Entry]) -> list[Fault]:
    arms: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        arms["honest" if entry.arm in HONEST_ARMS else entry.arm].add(entry.person)
    remarks = []
    if not arms["honest"]:
        what = "nobody is in the arm honest or nervous: no false flag can be counted"
        remarks.append(Fault(SESSIONS, 0, what))
    if not arms["instructed"]:
        what = "nobody is in the arm instructed: no share of found acts can be said for persons"
        remarks.append(Fault(SESSIONS, 0, what))
    persons = {entry.person for entry in entries}
    if len(persons) == 1:
        what = "there is one person only: nothing can be said about others"
        remarks.append(Fault(SESSIONS, 0, what))
    elif len(arms["honest"]) < FEW and arms["honest"]:
        what = (
            f"only {len(arms['honest'])} honest persons: intervals will be wide ({FEW} still are)"
        )
        remarks.append(Fault(SESSIONS, 0, what))
    return remarks


def _groups(entries: Sequence[Entry]) -> list[Fault]:
    groups: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for entry in entries:
        for name, value in entry.groups.items():
            groups[name][value].add(entry.person)
    remarks = []
    for name, values in sorted(groups.items()):
        few = [f"{v} ({len(p)})" for v, p in sorted(values.items()) if len(p) < FEW]
        if few:
            what = f"too few persons to compare by {name}: {', '.join(few)}; {FEW} are few, too"
            remarks.append(Fault(SESSIONS, 0, what))
        mixed = {p for v in values.values() for p in v if sum(p in o for o in values.values()) > 1}
        if mixed and name in ("skin_tone", "sex", "age_band", "accommodation"):
            what = f"{name} differs between sessions of one person: {', '.join(sorted(mixed)[:5])}"
            remarks.append(Fault(SESSIONS, 0, what))
    return remarks


def _same_media(entries: Sequence[Entry]) -> list[Fault]:
    used: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        used[str(entry.media.resolve())].append(entry)
    return [
        Fault(SESSIONS, same[1].line, f"{same[0].media.name} is used by {len(same)} sessions")
        for same in used.values()
        if len(same) > 1
    ]
