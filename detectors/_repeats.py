"""Do the same pictures come again? What a loop gives away, and a picture without a sensor's noise.

Nobody moves twice in quite the same way. Each look is averaged to 16×12 fields (a sensor's noise is
gone then) and what changed against the last four seconds is compared with the same of every earlier
look. A person gives likenesses up to 0.94, a loop 0.99 and more, also with fresh noise or encoded anew.
docs/detectors/camera.md says what was measured.
"""

from __future__ import annotations

import hashlib
from collections import deque

import cv2
import numpy as np

from detectors._luma import Floats, ramp
from proctor.types import Image

COLUMNS, ROWS = 16, 12
# What moved is seen against the mean of this many looks before (4 s at two a second).
BEFORE = 8
# Less change than this (standard deviation of 255) is drift and compression, not a movement.
LEAST_CHANGE = 1.0
# Looks closer together than this are alike because the same movement still goes on.
SHORTEST_LOOP_S = 4.0
ALIKE = 0.97
# Of the last minute's looks; fewer that moved say nothing.
WINDOW = 120
LEAST_LOOKS = 20
# Share of looks that were seen before: (score 0, score 1). A lamp switched on and off makes up to
# eight looks alike each time, a loop nearly all of them.
SHARE = (0.2, 0.6)
# Pictures that are equal bit for bit, apart by SHORTEST_LOOP_S and with others between; one may be
# chance in a dark room, three are not.
EXACT = 3
# Three hours at two looks a second.
MOST_LOOKS = 21_600
# Share of points that keep their very value from look to look, half of all looks: webcams leave
# 0.75 at most, also in compressed recordings; a drawn or pasted-over picture nearly 1.
EQUAL = (0.95, 0.99)
NEITHER_BLACK_NOR_BURNT = (16, 240)


class Repeats:
    """Remembers every look of a session in 800 bytes, none of which is a picture."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._recent: deque[Floats] = deque(maxlen=BEFORE)
        self._moves = np.empty((0, COLUMNS * ROWS), np.float32)
        self._times = np.empty(0)
        self._count = 0
        self._seen: deque[bool] = deque(maxlen=WINDOW)
        self._exact: dict[bytes, float] = {}
        self._last = b""
        self._exact_found = 0
        self._equal: deque[float] = deque(maxlen=WINDOW)
        self._lines: Image | None = None
        self._lag = 0.0

    def look(self, t: float, image: Image, grey: Image) -> tuple[float | None, str]:
        """Score and reason for one picture; ``grey`` is the small luma picture of it.

        ``None`` where too little has moved to tell.
        """
        lines = np.ascontiguousarray(image[::8, :, 1])
        self._note_equal(lines)
        self._note_exact(t, lines)
        self._note_move(t, grey)
        if self._exact_found >= EXACT:
            return 1.0, f"the same pictures came again after {self._lag:.1f} s"
        still = float(np.median(self._equal)) if len(self._equal) >= LEAST_LOOKS else 0.0
        score = ramp(still, *EQUAL)
        if score > 0.0:
            return score, f"{still:.0%} of the picture showed no noise of a sensor"
        if len(self._seen) < LEAST_LOOKS:
            return None, "too little has moved to tell"
        share = sum(self._seen) / len(self._seen)
        score = ramp(share, *SHARE)
        if score > 0.0:
            return score, f"the same movements came again after {self._lag:.1f} s"
        return 0.0, ""

    def _note_equal(self, lines: Image) -> None:
        """How much of the picture kept its very value since the last look."""
        before, self._lines = self._lines, lines
        if before is None or before.shape != lines.shape:
            return
        low, high = NEITHER_BLACK_NOR_BURNT
        fit = (lines > low) & (lines < high)
        count = int(np.count_nonzero(fit))
        if count > lines.size // 10:
            self._equal.append(np.count_nonzero((before == lines) & fit) / count)

    def _note_exact(self, t: float, lines: Image) -> None:
        """Whether this very picture was there before, with others since."""
        digest = hashlib.blake2b(lines.tobytes(), digest_size=8).digest()
        if digest != self._last:
            first = self._exact.setdefault(digest, t)
            if t - first >= SHORTEST_LOOP_S:
                self._exact_found += 1
                self._lag = t - first
        self._last = digest
        if len(self._exact) > MOST_LOOKS:
            self._exact.pop(next(iter(self._exact)))

    def _note_move(self, t: float, grey: Image) -> None:
        """Whether what moved here moved in the same way before."""
        fields = cv2.resize(grey, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        now = fields.astype(np.float64).ravel()
        if len(self._recent) == BEFORE:
            move = _movement(now, np.mean(self._recent, axis=0))
            if move is not None:
                self._compare(t, move)
        self._recent.append(now)

    def _compare(self, t: float, move: Floats) -> None:
        earlier = int(np.searchsorted(self._times[: self._count], t - SHORTEST_LOOP_S, "right"))
        again = False
        if earlier:
            likeness = self._moves[:earlier] @ move.astype(np.float32)
            best = int(np.argmax(likeness))
            again = bool(likeness[best] >= ALIKE)
            if again:
                self._lag = t - float(self._times[best])
        self._seen.append(again)
        self._remember(t, move)

    def _remember(self, t: float, move: Floats) -> None:
        if self._count == MOST_LOOKS:
            half = MOST_LOOKS // 2
            self._moves[:half] = self._moves[half:]
            self._times[:half] = self._times[half:]
            self._count = half
        if self._count == len(self._times):
            room = min(MOST_LOOKS, max(256, 2 * self._count))
            self._moves = np.resize(self._moves, (room, COLUMNS * ROWS))
            self._times = np.resize(self._times, room)
        self._moves[self._count] = move
        self._times[self._count] = t
        self._count += 1


def _movement(now: Floats, before: Floats) -> Floats | None:
    """What changed, as a vector of length 1 without a change of brightness; ``None``: too little."""
    change = now - before
    change -= change.mean()
    # More or less light scales the whole picture; that is no movement.
    shape = before - before.mean()
    length = float(shape @ shape)
    if length > 0.0:
        change -= shape * (float(change @ shape) / length)
    if float(change.std()) < LEAST_CHANGE:
        return None
    unit: Floats = change / np.linalg.norm(change)
    return unit
