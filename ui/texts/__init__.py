"""What the apps say, in five languages: the same kind of catalogue as ``policies.texts``, of its own.

``<lang>/LC_MESSAGES/ui.po`` is written by people, the ``.mo`` beside it by ``packaging/texts.py
compile``. What the students' texts say already (months, purposes, places) is theirs to say.
"""

from __future__ import annotations

from functools import cache

from policies.texts import LANGUAGES, Plural, Texts, catalogue, mark
from policies.texts import texts as students_texts

__all__ = ["LANGUAGES", "Plural", "Texts", "mark", "texts"]

DOMAIN = "ui"


@cache
def texts(lang: str = "en") -> Texts:
    """The apps' sentences in ``lang``; raises :class:`policies.texts.UnknownLanguageError`."""
    known = students_texts(lang).lang
    words = catalogue(known, __name__, DOMAIN)
    words.add_fallback(catalogue(known, "policies.texts", "policies"))
    return Texts(known, words)
