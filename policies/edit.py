"""TOML out: a policy as text, and single values changed in a text whose comments and order stay."""

from __future__ import annotations

import copy
import textwrap
import tomllib
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from policies.errors import PolicyError
from policies.load import MAX_DEPTH, document_of, parse, printable
from policies.reference import PLACEHOLDERS, Entry, entries
from policies.schema import Part, Policy

Tables = tomlkit.TOMLDocument | Table

# Width at which a comment of `policy new` is broken; the texts are read in an editor.
COMMENT_WIDTH = 96
# A longer key than any table's, its quotes and dots included.
MAX_KEY = 200
# Stands, as a comment, where a date and time may be filled in; nothing else can be without a value.
EXAMPLE_MOMENT = "2027-01-31T12:00:00Z"


def set_value(text: str, dotted_key: str, value: object, where: str = "policy") -> str:
    """``text`` with one value changed; see :func:`set_values`."""
    return set_values(text, {dotted_key: value}, where)


def set_values(text: str, changes: Mapping[str, object], where: str = "policy") -> str:
    """``text`` with the values of some dotted keys changed, everything else left as it is written.

    A key is written as in TOML (``clips.max_s``, ``rules."face.absent".on``); tables that are missing
    are made; the value ``None`` takes the key out. Values that only fit together are given together.
    Raises :class:`PolicyError` when the outcome is no policy, or ``text`` is not TOML.
    """
    edited = put_values(text, changes, where)
    parse(edited.encode("utf-8"), where)
    return edited


def put_values(text: str, changes: Mapping[str, object], where: str = "policy") -> str:
    """Like :func:`set_values`, but the outcome need not be a valid policy (yet): a form while one types."""
    _, wanted = document_of(text.encode("utf-8"), where)
    parts = {dotted: split_key(dotted) for dotted in changes}
    try:
        document = tomlkit.parse(text)
        for dotted, value in changes.items():
            plain = list(value) if isinstance(value, tuple) else value
            for tables in (document, wanted):
                _put(tables, parts[dotted], copy.deepcopy(plain), dotted)
        edited = tomlkit.dumps(document)
        same = tomllib.loads(edited) == wanted
    except (TOMLKitError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(
            f"The policy {where} cannot be edited: {printable(str(error))}."
        ) from error
    if not same:
        raise PolicyError(
            f"The policy {where} is written in a way that cannot be edited without loss; change "
            f"{printable(', '.join(changes))} by hand."
        )
    return edited


def join_key(parts: Sequence[str]) -> str:
    """A key as TOML writes it, of its parts; :func:`split_key` takes it apart again."""
    return tomlkit.key(list(parts)).as_string()


def split_key(dotted: str) -> list[str]:
    """The parts of a key as TOML writes it: ``rules."face.absent".on`` has three."""
    parts: list[str] = []
    try:
        table: Any = tomllib.loads(f"{dotted} = 0") if len(dotted) <= MAX_KEY else None
    except (ValueError, RecursionError):
        table = None
    while isinstance(table, dict) and len(table) == 1:
        ((part, table),) = table.items()
        parts.append(part)
    if table != 0 or "\n" in dotted or "=" in dotted or len(parts) > MAX_DEPTH:
        raise PolicyError(f"'{printable(dotted)}' is no key of a policy, for instance clips.max_s.")
    return parts


def dump(policy: Policy) -> str:
    """The policy as TOML, every field written out; parsing it gives the same policy again."""
    document = tomlkit.document()
    _fill(document, policy, "", {})
    return tomlkit.dumps(document)


def dump_commented(policy: Policy, heading: str) -> str:
    """Like :func:`dump`, with a comment above the first field of each kind that says what it is for.

    Fields without a value, such as an expiry date, are there as comments.
    """
    document = tomlkit.document()
    for line in heading.splitlines():
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    _fill(document, policy, "", {entry.key: entry for entry in entries()})
    return tomlkit.dumps(document)


def _fill(into: Tables, model: Part, path: str, comments: dict[str, Entry]) -> None:
    """Write the fields of ``model``; ``path`` is where its table stands in the reference.

    A comment is taken out of ``comments`` when it is written, so each is written once.
    """
    for name in type(model).model_fields:
        value = getattr(model, name)
        key = f"{path}.{name}" if path else name
        entry = comments.pop(key, None)
        if isinstance(value, Part):
            into.add(name, _table(value, key, entry, comments))
        elif name in PLACEHOLDERS:
            tables = tomlkit.table(is_super_table=True)
            for child, part in value.items():
                tables.add(child, _table(part, f"{key}.{PLACEHOLDERS[name]}", entry, comments))
                entry = None
            into.add(name, tables)
        elif isinstance(value, dict):
            if value:
                into.add(name, tomlkit.item(value))
        else:
            if entry is not None:
                _say(into, f"{entry.description} [{entry.allowed.replace('`', '')}]")
            if value is not None:
                into.add(name, list(value) if isinstance(value, tuple) else value)
            elif entry is not None:
                into.add(tomlkit.comment(f"{name} = {EXAMPLE_MOMENT}"))


def _table(model: Part, path: str, about: Entry | None, comments: dict[str, Entry]) -> Table:
    table = tomlkit.table()
    if about is not None:
        _say(table, about.description)
    _fill(table, model, path, comments)
    return table


def _say(into: Tables, text: str) -> None:
    for line in textwrap.wrap(text, COMMENT_WIDTH, break_on_hyphens=False):
        into.add(tomlkit.comment(line))


def _put(tables: MutableMapping[str, Any], keys: list[str], value: object, dotted: str) -> None:
    for key in keys[:-1]:
        if key not in tables:
            if value is None:
                return
            tables[key] = {}
        tables = tables[key]
        if not isinstance(tables, MutableMapping):
            raise PolicyError(f"'{printable(dotted)}' leads through '{printable(key)}', a value.")
    if value is None:
        tables.pop(keys[-1], None)
    else:
        tables[keys[-1]] = value
