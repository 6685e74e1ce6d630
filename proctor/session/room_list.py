"""What stands in a swept room: a list of kinds with time and direction, for the people who review it.

Every installed plug-in that can judge each picture by itself takes part: one whose settings have
``each_picture`` (see :mod:`proctor.pipeline.plugins`; nothing of it is imported here). The list is made
of the pictures as they are sealed, so what the student blurred is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from models import registry
from proctor.errors import InputError
from proctor.evidence.words import BY_ARRANGEMENT
from proctor.pipeline.detector import Context, Plugin
from proctor.pipeline.runner import Station
from proctor.session.rotation import USUAL
from proctor.types import Box, Frame, Observation

EACH_PICTURE = "each_picture"
# A look every so many degrees: a thing is then in about six looks of a usual camera.
LOOK_EVERY = 10.0
# And where the direction could not be told, so many seconds apart.
LOOK_EVERY_S = 0.5
# Two finds of one kind nearer than this (degrees, or seconds without a direction) are one thing.
SAME_PLACE = 12.0
SAME_TIME_S = 1.5
# Found in a single look it may be a trick of that picture.
FEWEST_LOOKS = 2


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing in the room: when and where it was seen best. ``yaw`` in degrees to the right of the
    first view, ``None`` where it could not be told; ``looks`` in how many pictures it was found."""

    kind: str
    t: float
    yaw: float | None
    score: float
    looks: int
    box: Box | None


@dataclass(frozen=True, slots=True)
class Lookers:
    """The detectors that list things, a sentence for each that cannot, and the kinds left out."""

    stations: Sequence[Station]
    missing: Sequence[str]
    off: frozenset[str] = frozenset()


def lookers(
    plugins: Mapping[str, Plugin], off: Callable[[str], bool] = lambda kind: False
) -> Lookers:
    """Load every plug-in that judges single pictures. ``off`` names kinds that are not measured by
    arrangement: they are not listed, and a plug-in with nothing else is not loaded (rule A1)."""
    stations: list[Station] = []
    missing: list[str] = []
    arranged: list[str] = []
    for plugin in plugins.values():
        if plugin.takes != "frame" or EACH_PICTURE not in plugin.Settings.model_fields:
            continue
        arranged += [kind.name for kind in plugin.kinds if off(kind.name)]
        if all(off(kind.name) for kind in plugin.kinds):
            continue
        found = {name: registry.find(name) for name in plugin.models}
        lacking = [name for name, path in found.items() if path is None]
        if lacking:
            missing.append(
                f"Not listed: {', '.join(kind.name for kind in plugin.kinds)} (the network "
                f"{' and '.join(lacking)} is not on this computer). "
                f"`proctor models install {' '.join(lacking)}` mends it."
            )
            continue
        context = Context({name: path for name, path in found.items() if path is not None})
        try:
            detector = plugin.create(plugin.Settings(**{EACH_PICTURE: True}), context)
        except ValueError as error:
            raise InputError(f"The detector '{plugin.name}' cannot start: {error}") from error
        stations.append(Station(plugin, detector))
    if arranged:
        missing.append(f"Not listed: {', '.join(arranged)} ({BY_ARRANGEMENT}).")
    return Lookers(stations, missing, frozenset(arranged))


def chosen(yaws: Sequence[tuple[float, float | None]]) -> list[int]:
    """Which of the frames (second and direction) to look at: each direction once, and no more."""
    looks: list[int] = []
    directions: set[int] = set()
    last = -math.inf
    for index, (t, yaw) in enumerate(yaws):
        if yaw is not None:
            direction = round(yaw % 360 / LOOK_EVERY)
            if direction in directions:
                continue
            directions.add(direction)
        elif t - last < LOOK_EVERY_S:
            continue
        last = t
        looks.append(index)
    return looks


def look(
    lookers: Lookers, frame: Frame, yaw: float | None, focal: float = USUAL.focal
) -> list[Thing]:
    """What is in one picture. ``focal`` in widths of the picture turns a place into a direction."""
    seen: list[Thing] = []
    for station in lookers.stations:
        for found in station.look(frame):
            if found.score and found.kind not in lookers.off:
                seen.append(_thing(found, yaw, focal))
    return seen


def _thing(found: Observation, yaw: float | None, focal: float) -> Thing:
    if yaw is not None and found.box is not None:
        yaw += math.degrees(math.atan((found.box.x + found.box.width / 2 - 0.5) / focal))
    return Thing(found.kind, found.t, yaw, found.score or 0.0, 1, found.box)


def listed(seen: Sequence[Thing]) -> list[Thing]:
    """Finds of one thing put together, in order of time; what was found only once is left out."""
    groups: list[list[Thing]] = []
    for thing in sorted(seen, key=lambda one: one.t):
        # In one picture two boxes are two things.
        near = [g for g in groups if _same(g, thing) and g[-1].t < thing.t]
        if near:
            min(near, key=lambda g: _apart(g, thing)).append(thing)
        else:
            groups.append([thing])
    things = []
    for group in groups:
        best = max(group, key=lambda one: one.score)
        if len(group) >= FEWEST_LOOKS:
            things.append(Thing(best.kind, best.t, best.yaw, best.score, len(group), best.box))
    return sorted(things, key=lambda one: one.t)


def _same(group: Sequence[Thing], thing: Thing) -> bool:
    if group[0].kind != thing.kind or (group[-1].yaw is None) != (thing.yaw is None):
        return False
    return _apart(group, thing) < (SAME_TIME_S if thing.yaw is None else SAME_PLACE)


def _apart(group: Sequence[Thing], thing: Thing) -> float:
    yaws = [one.yaw for one in group if one.yaw is not None]
    if thing.yaw is None or not yaws:
        return thing.t - group[-1].t
    return abs((thing.yaw - median(yaws) + 180) % 360 - 180)
