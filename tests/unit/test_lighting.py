"""Dim, glare and backlight, on real clips whose light is changed as light changes: linearly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from detectors import lighting
from detectors._luma import small
from policies import load
from policies.consent import Grant
from proctor.capture.replay import Recording
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.types import Frame

ASTRONAUT = np.ascontiguousarray(data.astronaut()[..., ::-1])
CHANGE_AT = 8.0
HONEST = (
    "asl/hungry.mkv",  # black jumper before a white wall
    "asl/sister.mkv",
    "gaze/center_left_center.mp4",  # brown skin, dark beard, bright window at the side
    "portrait/d9.mp4",  # nearly white wall
    "portrait/s18.mp4",
    "talking_grid/swiz3n.mpg",
    "phone/4105024-sd_640_360_30fps.mp4",  # dark skin, white blouse, glass corridor
    "intel_preview/classroom.gif",  # a burnt window: a ninth of the picture
    "presence/one-by-one-person-detection.mp4",
)


def make():
    return lighting.create(lighting.Settings(), Context({}))


def flags(frames):
    detector = make()
    book = RuleBook(lighting.KINDS, load.read("standard")[0].rules)
    events, end = [], 0.0
    for frame in frames:
        for observation in detector.update(frame):
            events += book.feed(observation)
        end = frame.t + 0.5
    events += book.finish(end)
    return {e.flag.kind: e.flag for e in reversed(events) if e.what == "closed"}


def pictures(path: Path, seconds: float = 8.0):
    camera = Grant("camera", "test")
    samples = Recording.open(path).samples(camera=camera, microphone=None, fps=2.0)
    taken = []
    for item in samples:
        if isinstance(item, Frame):
            if item.t > seconds:
                break
            taken.append(item.image)
    return taken


def session(images, change=None, seconds=20.0):
    """The pictures over and over; ``change`` alters those from ``CHANGE_AT`` on."""
    for i in range(int(seconds * 2)):
        image = images[i % len(images)]
        if change is not None and i / 2 >= CHANGE_AT:
            image = change(image)
        yield Frame(i / 2, i, np.ascontiguousarray(image))


def gain(image, factor, noise=3.0, seed=5):
    rng = np.random.default_rng(seed)
    linear = (image / 255.0) ** 2.2 * factor
    grain = rng.normal(0.0, noise, image.shape)
    return np.clip(255 * linear ** (1 / 2.2) + grain, 0, 255).astype(np.uint8)


def lamp(image, radius=0.28):
    rows, columns = image.shape[:2]
    y, x = np.mgrid[:rows, :columns]
    away = np.hypot(x - 0.7 * columns, y - 0.35 * rows) / rows
    glow = 255 * np.exp(-(np.clip(away - radius, 0, None) ** 2) / (2 * 0.05**2))
    return np.clip(image + glow[..., None], 0, 255).astype(np.uint8)


def window_behind(image, subject=0.05):
    rows, columns = image.shape[:2]
    y, x = np.mgrid[:rows, :columns]
    head = np.hypot((x / columns - 0.5) / 0.18, (y / rows - 0.4) / 0.28)
    body = np.maximum(np.abs(x / columns - 0.5) / 0.32, (0.95 - y / rows) / 0.4)
    inside = np.clip((1.05 - np.minimum(head, body)) / 0.1, 0, 1)[..., None]
    linear = (image / 255.0) ** 2.2
    mixed = inside * linear * subject + (1 - inside) * (0.55 + 2.0 * linear)
    return np.clip(255 * mixed ** (1 / 2.2), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_recording_has_no_flag(media, name):
    assert flags(session(pictures(media / "video" / name))) == {}


@pytest.mark.parametrize("factor", [0.7, 1.4])
@pytest.mark.parametrize("name", ["asl/sister.mkv", "portrait/d9.mp4", "talking_grid/swiz3n.mpg"])
def test_a_cloud_or_a_lamp_more_has_no_flag(media, name, factor):
    shown = session(pictures(media / "video" / name), lambda image: gain(image, factor))
    assert flags(shown) == {}


@pytest.mark.parametrize("name", ["asl/hungry.mkv", "portrait/d9.mp4", "gaze/center_focus.mp4"])
@pytest.mark.parametrize("factor", [0.1, 0.03])
def test_the_light_going_down_is_flagged(media, name, factor):
    shown = session(pictures(media / "video" / name), lambda image: gain(image, factor))
    flag = flags(shown)["light.dim"]
    assert flag.start == pytest.approx(CHANGE_AT, abs=1.0)
    assert "usual here" in flag.why


def test_a_window_or_a_lamp_is_flagged(media):
    images = pictures(media / "video/talking_grid/bbaf2n.mpg")
    assert set(flags(session(images, lamp))) == {"light.glare"}
    assert set(flags(session(images, window_behind))) == {"light.backlit"}


def test_dark_scenes_of_real_photographs_are_scored_by_their_lit_part(media):
    """The two darkest rooms score higher than every room that its label does not call dark."""
    import csv

    import cv2

    folder = media / "images/coco_rooms"
    with (folder / "labels.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    level = {
        row["file"]: lighting.measure(small(cv2.imread(str(folder / row["file"])))).level
        for row in rows
    }
    dark = sorted(level[r["file"]] for r in rows if r["dark_scene"] == "1")
    other = sorted(level[r["file"]] for r in rows if r["dark_scene"] == "0")
    assert np.median(dark) < 0.7 * np.median(other)
    assert not [n for n, v in level.items() if lighting.dim(_light(v), None)[0] >= 0.6]


def _light(level):
    return lighting.Light(level=level, background=0.5, burnt=0.0, contrast=0.0)


def test_the_astronaut_goes_dark_and_is_found_without_a_room_known():
    assert flags(session([ASTRONAUT], seconds=10)) == {}
    dark = gain(ASTRONAUT, 0.04)
    flag = flags(session([dark], seconds=10))["light.dim"]
    assert flag.start == 0.0
    assert "brightness" in flag.why


def test_dark_skin_and_dark_clothes_before_a_lit_wall_are_not_dim_or_backlit():
    """The person region of a real portrait at a third of its light; the wall stays as it was."""
    wall = np.full((480, 640, 3), 170, np.uint8)
    rng = np.random.default_rng(9)
    wall = np.clip(wall + rng.normal(0, 3, wall.shape), 0, 255).astype(np.uint8)
    person = gain(ASTRONAUT[:400, 50:350], 0.33)
    wall[80:480, 170:470] = person
    said = flags(session([wall], seconds=12))
    assert said == {}


def test_no_light_at_all_is_unknown_and_says_so():
    black = np.clip(np.random.default_rng(2).normal(2, 2, (480, 640, 3)), 0, 255).astype(np.uint8)
    said = make().update(Frame(0.0, 0, black))
    assert [o.score for o in said] == [None, None, None]
    assert {o.reason for o in said} == {"camera covered"}


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (33, 32), (4320, 7680), (479, 641)])
def test_any_shape_is_answered(shape):
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    said = make().update(Frame(0.0, 0, image))
    assert [o.kind for o in said] == [k.name for k in lighting.KINDS]
    assert all(o.score is None or 0.0 <= o.score <= 1.0 for o in said)


def test_reset_forgets_the_room():
    detector = make()
    for frame in session([ASTRONAUT], seconds=7):
        detector.update(frame)
    assert "usual" in detector.update(Frame(8.0, 20, ASTRONAUT))[0].reason
    detector.reset()
    assert "usual" not in detector.update(Frame(9.0, 21, ASTRONAUT))[0].reason
