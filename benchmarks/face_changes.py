"""Changes to pictures of one face that do not make it another's: light, glasses, blur, a cap.

Each takes a BGR picture and the face in it and returns a picture; what is drawn is drawn at the
landmarks. Drawn glasses are no real glasses: no lens, no reflection, no shadow.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from detectors._nets import FaceView
from proctor.types import Image

Change = Callable[[Image, FaceView], Image]
NOISE = np.random.default_rng(0)


def _light(gain: float, sigma: float) -> Change:
    def change(image: Image, view: FaceView) -> Image:
        noisy = image.astype(np.float32) * gain + NOISE.normal(0, sigma, image.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)

    return change


def _gamma(power: float) -> Change:
    table = np.round(255 * (np.arange(256) / 255.0) ** power).astype(np.uint8)
    return lambda image, view: np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def _from_one_side(image: Image, view: FaceView) -> Image:
    """A lamp at the left of the picture, little light at its right."""
    slope = np.linspace(1.3, 0.25, image.shape[1])[None, :, None]
    return np.clip(image * slope, 0, 255).astype(np.uint8)


def _glasses(thick: float, grey: int, lens: float = 0.0) -> Change:
    """Frames ``thick`` (in widths of the eyes' distance); ``lens`` is how dark the glass is, 0…1."""

    def change(image: Image, view: FaceView) -> Image:
        points = view.points[:, :2] * (image.shape[1], image.shape[0])
        across = points[263] - points[33]
        width = float(np.linalg.norm(across))
        along = across / width
        axes = (max(1, int(0.27 * width)), max(1, int(0.21 * width)))
        line, turn = max(1, round(thick * width)), float(np.degrees(np.arctan2(*across[::-1])))
        middles = [(points[a] + points[b]) / 2 for a, b in ((33, 133), (362, 263))]
        colour = (grey, grey, grey)
        drawn = image.copy()

        def stroke(start: np.ndarray, end: np.ndarray) -> None:
            places = [tuple(int(v) for v in point) for point in (start, end)]
            cv2.line(drawn, places[0], places[1], colour, line, cv2.LINE_AA)

        for middle in middles:
            centre = (int(middle[0]), int(middle[1]))
            if lens:
                dark = drawn.copy()
                cv2.ellipse(dark, centre, axes, turn, 0, 360, (15, 15, 15), -1)
                drawn = np.asarray(cv2.addWeighted(dark, lens, drawn, 1 - lens, 0), np.uint8)
            cv2.ellipse(drawn, centre, axes, turn, 0, 360, colour, line, cv2.LINE_AA)
        stroke(middles[0] + along * axes[0], middles[1] - along * axes[0])
        stroke(middles[0] - along * axes[0], points[234])
        stroke(middles[1] + along * axes[0], points[454])
        return drawn

    return change


def _cap(image: Image, view: FaceView) -> Image:
    """A dark cap down to the eyebrows."""
    points = view.points[:, :2] * (image.shape[1], image.shape[0])
    brow = points[[127, 54, 103, 67, 109, 10, 338, 297, 332, 284, 356]]
    top = brow[[0, -1]] - (0.0, 0.8 * view.width_px)
    hull = cv2.convexHull(np.vstack([brow, top]).astype(np.int32))
    covered = image.copy()
    cv2.fillConvexPoly(covered, hull, (60, 40, 30))
    return covered


def _smaller(image: Image, view: FaceView) -> Image:
    return np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _jpeg(image: Image, view: FaceView) -> Image:
    packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 20])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), dtype=np.uint8)


def _turned(degrees: float) -> Change:
    """The head tilted towards a shoulder (the picture turned)."""

    def change(image: Image, view: FaceView) -> Image:
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        turned = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(turned, dtype=np.uint8)

    return change


CHANGES: dict[str, Change] = {
    "light x 0.35": _light(0.35, 4.0),
    "light x 0.15": _light(0.15, 4.0),
    "gamma 2.2": _gamma(2.2),
    "gamma 0.5": _gamma(0.5),
    "from one side": _from_one_side,
    "thin glasses": _glasses(0.02, 40),
    "thick glasses": _glasses(0.06, 20),
    "tinted glasses": _glasses(0.04, 20, 0.4),
    "dark glasses": _glasses(0.04, 10, 0.93),
    "cap": _cap,
    "tilted 20": _turned(20.0),
    "blurred 2 px": lambda image, view: np.asarray(cv2.GaussianBlur(image, (0, 0), 2.0), np.uint8),
    "blurred 4 px": lambda image, view: np.asarray(cv2.GaussianBlur(image, (0, 0), 4.0), np.uint8),
    "half size": _smaller,
    "JPEG 20": _jpeg,
    "mirrored": lambda image, view: np.ascontiguousarray(image[:, ::-1]),
}
