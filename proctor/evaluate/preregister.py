"""Hypotheses and thresholds, signed before anybody looks, and what was done otherwise later.

A plan is a TOML file that a researcher writes:

    title = "False flags in the autumn exams"
    persons = { honest = 60, instructed = 20 }

    [[hypotheses]]
    text = "At most 5 % of honest students are flagged."
    measure = "HFR"            # HFR, FA/h, Se or "not measured"
    kind = "all"               # or a kind such as "object.phone"
    at_most = 0.05             # or at_least

Signing puts it, the policy's thresholds and how everything will be reckoned into a DSSE envelope. The
time in it is the signer's word; whoever doubts it needs a time stamp of a third party.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies import sign as dsse
from proctor.errors import InputError
from proctor.evaluate import fairness, matching, resampling, truths
from proctor.evaluate.statistics import LEVEL, Answer, Unsaid
from proctor.evaluate.values import Run, Thresholds

PAYLOAD_TYPE = "application/vnd.proctor.study-plan+json"
MEASURES = ("HFR", "FA/h", "Se", "not measured")
_KEYS = {"title", "persons", "hypotheses"}


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One measure of one kind, and the bound that was foretold."""

    text: str
    measure: str
    kind: str
    at_most: float | None
    at_least: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A signed plan as read back; ``signers`` are key ids, checked only if it is ``trusted``."""

    title: str
    signed: str
    hypotheses: tuple[Hypothesis, ...]
    persons: Mapping[str, int]
    thresholds: Mapping[str, Thresholds]
    policy_sha256: str
    reckoning: Mapping[str, Any]
    signers: tuple[str, ...]
    trusted: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a hypothesis: ``shown``, ``contradicted``, ``open`` or ``cannot be said``."""

    hypothesis: Hypothesis
    answer: Answer
    said: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The plan beside the run: outcomes, and every deviation as a sentence."""

    plan: Plan
    outcomes: tuple[Outcome, ...]
    deviations: tuple[str, ...]


def is_plan(path: Path) -> bool:
    """Whether ``path`` is a plan that waits to be signed, and not a signed one."""
    return path.suffix.lower() == ".toml"


def reckoning() -> dict[str, Any]:
    """The choices of the analysis that a plan fixes."""
    return {
        "level": LEVEL,
        "onset_collar_s": matching.ONSET_COLLAR_S,
        "segment_s": matching.SEGMENT_S,
        "tious": list(matching.TIOUS),
        "edge_s": truths.EDGE_S,
        "draws": resampling.DRAWS,
        "seed": resampling.SEED,
        "least_persons": resampling.LEAST_PERSONS,
        "least_group": fairness.LEAST_GROUP,
    }


def sign(
    plan: Path,
    thresholds: Mapping[str, Thresholds],
    policy_sha256: str,
    key: Ed25519PrivateKey,
    now: datetime,
) -> Path:
    """Sign ``plan`` with the policy's thresholds; returns the envelope beside it (``.dsse``).

    Raises :class:`InputError` when the plan does not read, or an envelope is there already: a plan is
    registered once.
    """
    written = _read(plan)
    envelope = plan.with_suffix(".dsse")
    payload = {
        "title": written["title"],
        "persons": written["persons"],
        "hypotheses": [asdict(one) for one in written["hypotheses"]],
        "thresholds": {kind: asdict(rule) for kind, rule in sorted(thresholds.items())},
        "policy_sha256": policy_sha256,
        "reckoning": reckoning(),
        "signed": now.isoformat(timespec="seconds"),
    }
    raw = json.dumps(payload, indent=1, ensure_ascii=False).encode("utf-8")
    try:
        with envelope.open("xb") as file:
            file.write(dsse.envelope(raw, PAYLOAD_TYPE, [key]))
    except FileExistsError as error:
        raise InputError(
            f"{envelope} is there already: a plan is registered once. Give a changed plan another name, so "
            "that both can be seen."
        ) from error
    except OSError as error:
        raise InputError(f"{envelope} cannot be written ({error.strerror}).") from error
    return envelope


def open_plan(path: Path, keys: Sequence[Ed25519PublicKey] = ()) -> Plan:
    """A signed plan, checked against ``keys``.

    Without keys nothing tells who signed it; then ``trusted`` is False and the report says so. Raises
    :class:`InputError` when it is no envelope, or none of the keys signed it.
    """
    try:
        raw = path.read_bytes()
        payload, kind, signers = dsse.inspect(raw)
        if kind != PAYLOAD_TYPE:
            raise InputError(f"{path} is a signed '{kind}', not a plan of a study.")
        if keys:
            payload = dsse.open_envelope(raw, keys, 1, PAYLOAD_TYPE)
            # The envelope may name others besides, whose signatures nobody checked.
            signers = tuple(dsse.key_id(key) for key in keys if _signed_by(raw, key))
        written = json.loads(payload)
    except OSError as error:
        raise InputError(f"The plan {path} cannot be read ({error.strerror}).") from error
    except (dsse.SignatureError, ValueError) as error:
        raise InputError(f"The plan {path} cannot be trusted: {error}") from error
    try:
        return Plan(
            written["title"],
            written["signed"],
            tuple(Hypothesis(**one) for one in written["hypotheses"]),
            written["persons"],
            {kind: Thresholds(**rule) for kind, rule in written["thresholds"].items()},
            written["policy_sha256"],
            written["reckoning"],
            signers,
            bool(keys),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"The plan {path} lacks something: {error}.") from error


def _signed_by(raw: bytes, key: Ed25519PublicKey) -> bool:
    try:
        dsse.open_envelope(raw, [key], 1, PAYLOAD_TYPE)
    except dsse.SignatureError:
        return False
    return True


def judge(plan: Plan, run: Run, answers: Mapping[tuple[str, str], Answer]) -> Registered:
    """Outcomes from ``answers`` by (measure, kind), and deviations of the run from the plan."""
    outcomes = []
    for one in plan.hypotheses:
        answer = answers.get((one.measure, one.kind))
        if answer is None:
            answer = Unsaid(f"the run has no {one.measure} of {one.kind}")
        outcomes.append(Outcome(one, answer, _said(one, answer)))
    return Registered(plan, tuple(outcomes), tuple(_deviations(plan, run)))


def _said(one: Hypothesis, answer: Answer) -> str:
    if isinstance(answer, Unsaid):
        return "cannot be said"
    most = math.inf if one.at_most is None else one.at_most
    least = -math.inf if one.at_least is None else one.at_least
    if least <= answer.low and answer.high <= most:
        return "shown"
    if answer.low > most or answer.high < least:
        return "contradicted"
    return "open"


def _deviations(plan: Plan, run: Run) -> list[str]:
    found = []
    if run.policy_sha256 != plan.policy_sha256:
        found.append("The policy file is another one than at registration.")
    for kind in sorted({*plan.thresholds, *run.thresholds}):
        before, now = plan.thresholds.get(kind), run.thresholds.get(kind)
        if before is None:
            found.append(f"{kind}: a rule that was not registered.")
        elif now is None:
            found.append(f"{kind}: the registered rule is gone.")
        else:
            was, is_now = asdict(before), asdict(now)
            found += [
                f"{kind}: {name} was registered as {was[name]:g} and is {is_now[name]:g}."
                for name in was
                if was[name] != is_now[name]
            ]
    for name, value in reckoning().items():
        if plan.reckoning.get(name) != value:
            found.append(f"Reckoned with {name} = {value}, registered {plan.reckoning.get(name)}.")
    for arm, n in plan.persons.items():
        there = len({s.person for s in run.sessions if s.arm == arm})
        if there != n:
            found.append(f"Planned were {n} persons of the arm {arm}; there are {there}.")
    if run.skipped:
        found.append(
            f"{len(run.skipped)} recordings were left out; the plan foresees no exclusion."
        )
    if _when(run.began) < _when(plan.signed):
        found.append("Scoring began before the plan was signed.")
    return found


def _when(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"'{text}' is no date and time.") from error
    return when if when.tzinfo else when.astimezone()


def _read(path: Path) -> dict[str, Any]:
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The plan {path} cannot be read: {error}.") from error
    unknown = sorted(set(written) - _KEYS)
    if unknown:
        raise InputError(
            f"{path}: '{unknown[0]}' is unknown; a plan has {', '.join(sorted(_KEYS))}."
        )
    title = written.get("title")
    if not isinstance(title, str) or not title.strip():
        raise InputError(f"{path}: the plan needs a title.")
    persons = written.get("persons", {})
    if not isinstance(persons, dict) or any(type(n) is not int or n < 0 for n in persons.values()):
        raise InputError(f"{path}: persons are numbers by arm, for instance {{ honest = 60 }}.")
    listed = written.get("hypotheses", [])
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{path}: the plan needs at least one [[hypotheses]].")
    return {
        "title": title,
        "persons": persons,
        "hypotheses": [_hypothesis(path, n, one) for n, one in enumerate(listed, 1)],
    }


def _hypothesis(path: Path, number: int, one: Any) -> Hypothesis:
    where = f"{path}, hypothesis {number}"
    if not isinstance(one, dict) or set(one) - {"text", "measure", "kind", "at_most", "at_least"}:
        raise InputError(f"{where}: its keys are text, measure, kind, at_most and at_least.")
    if one.get("measure") not in MEASURES:
        raise InputError(f"{where}: measure is one of {', '.join(MEASURES)}.")
    bounds = [one[name] for name in ("at_most", "at_least") if name in one]
    if not bounds or any(type(b) not in (int, float) or not math.isfinite(b) for b in bounds):
        raise InputError(f"{where}: it needs at_most or at_least, a number.")
    return Hypothesis(
        str(one.get("text", "")),
        one["measure"],
        str(one.get("kind", "all")),
        one.get("at_most"),
        one.get("at_least"),
    )
