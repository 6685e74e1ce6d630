"""From a preset's name or a TOML file to a checked :class:`Policy`."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from policies.errors import PolicyError
from policies.schema import Policy

# A real policy is a few kilobytes; a larger file is a mistake or an attack on the parser.
MAX_BYTES = 1_000_000


def preset_names() -> list[str]:
    """Names of the policies that come with the app."""
    folder = resources.files("policies") / "presets"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def read(name_or_path: str) -> tuple[Policy, bytes]:
    """The policy under a preset's name or at a path, with its exact bytes.

    Raises :class:`PolicyError` with the file, key and line when it is not usable.
    """
    if name_or_path in preset_names():
        raw = (resources.files("policies") / "presets" / f"{name_or_path}.toml").read_bytes()
        return parse(raw, f"preset {name_or_path}"), raw
    path = Path(name_or_path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PolicyError(f"The policy {path} is larger than {MAX_BYTES // 1000} kB.")
        raw = path.read_bytes()
    except OSError as error:
        raise PolicyError(
            f"There is no policy '{name_or_path}' ({error.strerror}). Give a file, or one of the "
            f"presets: {', '.join(preset_names())}."
        ) from error
    return parse(raw, str(path)), raw


def parse(raw: bytes, where: str) -> Policy:
    """Check the bytes of a policy; ``where`` names them in error sentences."""
    try:
        text = raw.decode("utf-8")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PolicyError(f"The policy {where} is not UTF-8 text (byte {error.start}).") from error
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"The policy {where} is not valid TOML: {error}.") from error
    except RecursionError as error:
        raise PolicyError(f"The policy {where} is nested too deeply to be a policy.") from error
    try:
        # JSON mode, so that a TOML array may fill a tuple while everything else stays strict.
        return Policy.model_validate(_tuples(document))
    except ValidationError as error:
        raise PolicyError(_sentence(error, text, where)) from error


def _tuples(value: object) -> object:
    if isinstance(value, dict):
        return {k: v if k == "settings" else _tuples(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(v) for v in value)
    return value


def _sentence(error: ValidationError, text: str, where: str) -> str:
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"] if part != "[key]"]
    line = _line_of(text, keys)
    at = f", line {line}" if line else ""
    key = ".".join(keys) or "the file"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "there is no such key"
    elif first["type"] == "missing":
        message = "is needed and missing"
    more = f" ({len(error.errors()) - 1} more)" if len(error.errors()) > 1 else ""
    return f"The policy {where}{at}: {key}: {message}{more}."


def _line_of(text: str, keys: list[str]) -> int | None:
    """The line where the deepest key of ``keys`` that the file has is written."""
    lines = text.splitlines()
    for key in reversed(keys):
        pattern = re.compile(
            rf"^\s*(?:\[{{1,2}}[^\]]*)?[\"']?{re.escape(key)}[\"']?\s*(?:=|\]|\.)"
            rf"|^\s*\[.*\.[\"']?{re.escape(key)}[\"']?\]"
        )
        for number, line in enumerate(lines, start=1):
            if pattern.search(line):
                return number
    return None
