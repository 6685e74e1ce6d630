"""The face networks that several plug-ins share: MediaPipe's landmarker and YuNet.

Angles are degrees in the camera's view: yaw is positive towards the *picture's* right, pitch is
positive upwards, roll is positive counter-clockwise in the picture. They are relative to the line
from the face to the camera (the landmarker works on a crop, so it sees the face along that line):
a person looking into the lens has yaw and pitch near 0 wherever they sit in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors._landmarks import Floats, Landmarker, Landmarks
from proctor.types import Box, Frame, Image

# Larger pictures are shrunk first: both networks work on far smaller crops (192 and 256 px inside
# the landmarker), so nothing is lost and an 8K camera costs no more than a 720p one.
MAX_SIDE = 1280
# Below this no face fits that either network was made for.
MIN_SIDE = 48
# YuNet's long input side: finds faces of 20 px there at 2.2 ms (a quarter of the cost of 640).
FINDER_SIDE = 320
# YuNet's coarsest stride: both input sides must be multiples of it.
FINDER_STRIDE = 32
FINDER_STRIDES = (8, 16, 32)
# Overlap above which two boxes are the same face (default of OpenCV's FaceDetectorYN).
SAME_FACE_IOU = 0.3
# Shadows lifted: grey value v becomes 255 (v/255)^0.4, slightly blurred against the noise that this
# lifts too. At 15 % of the light YuNet then finds 76 of 76 heads of the darkest measured skin tone
# instead of 65 (204 of 204 others instead of 200), and nothing more in empty rooms
# (docs/detectors/faces.md).
LIFT = np.round(255.0 * (np.arange(256) / 255.0) ** 0.4).astype(np.uint8)
LIFT_BLUR = 0.8
# A face that YuNet contradicted is not believed again in the same place for this many seconds.
DOUBT_S = 3.0
# A second look cuts out this many face widths around the face, into a square of CLOSE_SIDE pixels:
# the face is then about 80 px wide, where YuNet is surest of itself.
CLOSE_WIDTHS = 3.2
CLOSE_SIDE = 256


@dataclass(frozen=True, slots=True)
class FaceView:
    """One face as the landmarker sees it.

    ``points`` is 478×3 float32 in fractions of the picture (z in units of its width);
    ``rotation`` is the 3×3 head rotation (columns: the head's right as the camera sees it, up,
    forward). ``eyes_right`` and ``eyes_up`` are −1…1 in the head's own frame, ``lids`` 0 (open) …1.
    """

    box: Box
    width_px: float
    points: Floats
    rotation: Floats
    eyes_right: float
    eyes_up: float
    lids: float

    @property
    def yaw(self) -> float:
        return float(np.degrees(np.arctan2(self.rotation[0, 2], self.rotation[2, 2])))

    @property
    def pitch(self) -> float:
        return float(np.degrees(np.arcsin(np.clip(self.rotation[1, 2], -1.0, 1.0))))

    @property
    def roll(self) -> float:
        return float(np.degrees(np.arctan2(self.rotation[1, 0], self.rotation[0, 0])))


@dataclass(frozen=True, slots=True)
class Found:
    """One face as YuNet sees it: box in fractions of the picture, ``score`` 0…1."""

    box: Box
    score: float


class FaceMesh:
    """MediaPipe FaceLandmarker for the one face of a session; one inference a frame.

    Shared by several detectors on one thread: each calls :meth:`acquire` once and :meth:`release`
    once; the native task lives in between. The last answer is remembered, so that the second
    detector that asks about the same frame pays nothing.
    """

    def __init__(self, path: Path) -> None:
        self._model = path.read_bytes()
        self._task: Any = None
        self._users = 0
        self._forget()

    def _forget(self) -> None:
        self._image: Image | None = None
        self._view: FaceView | None = None
        self._last_ms = 0
        self._offset_ms: int | None = None
        self._lifted = False
        self._doubted: tuple[float, Box] | None = None

    def acquire(self) -> FaceMesh:
        """One more detector uses it; loads the network for the first."""
        if self._users == 0:
            self._task = Landmarker(self._model)
        self._users += 1
        return self

    def release(self) -> None:
        """One detector less; frees the network after the last."""
        self._users = max(0, self._users - 1)
        if self._users == 0 and self._task is not None:
            self._task.close()
            self._task = None
            self._forget()

    def reset(self) -> None:
        """Forget the tracked face (the task smooths over frames, so it is made anew)."""
        if self._task is not None and self._offset_ms is not None:
            self._task.close()
            self._task = Landmarker(self._model)
            self._forget()

    def doubt(self, t: float, box: Box) -> None:
        """What was seen at ``box`` is no face (a print on a shirt, say): look for another one."""
        if self._task is not None:
            self.reset()
            self._doubted = t, box

    def look(self, frame: Frame) -> FaceView | None:
        """The face in ``frame``, or ``None``. Needs about 60 px of face width."""
        if self._image is not frame.image:
            self._view = self._infer(frame)
            self._image = frame.image
        return self._view

    def _infer(self, frame: Frame) -> FaceView | None:
        if min(frame.image.shape[:2]) < MIN_SIDE:
            return None
        image = shrink(frame.image, MAX_SIDE)
        # What found the face last time goes first; the other is tried only where it fails.
        for lifted in (self._lifted, not self._lifted):
            shown = lift(image) if lifted else image
            # cvtColor returns a C-contiguous array, as the landmarker must have it.
            picture = cv2.cvtColor(shown, cv2.COLOR_BGR2RGB)
            found = self._task.find(np.asarray(picture, np.uint8), self._stamp(frame.t))
            if found is not None:
                view = _view(found, frame.image.shape[1], frame.image.shape[0])
                if not self._is_doubted(frame.t, view.box):
                    self._lifted = lifted
                    return view
        return None

    def _is_doubted(self, t: float, box: Box) -> bool:
        if self._doubted is None:
            return False
        since, wrong = self._doubted
        return 0.0 <= t - since <= DOUBT_S and iou(box, wrong) > SAME_FACE_IOU

    def _stamp(self, t: float) -> int:
        """Strictly rising milliseconds, whatever the data's time does (the task insists on it)."""
        ms = round(t * 1000.0)
        if self._offset_ms is None:
            self._offset_ms = 1 - ms
        stamp = ms + self._offset_ms
        if stamp <= self._last_ms:
            stamp = self._last_ms + 1
            self._offset_ms = stamp - ms
        self._last_ms = stamp
        return stamp


