"""Faces on real pictures: a NASA photograph that scikit-image ships, and the labelled recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from detectors import faces, gaze
from detectors._nets import FaceFinder, FaceMesh, FaceView
from policies.consent import Grant
from policies.load import read
from proctor.capture.replay import Recording
from proctor.pipeline.detector import Context, Detector
from proctor.pipeline.rules import RuleBook
from proctor.types import Box, Flag, Frame, Image, Observation

HEAD = (slice(0, 300), slice(80, 380))


@pytest.fixture(scope="module")
def nets(model: Callable[[str], Path]) -> dict[str, Path]:
    return {name: model(name) for name in faces.PLUGIN.models}


@pytest.fixture
def detector(nets: dict[str, Path]) -> Iterator[Detector]:
    made = faces.PLUGIN.create(faces.PLUGIN.Settings(), Context(nets))
    yield made
    made.close()


@pytest.fixture(scope="module")
def head() -> Image:
    """Head and shoulders of Eileen Collins, 300×300 BGR."""
    return np.ascontiguousarray(data.astronaut()[HEAD][..., ::-1])


def room(width: int = 640, height: int = 480) -> Image:
    """An empty room's picture: a soft gradient with sensor noise."""
    shade = np.linspace(90, 170, width, dtype=np.float32)[None, :, None]
    noise = np.random.default_rng(7).normal(0, 4, (height, width, 3))
    return np.clip(shade + noise, 0, 255).astype(np.uint8)


def put(picture: Image, head: Image, x: int, y: int, size: int = 300) -> Image:
    """``picture`` with the head at ``x``, ``y``; what falls outside is cut off."""
    small = cv2.resize(head, (size, size), interpolation=cv2.INTER_AREA)
    matrix = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    shape = (picture.shape[1], picture.shape[0])
    mask = cv2.warpAffine(np.ones(small.shape[:2], np.uint8), matrix, shape)
    placed = cv2.warpAffine(small, matrix, shape)
    return np.where(mask[..., None] > 0, placed, picture)


def watch(
    detector: Detector, pictures: list[Image], start: float = 0.0
) -> dict[str, list[Observation]]:
    """Ten pictures a second through the detector; observations by kind."""
    seen: dict[str, list[Observation]] = {}
    for i, picture in enumerate(pictures):
        for o in detector.update(Frame(start + i / 10, i, np.ascontiguousarray(picture))):
            seen.setdefault(o.kind, []).append(o)
    return seen


def recorded(path: Path, loop_s: float = 0.0) -> Iterator[Frame]:
    """A recording at ten frames a second, again and again until ``loop_s`` is full."""
    grant, start, seq = Grant("camera", "test"), 0.0, 0
    while True:
        last = start
        for sample in Recording.open(path).samples(camera=grant, microphone=None):
            if isinstance(sample, Frame):
                last = start + sample.t
                yield Frame(last, seq, sample.image)
                seq += 1
        start = last + 0.1
        if start >= loop_s:
            return


def flags(nets: dict[str, Path], samples: Iterator[Frame]) -> list[Flag]:
    """What faces and gaze together flag under the standard policy."""
    context = Context(nets)
    plugins = (faces.PLUGIN, gaze.PLUGIN)
    detectors = [plugin.create(plugin.Settings(), context) for plugin in plugins]
    kinds = [kind for plugin in plugins for kind in plugin.kinds]
    book = RuleBook(kinds, dict(read("standard")[0].rules))
    closed, t = [], 0.0
    for frame in samples:
        t = frame.t
        for one in detectors:
            for observation in one.update(frame):
                closed += [e.flag for e in book.feed(observation) if e.what == "closed"]
    closed += [e.flag for e in book.finish(t + 0.1) if e.what == "closed"]
    for one in detectors:
        one.close()
    return closed


def scores(observations: list[Observation]) -> list[float | None]:
    return [o.score for o in observations]


def test_a_face_in_view_is_neither_absent_nor_several(detector: Detector, head: Image) -> None:
    seen = watch(detector, [put(room(), head, 170, 150)] * 12)
    assert set(seen) == {kind.name for kind in faces.PLUGIN.kinds}
    assert set(scores(seen["face.absent"])) == {0.0}
    assert set(scores(seen["face.several"])) == {0.0}
    box = seen["face.absent"][-1].box
    assert box is not None
    assert 0.3 < box.x + box.width / 2 < 0.7


def test_an_empty_room_is_absent(detector: Detector) -> None:
    assert scores(watch(detector, [room()] * 3)["face.absent"]) == [1.0, 1.0, 1.0]


def test_a_face_that_leaves_the_picture_becomes_absent(detector: Detector, head: Image) -> None:
    leaving = [put(room(), head, 170 + 40 * step, 150) for step in range(14)]
    absent = scores(watch(detector, leaving)["face.absent"])
    assert absent[0] == 0.0
    assert absent[-1] == 1.0


