"""Heads turned so far aside that the landmarker finds no face: real heads (FairFace) in a plain room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors import gaze
from detectors._nets import FaceFinder
from detectors._profile import turned
from proctor.pipeline.detector import Context
from proctor.types import Frame, Image, Observation

# Looked at: (file, nose to the picture's right). The landmarker finds none of these faces.
PROFILES = [
    ("fairface_0159.jpg", False), ("fairface_0194.jpg", False), ("fairface_0246.jpg", False),
    ("fairface_0025.jpg", True), ("fairface_0160.jpg", True), ("fairface_0375.jpg", True),
]  # fmt: skip
FRONTAL = "fairface_0022.jpg"


def room(media: Path, name: str) -> Image:
    """The head, 260 px in size, in a grey picture of 640 by 480."""
    head = cv2.imread(str(media / "images" / "faces_fairface" / name))
    scale = 260 / max(head.shape[:2])
    sized = cv2.resize(head, None, fx=scale, fy=scale)
    picture = np.full((480, 640, 3), 110, np.uint8)
    picture[100 : 100 + sized.shape[0], 190 : 190 + sized.shape[1]] = sized
    return picture


@pytest.fixture(scope="module")
def nets(model: Callable[[str], Path]) -> dict[str, Path]:
    return {name: model(name) for name in gaze.PLUGIN.models}


@pytest.fixture
def make(nets: dict[str, Path]) -> Iterator[Callable[..., gaze.Gaze]]:
    made: list[gaze.Gaze] = []

    def new(**settings: float) -> gaze.Gaze:
        made.append(gaze.Gaze(gaze.Settings(**settings), Context(nets)))
        return made[-1]

    yield new
    for detector in made:
        detector.close()


def show(detector: gaze.Gaze, image: Image, start: float, seconds: float) -> list[Observation]:
    """``gaze.away`` while one picture is in view."""
    frames = (Frame(start + i / 5, i, image) for i in range(round(5 * seconds)))
    return [detector.update(frame)[0] for frame in frames]


@pytest.mark.parametrize(("name", "to_right"), PROFILES)
def test_a_profile_is_told_from_five_points_with_its_side(media, nets, name, to_right):
    finder = FaceFinder(nets["yunet"])
    for mirrored in (False, True):
        image = room(media, name)
        found = finder.surest(np.ascontiguousarray(image[:, ::-1]) if mirrored else image)
        assert found is not None
        score, side = turned(found[1])
        assert score >= 0.5
        assert side == (to_right != mirrored)
        assert 0.0 < found[0].box.x < 1.0
    finder.close()


def test_a_face_that_looks_here_is_not_turned(media, nets):
    finder = FaceFinder(nets["yunet"])
    found = finder.surest(room(media, FRONTAL))
    assert found is not None
    assert turned(found[1])[0] == 0.0
    assert turned(np.zeros((5, 2), np.float32)) == (0.0, False)
    finder.close()


def test_a_head_that_turns_out_of_the_landmarks_stays_away_as_long_as_it_is_seen(media, make):
    detector = make()
    assert show(detector, room(media, FRONTAL), 0.0, 3.0)[-1].score == 0.0
    away = show(detector, room(media, PROFILES[0][0]), 3.0, 5.0)
    assert all(o.score is not None and o.score >= 0.6 for o in away)
    assert away[-1].reason == "head turned far to the left in the picture"
    assert away[-1].box is not None
    empty = show(detector, np.full((480, 640, 3), 110, np.uint8), 8.0, 4.0)
    assert empty[-1].score is None


def test_a_profile_where_nobody_was_is_a_picture_on_the_wall(media, make):
    image = room(media, PROFILES[0][0])
    assert {o.score for o in show(make(), image, 0.0, 3.0)} == {None}
    detector = make()
    show(detector, room(media, FRONTAL), 0.0, 3.0)
    elsewhere = np.roll(image, 300, axis=1)
    assert {o.score for o in show(detector, elsewhere, 3.0, 4.0)} == {None}


def test_where_so_much_is_allowed_a_profile_cannot_be_measured(media, make):
    for settings, known in (
        ({"right_screen_degrees": 60.0}, False),
        ({"left_screen_degrees": 60.0}, True),
    ):
        detector = make(**settings)
        show(detector, room(media, FRONTAL), 0.0, 2.0)
        # The picture's left is the person's right.
        away = show(detector, room(media, PROFILES[0][0]), 2.0, 2.0)
        assert (away[-1].score is not None) == known
        if not known:
            assert away[-1].reason == "head turned too far to measure"
