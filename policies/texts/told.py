"""What the program said in English, told in a student's language.

The runtime and the detectors know no languages: each says one English sentence, which goes into the
signed journal as it is. A student reads it in their own language: the sentence is found by its shape, a
text with named places, and said again with what stood in those places. So one sentence is told alike
whether it comes live, from a journal of last year, or as an error; what has no known shape, the words of
a plug-in from elsewhere or of the system, stays as it is (docs/decisions/0033).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from policies.texts import Texts
from policies.texts.exam_words import DELIVERY, EXAM, JOINING
from policies.texts.judging import JUDGING
from policies.texts.numbers import Parts, kind_title
from policies.texts.outcomes import CALIBRATION, DEVICES, MACHINE
from policies.texts.reasons import NOTED, REASONS
from policies.texts.words import DETECTORS, PURPOSES

SENTENCES = (
    *DEVICES,
    *MACHINE,
    *CALIBRATION,
    *NOTED,
    *REASONS,
    *EXAM,
    *DELIVERY,
    *JOINING,
    *JUDGING,
)
# Places that hold a sentence, or a piece of one, that is told in its turn.
NESTED = frozenset(
    ("why", "reason", "refused", "mend", "place", "looks", "head", "eyes", "has", "lacks", "what")
)
# A place that holds the name of a detector.
PART = "part"
# Places that hold purposes, or else other names.
PURPOSE = frozenset(("purpose", "names"))
DECIMALS = re.compile(r"-?\d+\.\d+")


class _Shape(NamedTuple):
    text: str
    begin: str
    end: str
    pattern: re.Pattern[str]


def tell(t: Texts, english: str) -> str:
    """``english`` in the language of ``t``; as it is where no sentence of this shape is known."""
    return told(t, english) or english


def told(t: Texts, english: str) -> str:
    """As :func:`tell`; empty where no sentence of this shape is known."""
    if t.lang == "en":
        return english
    for shape in _shapes():
        if not (english.startswith(shape.begin) and english.endswith(shape.end)):
            continue
        found = shape.pattern.fullmatch(english)
        if found is not None:
            return t.say(
                shape.text,
                **{name: _value(t, name, value) for name, value in found.groupdict().items()},
            )
    return ""


def left_out(
    t: Texts, kinds: Iterable[str], why: str, mend: str, parts: Parts | None = None
) -> str:
    """What a detector that does not run would have measured, why it does not, and what mends it."""
    titles = t.listed([kind_title(t, kind, parts or {}) for kind in kinds])
    said = t.say("Not measured: {titles} ({why}).", titles=titles, why=tell(t, why))
    return f"{said} {tell(t, mend)}".rstrip()


def _value(t: Texts, name: str, value: str) -> str:
    if DECIMALS.fullmatch(value):
        return t.number(float(value))
    if name in NESTED:
        return tell(t, value)
    if name == PART and value in DETECTORS:
        return t.say(DETECTORS[value])
    if name in PURPOSE:
        # As a policy names them; anything else stays.
        return t.listed([_purpose(t, one) for one in value.split(", ")])
    return value


def _purpose(t: Texts, name: str) -> str:
    said = next((words for purpose, words in PURPOSES.items() if purpose == name), "")
    return t.say(said).lower() if said else name


@cache
def _shapes() -> tuple[_Shape, ...]:
    """Every sentence's shape; what says more of its own comes first, and so is not taken for less."""
    return tuple(_shape(text) for text in sorted(SENTENCES, key=_own_length, reverse=True))


def _own_length(text: str) -> int:
    return sum(len(own) for own, *_ in string.Formatter().parse(text))


def _shape(text: str) -> _Shape:
    pieces = list(string.Formatter().parse(text))
    pattern = "".join(
        re.escape(own) + (f"(?P<{name}>.+?)" if name else "") for own, name, *_ in pieces
    )
    end = pieces[-1][0] if pieces[-1][1] is None else ""
    return _Shape(text, pieces[0][0], end, re.compile(pattern, re.DOTALL))
