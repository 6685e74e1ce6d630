"""Which points of one picture are where in another: followed from frame to frame, or found again.

Following: corners (J. Shi and C. Tomasi, CVPR 1994) with pyramidal Lucas-Kanade, forth and back.
Finding again: ORB (E. Rublee and others, ICCV 2011). Either way only points that move together, as
one homography, are believed; a person who walks through the picture is left out by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from proctor.session.rotation import Floats, Pair
from proctor.types import Image

Grey = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]

# Pictures are looked at in this width: corners stay sharp to a tenth of a pixel, and a frame costs
# a few milliseconds.
WIDTH = 320
_CORNERS = 500
# The picture is divided into so many parts each way, and each part gives at most so many points: a
# patterned shirt that walks by must not outvote the room.
_PARTS = 6
_CORNERS_EACH = 7
_WORDS_EACH = 18
# Pixels between corners, so that they do not all sit on one poster.
_APART = 9
_WINDOW = 7
# The least contrast of a corner (smaller eigenvalue of the gradient matrix, in cv2's scale for 8-bit
# pictures; two and a half times the most that noise of eight grey levels gives): what lies below is noise on a wall.
CORNER = 2.5e-4
# A point that does not come back to within this many pixels was not followed.
_BACK = 0.8
# A point belongs when it is within this many pixels of where the others say it is.
_TOGETHER = 2.0
FEWEST = 14
_LEAST_SHARE = 0.4
# Believed points must stretch over this part of the picture's width; to know a view again, over more.
_STRETCH = 0.15
_STRETCH_AGAIN = 0.3
# Recognising a view anew needs more: two windows look alike.
_FEWEST_AGAIN = 22
_LEAST_SHARE_AGAIN = 0.35
_FEATURES = 900
# D. Lowe's ratio of the best to the second best match, IJCV 2004.
_RATIO = 0.8

_LK: dict[str, Any] = {
    "winSize": (17, 17),
    "maxLevel": 4,
    "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02),
}


def small(image: Image) -> Grey:
    """The picture in grey, ``WIDTH`` wide, with the finest noise taken off."""
    height = round(image.shape[0] * WIDTH / image.shape[1])
    resized = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.GaussianBlur(grey, (3, 3), 0), dtype=np.uint8)


def corners(grey: Grey) -> Points:
    """Corners worth following, N×1×2 in pixels; few or none where there is nothing but wall."""
    found = cv2.goodFeaturesToTrack(
        grey, _CORNERS, qualityLevel=0.01, minDistance=_APART, blockSize=_WINDOW
    )
    if found is None:
        return np.empty((0, 1, 2), np.float32)
    contrast = cv2.cornerMinEigenVal(grey, _WINDOW)
    x, y = found[:, 0, 0].astype(int), found[:, 0, 1].astype(int)
    # They come best first.
    sharp = found[contrast[y, x] > CORNER]
    return np.asarray(sharp[_spread(sharp, grey, _CORNERS_EACH)], dtype=np.float32)


def _spread(points: Points, grey: Grey, each: int) -> list[int]:
    """Which points to keep so that no part of the picture has more than ``each``; the first ones win."""
    scale = np.array([_PARTS / grey.shape[1], _PARTS / grey.shape[0]])
    counts: dict[tuple[int, ...], int] = {}
    kept = []
    for index, cell in enumerate(map(tuple, (points.reshape(-1, 2) * scale).astype(int))):
        counts[cell] = counts.get(cell, 0) + 1
        if counts[cell] <= each:
            kept.append(index)
    return kept


def follow(before: Grey, now: Grey, points: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Where ``points`` went, and which of them were followed."""
    if not len(points):
        return points, np.zeros(0, bool)
    there, there_ok, _ = cv2.calcOpticalFlowPyrLK(before, now, points, points.copy(), **_LK)
    back, back_ok, _ = cv2.calcOpticalFlowPyrLK(now, before, there, points.copy(), **_LK)
    miss = np.abs(back - points).reshape(-1, 2).max(axis=1)
    ok = (there_ok.ravel() == 1) & (back_ok.ravel() == 1) & (miss < _BACK)
    return np.asarray(there, dtype=np.float32), ok


def together(first: Points, second: Points) -> npt.NDArray[np.bool_] | None:
    """Which points move as one; ``None`` when too few do to tell how the camera turned."""
    return _believed(first, second, FEWEST, _LEAST_SHARE, _STRETCH)


def _believed(
    first: Points, second: Points, fewest: int, share: float, stretch: float
) -> npt.NDArray[np.bool_] | None:
    if len(first) < fewest:
        return None
    _, mask = cv2.findHomography(first, second, cv2.RANSAC, _TOGETHER, maxIters=500)
    if mask is None:
        return None
    inside = mask.ravel() == 1
    if inside.sum() < max(fewest, share * len(first)):
        return None
    if np.ptp(second.reshape(-1, 2)[inside, 0]) < stretch * WIDTH:
        return None
    return np.asarray(inside, dtype=np.bool_)


def centred(points: Points, height: int) -> Floats:
    """Pixels to widths from the middle of the picture."""
    middle = np.array([WIDTH / 2, height / 2])
    return np.asarray((points.reshape(-1, 2) - middle) / WIDTH, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Known:
    """A view described so that it can be recognised."""

    places: Points
    words: npt.NDArray[np.uint8]
    height: int


def describe(grey: Grey) -> Known:
    """Describe a view; a bare one has few or no words."""
    orb = cv2.ORB.create(nfeatures=_FEATURES, fastThreshold=12)
    found = sorted(orb.detect(grey, None), key=lambda point: -point.response)
    places = np.array([point.pt for point in found], np.float32).reshape(-1, 1, 2)
    points, words = orb.compute(grey, [found[i] for i in _spread(places, grey, _WORDS_EACH)])
    places = np.array([point.pt for point in points], np.float32).reshape(-1, 1, 2)
    empty = np.empty((0, 32), np.uint8)
    return Known(
        places, empty if words is None else np.asarray(words, dtype=np.uint8), grey.shape[0]
    )


def recognise(known: Known, now: Known, *, near: bool = False) -> Pair | None:
    """Points that ``known`` and ``now`` have in common; ``None`` when they are not the same view.

    ``near``: the one was seen a moment before the other, so that a look-alike is out of the question.
    """
    fewest = FEWEST if near else _FEWEST_AGAIN
    if min(len(known.words), len(now.words)) < fewest:
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(known.words, now.words, k=2)
    good = [m[0] for m in matches if len(m) == 2 and m[0].distance < _RATIO * m[1].distance]
    if len(good) < fewest:
        return None
    first = known.places[[m.queryIdx for m in good]]
    second = now.places[[m.trainIdx for m in good]]
    inside = _believed(
        first, second, fewest, _LEAST_SHARE_AGAIN, _STRETCH if near else _STRETCH_AGAIN
    )
    if inside is None:
        return None
    return centred(first[inside], known.height), centred(second[inside], now.height)
