"""Faces beside the student's own: followed over time, and told apart from pictures on a wall."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np

from detectors._landmarks import Floats
from detectors._nets import FaceFinder, Found, iou
from proctor.types import Box, Image

# YuNet's score from which a second face is taken at its word; hands and patterns reach 0.6, people
# a few metres away or tilted score 0.6-0.9 (docs/detectors/faces.md). Below, a second, enlarged
# look decides.
SURE = 0.8
# Least score that is followed at all.
MAYBE = 0.3
# A face cut by the picture's left or right border shows half of what the network looks for: it
# scores about half as much (half a face at the border: 0.33-0.40), also enlarged. It counts this
# much once it has been there in every look of the window.
CUT_SCORE = 0.65
BORDER = 0.02
# Least width of such a half face: narrower slivers are not followed.
CUT_MIN_WIDTH = 0.05
# Looks whose median is the score: one blip of three is nothing.
WINDOW = 3
# Two looks at the same face are compared when this many seconds apart.
COMPARE_S = 0.45
# A face moves, a picture of one does not. Change is 1 - correlation of the face's cut-out, averaged
# down to PATCH x PATCH so that sensor noise cancels: printed faces with noise and JPEG 0.0001-0.0004,
# people sitting as still as they can 0.0008-0.007, others 0.01-0.6.
PATCH = 12
STILL = 0.001
ALIVE = 0.003
# Life seen longer ago than this proves nothing: something may just have passed before the picture.
ALIVE_S = 10.0
# What a face without any life counts at most, below every sensible threshold.
STILL_SCORE = 0.3
# A face printed on a shirt: below a sure face, centred within this many of its widths, this many of
# its heights lower, and less sure than a face that near would be. Measured on a shirt with a skull,
# blurred and dim: sideways up to 0.56, down 1.5-2.0, score 0.4-0.86; faces of people who sit in
# front of somebody standing score 0.9 and more, masked ones 0.88.
CHEST_SIDE = 0.7
CHEST_DOWN = (1.0, 2.3)
PRINT_SCORE = 0.88
# Overlap from which a box is part of another (the landmarker's boxes are a little larger).
PART_IOU = 0.2
# Seconds a face may be missing and still be the same one.
KEEP_S = 1.5


@dataclass(slots=True)
class Other:
    """One face beside the student's, over time."""

    box: Box
    seen: float
    scores: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    changes: deque[tuple[float, float]] = field(default_factory=deque)
    patch: tuple[float, Box, Floats] | None = None

    @property
    def lives(self) -> bool:
        return sum(change for _, change in self.changes) >= ALIVE

    @property
    def score(self) -> float:
        looks = [*self.scores, *(WINDOW - len(self.scores)) * [0.0]]
        score = float(np.median(looks))
        return score if self.lives else min(score, STILL_SCORE)

    @property
    def reason(self) -> str:
        width, left = self.box.width * 100, (self.box.x + self.box.width / 2) * 100
        still = "" if self.lives else ", still like a picture"
        return f"{width:.0f} % of the picture wide, {left:.0f} % from its left border{still}"


class Others:
    """Follows every face that is not the student's own."""

    def __init__(self, finder: FaceFinder, smallest: float) -> None:
        self._finder = finder
        self._smallest = smallest
        self._tracks: list[Other] = []

    def reset(self) -> None:
        """Forget every face."""
        self._tracks = []

    @property
    def waiting(self) -> bool:
        """Whether some face is being followed (worth looking more often)."""
        return bool(self._tracks)

    def look(
        self, t: float, image: Image, grey: Image, found: list[Found], own: Box | None
    ) -> Other | None:
        """The surest face beside ``own``; ``grey`` is a small grey copy of ``image``."""
        faces = [
            f for f in found if f.box.width >= self._smallest and not (own and overlaps(f.box, own))
        ]
        for track in self._tracks:
            near = [f for f in faces if _near(f.box, track.box)]
            if near:
                best = max(near, key=lambda f: iou(f.box, track.box))
                faces.remove(best)
                self._seen(track, t, image, grey, best)
            else:
                track.scores.append(0.0)
                track.patch = None
        for face in faces:
            track = Other(face.box, t)
            self._seen(track, t, image, grey, face)
            self._tracks.append(track)
        self._tracks = [k for k in self._tracks if t - k.seen <= KEEP_S]
        return max(self._tracks, key=lambda k: (k.score, k.scores[-1]), default=None)

    def _seen(self, track: Other, t: float, image: Image, grey: Image, face: Found) -> None:
        track.box, track.seen = face.box, t
        track.scores.append(self._judge(image, face))
        self._compare(track, t, grey)
        while track.changes and t - track.changes[0][0] > ALIVE_S:
            track.changes.popleft()

    def _judge(self, image: Image, face: Found) -> float:
        if face.score >= SURE:
            return face.score
        if _cut(face.box):
            return max(CUT_SCORE, face.score)
        return min(SURE, self._finder.look_closer(image, face.box))

    def _compare(self, track: Other, t: float, grey: Image) -> None:
        """Note how much the place where the face was a moment ago has changed since."""
        if track.patch is not None:
            then, box, before = track.patch
            if t - then < COMPARE_S:
                return
            change = 1.0 - float((_patch(grey, box) * before).sum())
            if change > STILL:
                track.changes.append((t, change))
        track.patch = (t, track.box, _patch(grey, track.box))


def _patch(grey: Image, box: Box) -> Floats:
    """The box's content, averaged down, without its mean, of length 1."""
    height, width = grey.shape[:2]
    left, top = max(0, int(box.x * width)), max(0, int(box.y * height))
    right = max(left + 1, min(width, int((box.x + box.width) * width)))
    bottom = max(top + 1, min(height, int((box.y + box.height) * height)))
    cut = grey[min(top, height - 1) : bottom, min(left, width - 1) : right].astype(np.float32)
    small = cv2.resize(cut, (PATCH, PATCH), interpolation=cv2.INTER_AREA)
    small = small - small.mean()
    length = float(np.linalg.norm(small))
    patch: Floats = small / max(length, 1e-6)
    return patch


def without_prints(found: list[Found]) -> list[Found]:
    """``found`` without what sits on somebody's chest as a printed face does."""
    sure = [face for face in found if face.score >= SURE]
    return [
        face
        for face in found
        if face.score >= PRINT_SCORE or not any(_on_chest(face.box, up.box) for up in sure)
    ]


def _on_chest(box: Box, face: Box) -> bool:
    aside = abs(box.x + box.width / 2 - face.x - face.width / 2) / face.width
    down = (box.y + box.height / 2 - face.y - face.height / 2) / face.height
    return aside <= CHEST_SIDE and CHEST_DOWN[0] <= down <= CHEST_DOWN[1]


def overlaps(box: Box, own: Box) -> bool:
    """Whether ``box`` is (part of) the face ``own``."""
    centre_x, centre_y = box.x + box.width / 2, box.y + box.height / 2
    inside = own.x <= centre_x <= own.x + own.width and own.y <= centre_y <= own.y + own.height
    return inside or iou(box, own) > PART_IOU


def _near(a: Box, b: Box) -> bool:
    reach = 0.7 * max(a.width, b.width), 0.7 * max(a.height, b.height)
    return (
        abs(a.x + a.width / 2 - b.x - b.width / 2) < reach[0]
        and abs(a.y + a.height / 2 - b.y - b.height / 2) < reach[1]
    )


def _cut(box: Box) -> bool:
    at_border = box.x <= BORDER or box.x + box.width >= 1.0 - BORDER
    return at_border and box.width >= CUT_MIN_WIDTH