class FaceFinder:
    """YuNet through ONNX Runtime, one thread, no spinning: small, partial and second faces."""

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [output.name for output in self._session.get_outputs()]

    def close(self) -> None:
        self._session = None

    def find(self, image: Image, threshold: float = 0.3, side: int = FINDER_SIDE) -> list[Found]:
        """Faces in a BGR picture, surest first. ``side``: long side of the network's input."""
        small = shrink(image, side)
        height, width = small.shape[:2]
        boxes, scores = self._run(small, threshold)
        return [
            Found(Box(x / width, y / height, w / width, h / height), score)
            for (x, y, w, h), score in zip(boxes.tolist(), scores.tolist(), strict=True)
        ]

    def surest(self, image: Image, side: int = FINDER_SIDE) -> tuple[Found, Floats] | None:
        """The surest face and its five points (5×2, in fractions of the picture's width).

        In order: the eye on the picture's left of a face that looks here, the other eye, the tip of
        the nose, the corners of the mouth on the same sides.
        """
        small = shrink(image, side)
        height, width = small.shape[:2]
        outputs, across = self._infer(small)
        boxes, scores = _decode(outputs, across, threshold=0.0)
        best = int(scores.argmax())
        x, y, w, h = boxes[best].tolist()
        found = Found(Box(x / width, y / height, w / width, h / height), float(scores[best]))
        for stride in FINDER_STRIDES:
            rows = outputs[f"kps_{stride}"][0]
            if best < len(rows):
                row, column = divmod(best, across // stride)
                points = (rows[best].reshape(5, 2) + np.array([column, row])) * stride
                return found, (points / width).astype(np.float32)
            best -= len(rows)
        return None

    def look_closer(self, image: Image, box: Box) -> float:
        """YuNet's score (0…1) for the face at ``box`` in an enlarged cut-out around it."""
        height, width = image.shape[:2]
        cx, cy = (box.x + box.width / 2) * width, (box.y + box.height / 2) * height
        size = max(box.width * width, box.height * height)
        scale = CLOSE_SIDE / (size * CLOSE_WIDTHS)
        shift = CLOSE_SIDE / 2
        matrix = np.array([[scale, 0, shift - cx * scale], [0, scale, shift - cy * scale]])
        cut = cv2.warpAffine(
            image, matrix, (CLOSE_SIDE, CLOSE_SIDE), borderMode=cv2.BORDER_REPLICATE
        )
        boxes, scores = self._run(cut, 0.2)
        wanted = Box(0.5 - 0.5 / CLOSE_WIDTHS, 0.5 - 0.5 / CLOSE_WIDTHS, *(2 * [1 / CLOSE_WIDTHS]))
        hits = [
            float(score)
            for (x, y, w, h), score in zip(boxes, scores, strict=True)
            if iou(Box(*(v / CLOSE_SIDE for v in (x, y, w, h))), wanted) > SAME_FACE_IOU
        ]
        return max(hits, default=0.0)

    def _run(self, image: Image, threshold: float) -> tuple[Floats, Floats]:
        """Boxes (N×4: x, y, width, height in pixels of ``image``) and scores, surest first."""
        outputs, across = self._infer(image)
        boxes, scores = _decode(outputs, across, threshold)
        keep = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), threshold, SAME_FACE_IOU)
        order = np.asarray(keep, dtype=np.int64).reshape(-1)
        return boxes[order], scores[order]

    def _infer(self, image: Image) -> tuple[dict[str, Any], int]:
        """The network's outputs by name, and the width of its input in pixels."""
        height, width = image.shape[:2]
        padded = np.zeros((_multiple(height), _multiple(width), 3), np.float32)
        padded[:height, :width] = image
        raw = self._session.run(None, {"input": padded.transpose(2, 0, 1)[None]})
        return dict(zip(self._outputs, raw, strict=True)), padded.shape[1]


