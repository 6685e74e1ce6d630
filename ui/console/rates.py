"""What was measured about a kind, as the model cards publish it (models/cards/README.md)."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

_FRONT = re.compile(r"\A# [^\n]+\n\n```toml\n(.*?)\n```\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rate:
    """In a test that ``what`` names (English), ``found`` of ``n``; ``when`` it was measured."""

    what: str
    found: int
    n: int
    when: date


@cache
def published() -> dict[str, tuple[Rate, ...]]:
    """By kind, the rates of the cards in use; a kind without any is not there."""
    found: dict[str, list[Rate]] = {}
    cards = resources.files("models").joinpath("cards")
    for card in sorted(cards.iterdir(), key=lambda one: one.name):
        front = _FRONT.match(card.read_text("utf-8")) if card.name.endswith(".md") else None
        if front is None:
            continue
        told = tomllib.loads(front[1])
        if not told.get("adopted", True):
            continue
        for rate in told.get("rates", ()):
            one = Rate(rate["what"], rate["found"], rate["n"], told["date"])
            found.setdefault(rate["kind"], []).append(one)
    return {kind: tuple(rates) for kind, rates in found.items()}
