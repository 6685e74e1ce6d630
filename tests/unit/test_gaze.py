"""Gaze on real faces: scikit-image's astronaut, and the labelled recordings with known directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from detectors import gaze
from detectors._nets import FaceMesh
from policies.consent import Grant
from policies.load import read
from proctor.capture.replay import Recording
from proctor.pipeline.detector import Context, Detector
from proctor.pipeline.rules import RuleBook
from proctor.types import Flag, Frame, Image, Observation


@pytest.fixture(scope="module")
def nets(model: Callable[[str], Path]) -> dict[str, Path]:
    return {name: model(name) for name in gaze.PLUGIN.models}


@pytest.fixture
def detector(nets: dict[str, Path]) -> Iterator[Detector]:
    made = gaze.PLUGIN.create(gaze.PLUGIN.Settings(), Context(nets))
    yield made
    made.close()


@pytest.fixture(scope="module")
def portrait() -> Image:
    """Eileen Collins looking into the lens, 512×512 BGR."""
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


def recorded(path: Path) -> Iterator[Frame]:
    """A recording at ten frames a second, turned upright."""
    grant = Grant("camera", "test")
    for sample in Recording.open(path).samples(camera=grant, microphone=None):
        if isinstance(sample, Frame):
            yield sample


def flags(detector: Detector, samples: Iterator[Frame]) -> list[Flag]:
    """What the standard policy flags."""
    book = RuleBook(gaze.PLUGIN.kinds, dict(read("standard")[0].rules))
    closed, t = [], 0.0
    for frame in samples:
        t = frame.t
        for observation in detector.update(frame):
            closed += [e.flag for e in book.feed(observation) if e.what == "closed"]
    return closed + [e.flag for e in book.finish(t + 0.1) if e.what == "closed"]


def look(detector: Detector, image: Image, t: float = 0.0) -> dict[str, Observation]:
    frame = Frame(t, round(t * 10), np.ascontiguousarray(image))
    return {o.kind: o for o in detector.update(frame)}


def test_a_face_towards_the_lens_is_neither_away_nor_down(
    detector: Detector, portrait: Image
) -> None:
    seen = look(detector, portrait)
    assert set(seen) == {"gaze.away", "gaze.down", "gaze.away_before_answer"}
    assert seen["gaze.away"].score == 0.0
    assert seen["gaze.down"].score == 0.0
    assert seen["gaze.away"].box is not None
    assert seen["gaze.away"].reason.startswith("head ")


def test_no_face_is_unknown(detector: Detector) -> None:
    for o in look(detector, np.full((480, 640, 3), 90, np.uint8)).values():
        assert (o.score, o.reason, o.quality) == (None, "no face in view", 0.0)


def test_a_small_face_is_unknown(detector: Detector, portrait: Image) -> None:
    far = np.full((512, 512, 3), 120, np.uint8)
    far[200:300, 200:300] = cv2.resize(portrait, (100, 100), interpolation=cv2.INTER_AREA)
    assert {o.score for o in look(detector, far).values()} == {None}


def test_a_dark_face_is_unknown(detector: Detector, portrait: Image) -> None:
    dark = (portrait * 0.07).astype(np.uint8)
    for o in look(detector, dark).values():
        assert o.score is None
        assert o.reason.startswith(("face too dark", "no face"))


def test_a_smeared_face_is_unknown_with_the_reason(detector: Detector, portrait: Image) -> None:
    smeared = cv2.GaussianBlur(portrait, (0, 0), 7)
    for o in look(detector, smeared).values():
        assert o.score is None
        assert o.reason.startswith(("face too blurred", "no face"))


def test_a_picture_of_one_pixel_is_unknown(detector: Detector) -> None:
    assert {o.score for o in look(detector, np.zeros((1, 1, 3), np.uint8)).values()} == {None}


def test_a_mirrored_picture_turns_the_head_the_other_way(
    nets: dict[str, Path], portrait: Image
) -> None:
    """Yaw is positive towards the picture's right, roll counter-clockwise; pitch stays."""
    mesh = FaceMesh(nets["face_landmarker"]).acquire()
    plain = mesh.look(Frame(0.0, 0, portrait))
    mesh.reset()
    mirrored = mesh.look(Frame(0.0, 1, np.ascontiguousarray(portrait[:, ::-1])))
    mesh.reset()
    turn = cv2.getRotationMatrix2D((224, 110), 20, 1.0)
    turned = mesh.look(Frame(0.0, 2, cv2.warpAffine(portrait, turn, (512, 512))))
    assert plain is not None
    assert mirrored is not None
    assert turned is not None
    assert mirrored.yaw == pytest.approx(-plain.yaw, abs=4.0)
    assert mirrored.pitch == pytest.approx(plain.pitch, abs=4.0)
    assert turned.roll - plain.roll == pytest.approx(20.0, abs=4.0)
    mesh.release()


