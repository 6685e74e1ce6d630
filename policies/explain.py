"""The student's notice, generated from the real policy (rule P4), as values, plain text or HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from textwrap import fill
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from policies.consent import question
from policies.schema import Policy
from policies.texts import texts
from policies.texts.notice import Item, Notice, Part, Section, Table
from policies.texts.numbers import thresholds
from policies.texts.sections import SECTIONS

__all__ = [
    "Item",
    "Notice",
    "Part",
    "Section",
    "as_dict",
    "as_html",
    "as_text",
    "notice",
    "question",
]

# Columns of a terminal that every reader has.
_WIDTH = 80


def notice(policy: Policy, lang: str, parts: Mapping[str, Part]) -> Notice:
    """What a student reads before an exam under ``policy``.

    ``parts`` describes the plug-ins that the policy runs. Raises
    :class:`policies.texts.UnknownLanguageError` for a language without texts.
    """
    t = texts(lang)
    return Notice(
        t.lang,
        t.say("Your exam: what this program does"),
        t.say(
            "This page is for you. It says what we look at, what we keep and what you can choose."
        ),
        tuple(
            Section(
                name,
                t.say(heading),
                tuple(make(t, policy, parts)),
                thresholds(t, policy, parts) if name == "numbers" else None,
            )
            for name, heading, make in SECTIONS
        ),
    )


def as_text(page: Notice) -> str:
    """The notice for a terminal or a plain mail."""
    blocks = [page.title, "=" * len(page.title), "", fill(page.lead, _WIDTH)]
    for section in page.sections:
        blocks += ["", section.heading, "-" * len(section.heading)]
        blocks += _lines(section.items, "")
        if section.table:
            blocks += ["", *_columns(section.table)]
    return "\n".join(blocks) + "\n"


def _lines(items: Iterable[Item], indent: str) -> Iterator[str]:
    for item in items:
        yield _wrapped(item.text, f"{indent}- ", f"{indent}  ")
        if item.quote:
            yield _wrapped(item.quote, f"{indent}  > ", f"{indent}  > ")
        yield from _lines(item.points, f"{indent}  ")


def _wrapped(text: str, first: str, other: str) -> str:
    return fill(text, _WIDTH, initial_indent=first, subsequent_indent=other, break_on_hyphens=False)


def _columns(table: Table) -> list[str]:
    """A table whose columns have numbers, and above it what each number means."""
    lines = [_wrapped(name, f"  ({n}) ", "      ") for n, name in enumerate(table.columns[1:], 1)]
    marks = [f"({number})" for number in range(1, len(table.columns))]
    for title, *cells in ((table.columns[0], *marks), *table.rows):
        lines.append(f"  {title:<38}" + "".join(f"{cell:>6}" for cell in cells))
    return lines


def as_dict(page: Notice) -> dict[str, Any]:
    """The notice for a machine."""
    return {
        "lang": page.lang,
        "title": page.title,
        "lead": page.lead,
        "sections": [
            {
                "id": section.id,
                "heading": section.heading,
                "items": [_item(item) for item in section.items],
            }
            | (
                {"columns": list(section.table.columns), "rows": [*map(list, section.table.rows)]}
                if section.table
                else {}
            )
            for section in page.sections
        ],
    }


def _item(item: Item) -> dict[str, Any]:
    told: dict[str, Any] = {"text": item.text}
    if item.quote:
        told["quote"] = item.quote
    if item.points:
        told["points"] = [_item(point) for point in item.points]
    return told


def as_html(page: Notice) -> str:
    """The notice as one HTML file that needs no script, no network and no other file."""
    return _template().render(page=page)


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("policies.texts").joinpath("notice.html.j2").read_text("utf-8")
    return environment.from_string(source)
