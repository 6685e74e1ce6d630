"""What the linter knows, one module a subject or a jurisdiction. Nothing here is legal advice."""

from __future__ import annotations

from policies.lint_rules import (
    australia,
    canada,
    consent,
    europe,
    evidence,
    general,
    mixed,
    review,
    room,
    signals,
    united_kingdom,
    united_states,
    us_states,
)
from policies.lint_rules.base import Rule

# In the order of the reference page and of the findings: general subjects first, then places.
RULES: tuple[Rule, ...] = (
    *general.RULES,
    *consent.RULES,
    *signals.RULES,
    *evidence.RULES,
    *review.RULES,
    *room.RULES,
    *europe.RULES,
    *united_kingdom.RULES,
    *united_states.RULES,
    *us_states.RULES,
    *canada.RULES,
    *australia.RULES,
    *mixed.RULES,
)