# --- on the labelled recordings ----------------------------------------------------------------


def test_head_angles_follow_the_labelled_turns(media: Path, nets: dict[str, Path]) -> None:
    """Labels: left up to 44° until 0.6 s, right up to 30° from 0.8 to 1.5 s."""
    clip = media / "video" / "intel_preview" / "head-pose-face-detection-female.gif"
    mesh = FaceMesh(nets["face_landmarker"]).acquire()
    views = [(frame.t, mesh.look(frame)) for frame in recorded(clip)]
    mesh.release()
    left = [v.yaw for t, v in views if v is not None and t < 0.45]
    right = [v.yaw for t, v in views if v is not None and 0.9 < t < 1.35]
    assert min(left) == pytest.approx(-44, abs=5)
    assert max(left) < -25
    assert max(right) == pytest.approx(30, abs=5)
    assert min(right) > 10


@pytest.mark.parametrize(
    ("clip", "start", "end", "side"),
    [
        ("center_left_center", 5.65, 10.29, "left"),
        ("center_right_center", 5.42, 10.04, "right"),
    ],
)
def test_eyes_held_aside_are_flagged_once(
    media: Path, detector: Detector, clip: str, start: float, end: float, side: str
) -> None:
    raised = flags(detector, recorded(media / "video" / "gaze" / f"{clip}.mp4"))
    assert [flag.kind for flag in raised] == ["gaze.away"]
    assert raised[0].start == pytest.approx(start, abs=0.4)
    assert raised[0].end == pytest.approx(end, abs=0.4)
    assert f"to the {side}" in raised[0].why


@pytest.mark.parametrize(
    "clip",
    [
        "gaze/center_focus.mp4",
        "portrait/d9.mp4",
        "portrait/d18.mp4",
        "portrait/s18.mp4",
        "portrait/d0.mp4",
        "asl/milk.mkv",
    ],
)
def test_people_at_the_screen_are_not_flagged(media: Path, detector: Detector, clip: str) -> None:
    """Among them: glasses and grimaces, a face turned 14° with eyes on the lens, darting eyes."""
    assert flags(detector, recorded(media / "video" / clip)) == []


def test_darting_eyes_are_seen_although_too_short_for_a_flag(
    media: Path, detector: Detector
) -> None:
    aside = []
    for frame in recorded(media / "video" / "portrait" / "d0.mp4"):
        away = detector.update(frame)[0]
        if away.score is not None and away.score > 0.6:
            aside.append(frame.t)
    assert min(aside) == pytest.approx(0.5, abs=0.2)
    assert max(aside) == pytest.approx(2.6, abs=0.2)


def test_a_blink_does_not_look_down(media: Path, detector: Detector) -> None:
    scores = []
    for frame in recorded(media / "video" / "talking_grid" / "bbaf2n.mpg"):
        scores.append(detector.update(frame)[1].score)
    assert max(score for score in scores if score is not None) < 0.4


def test_a_head_turned_aside_is_no_smaller_a_face(media: Path, detector: Detector) -> None:
    """Foreshortened to 31 px from ear to ear, the face is still as near as it was."""
    clip = media / "video" / "intel_preview" / "head-pose-face-detection-female.gif"
    turned = [frame for frame in recorded(clip) if frame.t < 0.45]
    away = [
        look(detector, frame.image[:, ::-1], 0.4 * i)["gaze.away"] for i, frame in enumerate(turned)
    ]
    assert [o.reason for o in away if o.score is None] == []
    assert sum(o.score is not None and o.score >= 0.6 for o in away) >= len(away) - 1
