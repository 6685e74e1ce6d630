"""What was noted, in the student's language."""

from __future__ import annotations

from policies.texts.numbers import Parts, kind_title
from policies.texts.told import told
from ui.texts import Plural, Texts

LASTED = Plural("{title}, for {n} second", "{title}, for {n} seconds")


def noted(t: Texts, kind: str, why: str, seconds: float, parts: Parts) -> str:
    """The detector's sentence with its numbers; of a plug-in from elsewhere the kind's title and how long.

    A sentence that no catalogue knows is English, and is shown in English only.
    """
    said = told(t, why)
    if said:
        return said
    title = kind_title(t, kind, parts)
    whole = round(seconds)
    return t.count(LASTED, whole, title=title) if whole else title
