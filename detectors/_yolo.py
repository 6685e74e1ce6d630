"""The YOLO11 object network on ONNX Runtime: one picture in, boxes of a few chosen classes out.

The graph is the usual ``yolo export format=onnx``: input ``images`` float32 [1, 3, height, width],
RGB 0…1, letterboxed with grey 114; output [1, 4 + classes, anchors] of centre x, centre y, width,
height in input pixels and one score a class. Class names stand in the file's metadata as the text
of a Python dict.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from proctor.errors import MissingError
from proctor.types import Box, Image

# The grey that ultralytics pads with in training and export.
PAD = (114, 114, 114)
# Two boxes of one class that overlap more than this are one thing (ultralytics' default is 0.7 for
# validation, 0.45 for prediction; a hand-held thing is never twice in one place).
SAME = 0.5

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Found:
    """One thing in one picture: class name, score 0…1, box in fractions of the picture."""

    name: str
    score: float
    box: Box


class ObjectNet:
    """One loaded network. ``thresholds`` maps each wanted class to the lowest score of interest.

    Raises :class:`MissingError` when the file is not such a network or lacks a class.
    """

    def __init__(self, path: Path, thresholds: Mapping[str, float]) -> None:
        options = ort.SessionOptions()
        # One thread, no spinning: several networks share the machine with an exam, and idle
        # spinning threads cost more than they save at two pictures a second.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        entry = self._session.get_inputs()[0]
        if len(entry.shape) != 4 or not all(isinstance(n, int) for n in entry.shape[2:]):
            raise MissingError(
                f"The network {path.name} has no fixed picture size (its input is {entry.shape}); "
                "export it with a fixed imgsz."
            )
        self._input = entry.name
        self.height, self.width = int(entry.shape[2]), int(entry.shape[3])
        names = class_names(self._session.get_modelmeta().custom_metadata_map, path.name)
        lacking = [name for name in thresholds if name not in names]
        if lacking:
            raise MissingError(
                f"The network {path.name} does not know {', '.join(lacking)}; "
                "export it from weights trained on COCO."
            )
        self._names = list(thresholds)
        self._rows = np.array([4 + names.index(name) for name in thresholds])
        self._lowest = np.array(list(thresholds.values()), np.float32)[:, None]

    def find(self, image: Image) -> list[Found]:
        """The wanted things in a BGR picture of any size, best first within each class."""
        blob, scale, left, top = letterbox(image, self.width, self.height)
        (output,) = self._session.run(None, {self._input: blob})
        return self._decode(output[0], image.shape[1] * scale, image.shape[0] * scale, left, top)

    def _decode(
        self, output: Floats, width: float, height: float, left: int, top: int
    ) -> list[Found]:
        scores = output[self._rows]
        kept, anchors = np.nonzero(scores >= self._lowest)
        found: list[Found] = []
        for row in np.unique(kept):
            mine = anchors[kept == row]
            x, y, w, h = output[:4, mine].astype(np.float64)
            x0 = np.clip((x - w / 2 - left) / width, 0.0, 1.0)
            y0 = np.clip((y - h / 2 - top) / height, 0.0, 1.0)
            x1 = np.clip((x + w / 2 - left) / width, 0.0, 1.0)
            y1 = np.clip((y + h / 2 - top) / height, 0.0, 1.0)
            corners = np.stack([x0, y0, x1, y1], axis=1)
            mine_scores = scores[row, mine]
            for i in suppress(corners, mine_scores):
                a, b, c, d = (float(v) for v in corners[i])
                found.append(
                    Found(self._names[row], float(mine_scores[i]), Box(a, b, c - a, d - b))
                )
        return found


def class_names(metadata: Mapping[str, str], file: str) -> list[str]:
    """Class names by index from an export's metadata; :class:`MissingError` when they are not there."""
    try:
        names = ast.literal_eval(metadata["names"])
        return [str(names[i]) for i in range(len(names))]
    except (KeyError, ValueError, SyntaxError, TypeError) as error:
        raise MissingError(
            f"The network {file} carries no class names; make it with `yolo export format=onnx`."
        ) from error


def letterbox(image: Image, width: int, height: int) -> tuple[Floats, float, int, int]:
    """The picture as network input, and how to map back: scale, left and top padding in pixels.

    A picture of the network's own shape (a 4:3 camera) is only scaled.
    """
    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    w = max(1, min(width, round(columns * scale)))
    h = max(1, min(height, round(rows * scale)))
    if (w, h) != (columns, rows):
        # Area averaging keeps a small phone from aliasing away when an HD picture shrinks.
        how = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
        image = cv2.resize(image, (w, h), interpolation=how)
    left, top = (width - w) // 2, (height - h) // 2
    if (w, h) != (width, height):
        image = cv2.copyMakeBorder(
            image, top, height - h - top, left, width - w - left, cv2.BORDER_CONSTANT, value=PAD
        )
    blob: Floats = cv2.dnn.blobFromImage(image, 1 / 255.0, swapRB=True)
    return blob, scale, left, top


def suppress(corners: npt.NDArray[np.float64], scores: Floats) -> list[int]:
    """Greedy non-maximum suppression: indices of the boxes that stay, best first.

    ``corners`` is n×4 (left, top, right, bottom), ``scores`` n.
    """
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    order = list(np.argsort(-scores))
    stay: list[int] = []
    while order:
        best, rest = int(order[0]), np.array(order[1:], dtype=int)
        stay.append(best)
        if not len(rest):
            break
        low = np.maximum(corners[best, :2], corners[rest, :2])
        high = np.minimum(corners[best, 2:], corners[rest, 2:])
        common = np.prod(np.clip(high - low, 0.0, None), axis=1)
        union = areas[best] + areas[rest] - common
        order = [int(i) for i in rest[common <= SAME * union]]
    return stay


def around(image: Image, box: Box, times: float, least: float) -> tuple[Image, Box]:
    """The part of a picture around ``box`` in the picture's own aspect, and where it lies.

    It is ``times`` as long as the box, at least ``least`` of the picture's height, at most all of it.
    """
    share = min(1.0, max(least, times * max(box.width, box.height)))
    x = min(max(0.0, box.x + box.width / 2 - share / 2), 1.0 - share)
    y = min(max(0.0, box.y + box.height / 2 - share / 2), 1.0 - share)
    rows, columns = image.shape[:2]
    top, left = int(y * rows), int(x * columns)
    height, width = max(1, round(share * rows)), max(1, round(share * columns))
    part = image[top : top + height, left : left + width]
    return part, Box(left / columns, top / rows, part.shape[1] / columns, part.shape[0] / rows)


def within(part: Box, box: Box) -> Box:
    """``box``, given in fractions of ``part``, in fractions of the whole picture."""
    return Box(
        part.x + box.x * part.width,
        part.y + box.y * part.height,
        box.width * part.width,
        box.height * part.height,
    )


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0…1."""
    common = intersection(a, b)
    union = a.width * a.height + b.width * b.height - common
    return common / union if union > 0 else 0.0


def intersection(a: Box, b: Box) -> float:
    """Common area of two boxes in fractions of the picture."""
    w = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    h = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    return max(w, 0.0) * max(h, 0.0)
