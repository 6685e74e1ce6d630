"""What students read, in five languages: whole sentences in gettext catalogues, English as the source.

``<lang>/LC_MESSAGES/policies.po`` is written by people, the ``.mo`` beside it by
``packaging/texts.py compile``. A sentence is never put together from pieces: it has named places
for numbers and names, and a form of its own for every plural of its language.
"""

from __future__ import annotations

import gettext
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import NamedTuple, get_args

from policies.errors import PolicyError
from policies.schema import Language

LANGUAGES: tuple[Language, ...] = get_args(Language)
DOMAIN = "policies"
# Languages that write a decimal point; the others write a comma (CLDR, decimal separator).
_POINT = {"en"}
# Languages in which "1.5" takes the singular: "1,5 seconde" (CLDR plural rules, i = 0,1).
_FRACTION_BELOW_TWO_IS_ONE = {"fr"}

Value = str | int | float | datetime


class UnknownLanguageError(PolicyError):
    """There are no texts in the language asked for."""


class Plural(NamedTuple):
    """The two English forms of a sentence; ``{n}`` is the number that decides between them."""

    one: str
    many: str


def mark(text: str) -> str:
    """``text`` itself: marks a sentence in a table as one for the catalogues."""
    return text


def plain(words: str) -> str:
    """Somebody else's words on one line, without signs that steer a terminal or turn the writing."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())


class Texts:
    """The sentences of one language."""

    def __init__(self, lang: Language, catalogue: gettext.NullTranslations) -> None:
        self.lang = lang
        self._catalogue = catalogue

    def say(self, text: str, /, **values: Value) -> str:
        """The sentence whose English is ``text``, with its named places filled."""
        return self._fill(self._catalogue.gettext(text), values)

    def count(self, plural: Plural, n: float, /, **values: Value) -> str:
        """The form of a sentence that fits the number ``n``, which fills the place ``{n}``."""
        chosen = self._catalogue.ngettext(plural.one, plural.many, self._whole(n))
        return self._fill(chosen, values | {"n": n})

    def number(self, value: float) -> str:
        """A number as the language writes it, with two decimals at most: ``5``, ``1,5``."""
        text = f"{value:.2f}".rstrip("0").rstrip(".")
        return text if self.lang in _POINT else text.replace(".", ",")

    def percent(self, share: float) -> str:
        """A share from 0 to 1 as points of a hundred."""
        return self.number(round(share * 100, 2))

    def moment(self, when: datetime) -> str:
        """A date with its time, in UTC."""
        utc = when.astimezone(UTC)
        month, year = self.say(MONTHS[utc.month - 1]), str(utc.year)
        time = f"{utc:%H:%M}"
        if utc.day == 1:
            return self.say("1 {month} {year}, {time} UTC", month=month, year=year, time=time)
        return self.say(
            "{day} {month} {year}, {time} UTC", day=utc.day, month=month, year=year, time=time
        )

    def listed(self, names: Sequence[str]) -> str:
        """Names one after the other; all five languages part them with a comma."""
        return ", ".join(names)

    def _fill(self, text: str, values: dict[str, Value]) -> str:
        return text.format_map({name: self._shown(value) for name, value in values.items()})

    def _shown(self, value: Value) -> str:
        if isinstance(value, datetime):
            return self.moment(value)
        return plain(value) if isinstance(value, str) else self.number(value)

    def _whole(self, n: float) -> int:
        """The whole number whose plural form a number with decimals takes."""
        if n == int(n):
            return int(n)
        return int(n) if self.lang in _FRACTION_BELOW_TWO_IS_ONE else max(2, math.ceil(n))


MONTHS = (
    mark("January"), mark("February"), mark("March"), mark("April"), mark("May"), mark("June"),
    mark("July"), mark("August"), mark("September"), mark("October"), mark("November"),
    mark("December"),
)  # fmt: skip


@cache
def texts(lang: str = "en") -> Texts:
    """The sentences in ``lang``; raises :class:`UnknownLanguageError` when there are none."""
    if lang not in LANGUAGES:
        raise UnknownLanguageError(
            f"There are no texts in the language '{lang}'; there are: {', '.join(LANGUAGES)}."
        )
    known = LANGUAGES[LANGUAGES.index(lang)]
    return Texts(known, catalogue(known, __name__, DOMAIN))


def catalogue(lang: Language, package: str, domain: str) -> gettext.NullTranslations:
    """The compiled catalogue of ``domain`` that lies in ``package``; English needs none."""
    if lang == "en":
        return gettext.NullTranslations()
    file = resources.files(package) / lang / "LC_MESSAGES" / f"{domain}.mo"
    with file.open("rb") as opened:
        return gettext.GNUTranslations(opened)
