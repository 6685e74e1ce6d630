"""Which line of a TOML text a key stands in, so that an error can point at it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_PATH = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*\[{{1,2}}[ \t]*({_PATH})[ \t]*\]")
_ASSIGNMENT = re.compile(rf"[ \t]*({_PATH})[ \t]*=")
_PARTS = re.compile(_PART)
_TOKEN = re.compile(
    r'"""|' + r"'''" + r"""|"(?:[^"\\]|\\.)*"|'[^']*'|\#.*|[\[\]{}]|[^"'\#\[\]{}]+|."""
)
_END_OF_BASIC = re.compile(r'(?:[^"\\]|\\.|"(?!""))*"""')
_END_OF_LITERAL = re.compile(r"(?:[^']|'(?!''))*'''")


def positions(text: str) -> Mapping[tuple[str, ...], int]:
    """The line (from 1) of every table and key of a TOML text; keys of inline tables are left out."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    inside = _Inside()
    for number, line in enumerate(text.split("\n"), start=1):
        rest = line
        if inside.nothing:
            if header := _HEADER.match(line):
                table = _split(header[1])
                _note(found, table, number)
                continue
            if assignment := _ASSIGNMENT.match(line):
                _note(found, table + _split(assignment[1]), number)
                rest = line[assignment.end() :]
        inside.read(rest)
    return found


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line of the deepest part of the path ``keys`` that is written in ``text``."""
    known = positions(text)
    for end in range(len(keys), 0, -1):
        if (line := known.get(tuple(keys[:end]))) is not None:
            return line
    return None


class _Inside:
    """What a line begins inside of: a text over several lines, or brackets still open."""

    def __init__(self) -> None:
        self._end: re.Pattern[str] | None = None
        self._depth = 0

    @property
    def nothing(self) -> bool:
        return self._end is None and self._depth == 0

    def read(self, line: str) -> None:
        at = 0
        while at < len(line):
            if self._end is not None:
                closing = self._end.match(line, at)
                if closing is None:
                    return
                self._end, at = None, closing.end()
                continue
            token = _TOKEN.match(line, at)
            if token is None:
                return
            at = token.end()
            if token[0] == '"""':
                self._end = _END_OF_BASIC
            elif token[0] == "'''":
                self._end = _END_OF_LITERAL
            elif token[0] in "[{":
                self._depth += 1
            elif token[0] in "]}":
                self._depth = max(0, self._depth - 1)


def _note(found: dict[tuple[str, ...], int], path: tuple[str, ...], number: int) -> None:
    for end in range(1, len(path) + 1):
        found.setdefault(path[:end], number)


def _split(path: str) -> tuple[str, ...]:
    return tuple(_unquote(part) for part in _PARTS.findall(path))


def _unquote(part: str) -> str:
    if not part.startswith(('"', "'")):
        return part
    try:
        return str(tomllib.loads(f"key = {part}")["key"])
    except tomllib.TOMLDecodeError:
        return part
