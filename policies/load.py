"""From a preset's name or a file to a checked :class:`Policy`.

What is read may come from a stranger: its size is bounded before it is parsed, and whatever is wrong
with it ends in one printable sentence.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from policies import sign
from policies.errors import PolicyError
from policies.lines import line_of
from policies.schema import Part, Policy

# A real policy is a few kilobytes; a larger file is a mistake or an attack on the parser.
MAX_BYTES = 256_000
# rules."face.absent".on is three deep; a plug-in's setting four.
MAX_DEPTH = 8
# tomllib's time and memory grow with the square of a dotted key's parts: one of 128,000 takes all the
# memory there is. A dotted key stands on one line, and no line of a policy has this many dots.
MAX_DOTS = 200
# Longest stretch of a file's own words inside an error sentence.
MAX_QUOTE = 200
# Our own words about it, which may list every key of a table.
MAX_MESSAGE = 600
BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def preset_names() -> list[str]:
    """Names of the policies that come with the app."""
    folder = resources.files("policies") / "presets"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def read(name_or_path: str) -> tuple[Policy, bytes]:
    """The policy under a preset's name or at a path, with the exact bytes of its TOML.

    A signed envelope is opened *without* looking at its signatures, so that anyone can read what is
    in it; what runs an exam asks ``proctor.session.trust`` instead. Raises :class:`PolicyError` with
    the file, key and line when the policy is not usable.
    """
    raw = read_bytes(name_or_path)
    where = describe(name_or_path)
    if is_envelope(raw):
        raw = payload_of(raw, where)
    return parse(raw, where), raw


def read_bytes(name_or_path: str) -> bytes:
    """The bytes of a preset, or of a file (a TOML policy or an envelope), of bounded size."""
    if name_or_path in preset_names():
        return (resources.files("policies") / "presets" / f"{name_or_path}.toml").read_bytes()
    try:
        with Path(name_or_path).open("rb") as file:
            raw = file.read(sign.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PolicyError(
            f"There is no policy '{printable(name_or_path)}' ({reason}). Give a file, or one of the "
            f"presets: {', '.join(preset_names())}."
        ) from error
    limit = sign.MAX_BYTES if is_envelope(raw) else MAX_BYTES
    if len(raw) > limit:
        raise PolicyError(
            f"The policy {printable(name_or_path)} is larger than {limit // 1000} kB; no policy is."
        )
    return raw


def describe(name_or_path: str) -> str:
    """How error sentences name a policy."""
    return f"preset {name_or_path}" if name_or_path in preset_names() else printable(name_or_path)


def is_envelope(raw: bytes) -> bool:
    """Whether these are the bytes of a signed envelope (JSON) and not of TOML."""
    return raw.lstrip(b" \t\r\n").startswith(b"{")


def payload_of(raw: bytes, where: str) -> bytes:
    """The policy in an envelope whose signatures were *not* checked."""
    try:
        payload, kind, _ = sign.inspect(raw)
    except PolicyError as error:
        raise PolicyError(f"The policy {where}: {error}") from error
    if kind != sign.PAYLOAD_TYPE:
        raise PolicyError(f"The envelope {where} holds '{printable(kind)}', which is no policy.")
    return payload


def parse(raw: bytes, where: str) -> Policy:
    """Check the bytes of a policy; ``where`` names them in error sentences."""
    text, document = document_of(raw, where)
    try:
        return Policy.model_validate(as_tuples(document))
    except ValidationError as error:
        raise PolicyError(sentence_of(error, text, f"policy {where}", Policy)) from error


def document_of(raw: bytes, where: str, what: str = "policy") -> tuple[str, dict[str, Any]]:
    """The text and the tables of a TOML file that need not be valid otherwise; ``what`` it should be."""
    if len(raw) > MAX_BYTES:
        raise PolicyError(f"The {what} {where} is larger than {MAX_BYTES // 1000} kB; none is.")
    if raw.startswith(BYTE_ORDER_MARKS):
        raise PolicyError(
            f"The {what} {where} begins with a byte-order mark; save it as UTF-8 without one."
        )
    try:
        text = raw.decode("utf-8")
        if any(line.count(".") > MAX_DOTS for line in text.split("\n")):
            raise PolicyError(f"The {what} {where} is nested too deeply to be one.")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PolicyError(f"The {what} {where} is not UTF-8 text (byte {error.start}).") from error
    except RecursionError as error:
        raise PolicyError(f"The {what} {where} is nested too deeply to be one.") from error
    except ValueError as error:  # TOMLDecodeError is one; a number of 5000 digits raises another
        raise PolicyError(
            f"The {what} {where} is not valid TOML: {printable(str(error)).rstrip('.')}."
        ) from error
    if _depth(document) > MAX_DEPTH:
        raise PolicyError(f"The {what} {where} is nested too deeply to be one.")
    return text, document


def printable(text: str, longest: int = MAX_QUOTE) -> str:
    """A stranger's words for use in a sentence: one line, nothing a terminal would obey, not long."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:longest])
    return shown if len(text) <= longest else f"{shown}…"


def _depth(document: object) -> int:
    """How deep tables and lists stand in each other; counts without recursion, and stops early."""
    depth, level = 0, [document]
    while level and depth <= MAX_DEPTH:
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        depth += 1
    return depth


def as_tuples(value: object) -> object:
    """Lists as tuples, which the frozen model holds; a plug-in's settings stay as they are."""
    if isinstance(value, dict):
        return {k: v if k == "settings" else as_tuples(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(as_tuples(v) for v in value)
    return value


def sentence_of(
    error: ValidationError, text: str, what: str, model: type[Part] | None = None
) -> str:
    """The first thing that is wrong with ``what`` (such as "policy exam.toml"), and where it stands.

    Where ``model`` is given, an unknown key is answered with those that its table can have.
    """
    errors = error.errors(include_url=False, include_context=False)
    first = errors[0]
    keys = [str(part) for part in first["loc"] if part != "[key]"]
    line = line_of(text, keys)
    at = f", line {line}" if line else ""
    key = printable(".".join(keys)) or "the file"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = f" (allowed: {', '.join(_keys_at(model, keys[:-1]))})" if model else ""
        message = f"there is no such key{known}"
    elif first["type"] == "missing":
        message = "is needed and missing"
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"The {what}{at}: {key}: {printable(message, MAX_MESSAGE).rstrip('.')}{more}."


def _keys_at(model: type[Part], path: Sequence[str]) -> list[str]:
    """The keys that the table at ``path`` can have."""
    rest = list(path)
    while rest:
        annotation: Any = model.model_fields[rest.pop(0)].annotation
        if get_origin(annotation) is dict:
            annotation, rest = get_args(annotation)[1], rest[1:]
        model = annotation
    return list(model.model_fields)
