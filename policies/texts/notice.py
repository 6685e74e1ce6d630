"""The values a notice is made of, and what must be known of the plug-ins to write one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from policies.schema import Language
from policies.texts import plain


@dataclass(frozen=True, slots=True)
class Part:
    """What a notice needs to know of an installed plug-in.

    ``kinds`` are kind name → the plug-in's own title, ``settings`` the settings in force (defaults
    filled in).
    """

    sensor: Literal["camera", "microphone"]
    kinds: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One of our sentences; after it, apart, words that somebody else wrote, and what belongs to it."""

    text: str
    quote: str = ""
    points: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "quote", plain(self.quote))


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers in columns; the first cell of a row names it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it; ``id`` is the same in every language."""

    id: str
    heading: str
    items: tuple[Item, ...]
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a student reads before an exam, made from the policy itself."""

    lang: Language
    title: str
    lead: str
    sections: tuple[Section, ...]
