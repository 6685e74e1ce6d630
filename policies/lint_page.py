"""The page that lists every rule of the linter: ``python -m policies.lint_page > docs/policy-linter.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from policies.lint_rules import RULES
from policies.lint_rules.base import Rule

_HEAD = """# What `proctor policy check` looks for

    proctor policy check FILE|PRESET [--jurisdiction PLACE] [--json]

The linter reads a policy as a careful colleague would before your counsel does. It is **no legal advice**: it
knows {count} rules and not your case. An *error* must be mended before the policy is used (exit code 1); a
*warning* wants a second thought (exit code 0). What is not a policy at all ends with exit code 2.

A rule of a place holds when the place stands in `jurisdictions` or is named with `--jurisdiction`; a state
of the US brings the rules of the US along. Where places differ, the stricter wins for every student, and
the finding says so. `POLICY` with a letter and a number is a rule of this project
([institution.md](institution.md)).

This page is made from the rules themselves; a test keeps the two in step. Each rule has an example that it
strikes and one that it lets pass in `tests/lint_examples/`.
"""

_TITLES = {
    "GEN": "In general",
    "CON": "Consent",
    "SIG": "What is measured",
    "CLIP": "Clips",
    "REV": "Review and retention",
    "ROOM": "Room scan and breaks",
    "EU": "European Union (`EU`)",
    "GB": "United Kingdom (`GB`)",
    "US": "United States (`US`)",
    "USIL": "Illinois (`US-IL`)",
    "USCA": "California (`US-CA`)",
    "CAN": "Canada (`CA`)",
    "AU": "Australia (`AU`)",
    "MIX": "Where places differ",
}


def page(rules: Iterable[Rule] = RULES) -> str:
    """The whole page as Markdown, one table a pack."""
    packs: dict[str, list[Rule]] = {}
    for rule in rules:
        packs.setdefault(rule.id.split("-")[1], []).append(rule)
    lines = [_HEAD.format(count=sum(len(pack) for pack in packs.values()))]
    for name, pack in packs.items():
        lines += [f"## {_TITLES[name]}", "", "| rule | what | why | source | how to mend it |"]
        lines += ["|---|---|---|---|---|", *(_row(rule) for rule in pack), ""]
    return "\n".join(lines)


def _row(rule: Rule) -> str:
    cells = (f"{rule.id}<br>{rule.severity}", rule.title, rule.why, rule.source, rule.mend)
    # A bar within a cell would end it.
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


if __name__ == "__main__":
    # The same bytes on every system, also where a console has its own ideas of text and line ends.
    sys.stdout.buffer.write(page().encode("utf-8"))
