"""Thresholds for a policy file, with what they were measured with beside them."""

from __future__ import annotations

import hashlib

from policies.evaluated import rules_digest
from proctor.evaluate.statistics import Answer, Estimate
from proctor.evaluate.sweep import Tuned
from proctor.evaluate.values import Run


def evidence(tuned: Tuned, run: Run, report: bytes) -> str:
    """The line for ``evaluation`` in a policy: digests of rules and report, and what the others showed."""
    return (
        f"rules {rules_digest(tuned.thresholds)}; report {hashlib.sha256(report).hexdigest()[:16]}; "
        f"{run.began[:10]}; {_short(tuned.on_others.fa_hour, 'false flags an honest hour')}; "
        f"{_short(tuned.on_others.hfr, 'of honest persons flagged')}"
    )


def text(tuned: Tuned, run: Run, report: bytes) -> str:
    """A fragment in TOML: ``evaluation`` and every rule; ``report`` is the bytes of report.json."""
    lines = [
        f"# Thresholds proposed for {tuned.goal}, by an evaluation of {_plain(run.dataset)}.",
        f"# Chosen on {len(tuned.development)} development persons, scored on {len(tuned.others)} others:",
        f"#   {_short(tuned.on_others.fa_hour, 'false flags an honest hour')}",
        f"#   {_short(tuned.on_others.hfr, 'of honest persons flagged')}",
        f"#   {_short(tuned.on_others.sensitivity, 'of instructed persons found')}",
        f"# The target is {_met(tuned)} with those others.",
        f"# Dataset {run.dataset_sha256}, code {_plain(run.code_version)}.",
        "# Put the line below at the top of the policy and the tables in place of its rules; the linter",
        "# compares the digest with the rules and says when one was changed without the other.",
        f'evaluation = "{evidence(tuned, run, report)}"',
    ]
    for kind, rule in tuned.thresholds.items():
        lines += [
            "",
            f'[rules."{kind}"]' + ("  # changed" if kind in tuned.changed else ""),
            f"on = {rule.on}",
            f"off = {rule.off}",
            f"min_s = {rule.min_s}",
            f"gap_s = {rule.gap_s}",
            f"cooldown_s = {rule.cooldown_s}",
            f"stale_after_s = {rule.stale_after_s}",
        ]
    return "\n".join(lines) + "\n"


def _met(tuned: Tuned) -> str:
    if tuned.met is None:
        return "reached by the number, not by the upper end of its interval,"
    return "reached, also by the upper end of its interval," if tuned.met else "not reached"


def _short(answer: Answer, what: str) -> str:
    if not isinstance(answer, Estimate):
        return f"cannot be said: {what} ({_plain(answer.why)})"
    return (
        f"{answer.value:.4g} {what} ({answer.low:.3g} to {answer.high:.3g}, {answer.level:.0%}, "
        f"n = {answer.n:.4g} {answer.of})"
    )


def _plain(text: str) -> str:
    """One line without what would end a comment or a string."""
    return " ".join(text.split()).replace('"', "'").replace("\\", "/")
