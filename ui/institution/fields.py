"""What a form needs to know of each field, read from the policy's own schema. No Qt in here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from policies.reference import json_schema

Path = tuple[str, ...]
Kind = Literal[
    "text", "prose", "whole", "number", "switch", "choice", "moment", "choices", "lines", "numbers"
]

# A text that may be longer than this is written in a box of several lines.
PROSE_FROM = 300


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a form. ``low`` and ``high`` are limits of a number, or of a length."""

    name: str
    title: str
    about: str
    kind: Kind
    unit: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    default: Any = None
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the policy, or each of the tables under names that the policy chooses (``named``)."""

    name: str
    title: str
    about: str
    fields: tuple[Field, ...]
    named: bool = False
    names: tuple[str, ...] = ()


@cache
def general() -> tuple[Field, ...]:
    """The values that stand in no table."""
    schema = json_schema()
    return tuple(_fields(schema, schema["$defs"]))


@cache
def tables() -> Mapping[str, Table]:
    """Every table of a policy by its name, in the order of the schema."""
    schema = json_schema()
    found = {}
    for name, field in schema["properties"].items():
        model, names = _model_of(field, schema["$defs"])
        if model is not None:
            found[name] = Table(
                name,
                field["title"],
                field["description"],
                tuple(_fields(model, schema["$defs"])),
                "$ref" not in field,
                names,
            )
    return found


def of_plugin(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """The settings of a plug-in, from its own schema; what no form can show is left to the file."""
    return tuple(_fields(schema, schema.get("$defs", {})))


def _model_of(
    field: Mapping[str, Any], definitions: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    """The model of the table that ``field`` is or holds, and the only names it may have, if it says so."""
    inner = [field, field.get("additionalProperties"), *field.get("patternProperties", {}).values()]
    for candidate in inner:
        if isinstance(candidate, Mapping) and "$ref" in candidate:
            names = tuple(field.get("propertyNames", {}).get("enum", ()))
            return definitions[candidate["$ref"].rpartition("/")[2]], names
    return None, ()


def _fields(model: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Field]:
    needed = model.get("required", [])
    for name, raw in model.get("properties", {}).items():
        plain = _plain(raw)
        kind = _kind(plain, definitions)
        if kind is None:
            continue
        items = plain.get("items", {}) if kind in ("choices", "lines", "numbers") else plain
        is_list = items is not plain
        low = plain.get("minItems") if is_list else plain.get("minimum", plain.get("minLength"))
        high = plain.get("maxItems") if is_list else plain.get("maximum", plain.get("maxLength"))
        yield Field(
            name=name,
            title=raw.get("title", name),
            about=raw.get("description", ""),
            kind=kind,
            unit=raw.get("unit", ""),
            choices=tuple(items.get("enum", ())),
            low=plain.get("exclusiveMinimum", low),
            high=high,
            default=raw.get("default"),
            needed=name in needed,
        )


def _plain(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """A field that may be left out, as if it could not be."""
    for choice in raw.get("anyOf", ()):
        if choice.get("type") != "null":
            return dict(choice)
    return raw


def _kind(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Kind | None:
    kind = field.get("type")
    if "enum" in field:
        return "choice"
    if kind == "string" and field.get("format") == "date-time":
        return "moment"
    if kind == "string":
        return "prose" if field.get("maxLength", 0) >= PROSE_FROM else "text"
    if kind == "array":
        items = field.get("items", {})
        if "enum" in items:
            return "choices"
        return "numbers" if items.get("type") in ("number", "integer") else "lines"
    simple: Mapping[Any, Kind] = {"integer": "whole", "number": "number", "boolean": "switch"}
    return simple.get(kind) if isinstance(kind, str) else None
