"""Values from a journal that anybody may have written: every number finite, every text one bounded line."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proctor.types import Box

# An exam longer than a day is a broken clock; times beyond it are not shown.
LONGEST_S = 86_400.0
MOST_TEXT = 300


def text(value: object, most: int = MOST_TEXT) -> str:
    """``value`` as one printable line: no control or direction-changing characters, not endless."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Python refuses to write out integers of thousands of digits; no honest record has one.
        value = str(value) if abs(value) < 1e18 else ""
    if not isinstance(value, str):
        return ""
    raw = value[: 4 * most]
    # Cc controls, Cf direction marks, Cs halves of pairs: each could hide or turn what is shown.
    kept = "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Cs") else " " for c in raw)
    line = " ".join(kept.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def number(value: object, low: float = 0.0, high: float = LONGEST_S) -> float | None:
    """``value`` as a finite number within the limits, or ``None`` when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and low <= found <= high else None


def plain_title(kind: str) -> str:
    """A readable name of a kind whose title nobody wrote down: ``gaze.away`` → ``Gaze: away``."""
    head, _, tail = text(kind, 60).replace("_", " ").partition(".")
    return (
        f"{head.capitalize()}: {tail.replace('.', ', ')}"
        if tail
        else head.capitalize() or "Unnamed"
    )


def box(value: object) -> Box | None:
    """``value`` as a box: four numbers in a list, or by name."""
    # Whoever only verifies a case has no use for what the values need (numpy).
    from proctor.types import Box

    if isinstance(value, Mapping):
        value = [value.get(key) for key in ("x", "y", "width", "height")]
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 4:
        return None
    sides = [number(side, -1.0, 2.0) for side in value]
    x, y, width, height = sides
    if x is None or y is None or width is None or height is None:
        return None
    return Box(x, y, width, height)


def strings(value: object, most: int = 100) -> tuple[str, ...]:
    """``value`` as a list of texts, without what is none."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return ()
    found = (text(item, 200) for item in value[:most])
    return tuple(item for item in found if item)


def moment(value: object) -> datetime | None:
    """``value`` as a moment in UTC; one without a zone is taken to be in UTC."""
    try:
        found = datetime.fromisoformat(text(value, 40))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