def test_a_dark_picture_is_unknown_and_says_why(detector: Detector) -> None:
    # Almost black: whether anybody is there cannot be seen, so nobody is called absent.
    for observations in watch(detector, [room() // 40] * 2).values():
        assert scores(observations) == [None, None]
        assert "too dark" in observations[0].reason
        assert observations[0].quality == 0.0


def test_a_blank_picture_is_unknown(detector: Detector) -> None:
    seen = watch(detector, [np.full((480, 640, 3), 180, np.uint8)])
    assert seen["face.absent"][0].score is None
    assert "shows nothing" in seen["face.absent"][0].reason


def test_a_dim_face_is_still_found(detector: Detector, head: Image) -> None:
    # An eighth of the light, then a face with an eighth of the light before a bright window.
    dim_head = head // 8
    for picture in (put(room() // 8, dim_head, 170, 150), put(room(), dim_head, 170, 150)):
        assert watch(detector, [picture] * 2)["face.absent"][-1].score == 0.0


def test_a_second_face_that_moves_is_another_person(detector: Detector, head: Image) -> None:
    pictures = [
        put(put(room(), head, 20, 150), head[:, ::-1], 380 + 6 * (i % 5), 160, 220)
        for i in range(25)
    ]
    seen = watch(detector, pictures)["face.several"]
    assert seen[-1].score is not None
    assert seen[-1].score > 0.7
    assert seen[-1].box is not None
    assert seen[-1].box.x > 0.5
    assert "% of the picture wide" in seen[-1].reason


def test_a_still_picture_of_a_face_is_not_another_person(detector: Detector, head: Image) -> None:
    noise = np.random.default_rng(3)
    poster = put(room(), head[:, ::-1], 400, 20, 200)
    pictures = []
    for i in range(40):
        picture = put(poster, head, 20 + 5 * (i % 4), 170).astype(np.float32)
        pictures.append(np.clip(picture + noise.normal(0, 4, picture.shape), 0, 255).astype("u1"))
    seen = watch(detector, pictures)["face.several"]
    assert all(o.score is not None and o.score <= 0.3 for o in seen)
    assert "still like a picture" in seen[-1].reason


def test_a_second_face_smaller_than_the_setting_does_not_count(
    nets: dict[str, Path], head: Image
) -> None:
    settings = faces.PLUGIN.Settings.model_validate({"smallest_face": 0.2})
    detector = faces.PLUGIN.create(settings, Context(nets))
    pictures = [
        put(put(room(), head, 20, 150), head, 400 + 6 * (i % 5), 160, 160) for i in range(20)
    ]
    assert set(scores(watch(detector, pictures)["face.several"])) == {0.0}
    detector.close()


def test_tiny_and_huge_pictures_are_judged_or_unknown(detector: Detector, head: Image) -> None:
    tiny = detector.update(Frame(0.0, 0, np.zeros((1, 1, 3), np.uint8)))
    assert [o.score for o in tiny] == [None, None, None]
    huge = cv2.resize(put(room(), head, 170, 150), (7680, 4320))
    assert detector.update(Frame(0.1, 1, huge))[0].score == 0.0


def test_time_may_jump_back_after_a_reset_and_even_without(detector: Detector, head: Image) -> None:
    picture = put(room(), head, 170, 150)
    watch(detector, [picture] * 3, start=100.0)
    assert watch(detector, [picture] * 3, start=50.0)["face.absent"][-1].score == 0.0
    detector.reset()
    assert watch(detector, [picture] * 3)["face.absent"][-1].score == 0.0


def test_a_reset_detector_answers_like_a_new_one(nets: dict[str, Path], head: Image) -> None:
    pictures = [put(room(), head, 150 + 4 * i, 150) for i in range(8)]
    used, new = (faces.PLUGIN.create(faces.PLUGIN.Settings(), Context(nets)) for _ in range(2))
    watch(used, [put(room(), head, 300, 100, 200)] * 5, start=7.0)
    used.reset()
    assert watch(used, pictures) == watch(new, pictures)
    used.close()
    new.close()


def test_faces_and_gaze_share_one_inference_a_frame(
    nets: dict[str, Path], head: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    inferences = []
    infer = FaceMesh._infer
    monkeypatch.setattr(
        FaceMesh, "_infer", lambda mesh, frame: inferences.append(frame.t) or infer(mesh, frame)
    )
    context = Context(nets)
    both = [p.create(p.Settings(), context) for p in (faces.PLUGIN, gaze.PLUGIN)]
    for i in range(3):
        frame = Frame(i / 10, i, put(room(), head, 170, 150))
        for detector in both:
            detector.update(frame)
    assert inferences == [0.0, 0.1, 0.2]
    # One may end while the other goes on.
    both[0].close()
    assert both[1].update(Frame(0.3, 3, put(room(), head, 170, 150)))[0].score is not None
    both[1].close()


def test_our_decoding_of_yunet_agrees_with_opencv(nets: dict[str, Path], head: Image) -> None:
    picture = put(put(room(640, 480), head, 10, 100), head, 350, 200, 200)
    # A multiple of 32 at a scale of 1, so that both see exactly the same input.
    ours = FaceFinder(nets["yunet"]).find(picture, 0.5, side=640)
    theirs = cv2.FaceDetectorYN.create(str(nets["yunet"]), "", (640, 480), 0.5, 0.3)
    _, found = theirs.detect(picture)
    assert len(ours) == len(found) == 2
    for one, row in zip(ours, sorted(found, key=lambda row: -row[-1]), strict=True):
        assert one.score == pytest.approx(row[-1], abs=0.02)
        mine = (one.box.x * 640, one.box.y * 480, one.box.width * 640, one.box.height * 480)
        assert mine == pytest.approx(tuple(row[:4]), abs=3.0)


# --- on the labelled recordings ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("clip", "loop_s"),
    [
        ("intel_preview/head-pose-face-detection-female-and-male.gif", 0.0),
        ("intel_preview/face-demographics-walking-and-pause.gif", 0.0),
        ("intel_preview/classroom.gif", 0.0),
        ("asl/bird.mkv", 6.0),
    ],
)
def test_other_people_are_flagged(
    media: Path, nets: dict[str, Path], clip: str, loop_s: float
) -> None:
    raised = flags(nets, recorded(media / "video" / clip, loop_s))
    assert "face.several" in [flag.kind for flag in raised]


@pytest.mark.parametrize(
    "clip",
    [
        "asl/again.mkv",
        "asl/want.mkv",
        "asl/walk.mkv",
        "asl/student.mkv",
        "portrait/d18.mp4",
        "portrait/s18.mp4",
        "talking_grid/lbax4n.mpg",
        "intel_preview/head-pose-face-detection-male.gif",
    ],
)
def test_honest_people_alone_are_not_flagged(media: Path, nets: dict[str, Path], clip: str) -> None:
    assert flags(nets, recorded(media / "video" / clip, loop_s=5.5)) == []


def test_a_skull_on_a_shirt_is_nobody_in_poor_light(media: Path, nets: dict[str, Path]) -> None:
    noise = np.random.default_rng(0)
    dim = (
        replace(
            f, image=np.clip(f.image * 0.2 + noise.normal(0, 4, f.image.shape), 0, 255).astype("u1")
        )
        for f in recorded(media / "video" / "asl" / "again.mkv", loop_s=5.5)
    )
    assert flags(nets, dim) == []


def test_an_empty_room_is_flagged_with_a_sentence(media: Path, nets: dict[str, Path]) -> None:
    clip = media / "video" / "intel_preview" / "people-detection.gif"
    raised = flags(nets, recorded(clip, loop_s=7.0))
    assert [flag.kind for flag in raised] == ["face.absent"]
    assert raised[0].why.startswith("No face was in view for ")


def hide(image: Image, view: FaceView, what: str) -> Image:
    """A mask over mouth and nose, or a bar over the eyes, drawn at the landmarks."""
    points = (view.points[:, :2] * (image.shape[1], image.shape[0])).astype(np.int32)
    place = {"nose": (6, 132, 361, 172, 397, 152), "eyes": (70, 300, 117, 346)}[what]
    colour = tuple(int(v) for v in image[points[50][1], points[50][0]])
    hidden = image.copy()
    cv2.fillConvexPoly(hidden, cv2.convexHull(points[list(place)]), colour)
    return hidden


@pytest.mark.parametrize("clip", ["talking_grid/lwbsza.mpg", "gaze/center_focus.mp4"])
@pytest.mark.parametrize("what", ["nose", "eyes"])
def test_a_hidden_part_of_the_face_is_flagged(
    media: Path, nets: dict[str, Path], clip: str, what: str
) -> None:
    """Covered after 2 s in the person's own skin colour, the hardest one to see."""
    bare = [f for f in recorded(media / "video" / clip, loop_s=7.0) if f.t < 7.0]
    mesh = FaceMesh(nets["face_landmarker"]).acquire()
    covered = []
    for frame in bare:
        view = mesh.look(frame)
        assert view is not None
        image = hide(frame.image, view, what) if frame.t >= 2.0 else frame.image
        covered.append(replace(frame, image=image))
    mesh.release()
    raised = [flag for flag in flags(nets, iter(covered)) if flag.kind == "face.covered"]
    assert len(raised) == 1
    assert raised[0].start == pytest.approx(2.0, abs=0.5)
    assert what in raised[0].why


def test_the_box_of_a_flag_lies_in_the_picture(media: Path, nets: dict[str, Path]) -> None:
    clip = media / "video" / "intel_preview" / "classroom.gif"
    box = next(f.box for f in flags(nets, recorded(clip)) if f.kind == "face.several")
    assert isinstance(box, Box)
    assert 0 <= box.x < box.x + box.width <= 1
