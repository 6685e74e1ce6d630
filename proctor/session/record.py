"""The consent record of a session, and what a case that is gone on with holds already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from policies.consent import Answers
from policies.engine import ConsentState
from proctor.errors import InputError
from proctor.session.plan import Plan
from proctor.session.recorder import Earlier

Records = Sequence[Mapping[str, Any]]


def consent_record(plan: Plan, answers: Answers, recipients: Sequence[str]) -> dict[str, Any]:
    """What record 1 of a case says. Of an arrangement it holds the file's hash, never a reason."""
    policy = plan.policy
    record: dict[str, Any] = {
        "policy": {"id": policy.id, "version": policy.version, "sha256": plan.policy_sha256},
        "granted": dict(answers.granted),
        "basis": {name: policy.purposes[name].basis for name in answers.granted},
        "how": answers.how,
        "language": answers.language,
        "text_sha256": answers.text_sha256(policy),
        "recipients": list(recipients),
        "agent": {"name": "open-proctor", "version": version("open-proctor")},
    }
    if answers.guardian is not None:
        record["guardian"] = answers.guardian
    if plan.addendum_sha256:
        record["addendum_sha256"] = plan.addendum_sha256
    return record


def check_goes_on(plan: Plan, records: Records, folder: Path) -> None:
    """Raise :class:`InputError` unless the exam in ``records`` is open and was agreed to for ``plan``."""
    if any(record["type"] == "session.ended" for record in records):
        raise InputError(f"The exam in {folder} has ended; begin a new case for another.")
    consent = records[0]["data"]
    policy = consent.get("policy")
    agreed = policy.get("sha256") if isinstance(policy, Mapping) else None
    if agreed != hashlib.sha256(plan.policy_bytes).hexdigest():
        raise InputError(f"The exam in {folder} was begun under another policy; give that one.")
    if consent.get("addendum_sha256", "") != plan.addendum_sha256:
        raise InputError(
            f"The exam in {folder} was begun with another addendum, or without; give the same."
        )


def earlier_of(records: Records, state: ConsentState) -> Earlier:
    """What ``records`` hold, up to the end of the gap that resuming the case has written."""
    t = max(
        (_number(r["data"].get("end")) for r in records if r["type"] == "agent.gap"), default=0.0
    )
    flags: dict[str, int] = {}
    measured: dict[str, float] = {}
    sealed: set[str] = set()
    for record in records:
        data = record["data"]
        if record["type"] == "flag":
            kind = str(data.get("kind"))
            flags[kind] = flags.get(kind, 0) + 1
        elif record["type"] == "sealed":
            sealed.add(str(data.get("flag")))
        elif record["type"] == "erased":
            sealed.discard(str(data.get("flag")))
        elif record["type"] == "scores":
            for kind, cells in data.get("kinds", {}).items():
                known = sum(cell is not None for cell in cells) * _number(data.get("step"))
                measured[kind] = measured.get(kind, 0.0) + known
    break_s = state.break_seconds(t)
    unmeasured = {kind: max(0.0, t - break_s - known) for kind, known in measured.items()}
    started = any(record["type"] == "session.started" for record in records)
    return Earlier(t, started, break_s, flags, len(sealed), unmeasured)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
