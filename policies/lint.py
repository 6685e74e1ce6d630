"""The policy linter: what is unlawful or unwise in a valid policy, why, and how to mend it (rule P4).

It reads the policy as a careful colleague would before the lawyer does; it replaces no counsel. A
finding of severity *error* must be mended before the policy is used, a *warning* thought about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from policies.lines import positions
from policies.lint_rules import RULES
from policies.lint_rules.base import Key, Rule, Severity, View
from policies.schema import Jurisdiction, Policy

# Who sits an exam in a state of the US is under federal law as well.
_INCLUDES: Mapping[Jurisdiction, Jurisdiction] = {"US-IL": "US", "US-CA": "US"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that struck. ``line`` is where the key stands, or None when nothing of it is written."""

    rule: str
    severity: Severity
    key: Key
    line: int | None
    what: str
    why: str
    source: str
    mend: str

    def sentence(self) -> str:
        """The finding in one line, but for how to mend it."""
        at = f"line {self.line}, " if self.line else ""
        return f"{self.rule} {at}{_written(self.key)}: {self.what} {self.why} [{self.source}]"


def lint(
    policy: Policy,
    raw: bytes = b"",
    *,
    now: datetime | None = None,
    also: Collection[Jurisdiction] = (),
) -> list[Finding]:
    """Every finding about ``policy``, errors first, each group in the order of the file.

    ``raw`` is the TOML it came from, for line numbers; ``now`` the moment to check against (default:
    this one); ``also`` names places to check for beside those in the policy.
    """
    named = {*policy.jurisdictions, *also}
    places = frozenset(named | {_INCLUDES[name] for name in named if name in _INCLUDES})
    view = View(policy, now or datetime.now(UTC), places)
    lines = positions(raw.decode("utf-8"))
    found = [
        Finding(
            rule.id,
            rule.severity,
            hit.key,
            _line(lines, hit.key),
            hit.what,
            rule.why + _stricter(rule, named),
            rule.source,
            rule.mend,
        )
        for rule in applying(places)
        for hit in rule.find(view)
    ]
    return sorted(found, key=lambda one: (one.severity != "error", one.line or 0))


def applying(places: Collection[Jurisdiction]) -> list[Rule]:
    """The rules that hold in at least one of ``places``; the general ones always do."""
    return [rule for rule in RULES if not rule.places or set(rule.places) & set(places)]


def _stricter(rule: Rule, named: Collection[Jurisdiction]) -> str:
    """A policy is one text for all its places, so the strictest place decides for every student."""
    # A rule for the whole of the US holds in its states too; it is stricter only than other countries.
    own = {*rule.places, *(state for state, nation in _INCLUDES.items() if nation in rule.places)}
    others = sorted(set(named) - own)
    if not rule.places or not others:
        return ""
    return (
        f" This policy is for {', '.join(others)} as well: the stricter place wins for everybody, "
        "or each place gets a policy of its own."
    )


def _line(lines: Mapping[Key, int], key: Key) -> int | None:
    """The line of ``key`` or of the nearest table above it that is written."""
    for length in range(len(key), 0, -1):
        if (line := lines.get(key[:length])) is not None:
            return line
    return None


def _written(key: Key) -> str:
    return ".".join(f'"{part}"' if "." in part else part for part in key)
