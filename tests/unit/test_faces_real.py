"""Honest things people do, on real clips: hands at the face, looking down, people and pictures behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.faces import frames
from detectors import faces
from detectors._nets import FaceMesh
from policies.load import read
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.types import Flag, Frame, Image

STUDENT = "portrait/d9.mp4"


@pytest.fixture(scope="module")
def nets(model: Callable[[str], Path]) -> dict[str, Path]:
    return {name: model(name) for name in faces.PLUGIN.models}


def flags(nets: dict[str, Path], samples: Iterator[Frame]) -> list[Flag]:
    """What faces flags under the standard policy."""
    detector = faces.PLUGIN.create(faces.PLUGIN.Settings(), Context(nets))
    book = RuleBook(faces.PLUGIN.kinds, dict(read("standard")[0].rules))
    closed, t = [], 0.0
    for frame in samples:
        t = frame.t
        for observation in detector.update(frame):
            closed += [e.flag for e in book.feed(observation) if e.what == "closed"]
    closed += [e.flag for e in book.finish(t + 0.1) if e.what == "closed"]
    detector.close()
    return closed


def clip(media: Path, name: str, seconds: float, start: float = 0.0) -> list[Frame]:
    path = media / "video" / name
    return [
        replace(f, t=f.t + start, seq=f.seq + round(start * 1000))
        for f in frames(path, seconds)
        if f.t < seconds
    ]


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("asl/eat.mkv", 5.5),  # fingers to the mouth, as when eating
        ("asl/thanks.mkv", 5.5),  # a flat hand from the chin
        ("asl/please.mkv", 5.5),  # hair and an ear of somebody else at the border
        ("intel_preview/head-pose-face-detection-female.gif", 5.5),  # near-profile, both ways
        ("phone/3761652-sd_640_360_25fps.mp4", 7.8),  # looks down and aside
    ],
)
def test_hands_at_the_face_looking_down_and_profiles_are_not_flagged(
    media: Path, nets: dict[str, Path], name: str, seconds: float
) -> None:
    assert flags(nets, iter(clip(media, name, seconds))) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("gaze/center_focus.mp4", "phone/3761652-sd_640_360_25fps.mp4"),
        ("talking_grid/lwbsza.mpg", "portrait/s18.mp4"),
    ],
)
def test_somebody_else_in_the_seat_is_not_a_covered_face(
    media: Path, nets: dict[str, Path], first: str, second: str
) -> None:
    cut = [*clip(media, first, 4.0), *clip(media, second, 7.0, start=4.0)]
    assert [f for f in flags(nets, iter(cut)) if f.kind == "face.covered"] == []


def test_a_cover_is_still_seen_on_whoever_sat_down_last(media: Path, nets: dict[str, Path]) -> None:
    """The new face is learned, so that a hidden part of it is missed no more than of the first."""
    swapped = [
        *clip(media, "gaze/center_focus.mp4", 3.0),
        *clip(media, "talking_grid/lwbsza.mpg", 12.0, start=3.0),
    ]
    mesh = FaceMesh(nets["face_landmarker"]).acquire()
    shown = []
    for frame in swapped:
        view = mesh.look(frame)
        if frame.t >= 9.0 and view is not None:
            image = frame.image.copy()
            points = (view.points[:, :2] * (image.shape[1], image.shape[0])).astype(np.int32)
            colour = tuple(int(v) for v in image[points[50][1], points[50][0]])
            mask = points[[6, 132, 361, 172, 397, 152]]
            cv2.fillConvexPoly(image, cv2.convexHull(mask), colour)
            frame = replace(frame, image=image)
        shown.append(frame)
    mesh.release()
    (flag,) = flags(nets, iter(shown))
    assert flag.kind == "face.covered"
    assert flag.start == pytest.approx(9.0, abs=0.6)


def behind(picture: Image, head: Image, x: int, y: int) -> Image:
    """``picture`` with ``head`` at ``x``, ``y``; what falls outside is cut off."""
    matrix = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    size = (picture.shape[1], picture.shape[0])
    inside = cv2.warpAffine(np.ones(head.shape[:2], np.uint8), matrix, size)
    return np.where(inside[..., None] > 0, cv2.warpAffine(head, matrix, size), picture)


def poster(media: Path, width: int) -> Image:
    """A FairFace head, ``width`` pixels wide, as a picture that hangs on a wall."""
    head = cv2.imread(str(media / "images" / "faces_fairface" / "fairface_0129.jpg"))
    return np.asarray(cv2.resize(head, (width, width), interpolation=cv2.INTER_AREA))


def test_a_portrait_on_the_wall_is_not_another_person(media: Path, nets: dict[str, Path]) -> None:
    noise = np.random.default_rng(1)
    scene = []
    for frame in clip(media, STUDENT, 6.0):
        place = frame.image.shape[1] - frame.image.shape[1] // 5 - 4
        image = behind(frame.image, poster(media, frame.image.shape[1] // 5), place, 4)
        noisy = image + noise.normal(0, 2, image.shape)
        scene.append(replace(frame, image=np.clip(noisy, 0, 255).astype(np.uint8)))
    assert flags(nets, iter(scene)) == []


@pytest.mark.parametrize(("lasts", "flagged"), [(1.2, False), (4.5, True)])
def test_who_passes_behind_is_flagged_only_when_they_stay(
    media: Path, nets: dict[str, Path], lasts: float, flagged: bool
) -> None:
    """A speaker's moving head crosses the upper part of the picture in so many seconds."""
    passing = clip(media, "talking_grid/bbaf2n.mpg", 6.0)
    mesh = FaceMesh(nets["face_landmarker"]).acquire()
    view = mesh.look(passing[0])
    mesh.release()
    assert view is not None
    scene = []
    for index, frame in enumerate(clip(media, STUDENT, 7.0)):
        width = frame.image.shape[1]
        share = (frame.t - 1.0) / lasts
        if 0.0 <= share <= 1.0:
            other = passing[index % len(passing)].image
            box = view.box
            top, left = int((box.y - 0.1) * other.shape[0]), int((box.x - 0.05) * other.shape[1])
            cut = other[
                max(top, 0) : top + int((box.height + 0.2) * other.shape[0]),
                max(left, 0) : left + int((box.width + 0.1) * other.shape[1]),
            ]
            size = width // 6
            head = cv2.resize(cut, (size, size * cut.shape[0] // cut.shape[1]))
            # In the strip beside the student, up and down as in walking.
            x = round(share * 0.15 * width)
            y = 4 + round(6 * np.sin(frame.t * 9.0))
            frame = replace(frame, image=np.ascontiguousarray(behind(frame.image, head, x, y)))
        scene.append(frame)
    kinds = [flag.kind for flag in flags(nets, iter(scene))]
    assert ("face.several" in kinds) is flagged
    assert set(kinds) <= {"face.several"}
