"""A 360° sweep of a room, measured from its pictures alone: how far the camera turned, what was seen.

:class:`Sweep` takes frames one by one and says after each how much of the circle was seen. A view is
counted only when pictures connect it with the first one: on a bare wall the sweep says that it could
not tell, and goes on counting when it recognises a view. When the first view comes back, one turn is
360°, and the field of view follows from that (docs/decisions/0013).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from proctor.session import matching, rotation
from proctor.session.matching import Grey, Known, Points
from proctor.session.rotation import Floats, Lens, Pair
from proctor.types import Frame

# A new key view is taken when the picture has moved by this part of its width, has lost so many of
# its points, or has them all in a part of its width.
_MOVED = 0.25
_POINTS_LEFT = 0.6
_WIDE = 0.5
# The camera is measured anew each time there are this many times as many key views.
_MORE_VIEWS = 1.4
_FIRST_MEASURED = 4
# The first view is looked for when the turn is so near to a full one that an unusual camera could
# explain the rest (two standard deviations of what is usual).
_NEAR_FULL = math.exp(2 * rotation.USUAL_SPREAD)
# What the turn before must say the same, within so many of its standard errors, or it is a look-alike.
_LOOK_ALIKE = 3.0
# Points of one view seen again fit a pure turn to within this (in widths; 2 px of 320); those of another
# print of the same picture elsewhere do not.
_SAME_VIEW = 2.0 / 320
# A turn is known this well when the first view was recognised (measured: docs/room-scan.md).
_CLOSED_ERROR = 0.02
# Halvings of the range of focal lengths: to a thousandth.
_HALVINGS = 11
# Views looked through when the thread is lost: the newest, and the first ones.
_SEARCHED = 12
# The brightest twentieth of a dark picture lies below this (of 255).
_DARK = 40
# Faster than this, a camera's usual 1/30 s exposure smears a picture by more than a hundredth.
_FAST = 40.0
# Slower than this (degrees a second) nobody means to turn.
_SLOW = 2.0
# Further to the left than to the right by this many degrees: the student turns to the left.
_CLEAR = 10.0
# Degrees that the picture may tip before it is said.
_TIPPED = 25.0
# With less than this share of the time connected, nothing is said of the whole.
_LEAST_TOLD = 0.5

HintName = Literal["", "dark", "nothing", "back", "fast", "level", "right", "left", "done"]
HINTS: Mapping[HintName, str] = {
    "": "",
    "dark": "It is too dark to see the room; switch on a light.",
    "nothing": "There is nothing here to tell the direction by; turn on slowly, or step back.",
    "back": "Turn back a little to where you were, and then go on more slowly.",
    "fast": "Turn more slowly.",
    "level": "Hold the camera level.",
    "right": "Go on to the right.",
    "left": "Go on to the left.",
    "done": "The whole circle was seen.",
}


@dataclass(frozen=True, slots=True)
class View:
    """After one frame. Degrees; ``yaw`` counts to the right from the first view, beyond 360 as well.

    ``yaw`` is ``None`` where it could not be told. ``seen`` has one truth a degree of the circle, for
    a ring that fills.
    """

    t: float
    yaw: float | None
    speed: float
    seen: npt.NDArray[np.bool_] = field(repr=False)
    hint: HintName

    @property
    def degrees_seen(self) -> int:
        return int(self.seen.sum())


@dataclass(frozen=True, slots=True)
class Measured:
    """What a sweep was. Degrees and seconds; ``coverage`` and ``at_least`` are shares of the circle.

    ``turned`` is from the first view to the last, ``widest`` between the two furthest. ``error`` is
    the relative standard error of every angle. ``at_least`` is the coverage when all of them are two
    such errors too large. ``why_not`` says why nothing is told of the whole: too little of it hangs
    together with the first view. Then ``coverage`` is ``None``, and ``at_least`` still holds.
    """

    seconds: float
    turned: float
    widest: float
    coverage: float | None
    at_least: float
    field_of_view: float
    error: float
    known_from: Literal["full turn", "motion", "usual cameras"]
    not_told_s: float
    yaws: tuple[tuple[float, float | None], ...]
    why_not: str


@dataclass(slots=True)
class _Key:
    """A view that others hang on: the view it hangs on itself, and the points in common."""

    parent: int
    pair: Pair | None
    known: Known
    yaw: float = 0.0


@dataclass(slots=True)
class _Seen:
    """One frame: its key view and the points in common; ``key`` is -1 where it could not be told."""

    t: float
    key: int
    pair: Pair | None = None


@dataclass(slots=True)
class _Full:
    """The first view came back: key view ``now`` shows what ``then`` showed."""

    then: int
    now: int
    pair: Pair


class Sweep:
    """Measures one sweep. Give it frames of one camera in order of time."""

    def __init__(self) -> None:
        self._keys: list[_Key] = []
        self._frames: list[_Seen] = []
        self._yaws: list[float | None] = []
        self._lens: Lens = rotation.USUAL
        self._axis: Floats = rotation.upright([])
        self._full: list[_Full] = []
        self._measured_at = _FIRST_MEASURED
        self._seen = np.zeros(360, bool)
        # Points of the newest key view that are still followed, then and now, and its picture.
        self._before: Grey | None = None
        self._key_points: Points = np.empty((0, 1, 2), np.float32)
        self._points: Points = self._key_points
        self._began_with = 0
        self._lost = True
        self._tipped = 0.0

    def add(self, frame: Frame) -> View:
        """Look at one frame."""
        grey = matching.small(frame.image)
        bare = not self._follow(grey) and not self._take_up(grey)
        pair = None if self._lost else self._pair(grey)
        self._frames.append(_Seen(frame.t, -1 if pair is None else len(self._keys) - 1, pair))
        if pair is None:
            self._yaws.append(None)
        else:
            turn = rotation.rotation(pair, self._lens)
            self._tipped = abs(math.degrees(turn[2]))
            self._yaws.append(self._keys[-1].yaw + rotation.yaw(turn, self._axis))
            self._mark(self._seen, self._yaws[-1])
            if self._worn(pair):
                self._new_key(grey, len(self._keys) - 1, pair, matching.describe(grey))
        self._before = grey
        speed = self._speed()
        yaw = self._yaws[-1]
        return View(frame.t, yaw, speed, self._seen.copy(), self._hint(grey, bare, speed))

    def finish(self) -> Measured:
        """Everything measured once more, with all that is known by now."""
        self._measure()
        told = [y for y in self._yaws if y is not None]
        times = [f.t for f in self._frames]
        seconds = times[-1] - times[0] if times else 0.0
        error = _CLOSED_ERROR if self._full else self._lens.error
        share = len(told) / len(self._yaws) if self._yaws else 0.0
        why_not = "" if share >= _LEAST_TOLD else self._why_not(share)
        known: Literal["full turn", "motion", "usual cameras"] = "usual cameras"
        if self._full:
            known = "full turn"
        elif self._lens.measured:
            known = "motion"
        return Measured(
            seconds=seconds,
            turned=told[-1] - told[0] if told else 0.0,
            widest=max(told) - min(told) if told else 0.0,
            coverage=None if why_not else float(self._seen.mean()),
            at_least=self._at_least(1.0 / (1.0 + 2.0 * error)),
            field_of_view=self._lens.field_of_view,
            error=error,
            known_from=known,
            not_told_s=seconds * (1.0 - share),
            yaws=tuple(zip(times, self._yaws, strict=True)),
            why_not=why_not,
        )

    # Following the picture.

    def _follow(self, grey: Grey) -> bool:
        """Follow the points of the newest key view into this picture; false when they are lost."""
        if self._lost or self._before is None or self._before.shape != grey.shape:
            self._lost = True
            return False
        moved, ok = matching.follow(self._before, grey, self._points)
        first, second = self._key_points[ok], moved[ok]
        inside = matching.together(first, second)
        if inside is None:
            self._lost = True
            return False
        self._key_points, self._points = first[inside], second[inside]
        return True

    def _take_up(self, grey: Grey) -> bool:
        """Begin at this picture, or find the thread again; false when there is nothing to see."""
        corners = matching.corners(grey)
        if len(corners) < matching.FEWEST:
            return False
        known = matching.describe(grey)
        if not self._keys:
            self._new_key(grey, 0, None, known)
            return True
        newest = range(len(self._keys) - 1, max(-1, len(self._keys) - 1 - _SEARCHED), -1)
        for index in dict.fromkeys((*newest, *range(min(_SEARCHED, len(self._keys))))):
            pair = self._known_again(index, known)
            if pair is not None:
                self._new_key(grey, index, pair, known)
                break
        return True

    def _known_again(self, index: int, known: Known) -> Pair | None:
        """The points that key view ``index`` and this view have in common, if they are one view."""
        just_lost = index == len(self._keys) - 1 and bool(self._yaws) and self._yaws[-1] is not None
        pair = matching.recognise(self._keys[index].known, known, near=just_lost)
        if pair is None or rotation.misfit(pair, self._lens) > _SAME_VIEW:
            return None
        return pair

    def _pair(self, grey: Grey) -> Pair:
        height = grey.shape[0]
        return (
            matching.centred(self._key_points, height),
            matching.centred(self._points, height),
        )

    def _worn(self, pair: Pair) -> bool:
        moved = float(np.median(np.abs(pair[1] - pair[0])[:, 0]))
        few = len(pair[0]) < _POINTS_LEFT * self._began_with
        return moved > _MOVED or few or float(np.ptp(pair[1][:, 0])) < _WIDE

    def _new_key(self, grey: Grey, parent: int, pair: Pair | None, known: Known) -> None:
        """Make this picture a key view that hangs on ``parent`` by the points of ``pair``."""
        key = _Key(parent, pair, known)
        if pair is not None:
            turn = rotation.rotation(pair, self._lens)
            key.yaw = self._keys[parent].yaw + rotation.yaw(turn, self._axis)
        self._keys.append(key)
        self._points = self._key_points = matching.corners(grey)
        self._began_with = len(self._points)
        self._lost = False
        self._look_for_start()
        if len(self._keys) >= self._measured_at:
            self._measured_at = math.ceil(len(self._keys) * _MORE_VIEWS)
            self._measure()

    # The camera and the circle.

    def _look_for_start(self) -> None:
        """Whether the newest key view shows the first ones again, a full turn later."""
        now = len(self._keys) - 1
        for then in range(min(3, now)):
            turned = abs(self._keys[now].yaw - self._keys[then].yaw)
            if not 360 / _NEAR_FULL < turned < 360 * _NEAR_FULL:
                continue
            pair = self._known_again(then, self._keys[now].known)
            if pair is None:
                continue
            full = _Full(then, now, pair)
            closed = self._closed([full], self._lens)
            limit = _LOOK_ALIKE * self._lens.error
            if closed and abs(math.log(closed.focal / self._lens.focal)) < limit:
                self._full.append(full)
                self._measure()
                return

    def _measure(self) -> None:
        """The camera from all key views, then every direction anew."""
        lens = rotation.measure_lens([k.pair for k in self._keys if k.pair is not None])
        self._lens = (self._closed(self._full, lens) if self._full else None) or lens
        self._place(self._lens)
        self._yaws = [self._yaw_of(frame) for frame in self._frames]
        self._seen = np.zeros(360, bool)
        for yaw in self._yaws:
            self._mark(self._seen, yaw)

    def _place(self, lens: Lens) -> None:
        """Where every key view looks, with this lens."""
        turns = {
            index: rotation.rotation(key.pair, lens)
            for index, key in enumerate(self._keys)
            if key.pair is not None
        }
        self._axis = rotation.upright(list(turns.values()))
        for index, turn in turns.items():
            key = self._keys[index]
            key.yaw = self._keys[key.parent].yaw + rotation.yaw(turn, self._axis)

    def _closed(self, full: Sequence[_Full], lens: Lens) -> Lens | None:
        """``lens`` with the focal length that makes the turns between equal views 360° in the median."""

        def around(focal: float) -> float:
            tried = lens.scaled(focal, _CLOSED_ERROR)
            self._place(tried)
            return float(np.median([abs(self._around(f, tried)) for f in full]))

        low, high = lens.focal / _NEAR_FULL, lens.focal * _NEAR_FULL
        possible = around(high) < 360.0 < around(low)
        for _ in range(_HALVINGS if possible else 0):
            # A longer focal length makes every angle smaller.
            middle = math.sqrt(low * high)
            low, high = (middle, high) if around(middle) > 360.0 else (low, middle)
        self._place(self._lens)
        return lens.scaled(math.sqrt(low * high), _CLOSED_ERROR) if possible else None

    def _around(self, full: _Full, lens: Lens) -> float:
        rest = rotation.yaw(rotation.rotation(full.pair, lens), self._axis)
        return self._keys[full.now].yaw - self._keys[full.then].yaw - rest

    def _yaw_of(self, frame: _Seen) -> float | None:
        if frame.pair is None:
            return None
        turn = rotation.rotation(frame.pair, self._lens)
        return self._keys[frame.key].yaw + rotation.yaw(turn, self._axis)

    def _mark(self, seen: npt.NDArray[np.bool_], yaw: float | None, scale: float = 1.0) -> None:
        """Mark the whole degrees that lie in the view at ``yaw``."""
        if yaw is not None:
            half = self._lens.field_of_view / 2
            first, last = math.ceil(scale * (yaw - half)), math.floor(scale * (yaw + half))
            seen[np.arange(first, last) % 360] = True

    def _at_least(self, scale: float) -> float:
        seen = np.zeros(360, bool)
        for yaw in self._yaws:
            self._mark(seen, yaw, scale)
        return float(seen.mean())

    # What to say.

    def _speed(self) -> float:
        """Degrees a second over about the last half second; 0 where it could not be told."""
        now, yaw = self._frames[-1].t, self._yaws[-1]
        if yaw is None:
            return 0.0
        for frame, then in zip(reversed(self._frames), reversed(self._yaws), strict=True):
            if then is None or now - frame.t > 1.0:
                break
            if now - frame.t >= 0.4:
                return (yaw - then) / (now - frame.t)
        return 0.0

    def _hint(self, grey: Grey, bare: bool, speed: float) -> HintName:
        if np.quantile(grey[::4, ::4], 0.95) < _DARK:
            return "dark"
        if self._yaws[-1] is None:
            return "nothing" if bare else "back"
        if self._seen.all():
            return "done"
        if abs(speed) > _FAST:
            return "fast"
        if self._tipped > _TIPPED:
            return "level"
        if abs(speed) < _SLOW:
            told = [y for y in self._yaws if y is not None]
            return "left" if -min(told) > max(told) + _CLEAR else "right"
        return ""

    def _why_not(self, share: float) -> str:
        if not self._keys:
            return "There was nothing in the pictures to tell a direction by."
        return f"Only {share:.0%} of the pictures could be connected with the first one."
