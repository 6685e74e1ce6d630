"""Milestones that come from outside the program: from the exam page, the calibration, or a sidecar file.

A recording can have a sidecar: ``lecture.mp4`` has ``lecture.markers.jsonl`` beside it, with one JSON
object a line: ``{"t": 12.5, "kind": "question.shown", "data": {"id": "q1"}}``. Everything else that
a marker can say comes from the program itself and is refused here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proctor.errors import InputError
from proctor.types import Marker

SUFFIX = ".markers.jsonl"
MAX_BYTES = 1_000_000
MAX_LINE = 1_000
MAX_LINES = 10_000
# A marker may lie this far after the end that a recording's header names (headers round).
LATE_S = 1.0
# A hundred days: no recording is longer.
LATEST_S = 8_640_000.0

QUESTION = "question.shown"
ANSWER = "answer.submitted"
# What the exam page may tell.
OF_THE_PAGE = (QUESTION, ANSWER)
CALIBRATION_BEGIN = "calibration.begin"
CALIBRATION_POINT = "calibration.point"
CALIBRATION_END = "calibration.end"
# "voice" is the sound of the room without one; "own_voice" that of the student, reading aloud.
CALIBRATED_SENSES = ("gaze", "light", "voice", "own_voice")
KINDS = (*OF_THE_PAGE, CALIBRATION_BEGIN, CALIBRATION_POINT, CALIBRATION_END)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
# Points a little outside the screen are its frame; a calibration takes half a minute in all.
POINT = (-0.25, 1.25)
MAX_POINT_S = 30.0


def checked(kind: object, data: object) -> dict[str, Any]:
    """``data`` of a milestone from outside, or :class:`InputError` with what is wrong with it."""
    if kind not in KINDS:
        raise InputError(f"the kind must be one of {', '.join(KINDS)}")
    if not isinstance(data, Mapping):
        raise InputError("data must be an object")
    if kind in OF_THE_PAGE:
        _fields(data, "id")
        if not isinstance(data["id"], str) or not _ID.fullmatch(data["id"]):
            raise InputError(
                "data.id must be 1 to 64 letters, digits, dots, colons, dashes or underscores"
            )
        return {"id": data["id"]}
    if kind == CALIBRATION_POINT:
        _fields(data, "x", "y", "seconds")
        x, y = (_number(data, name, *POINT) for name in ("x", "y"))
        return {"x": x, "y": y, "seconds": _number(data, "seconds", 0.1, MAX_POINT_S)}
    _fields(data, "what")
    if data["what"] not in CALIBRATED_SENSES:
        raise InputError(f"data.what must be one of {', '.join(CALIBRATED_SENSES)}")
    return {"what": data["what"]}


def sidecar(recording: Path) -> Path:
    """Where the milestones of ``recording`` would be."""
    return recording.with_suffix(SUFFIX)


def read(recording: Path, duration: float | None) -> tuple[Marker, ...]:
    """The milestones beside ``recording``, in order of time; none where there is no such file.

    ``duration``: its length (s) if known. Raises :class:`InputError` for the first thing wrong.
    """
    path = sidecar(recording)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(
            f"The markers {path} cannot be read ({error.strerror}); move the file away or allow it."
        ) from error
    if len(data) > MAX_BYTES:
        raise InputError(f"The markers {path} are larger than a megabyte; shorten or remove them.")
    found: list[Marker] = []
    lines = data.split(b"\n")
    if len(lines) > MAX_LINES:
        raise InputError(f"The markers {path} have more than {MAX_LINES} lines; shorten the file.")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            marker = _marker(line)
            if found and marker.t < found[-1].t:
                raise InputError("t is smaller than in the line before")
            if duration is not None and marker.t > duration + LATE_S:
                raise InputError(f"t lies after the recording's end ({duration:.1f} s)")
        except InputError as error:
            raise InputError(f"The markers {path}, line {number}: {error}.") from error
        found.append(marker)
    return tuple(found)


def _marker(line: bytes) -> Marker:
    if len(line) > MAX_LINE:
        raise InputError(f"the line is longer than {MAX_LINE} bytes")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError("this is not a JSON object on one line") from error
    if not isinstance(value, dict):
        raise InputError("this is not a JSON object on one line")
    _fields(value, "t", "kind", "data")
    return Marker(
        _number(value, "t", 0.0, LATEST_S),
        str(value["kind"]),
        checked(value["kind"], value["data"]),
    )


def _fields(data: Mapping[Any, Any], *names: str) -> None:
    if set(data) != set(names):
        raise InputError(f"the fields must be exactly {', '.join(names)}")


def _number(data: Mapping[Any, Any], name: str, least: float, most: float) -> float:
    value = data[name]
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not least <= value <= most:
        raise InputError(f"{name} must be a number from {least:g} to {most:.10g}")
    return float(value)
