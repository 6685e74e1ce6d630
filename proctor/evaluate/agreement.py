"""Whether people who labelled or judged the same things agree: Krippendorff's alpha and Cohen's kappa."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from proctor.evaluate import resampling
from proctor.evaluate.statistics import LEVEL, Answer, Estimate, Unsaid

# Below this, conclusions are not to be drawn from the labels (Krippendorff 2004, p. 241).
LEAST_ALPHA = 0.667

Floats = npt.NDArray[np.float64]
# What each rater said of each thing: {rater: {thing: said}}.
Said = Mapping[str, Mapping[str, str]]


def alpha(said: Said, person_of: Mapping[str, str], level: float = LEVEL) -> Answer:
    """Krippendorff's alpha of nominal answers; persons (of whom the things are) are drawn anew.

    Things that only one rater answered say nothing and are left out.
    """
    things = shared_things(said)
    if not things:
        return Unsaid("no two people answered the same thing", 0, "things answered twice")
    shared = set(things)
    answers = sorted({a for one in said.values() for t, a in one.items() if t in shared})
    if len(answers) < 2:
        return Unsaid(
            f"everybody said '{answers[0]}' throughout, so nothing could differ",
            len(things),
            "things answered twice",
        )
    counts = np.array(
        [[sum(one.get(t) == a for one in said.values()) for a in answers] for t in things], float
    )
    names = sorted({person_of[t] for t in things})
    place = {name: i for i, name in enumerate(names)}
    owner = np.array([place[person_of[t]] for t in things])
    pairs = np.zeros((len(names), len(answers), len(answers)))
    np.add.at(pairs, owner, _coincidences(counts))

    def of_persons(chosen: resampling.Ints) -> float:
        return _alpha(pairs[chosen].sum(axis=0))

    found = resampling.statistic(len(names), of_persons, "persons", None, level, draws=500)
    if isinstance(found, Unsaid):
        # The number itself is a fact about these labels; only its interval needs persons.
        here = _alpha(pairs.sum(axis=0))
        return Unsaid(found.why, len(things), "things answered twice", here)
    return found


def _coincidences(counts: Floats) -> Floats:
    """Pairs of answers to each thing, every thing weighing as many as it has answers; [things, a, a]."""
    raters = counts.sum(axis=1)
    every: Floats = counts[:, :, None] * counts[:, None, :]
    every -= np.eye(counts.shape[1]) * counts[:, None, :]
    every /= (raters - 1)[:, None, None]
    return every


def _alpha(pairs: Floats) -> float:
    """Nominal alpha of summed pairs of answers (Krippendorff 2004, ch. 11); NaN with one answer only."""
    times = pairs.sum(axis=1)
    whole = float(times.sum())
    unlike = float(times.sum() ** 2 - (times**2).sum())
    if unlike == 0:
        return float("nan")
    return 1.0 - (whole - 1) * (whole - float(np.trace(pairs))) / unlike


def kappas(said: Said, level: float = LEVEL) -> dict[tuple[str, str], Answer]:
    """Cohen's kappa (1960) of every two raters over what both answered.

    The interval takes the things for independent: where many are of one person it is too narrow.
    """
    from scipy.stats import norm
    from statsmodels.stats.inter_rater import cohens_kappa

    found: dict[tuple[str, str], Answer] = {}
    for one, other in combinations(sorted(said), 2):
        both = sorted(said[one].keys() & said[other].keys())
        answers = sorted({said[rater][t] for rater in (one, other) for t in both})
        if not both:
            found[one, other] = Unsaid("the two answered nothing in common", 0, "things")
            continue
        if len(answers) < 2:
            found[one, other] = Unsaid("both said the same throughout", len(both), "things")
            continue
        places = {answer: i for i, answer in enumerate(answers)}
        table = np.zeros((len(answers), len(answers)))
        for thing in both:
            table[places[said[one][thing]], places[said[other][thing]]] += 1
        with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            made = cohens_kappa(table)
        far = float(norm.isf((1 - level) / 2)) * float(made.std_kappa)
        low, high = float(made.kappa) - far, float(made.kappa) + far
        if not (np.isfinite(low) and np.isfinite(high)):
            found[one, other] = Unsaid(
                "too few answers differ for an interval", len(both), "things"
            )
            continue
        found[one, other] = Estimate(
            float(made.kappa),
            max(-1.0, low),
            min(1.0, high),
            None,
            len(both),
            "things",
            "asymptotic, things taken as independent",
            level,
        )
    return found


def shared_things(said: Said) -> Sequence[str]:
    """What at least two raters answered, in order."""
    times: dict[str, int] = {}
    for one in said.values():
        for thing in one:
            times[thing] = times.get(thing, 0) + 1
    return sorted(t for t, n in times.items() if n >= 2)