def _decode(outputs: dict[str, Any], width: int, threshold: float) -> tuple[Floats, Floats]:
    """YuNet's anchor-free outputs to boxes and scores, as OpenCV's FaceDetectorYN reads them.

    Score is the geometric mean of the class and the objectness; centres are offsets from the grid
    cell and sizes are logarithms, both in units of the stride.
    """
    boxes, scores = [], []
    for stride in FINDER_STRIDES:
        score = np.sqrt(
            np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1)
            * np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1)
        )
        index = np.flatnonzero(score >= threshold)
        offset = outputs[f"bbox_{stride}"][0][index]
        row, column = np.divmod(index, width // stride)
        centre = (offset[:, :2] + np.stack([column, row], axis=1)) * stride
        size = np.exp(offset[:, 2:]) * stride
        boxes.append(np.concatenate([centre - size / 2, size], axis=1).astype(np.float32))
        scores.append(score[index].astype(np.float32))
    return np.concatenate(boxes), np.concatenate(scores)


def _view(found: Landmarks, width: int, height: int) -> FaceView:
    points, shape = found.points, found.shapes
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    rotation = found.matrix[:3, :3] / np.linalg.norm(found.matrix[:3, :3], axis=0)
    # Blendshapes name the person's own left and right; the camera sees them swapped.
    to_right = shape["eyeLookOutLeft"] + shape["eyeLookInRight"]
    to_left = shape["eyeLookInLeft"] + shape["eyeLookOutRight"]
    up = shape["eyeLookUpLeft"] + shape["eyeLookUpRight"]
    down = shape["eyeLookDownLeft"] + shape["eyeLookDownRight"]
    size = high - low
    return FaceView(
        box=Box(float(low[0]), float(low[1]), float(size[0]), float(size[1])),
        width_px=float(np.hypot(*((points[454] - points[234])[:2] * (width, height)))),
        points=points,
        rotation=rotation,
        eyes_right=(to_right - to_left) / 2,
        eyes_up=(up - down) / 2,
        lids=(shape["eyeBlinkLeft"] + shape["eyeBlinkRight"]) / 2,
    )


def shrink(image: Image, side: int) -> Image:
    """``image`` with its long side at most ``side`` pixels; never enlarged."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


def lift(image: Image) -> Image:
    """``image`` with its shadows lifted, so that a dark face in poor light is seen as well."""
    lifted: Image = cv2.GaussianBlur(cv2.LUT(image, LIFT), (0, 0), LIFT_BLUR)
    return lifted


def iou(a: Box, b: Box) -> float:
    """Overlap of two boxes: intersection over union, 0…1."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (a.width * a.height + b.width * b.height - both)


def _multiple(pixels: int) -> int:
    return -(-pixels // FINDER_STRIDE) * FINDER_STRIDE
