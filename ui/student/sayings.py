"""What was noted, in the student's language: a plug-in's own sentence is English, its title is not."""

from __future__ import annotations

from policies.texts.numbers import Parts, kind_title
from ui.texts import Plural, Texts

LASTED = Plural("{title}, for {n} second", "{title}, for {n} seconds")


def noted(t: Texts, kind: str, why: str, seconds: float, parts: Parts) -> str:
    """The plug-in's sentence with its numbers where that is English; else the kind's title and how long."""
    if t.lang == "en" and why:
        return why
    title = kind_title(t, kind, parts)
    whole = round(seconds)
    return t.count(LASTED, whole, title=title) if whole else title
