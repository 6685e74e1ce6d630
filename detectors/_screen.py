"""Where the screen is, as seen from the camera's place: learned from points the student looked at.

Nothing of it outlives the session: what is kept are a few angles, in memory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# After a point appears, eyes and head need this long to reach it and come to rest (a saccade takes
# 0.2 s to begin and less than 0.1 s; a turn of the head up to half a second).
SETTLE_S = 0.7
# Looks that a point needs, and the most that they may scatter around their median (degrees, median
# absolute deviation): blendshapes of eyes at rest scatter by about 1.
LEAST_LOOKS = 5
MAX_SCATTER = 5.0
# Points of the left and right part of the screen that must have been seen well, each.
LEAST_SIDES = 2
# A screen fills at least this angle: 13 inches at 80 cm is 20 degrees, of which half may be lost,
# because blendshapes say less for small turns of the eyes; and at most this.
WIDTH_DEGREES = (8.0, 100.0)
# Share of the sideways movement that must follow the points in a straight line.
LEAST_FIT = 0.6
# The learned limits stay between these, whatever was measured.
SIDE_LIMITS = (14.0, 50.0)
MOST_VERTICAL = 60.0
# A calibration that nobody ended is over after this long.
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Screen:
    """The screen's middle, and how far its edges are from it (all in degrees, positive).

    ``right`` and ``up`` of the lens, as the picture shows it; ``to_right``, ``to_left``, ``to_up``,
    ``to_down`` from the middle. ``mirrored``: the camera gives a mirror picture, so that the
    person's left is on the picture's left.
    """

    right: float
    up: float
    to_right: float
    to_left: float
    to_up: float
    to_down: float
    mirrored: bool


@dataclass(slots=True)
class _Point:
    x: float
    y: float
    begin: float
    end: float


class ScreenCalibration:
    """Collects lines of sight while points are shown, and says what they make."""

    def __init__(self, t: float) -> None:
        self.began = t
        self._points: list[_Point] = []
        self._seen: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self._unseen: Counter[str] = Counter()

    def point(self, t: float, data: Mapping[str, Any]) -> None:
        """From ``t`` on a point is shown at ``x``, ``y`` (fractions of the screen) for ``seconds``."""
        values = [data.get(name) for name in ("x", "y", "seconds")]
        if len(self._points) < 100 and all(isinstance(v, int | float) for v in values):
            x, y, seconds = (float(v) for v in values if v is not None)
            self._points.append(_Point(x, y, t, t + seconds))

    def look(self, t: float, sight: tuple[float, float] | None, why: str) -> None:
        """One line of sight (degrees right and up), or why there is none."""
        for i, point in enumerate(self._points):
            if not point.begin + SETTLE_S <= t <= point.end:
                continue
            if sight is None:
                self._unseen[why] += 1
            else:
                self._seen[i].append(sight)

    def result(self) -> tuple[Screen | None, str]:
        """The screen, or why it could not be found."""
        middles: list[tuple[float, float, float, float]] = []
        for i, point in enumerate(self._points):
            looks = np.array(self._seen.get(i, []))
            if len(looks) < LEAST_LOOKS:
                continue
            middle = np.median(looks, axis=0)
            scatter = float(np.median(np.abs(looks[:, 0] - middle[0])))
            if scatter > MAX_SCATTER:
                return None, f"the eyes did not rest on the points (scatter {scatter:.0f}°)"
            middles.append((point.x, point.y, float(middle[0]), float(middle[1])))
        return _fit(np.array(middles).reshape(-1, 4), self._why_unseen())

    def _why_unseen(self) -> str:
        return f": {self._unseen.most_common(1)[0][0]}" if self._unseen else ""


def _fit(points: np.ndarray[Any, Any], why: str) -> tuple[Screen | None, str]:
    """``points``: N×4, where it was shown (x, y) and how it was looked at (right, up)."""
    x, y, right, up = points.T
    left_side, right_side, middle = x < 0.3, x > 0.7, (x > 0.3) & (x < 0.7)
    if min(left_side.sum(), right_side.sum()) < LEAST_SIDES or not middle.any():
        return None, f"too few of the points were seen well ({len(points)}{why})"
    slope, offset = np.polyfit(x, right, 1)
    rest = right - (slope * x + offset)
    spread = float(((right - right.mean()) ** 2).sum())
    fit = 1.0 - float((rest**2).sum()) / spread if spread > 0 else 0.0
    a, b = float(np.median(right[left_side])), float(np.median(right[right_side]))
    width = abs(a - b)
    if not WIDTH_DEGREES[0] <= width <= WIDTH_DEGREES[1] or fit < LEAST_FIT:
        return None, f"the eyes did not follow the points ({width:.0f}° from side to side)"
    centre = middle & (y > 0.3) & (y < 0.7)
    if not centre.any():
        centre = middle
    mid, level = float(np.median(right[centre])), float(np.median(up[centre]))
    # The farthest corner of each side, not the usual one: reading there is not away.
    sides = right[left_side | right_side]
    return (
        Screen(
            right=mid,
            up=level,
            to_right=max(0.0, float(sides.max()) - mid),
            to_left=max(0.0, mid - float(sides.min())),
            to_up=max(0.0, float(up.max()) - level),
            to_down=max(0.0, level - float(up.min())),
            # The person's left is the picture's right, unless the picture is mirrored.
            mirrored=a < b,
        ),
        "",
    )
