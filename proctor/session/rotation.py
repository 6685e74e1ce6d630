"""How a camera turned, from points that two pictures have in common. Pure geometry, no picture read.

A camera that only turns moves every point by one rotation, whatever its distance. How far the points
move at the edges, compared with the middle, gives away the camera's field of view (self-calibration
from rotation: R. Hartley, "Self-calibration from multiple views with a rotating camera", ECCV 1994;
R. Szeliski and H.-Y. Shum, "Creating full view panoramic image mosaics", SIGGRAPH 1997).

Points are N×2, measured from the middle of the picture in widths of the picture; x to the right, y
down. A focal length is in widths as well: ``0.5 / tan(half the horizontal field of view)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Points of one picture, and the same points in another.
Pair = tuple[Floats, Floats]

# Cameras of laptops have horizontal fields of view of about 55° to 80°. In the middle of these, and
# so wide that the ends of the range are one standard deviation away (in the logarithm of the focal
# length: focal lengths 0.96 and 0.60 widths).
USUAL_FOCAL = 0.76
USUAL_SPREAD = 0.23
# What is tried: fields of view from 103° to 36°, and lenses from a pincushion to a strong barrel.
_FOCALS = np.geomspace(0.40, 1.55, 36)
_BENDS = np.linspace(-0.15, 0.45, 9)
# How far from straight a lens usually is (standard deviation): a twentieth at the side edge.
_USUAL_BEND = 0.2
# A point that misses by more than this (in widths; 1.5 px of 320) tells no more about the camera.
_MISS = 1.5 / 320
# How exactly a point is followed (in widths; a third of a pixel), to weigh misses against what is usual.
_EXACT = 0.33 / 320
# Turns smaller than this bend the picture too little to tell anything.
_LEAST_TURN = math.radians(5.0)
# More pairs, and more points of a pair, cost time and add little.
_MOST_PAIRS = 24
_POINTS = 48
_FEWEST_PAIRS = 3
# What the spread between pairs does not show: a lens that is bent otherwise, and a camera that is
# not held over the very axis it turns about (measured: docs/room-scan.md).
LEAST_SPREAD = 0.04


@dataclass(frozen=True, slots=True)
class Lens:
    """A focal length in widths, with its relative standard error, and how the lens bends.

    A point at distance r from the middle belongs at ``r * (1 + bend * r²)`` (first radial term of
    D. Brown's model, Photogrammetric Engineering 32, 1966). ``measured``: not just assumed.
    """

    focal: float
    error: float
    bend: float = 0.0
    measured: bool = False

    @property
    def field_of_view(self) -> float:
        """Horizontal field of view in degrees."""
        edge = 0.5 * (1.0 + self.bend * 0.25)
        return math.degrees(2.0 * math.atan(edge / self.focal))

    def scaled(self, focal: float, error: float) -> Lens:
        """The same lens with a focal length that is known otherwise."""
        return Lens(focal, error, self.bend, True)


USUAL = Lens(USUAL_FOCAL, USUAL_SPREAD)


def rotation(pair: Pair, lens: Lens) -> Floats:
    """The rotation (as a vector: axis times radians) that carries the first points to the second.

    Least squares over directions (W. Kabsch, Acta Cryst. A 32, 1976). Turning the camera to the
    right carries the points to the left: negative about y, which points down.
    """
    return _vector(_turns(*(_rays(points, lens.focal, lens.bend) for points in pair)))


def misfit(pair: Pair, lens: Lens) -> float:
    """By how much (in widths) the middle one of the points misses where the best rotation puts it."""
    first, second = (_rays(points, lens.focal, lens.bend) for points in pair)
    carried = first @ _turns(first, second).T
    return float(np.median(np.linalg.norm(carried - second, axis=-1))) * lens.focal


def _rays(points: Floats, focal: float, bend: float) -> Floats:
    """Directions of length 1, for points in an array of any shape that ends in 2."""
    straight = points * (1.0 + bend * np.square(points).sum(axis=-1, keepdims=True)) / focal
    rays = np.concatenate((straight, np.ones((*points.shape[:-1], 1))), axis=-1)
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True), dtype=np.float64)


def _turns(first: Floats, second: Floats) -> Floats:
    """Rotation matrices from directions ...×N×3 to others."""
    u, _, vt = np.linalg.svd(np.swapaxes(first, -1, -2) @ second)
    v, ut = np.swapaxes(vt, -1, -2), np.swapaxes(u, -1, -2)
    mirror = np.ones((*v.shape[:-2], 1, 3))
    mirror[..., 0, 2] = np.sign(np.linalg.det(v @ ut))
    return np.asarray((v * mirror) @ ut, dtype=np.float64)


def _vector(turn: Floats) -> Floats:
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine = float(np.linalg.norm(axis)) / 2.0
    if sine < 1e-9:
        return np.zeros(3)
    angle = math.atan2(sine, (float(np.trace(turn)) - 1.0) / 2.0)
    return np.asarray(axis / (2.0 * sine) * angle, dtype=np.float64)


def upright(turns: Sequence[Floats]) -> Floats:
    """The axis that the camera was turned about, pointing down (a unit vector).

    A laptop's camera often looks a little up or down while it is turned about the vertical. Small
    nods cancel out; where the turns have no common axis near the vertical, the picture's own is it.
    """
    down = np.array([0.0, 1.0, 0.0])
    if not turns or sum(float(np.linalg.norm(turn)) for turn in turns) < math.radians(30.0):
        return down
    stacked = np.array(turns)
    axis = np.linalg.eigh(stacked.T @ stacked)[1][:, -1]
    axis = axis if axis[1] > 0 else -axis
    return np.asarray(axis if axis[1] > math.cos(math.radians(40.0)) else down, dtype=np.float64)


def yaw(turn: Floats, axis: Floats) -> float:
    """Degrees turned to the right about ``axis``."""
    return -math.degrees(float(turn @ axis))


def measure_lens(pairs: Sequence[Pair]) -> Lens:
    """The lens with which ``pairs`` are most nearly pure rotations, tempered by what is usual.

    The error comes from leaving each pair out in turn (the jackknife: B. Efron and C. Stein, Annals
    of Statistics 9, 1981).
    """
    turned = [p for p in pairs if np.linalg.norm(rotation(p, USUAL)) > _LEAST_TURN]
    if len(turned) < _FEWEST_PAIRS:
        return USUAL
    chosen = turned[:: math.ceil(len(turned) / _MOST_PAIRS)]
    first, second = (np.array([_evenly(pair[i]) for pair in chosen]) for i in (0, 1))
    # Cost by bend, focal length and pair, in squared standard errors of a point.
    cost = np.array([[_misses(first, second, f, b) for f in _FOCALS] for b in _BENDS])
    unusual = np.square(_BENDS / _USUAL_BEND)[:, None]
    best = _lowest(cost.sum(axis=2) + unusual)
    without = [_lowest(cost.sum(axis=2) - cost[:, :, i] + unusual) for i in range(len(chosen))]
    logs = [found[0] for found in without if found is not None]
    if best is None or len(logs) < len(chosen):
        return USUAL
    n = len(logs)
    spread = math.sqrt((n - 1) / n * sum((log - sum(logs) / n) ** 2 for log in logs))
    # Two independent opinions on one number, each weighted by what it is worth.
    usual, measured = USUAL_SPREAD**-2, 1.0 / (spread**2 + LEAST_SPREAD**2)
    log = (best[0] * measured + math.log(USUAL_FOCAL) * usual) / (measured + usual)
    return Lens(math.exp(log), (measured + usual) ** -0.5, best[1], True)


def _evenly(points: Floats) -> Floats:
    """``_POINTS`` of the points, some twice where there are fewer."""
    chosen = points[np.linspace(0, len(points) - 1, _POINTS).astype(int)]
    return np.asarray(chosen, dtype=np.float64)


def _misses(first: Floats, second: Floats, focal: float, bend: float) -> Floats:
    """For each pair, how badly its best rotation fits."""
    before, after = _rays(first, focal, bend), _rays(second, focal, bend)
    carried = before @ np.swapaxes(_turns(before, after), -1, -2)
    # The chord between two directions, times the focal length, is the miss in the picture.
    miss = np.linalg.norm(carried - after, axis=-1) * focal
    return np.asarray(np.square(np.minimum(miss, _MISS) / _EXACT).sum(axis=-1), dtype=np.float64)


def _lowest(cost: Floats) -> tuple[float, float] | None:
    """Logarithm of the focal length, and bend, with the lowest cost; ``None`` at an end of the range."""
    bend, at = np.unravel_index(int(np.argmin(cost)), cost.shape)
    if at in (0, len(_FOCALS) - 1):
        return None
    before, here, after = cost[bend, at - 1 : at + 2]
    curve = before - 2.0 * here + after
    shift = 0.5 * (before - after) / curve if curve > 0 else 0.0
    logs = np.log(_FOCALS)
    return float(logs[at] + shift * (logs[at + 1] - logs[at])), float(_BENDS[bend])
