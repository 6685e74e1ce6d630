"""How alike two faces are: a face cut out at fixed places, its quality, and 256 numbers of it.

The network (face-reidentification-retail-0095 of Open Model Zoo, 0.6 GFLOP) turns a face into numbers
whose cosine is the likeness: about 0 for different people, above 0.6 for one person seen well. What it
reads must lie where it lay in training, so five points of the face are moved onto five places.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from detectors._landmarks import Floats
from detectors._nets import FaceView
from proctor.types import Image

SIDE = 128
# Where the zoo's documentation of this network puts both eyes, the tip of the nose and the corners
# of the mouth, in fractions of the cut-out.
PLACES = np.array(
    [
        [0.31556875, 0.46157410],
        [0.68262292, 0.45983394],
        [0.50026250, 0.64050536],
        [0.34947188, 0.82469196],
        [0.65343646, 0.82325089],
    ]
) * SIDE  # fmt: skip
# The same five points in MediaPipe's face mesh; an eye is the middle of its two corners.
EYES = ((33, 133), (362, 263))
NOSE, MOUTH = 1, (61, 291)
# The part of the cut-out that is face and not hair or wall: there light and sharpness are measured.
FACE = (slice(20, 120), slice(20, 108))

# Below these the same person's likeness falls to that of others (docs/detectors/identity.md).
MIN_EYES_PX = 24.0
MAX_YAW = 30.0
MAX_PITCH = 20.0
MIN_LUMA = 18.0
MAX_LUMA = 235.0
MIN_SPREAD = 5.0
# Variance of the Laplacian over the variance of the grey values: free of contrast and brightness.
MIN_SHARPNESS = 0.015


@dataclass(frozen=True, slots=True)
class Cut:
    """A face at fixed places: 128×128 BGR, and the pixels between the eyes in the camera's picture."""

    image: Image
    eyes_px: float


def cut_out(image: Image, view: FaceView) -> Cut:
    """The face of ``view`` in ``image``, turned, scaled and moved onto :data:`PLACES`."""
    size = np.array([image.shape[1], image.shape[0]], np.float64)
    points = view.points[:, :2].astype(np.float64) * size
    eyes = [(points[a] + points[b]) / 2 for a, b in EYES]
    five = np.stack([*eyes, points[NOSE], *points[list(MOUTH)]])
    matrix = _similarity(five, PLACES)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    # Only the part that is needed: a large picture costs no more than a small one.
    reach = SIDE / scale
    left, top = np.clip((five.mean(axis=0) - reach).astype(int), 0, size.astype(int) - 1)
    right, bottom = (five.mean(axis=0) + reach).astype(int) + 1
    part = image[top:bottom, left:right]
    matrix[:, 2] += matrix[:, :2] @ np.array([left, top], np.float64)
    if scale < 2 / 3:
        # Averaging before sampling, or fine detail would alias.
        part = cv2.GaussianBlur(part, (0, 0), 0.5 / scale)
    placed = cv2.warpAffine(part, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return Cut(np.asarray(placed, dtype=np.uint8), float(np.linalg.norm(eyes[1] - eyes[0])))


def _similarity(source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> Any:
    """The 2×3 matrix of turn, scale and shift that brings ``source`` nearest to ``target``.

    Least squares in closed form (S. Umeyama, PAMI 1991, in the plane).
    """
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    square = float((a**2).sum())
    along = float((a * b).sum()) / square
    across = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / square
    turn = np.array([[along, -across], [across, along]])
    return np.hstack([turn, (target.mean(axis=0) - turn @ source.mean(axis=0))[:, None]])


def why_not(cut: Cut, view: FaceView) -> str:
    """Why this face is not good enough to be compared, or nothing."""
    if cut.eyes_px < MIN_EYES_PX:
        return f"face too small ({cut.eyes_px:.0f} px between the eyes)"
    if abs(view.yaw) > MAX_YAW:
        return f"face turned {abs(view.yaw):.0f}° to the side"
    if abs(view.pitch) > MAX_PITCH:
        return f"face turned {abs(view.pitch):.0f}° {'up' if view.pitch > 0 else 'down'}"
    grey = cv2.cvtColor(cut.image, cv2.COLOR_BGR2GRAY)[FACE].astype(np.float32)
    luma, spread = float(grey.mean()), float(grey.std())
    if luma < MIN_LUMA:
        return f"face too dark (brightness {luma:.0f} of 255)"
    if luma > MAX_LUMA:
        return f"face too bright (brightness {luma:.0f} of 255)"
    if spread < MIN_SPREAD:
        return f"face without contrast ({spread:.0f} of 255)"
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var()) / spread**2
    if sharpness < MIN_SHARPNESS:
        return f"face blurred (sharpness {sharpness:.3f})"
    return ""


class FaceNumbers:
    """The network through ONNX Runtime, one thread, no spinning."""

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def close(self) -> None:
        self._session = None

    def of(self, cut: Cut) -> Floats:
        """256 numbers of length 1; their product with another face's is the likeness, −1…1."""
        given = np.ascontiguousarray(cut.image.transpose(2, 0, 1)[None], dtype=np.float32)
        (features,) = self._session.run(None, {"image": given})
        numbers: Floats = features.ravel()
        return numbers / np.float32(max(float(np.linalg.norm(numbers)), 1e-6))


def mean(numbers: list[Floats]) -> Floats:
    """The mean direction of several faces, of length 1."""
    middle = np.mean(np.stack(numbers), axis=0)
    return np.asarray(middle / max(float(np.linalg.norm(middle)), 1e-6), dtype=np.float32)
