"""What was measured about a kind, as the model cards publish it (models/cards/README.md)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Literal

from ui.texts import Texts, mark

Tells = Literal["right", "found", "false"]
RIGHT = mark(
    "In the last published test, {found} of {n} such notes were right (95 % interval {low} to {high} %): {what}."
)
FOUND = mark(
    "Published test, what should be noted: {found} of {n} were (95 % interval {low} to {high} %): {what}."
)
FALSE = mark(
    "Published test, what should not be noted: {found} of {n} were (95 % interval {low} to {high} %): {what}."
)
NO_RIGHT = mark("How many such notes are right: not measured.")
NO_FOUND = mark("How many are found of what should be noted: not measured.")
NO_FALSE = mark("How many are noted of what should not be: not measured.")
# What is asked of the published tests, in the order in which it is told: what they say, and where none does.
ASKED: Mapping[Tells, tuple[str, str]] = {
    "right": (RIGHT, NO_RIGHT),
    "found": (FOUND, NO_FOUND),
    "false": (FALSE, NO_FALSE),
}
_FRONT = re.compile(r"\A# [^\n]+\n\n```toml\n(.*?)\n```\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rate:
    """In a test that ``what`` names (English), ``found`` of ``n``; ``when`` it was measured.

    ``tells``: ``found`` what was noted of what should be, ``false`` of what should not be, ``right`` how many of
    ``n`` notes were right. ``low`` and ``high`` are the ends of the published 95 % interval (Clopper-Pearson).
    """

    what: str
    tells: Tells
    found: int
    n: int
    low: float
    high: float
    when: date

    @property
    def share(self) -> float:
        return self.found / self.n


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
            low, high = rate["interval"]
            one = Rate(
                rate["what"], rate["tells"], rate["found"], rate["n"], low, high, told["date"]
            )
            found.setdefault(rate["kind"], []).append(one)
    return {kind: tuple(rates) for kind, rates in found.items()}


def sentences(t: Texts, kind: str) -> list[str]:
    """What is known of notes of ``kind``, with n and interval; what nobody measured is said to be unmeasured.

    Of several tests the newest that counted right notes, and of the others the worst: a person who judges is
    to know where a note can be wrong. ``what`` was tested is in the card's own words, which are English.
    """
    told = []
    for asked, (text, none) in ASKED.items():
        known = [one for one in published().get(kind, ()) if one.tells == asked]
        told.append(_said(t, text, max(known, key=_first)) if known else t.say(none))
    return told


def _first(one: Rate) -> float:
    """What is told of several: the greater, the sooner."""
    if one.tells == "right":
        return float(one.when.toordinal())
    return one.share if one.tells == "false" else -one.share


def _said(t: Texts, text: str, one: Rate) -> str:
    return t.say(
        text,
        found=t.number(one.found),
        n=t.number(one.n),
        low=t.percent(one.low),
        high=t.percent(one.high),
        what=one.what,
    )
