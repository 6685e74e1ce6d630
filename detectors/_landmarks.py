"""MediaPipe's landmarker, with its answer read as arrays.

The public call makes 478 Python objects of every face and 52 of every expression; with the collector's work
for them that was a twelfth of everything that an exam's detectors cost. The numbers stand in C structures,
and are copied from there at once; they are the same to the last bit (tests/unit/test_landmarks.py).
This reaches behind MediaPipe's public names, whose version is pinned (docs/decisions/0003, 0038).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors._noise import without_known_remarks
from proctor.types import Image

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Landmarks:
    """One face: ``points`` 478×3 float32 in fractions of the picture (z in units of its width), the
    4×4 float32 ``matrix`` from the face's own space to the camera's, and the score 0…1 of every
    expression (blendshape) by name."""

    points: Floats
    matrix: Floats
    shapes: Mapping[str, float]


class Landmarker:
    """One landmarker for one face in pictures that follow one another; ``model`` is the task file's bytes."""

    def __init__(self, model: bytes) -> None:
        # Imported here: MediaPipe costs 0.2 s, and listing plug-ins needs none of it.
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=model),
            running_mode=vision.RunningMode.VIDEO,
            # Asking for more makes it search again on every frame; YuNet finds the others.
            num_faces=1,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        with without_known_remarks():
            self._task: Any = vision.FaceLandmarker.create_from_options(options)
        self._names: list[str] = []

    def close(self) -> None:
        """Free the network."""
        self._task.close()

    def find(self, picture: Image, ms: int) -> Landmarks | None:
        """The face in an RGB picture (C-contiguous), or ``None``; ``ms`` must rise from call to call."""
        import mediapipe as mp
        from mediapipe.tasks.python.vision.face_landmarker import FaceLandmarkerResultC

        # mp.Image reads any other than a C-contiguous array as garbage, silently.
        shown = mp.Image(image_format=mp.ImageFormat.SRGB, data=picture)
        found = FaceLandmarkerResultC()
        library = self._task._lib
        library.MpFaceLandmarkerDetectForVideo(
            self._task._handle, shown._image_ptr, None, ms, ctypes.byref(found)
        )
        try:
            return self._read(found)
        finally:
            library.MpFaceLandmarkerCloseResult(ctypes.byref(found))

    def _read(self, found: Any) -> Landmarks | None:
        if not found.face_landmarks_count:
            return None
        faces, shapes = found.face_landmarks[0], found.face_blendshapes[0]
        if not self._names:
            # What the 52 are called does not change within a network.
            listed = (shapes.categories[i] for i in range(shapes.categories_count))
            self._names = [shape.category_name.decode() for shape in listed]
        scores = _column(shapes.categories, shapes.categories_count, "score", 1)
        return Landmarks(
            _column(faces.landmarks, faces.landmarks_count, "x", 3),
            np.asarray(found.facial_transformation_matrixes[0].to_numpy(), np.float32),
            dict(zip(self._names, scores[:, 0].tolist(), strict=True)),
        )


def _column(first: Any, count: int, field: str, floats: int) -> Floats:
    """``floats`` neighbouring numbers from ``field`` on, of each of ``count`` C structures: a copy."""
    structure = first._type_
    size, begin = ctypes.sizeof(structure), getattr(structure, field).offset
    rows = np.frombuffer(ctypes.string_at(first, count * size), np.uint8).reshape(count, size)
    return np.ascontiguousarray(rows[:, begin : begin + 4 * floats]).view(np.float32)
