"""Results as JSON and CSV: every number with its count, n, interval and level, or why there is none."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from proctor.evaluate.statistics import Answer, Estimate, Unsaid

FORMAT = 2


def plain(value: Any) -> Any:
    """``value`` of dataclasses, mappings, sequences and arrays in JSON's own types.

    A number that is infinite or undefined becomes ``null``, an :class:`Unsaid` an object whose key
    ``cannot_be_said`` holds the reason, and ``here`` the number of these recordings alone.
    """
    if isinstance(value, Unsaid):
        here = {} if value.here is None else {"here": plain(value.here)}
        return {"cannot_be_said": value.why, "n": plain(value.n), "of": value.of, **here}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_key(name): plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Set):
        return sorted(plain(one) for one in value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _key(name: Any) -> str:
    return " / ".join(str(part) for part in name) if isinstance(name, tuple) else str(name)


def to_json(value: Any) -> str:
    """The text of a JSON file."""
    return json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def columns(answer: Answer) -> tuple[Any, ...]:
    """An answer as the cells value, low, high, n, of, level, method, cannot_be_said."""
    if isinstance(answer, Estimate):
        return (
            answer.value,
            answer.low,
            answer.high,
            answer.n,
            answer.of,
            answer.level,
            answer.method,
            "",
        )
    return ("", "", "", answer.n, answer.of, "", "", answer.why)


ANSWER = ("value", "low", "high", "n", "of", "level", "method", "cannot_be_said")


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """A table for any spreadsheet: commas, points, UTF-8, a first line of names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow([f"{cell:.6g}" if isinstance(cell, float) else _safe(cell) for cell in row])
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def _safe(cell: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets a space before it."""
    return f" {cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "@", "\t") else cell
