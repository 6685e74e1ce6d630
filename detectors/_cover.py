"""Is a part of the face hidden? Compares the face with itself as first seen, feature by feature.

Both face networks look straight through a mask, a hand or a bar before the eyes (they imagine the
hidden part), so their scores say nothing. What does change is the picture at the place of the nose
and the eyes: the pattern of edges there no longer matches the person's own (gradient correlation,
which ignores brightness and contrast). The mouth is left out: it moves.

A cover hides a part while the rest stays the person's own. Where no part is left that is surely the
person's own, it is another face (or all of it is hidden, which looks the same from here): then nothing
is said, and the face is learned anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectors._landmarks import Floats
from detectors._nets import FaceView
from proctor.types import Image

# The face is warped so that the outer eye corners and the base of the nose (landmarks of
# MediaPipe's face mesh) fall on fixed places of a SIDE x SIDE picture.
SIDE = 64
CORNERS = (33, 263, 2)
PLACES = np.array([[0.2, 0.3], [0.8, 0.3], [0.5, 0.66]], np.float32) * SIDE
NOSE = (slice(30, 46), slice(20, 44))
EYES = (slice(10, 28), slice(6, 58))
CHEEKS = ((slice(26, 32), slice(14, 22)), (slice(26, 32), slice(42, 50)))
NOSE_TIP = (slice(36, 42), slice(28, 36))
# What may stay when the nose or the eyes are hidden: the nose, each eye with its brow, the forehead
# and each cheek.
REST = (
    NOSE,
    (slice(8, 22), slice(4, 30)),
    (slice(8, 22), slice(34, 60)),
    (slice(0, 12), slice(8, 56)),
    (slice(24, 44), slice(2, 20)),
    (slice(24, 44), slice(44, 62)),
)
# The likest of these is 0.80 and more under nearly all drawn covers, and below 0.80 in 99 of 100
# pictures of somebody else (13 people against one another: the same places of two faces are alike).
OWN_REST = 0.78
# Correlation with the person's own face: nose 0.58 and eyes 0.5 are the lowest 2 % of honest frames
# (grimaces, talking, blinks, head within the limits below); covered noses give -0.4…0.5, covered
# eyes -0.1…0.4. Scores rise linearly from 0 at the first to 1 at the second value.
NOSE_RANGE = (0.62, 0.32)
EYES_RANGE = (0.58, 0.23)
# Chroma (CIE a*, b*) of the nose's tip against the cheeks below the eyes: at most 16 on bare faces,
# 22-80 under masks of another colour. Works without having seen the face before.
CHROMA_RANGE = (18.0, 26.0)
# Pixels with a channel this bright have lost their colour; with more of them than this, do not judge.
BURNT = 250
MAX_BURNT = 0.2
# Looks that make the person's own picture (2 s at four a second), and how fast it follows slow
# changes (light, glasses).
FRAMES = 8
FOLLOW = 0.05
FOLLOW_ABOVE = 0.75
# Turned further than this from where it was learned, a bare face looks different too.
MAX_YAW = 20.0
MAX_PITCH = 15.0
# Narrower faces have no detail left, darker ones only noise.
MIN_WIDTH_PX = 50.0
MIN_LUMA = 18.0


@dataclass(frozen=True, slots=True)
class Cover:
    """How far a part of the face is hidden (``score`` 0…1, or None with the reason)."""

    score: float | None
    reason: str


class CoverGauge:
    """Learns the bare face in the first seconds, then measures what is hidden of it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the face."""
        self._learned: list[Floats] = []
        self._poses: list[tuple[float, float]] = []
        self._own: Floats | None = None
        self._pose = (0.0, 0.0)

    def measure(self, image: Image, view: FaceView) -> Cover:
        """What is hidden of the face ``view`` in ``image``."""
        if view.width_px < MIN_WIDTH_PX:
            return Cover(None, f"face too small ({view.width_px:.0f} px wide)")
        patch = _warp(image, view)
        luma = float(patch.mean())
        if luma < MIN_LUMA:
            return Cover(None, f"face too dark (brightness {luma:.0f} of 255)")
        chroma = _chroma_distance(patch)
        if chroma >= CHROMA_RANGE[1]:
            return Cover(1.0, f"mouth and nose hidden (colour differs by {chroma:.0f})")
        edges = _edges(patch)
        if self._own is None:
            return self._learn(edges, view, chroma)
        if abs(view.yaw - self._pose[0]) > MAX_YAW or abs(view.pitch - self._pose[1]) > MAX_PITCH:
            return Cover(None, f"face turned {abs(view.yaw - self._pose[0]):.0f}°, too far to tell")
        nose, eyes = _match(edges, self._own, NOSE), _match(edges, self._own, EYES)
        if nose < NOSE_RANGE[0] or eyes < EYES_RANGE[0]:
            rest = max(_match(edges, self._own, region) for region in REST)
            if rest < OWN_REST:
                self._learn(edges, view, chroma)
                return Cover(None, f"the whole face looks different (likeness {rest:.2f} at most)")
        self._learned, self._poses = [], []
        if min(nose, eyes) > FOLLOW_ABOVE:
            self._own = (1 - FOLLOW) * self._own + FOLLOW * edges
        scores = {
            f"nose and mouth hidden (likeness {nose:.2f})": _ramp(nose, NOSE_RANGE),
            f"eyes hidden (likeness {eyes:.2f})": _ramp(eyes, EYES_RANGE),
            f"mouth and nose hidden (colour differs by {chroma:.0f})": _ramp(chroma, CHROMA_RANGE),
        }
        reason, score = max(scores.items(), key=lambda item: item[1])
        return Cover(score, reason if score > 0 else "")

    def _learn(self, edges: Floats, view: FaceView, chroma: float) -> Cover:
        self._learned.append(edges)
        self._poses.append((view.yaw, view.pitch))
        if len(self._learned) >= FRAMES:
            self._own = np.median(np.stack(self._learned), axis=0).astype(np.float32)
            yaw, pitch = np.median(np.array(self._poses), axis=0)
            self._pose = (float(yaw), float(pitch))
            self._learned, self._poses = [], []
        return Cover(_ramp(chroma, CHROMA_RANGE), "")


def _warp(image: Image, view: FaceView) -> Image:
    size = np.array([image.shape[1], image.shape[0]], np.float32)
    points = view.points[CORNERS, :2] * size
    matrix = cv2.getAffineTransform(points.astype(np.float32), PLACES)
    shrink = float(np.linalg.norm(points[1] - points[0]) / (0.6 * SIDE))
    left, top = np.maximum((points.min(axis=0) - view.width_px).astype(int), 0)
    right, bottom = (points.max(axis=0) + view.width_px).astype(int)
    cut = image[top:bottom, left:right]
    matrix[:, 2] += matrix[:, :2] @ np.array([left, top])
    if shrink > 1.5:
        # Averaging before sampling, or fine detail would alias.
        cut = cv2.GaussianBlur(cut, (0, 0), shrink / 2)
    warped: Image = cv2.warpAffine(cut, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return warped


def _edges(patch: Image) -> Floats:
    """Horizontal and vertical gradients, SIDE×SIDE×2."""
    grey = cv2.GaussianBlur(cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), 1.2)
    edges: Floats = np.dstack(
        [cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)]
    )
    return edges


def _match(edges: Floats, own: Floats, region: tuple[slice, slice]) -> float:
    a, b = edges[region].ravel(), own[region].ravel()
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-6))


def _chroma_distance(patch: Image) -> float:
    """How far the nose's tip is from the cheeks in colour; 0 where over-exposure ate the colour."""
    lab = cv2.cvtColor(patch, cv2.COLOR_BGR2LAB)[..., 1:].astype(np.float32)
    places = (NOSE_TIP, *CHEEKS)
    burnt = max(float((patch[place].max(axis=-1) >= BURNT).mean()) for place in places)
    if burnt > MAX_BURNT:
        return 0.0
    cheeks = np.concatenate([lab[place].reshape(-1, 2) for place in CHEEKS])
    tip = lab[NOSE_TIP].reshape(-1, 2)
    return float(np.linalg.norm(np.median(tip, axis=0) - np.median(cheeks, axis=0)))


def _ramp(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))
