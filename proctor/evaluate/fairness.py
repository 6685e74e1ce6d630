"""For whom it is worse: shares of persons by group, compared with everybody else, and how far one can tell.

fairlearn counts the groups; an interval belongs to every number, and Holm's correction to all
comparisons together. A group of a few persons gets its numbers and the words "too few to say".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from proctor.evaluate.statistics import (
    FAIR_POWER,
    LEVEL,
    Answer,
    Contrast,
    contrast,
    holm,
    share,
)

# Of fewer persons nothing is concluded: even 0 of 10 leaves anything up to 31 % open.
LEAST_GROUP = 10


@dataclass(frozen=True, slots=True)
class Slice:
    """One group: the share of its persons, or its rate an hour (:mod:`proctor.evaluate.fairness_hours`),
    and how it stands to everybody else who stated theirs.

    ``p_holm`` is corrected over all comparisons; ``verdict`` is one plain sentence.
    """

    attribute: str
    group: str
    share: Answer
    against: Contrast
    p_holm: float | None
    verdict: str


def slices(
    groups: Sequence[Mapping[str, str]],
    counted: Sequence[bool],
    *,
    intersections: bool = True,
    level: float = LEVEL,
    of: str = "persons",
) -> list[Slice]:
    """Every group of every attribute, then of every two together; one entry a person in each sequence.

    Those who did not state an attribute are in none of its groups. Raises ValueError for lists of
    different lengths.
    """
    if len(groups) != len(counted):
        raise ValueError("one set of groups and one answer a person are needed")
    attributes = sorted({name for one in groups for name in one})
    wanted: list[tuple[str, ...]] = [(name,) for name in attributes]
    if intersections:
        wanted += combinations(attributes, 2)
    found: list[tuple[str, str, tuple[int, int], tuple[int, int]]] = []
    for names in wanted:
        found += _counts(names, groups, counted)
    contrasts = [contrast(own, rest, of, level) for _, _, own, rest in found]
    tested = [i for i, made in enumerate(contrasts) if made.p is not None]
    corrected = dict(
        zip(tested, holm([p for made in contrasts if (p := made.p) is not None]), strict=True)
    )
    return [
        Slice(
            attribute,
            group,
            share(*own, of, level),
            contrasts[i],
            corrected.get(i),
            verdict(own, rest, contrasts[i], corrected.get(i), level),
        )
        for i, (attribute, group, own, rest) in enumerate(found)
    ]


def _counts(
    names: tuple[str, ...], groups: Sequence[Mapping[str, str]], counted: Sequence[bool]
) -> list[tuple[str, str, tuple[int, int], tuple[int, int]]]:
    """(attribute, group, its (count, n), everybody else's (count, n)) of one or two attributes."""
    stated = [i for i, one in enumerate(groups) if all(name in one for name in names)]
    if not stated:
        return []
    from fairlearn.metrics import MetricFrame, count, selection_rate

    values = [bool(counted[i]) for i in stated]
    labels = [" and ".join(groups[i][name] for name in names) for i in stated]
    frame = MetricFrame(
        metrics={"n": count, "share": selection_rate},
        y_true=values,
        y_pred=values,
        sensitive_features=labels,
    )
    made = []
    whole, n_all = sum(values), len(values)
    for group, row in frame.by_group.iterrows():
        n = int(row["n"])
        own = (round(float(row["share"]) * n), n)
        made.append((" and ".join(names), str(group), own, (whole - own[0], n_all - n)))
    return sorted(made, key=lambda one: natural(one[1]))


def persons(n: int) -> str:
    """How many, in words that are right for one, too."""
    return "1 person" if n == 1 else f"{n} persons"


def natural(text: str) -> tuple[tuple[int, float, str], ...]:
    """Groups called by numbers (Monk 1 to 10) in the order of numbers."""
    key = []
    for part in text.split(" and "):
        number = float(part) if part.replace(".", "", 1).isdigit() else math.inf
        key.append((0 if math.isfinite(number) else 1, number, part))
    return tuple(key)


def verdict(
    own: tuple[int, int],
    rest: tuple[int, int],
    made: Contrast,
    p_holm: float | None,
    level: float = LEVEL,
) -> str:
    """What can be said about a group, in a sentence."""
    if rest[1] == 0:
        return "everybody who stated it is in this group, so there is nobody to compare with"
    if own[1] < LEAST_GROUP or rest[1] < LEAST_GROUP:
        return f"too few to say ({persons(min(own[1], rest[1]))} on one side)"
    if p_holm is not None and p_holm <= 1 - level:
        more = own[0] / own[1] > rest[0] / rest[1]
        return f"{'higher' if more else 'lower'} than among the others (p = {p_holm:.3g}, Holm)"
    if made.power is None:
        if own[0] + rest[0] == 0:
            return "nobody was counted in any group, so no difference could show"
        return "no difference shown; half or more were counted, so twice as often is no case"
    if made.power < FAIR_POWER:
        return (
            f"no difference shown, and twice as often would be seen with a chance of only "
            f"{made.power:.0%}: too few to say (about {made.needed} a group)"
        )
    return f"no difference shown; twice as often would be seen with a chance of {made.power:.0%}"
