"""What is read from MediaPipe's C structures is what its public call answers, to the last bit."""

import gc
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors._landmarks import Landmarker

STILLS = ("fairface_0002", "fairface_0004")


@pytest.fixture(scope="module")
def pictures(media: Path):
    """Two heads moving about, RGB, and an empty picture between them."""
    shown = []
    for name in STILLS:
        head = cv2.imread(str(media / f"images/faces_fairface/{name}.jpg"))
        head = cv2.resize(head, (240, 240), interpolation=cv2.INTER_AREA)
        for step in range(6):
            picture = np.full((480, 640, 3), 128, np.uint8)
            picture[100 : 100 + 240, 100 + 20 * step : 340 + 20 * step] = head
            shown.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        shown.append(np.full((480, 640, 3), 128, np.uint8))
    return shown


def test_the_numbers_are_those_of_the_public_call(pictures, model):
    import mediapipe as mp

    network = model("face_landmarker").read_bytes()
    ours, public = Landmarker(network), Landmarker(network)
    seen = 0
    for number, picture in enumerate(pictures):
        ms = 1 + 100 * number
        found = ours.find(picture, ms)
        told = public._task.detect_for_video(mp.Image(mp.ImageFormat.SRGB, picture), ms)
        assert (found is None) == (not told.face_landmarks)
        if found is None:
            continue
        seen += 1
        points = np.array([(p.x, p.y, p.z) for p in told.face_landmarks[0]], np.float32)
        assert found.points.shape == (478, 3)
        assert found.points.tobytes() == points.tobytes()
        assert np.array_equal(found.matrix, told.facial_transformation_matrixes[0])
        assert found.shapes == {c.category_name: c.score for c in told.face_blendshapes[0]}
        assert "eyeLookOutLeft" in found.shapes
    assert 8 <= seen < len(pictures)
    ours.close()
    public.close()


def test_what_was_read_outlives_the_answer_it_was_read_from(pictures, model):
    landmarker = Landmarker(model("face_landmarker").read_bytes())
    first = landmarker.find(pictures[0], 1)
    assert first is not None
    before = first.points.copy(), first.matrix.copy()
    for number, picture in enumerate(pictures[1:]):
        landmarker.find(picture, 100 + 100 * number)
    landmarker.close()
    gc.collect()
    assert np.array_equal(first.points, before[0])
    assert np.array_equal(first.matrix, before[1])
