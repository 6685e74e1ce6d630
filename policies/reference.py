"""What a policy can say, made from the model: JSON Schema, a list of every field, a reference page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from policies.schema import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# How a table whose name is chosen is written in a key, by the field that holds such tables.
PLACEHOLDERS = {"purposes": "PURPOSE", "detectors": "DETECTOR", "rules": '"KIND"'}

INTRODUCTION = """\
# What a policy can say

A policy is a TOML file in UTF-8. Unknown keys, wrong types and values outside these limits are refused, in one
sentence that names file, line and key. No policy, signed or not, can lift a limit: they are compiled into the agent.
`proctor policy new` writes a file to start from, `proctor policy check` says what is unlawful or unwise in one.

This page is generated from the model in `policies/schema.py`: `proctor policy schema > docs/policy-reference.md`.
`proctor policy schema --json` prints the same as JSON Schema, for editors that check as one types.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One field: ``key`` as in TOML with placeholders (``rules."KIND".on``), and what may stand there."""

    key: str
    table: str
    title: str
    description: str
    allowed: str
    default: str
    is_table: bool

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.removeprefix(f"{self.table}.") if self.table else self.key


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a policy file; quantities have a ``unit`` beside their range."""
    schema = Policy.model_json_schema()
    definitions = schema["$defs"]
    for field in schema["properties"].values():
        # Pydantic leaves out what a field and its table's model say alike.
        if "$ref" in field:
            model = definitions[field["$ref"].rpartition("/")[2]]
            for what in ("title", "description"):
                field.setdefault(what, model[what])
    return {"$schema": DIALECT, **schema}


@cache
def entries() -> tuple[Entry, ...]:
    """Every field of every table, a table's own fields before those of the tables in it."""
    schema = json_schema()
    return tuple(_walk(schema, schema.get("$defs", {}), ""))


def page() -> str:
    """The reference page, as Markdown."""
    everything = entries()
    parts = [INTRODUCTION]
    titles = {entry.key: entry for entry in everything if entry.is_table}
    for table in dict.fromkeys(entry.table for entry in everything):
        if table:
            about = titles.get(table) or titles[table.rpartition(".")[0]]
            parts.append(f"## `[{table}]`\n\n{about.description}\n")
        else:
            parts.append("## The policy itself\n")
        rows = [entry for entry in everything if entry.table == table]
        parts.append("| key | what it is | allowed | if left out |\n| --- | --- | --- | --- |")
        parts.append("\n".join(map(_row, rows)) + "\n")
    return "\n".join(parts)


def _row(entry: Entry) -> str:
    cells = (
        f"`{entry.name}`",
        f"**{entry.title}.** {entry.description}",
        entry.allowed,
        entry.default,
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _walk(model: Mapping[str, Any], definitions: Mapping[str, Any], table: str) -> Iterator[Entry]:
    needed = model.get("required", [])
    inner: list[tuple[Mapping[str, Any], str]] = []
    for name, field in model["properties"].items():
        key = f"{table}.{name}" if table else name
        of = _table_of(field, definitions)
        if of is not None:
            inner.append((of, f"{key}.{PLACEHOLDERS[name]}" if _is_named(field) else key))
        yield Entry(
            key=key,
            table=table,
            title=field["title"],
            description=field["description"],
            allowed=_allowed(field, definitions),
            default="**needed**" if name in needed else _default(field, of is not None),
            is_table=of is not None,
        )
    for child, path in inner:
        yield from _walk(child, definitions, path)


def _is_named(field: Mapping[str, Any]) -> bool:
    """Whether the field is a table of tables whose names the policy chooses."""
    return "additionalProperties" in field or "patternProperties" in field


def _table_of(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The model of the table, or of each of the tables, that a field holds."""
    candidates = [field, *field.get("patternProperties", {}).values()]
    if isinstance(field.get("additionalProperties"), Mapping):
        candidates.append(field["additionalProperties"])
    for candidate in candidates:
        if "$ref" in candidate:
            found: Mapping[str, Any] = definitions[candidate["$ref"].rpartition("/")[2]]
            return found
    return None


def _default(field: Mapping[str, Any], is_table: bool) -> str:
    if is_table:
        return "as its own fields"
    value = field.get("default")
    if value is None:
        return "none"
    return f"`{_literal(value)}`"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _allowed(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What may stand there, in words."""
    unit = f" ({field['unit']})" if "unit" in field else ""
    if "anyOf" in field:
        choices = [_allowed(c, definitions) for c in field["anyOf"] if c.get("type") != "null"]
        return " or ".join(choices) + unit
    if "enum" in field:
        return ", ".join(f"`{_literal(value)}`" for value in field["enum"])
    if "$ref" in field:
        return "a table"
    kind = field.get("type")
    if isinstance(kind, list):
        return str(field["description"]).rstrip(".").lower()
    if kind == "boolean":
        return "`true`, `false`"
    if kind in ("integer", "number"):
        return f"{'whole number' if kind == 'integer' else 'number'}{_range(field)}{unit}"
    if kind == "array":
        return f"list of {_allowed(field['items'], definitions)}{_length(field, 'entries')}{unit}"
    if kind == "object" and "propertyNames" in field:
        return f"a table for each of {_allowed(field['propertyNames'], definitions)}"
    if kind == "object":
        names = ", ".join(f"`{pattern}`" for pattern in field["patternProperties"])
        values = "tables" if _table_of(field, definitions) else "values"
        return f"{values} under names like {names}"
    if field.get("format") == "date-time":
        return "date and time, such as `2027-01-31T12:00:00Z`"
    if "pattern" in field:
        return f"text like `{field['pattern']}`"
    return f"text{_length(field, 'characters')}"


def _range(field: Mapping[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    above = field.get("exclusiveMinimum")
    if above is not None:
        return f" above {above:g}" + (f", at most {high:g}" if high is not None else "")
    if low is not None and high is not None:
        return f", {low:,.12g} to {high:,.12g}"
    return "" if low is None else f" from {low:g}"


def _length(field: Mapping[str, Any], of: str) -> str:
    low = field.get("minLength", field.get("minItems"))
    high = field.get("maxLength", field.get("maxItems"))
    if low is not None and high is not None:
        return f", {low} to {high} {of}"
    return "" if high is None else f", at most {high} {of}"
