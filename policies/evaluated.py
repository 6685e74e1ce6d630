"""What a policy's thresholds were measured with: a digest of its rules, and the line that carries it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Protocol

# Hexadecimal digits of the digest in a policy: enough to tell any two sets of thresholds apart.
SHOWN = 16
_RULES = re.compile(r"\brules ([0-9a-f]{16})\b")


class Limits(Protocol):
    """The numbers of a rule, as the schema and the evaluation both have them."""

    @property
    def on(self) -> float: ...
    @property
    def off(self) -> float: ...
    @property
    def min_s(self) -> float: ...
    @property
    def gap_s(self) -> float: ...
    @property
    def cooldown_s(self) -> float: ...
    @property
    def stale_after_s(self) -> float: ...


def rules_digest(rules: Mapping[str, Limits]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all rules by kind, in a fixed form."""
    numbers = {
        kind: [float(x) for x in (r.on, r.off, r.min_s, r.gap_s, r.cooldown_s, r.stale_after_s)]
        for kind, r in rules.items()
    }
    text = json.dumps(numbers, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:SHOWN]


def digest_in(evaluation: str) -> str:
    """The digest that the policy's ``evaluation`` names, or an empty text."""
    found = _RULES.search(evaluation)
    return found[1] if found else ""
