"""What rates mean where few students do anything: predictive values, and numbers to print beside one's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from proctor.evaluate.statistics import Answer, Estimate, Unsaid, at_most_when_none, needed

OF_HOW_MANY = 10_000


@dataclass(frozen=True, slots=True)
class Predicted:
    """At a stated prevalence: of those flagged who did something, of those not flagged who did not.

    Also how many of 10,000 honest students are flagged.
    """

    prevalence: float
    ppv: Answer
    npv: Answer
    flagged_honest: Answer


def predict(sensitivity: Answer, hfr: Answer, prevalence: float) -> Predicted:
    """Predictive values from sensitivity and the share of honest persons flagged (Bayes).

    The ends of the intervals come from the ends of both at once, so they are wider than 95 %
    would need (Bonferroni: at least 90 %, in practice more). Raises ValueError unless 0 < prevalence < 1.
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"a prevalence of {prevalence} is none")
    honest: Answer = hfr
    if isinstance(hfr, Estimate):
        honest = Estimate(
            hfr.value * OF_HOW_MANY,
            hfr.low * OF_HOW_MANY,
            hfr.high * OF_HOW_MANY,
            None,
            hfr.n,
            hfr.of,
            hfr.method,
            hfr.level,
        )
    if isinstance(sensitivity, Unsaid) or isinstance(hfr, Unsaid):
        why = sensitivity if isinstance(sensitivity, Unsaid) else hfr
        return Predicted(prevalence, why, why, honest)
    return Predicted(
        prevalence,
        _ends(
            ppv,
            sensitivity,
            hfr,
            prevalence,
            "nobody at all was flagged, so nothing can be said of those flagged",
        ),
        _ends(
            npv,
            sensitivity,
            hfr,
            prevalence,
            "everybody was flagged, so nothing can be said of those not flagged",
        ),
        honest,
    )


def ppv(sensitivity: float, false_share: float, prevalence: float) -> float:
    """Share of those flagged who did something; NaN where nobody would be flagged."""
    right = sensitivity * prevalence
    wrong = false_share * (1 - prevalence)
    return right / (right + wrong) if right + wrong > 0 else math.nan


def npv(sensitivity: float, false_share: float, prevalence: float) -> float:
    """Share of those not flagged who did nothing; NaN where everybody would be flagged."""
    right = (1 - false_share) * (1 - prevalence)
    wrong = (1 - sensitivity) * prevalence
    return right / (right + wrong) if right + wrong > 0 else math.nan


def _ends(
    number: Callable[[float, float, float], float],
    sensitivity: Estimate,
    hfr: Estimate,
    prevalence: float,
    nobody: str,
) -> Answer:
    """``nobody`` is why there is none where the number divides by nothing."""
    value = number(sensitivity.value, hfr.value, prevalence)
    if not math.isfinite(value):
        return Unsaid(nobody)
    worst = number(sensitivity.low, hfr.high, prevalence)
    best = number(sensitivity.high, hfr.low, prevalence)
    return Estimate(
        value,
        0.0 if math.isnan(worst) else worst,
        1.0 if math.isnan(best) else best,
        None,
        sensitivity.n + hfr.n,
        "persons of both arms",
        "ends of both intervals at once",
        2 * sensitivity.level - 1,
    )


def flagged_in_exam(rate: float, hours: float) -> float:
    """Share of honest students with at least one false flag in an exam of ``hours`` (Poisson)."""
    return -math.expm1(-rate * hours)


def rate_for(share: float, hours: float) -> float:
    """False flags an hour at which ``share`` of honest students are flagged in ``hours``."""
    return -math.log1p(-share) / hours


def clean_hours_for(rate: float) -> float:
    """Honest hours without any false flag that show a rate of at most ``rate`` (rule of three)."""
    return at_most_when_none(1.0) / rate


def beside_its_own() -> list[str]:
    """The sentences about base rates that every report prints, worked out anew."""
    low = rate_for(0.01, 2.0)
    return [
        f"If 1 % of honest students are flagged, that is {0.01 * OF_HOW_MANY:.0f} of {OF_HOW_MANY:,} "
        "honest students.",
        f"0.1 false flags an hour flag {100 * flagged_in_exam(0.1, 2.0):.0f} % of honest students in an exam "
        f"of 2 hours. For at most 1 % it takes at most {low:.3f} an hour, and to show that it takes "
        f"{round(clean_hours_for(round(low, 3)), -1):.0f} honest hours without a single false flag.",
        f"If 2 % of students do something, sensitivity is 0.87 and 1 % of the honest are flagged, then "
        f"of those flagged {ppv(0.87, 0.01, 0.02):.2f} did something.",
        f"To tell 1 % from 2 % between two groups takes about {round(needed(0.01, 0.02), -1):,} honest "
        "students in each.",
    ]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A published number to hold one's own against."""

    what: str
    found: int | None
    n: int | None
    text: str
    source: str


ANCHORS: tuple[Anchor, ...] = (
    Anchor(
        "Proctorio, instructed students flagged",
        0,
        6,
        "none of six students who were asked to act was flagged",
        "Bergmans et al. 2021",
    ),
    Anchor(
        "A human watching the same recordings",
        1,
        6,
        "one of six was found",
        "Bergmans et al. 2021",
    ),
    Anchor(
        "Bar examination of California, October 2020",
        3190,
        9000,
        "3,190 of about 9,000 were flagged; 47 of those were upheld",
        "State Bar of California 2020",
    ),
    Anchor(
        "OpenCV's face detection in a proctoring product",
        None,
        None,
        "no face found for 57 % of Black faces and 40 % of White ones",
        "Satheesan 2021",
    ),
    Anchor(
        "Flags by skin tone in a US university",
        None,
        None,
        "students with darker skin were flagged more often",
        "Yoder-Himes et al. 2022",
    ),
)
