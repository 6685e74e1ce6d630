"""Pictures that no camera gives: loops of real people, also disguised, against the people themselves."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from detectors import camera
from policies import load
from policies.consent import Grant
from policies.errors import PolicyError
from proctor.capture.replay import Recording
from proctor.cli.main import main
from proctor.pipeline.detector import Context
from proctor.types import Frame

ASTRONAUT = cv2.resize(np.ascontiguousarray(data.astronaut()[..., ::-1]), (640, 480))
SEEN = 0.5


@functools.cache
def pictures(path: Path, fps: float, most: int) -> tuple[np.ndarray, ...]:
    samples = Recording.open(path).samples(camera=Grant("camera", "test"), microphone=None, fps=fps)
    found = []
    for item in samples:
        if isinstance(item, Frame) and len(found) < most:
            found.append(item.image)
    return tuple(found)


def virtual(images, step=0.5):
    """What is said of ``camera.virtual``, look by look."""
    detector = camera.create(camera.Settings(), Context({}))
    return [detector.update(Frame(i * step, i, image))[2] for i, image in enumerate(images)]


def highest(said) -> float | None:
    return max((o.score for o in said if o.score is not None), default=None)


@pytest.mark.parametrize("name", ["presence/one-by-one-person-detection.mp4", "portrait/d9.mp4"])
def test_a_person_who_goes_on_living_is_not_taken_for_a_loop(media, name):
    said = virtual(pictures(media / "video" / name, 2.0, 140))
    assert highest(said) == 0.0


def loop(images, count, frames):
    """``count`` looks, half a second apart, at a loop of the first ``frames`` of 30 a second."""
    return [images[(i * 15) % frames] for i in range(count)]


@pytest.mark.parametrize(
    ("name", "noise"), [("portrait/d9.mp4", 0.0), ("gaze/center_right_center.mp4", 3.0)]
)
def test_a_loop_is_seen_within_a_minute_also_with_fresh_noise(media, name, noise):
    """301 pictures: no look but every fifteenth round meets the very same picture again."""
    rng = np.random.default_rng(2)
    images = loop(pictures(media / "video" / name, 30.0, 301), 120, 301)
    if noise:
        images = [
            np.clip(i + rng.normal(0, noise, i.shape), 0, 255).astype(np.uint8) for i in images
        ]
    said = virtual(images)
    first = next(o for o in said if o.score is not None and o.score >= SEEN)
    assert first.t < 60.0
    assert "came again after 10." in said[-1].reason
    # Nothing is said of the first ten seconds, in which nothing came twice.
    assert all(not o.score for o in said[:20])


def test_the_very_same_pictures_are_seen_after_one_round(media):
    images = loop(pictures(media / "video/portrait/d9.mp4", 30.0, 150), 20, 150)
    said = virtual(images)
    assert next(o.t for o in said if o.score == 1.0) <= 7.0
    assert said[-1].reason == "the same pictures came again after 5.0 s"


def test_a_lamp_switched_on_and_off_is_no_loop(media):
    """The light changes every ten seconds in the same way; the person does not repeat themselves."""
    images = pictures(media / "video/presence/one-by-one-person-detection.mp4", 2.0, 140)
    rows, columns = images[0].shape[:2]
    y, x = np.mgrid[:rows, :columns]
    lamp = (60 * np.exp(-((x / columns - 0.8) ** 2 + (y / rows - 0.2) ** 2) / 0.2))[..., None]
    lit = [
        np.clip(image + lamp, 0, 255).astype(np.uint8) if i // 20 % 2 else image
        for i, image in enumerate(images)
    ]
    assert highest(virtual(lit)) < SEEN


def test_a_dimmer_going_up_and_down_is_no_loop(media):
    images = pictures(media / "video/portrait/d9.mp4", 2.0, 40)
    dimmed = [
        (image * (0.8 + 0.2 * np.sin(i / 3))).astype(np.uint8) for i, image in enumerate(images)
    ]
    assert highest(virtual(dimmed)) in (None, 0.0)


def test_light_that_comes_and_goes_over_a_still_scene_is_no_movement():
    """Clouds, or a camera that sets its exposure anew: the whole picture scales, and nothing moved."""
    rng = np.random.default_rng(6)
    images = [
        np.clip(
            ASTRONAUT * (0.8 + 0.15 * np.sin(i / 3)) + rng.normal(0, 2.0, ASTRONAUT.shape), 0, 255
        ).astype(np.uint8)
        for i in range(80)
    ]
    assert highest(virtual(images)) is None


def test_a_standing_picture_with_a_moving_patch_shows_no_noise_of_a_sensor(media):
    """A photograph with a film of a person pasted over a small part of it."""
    film = pictures(media / "video/portrait/d9.mp4", 2.0, 40)
    images = []
    for picture in film:
        image = ASTRONAUT.copy()
        image[200:264, 200:264] = cv2.resize(picture, (64, 64))
        images.append(image)
    said = virtual(images)
    assert highest(said) >= SEEN
    assert "no noise of a sensor" in said[-1].reason


def test_who_sits_still_is_not_judged():
    """Nothing moves but the sensor's noise: no loop could be told from that."""
    rng = np.random.default_rng(8)
    still = [
        np.clip(ASTRONAUT + rng.normal(0, 2.0, ASTRONAUT.shape), 0, 255).astype(np.uint8)
        for _ in range(40)
    ]
    said = virtual(still)
    assert {o.score for o in said} == {None}
    assert said[-1].reason == "too little has moved to tell"


def test_a_loop_of_somebody_sitting_still_is_seen_by_its_noise():
    rng = np.random.default_rng(8)
    still = [
        np.clip(ASTRONAUT + rng.normal(0, 2.0, ASTRONAUT.shape), 0, 255).astype(np.uint8)
        for _ in range(20)
    ]
    said = virtual(still * 2)
    assert said[-1].score == 1.0
    assert "the same pictures" in said[-1].reason


def test_a_gap_makes_it_forget():
    rng = np.random.default_rng(8)
    images = [rng.integers(0, 256, (96, 128, 3), dtype=np.uint8) for _ in range(10)]
    detector = camera.create(camera.Settings(), Context({}))
    for i, image in enumerate(images):
        detector.update(Frame(i * 0.5, i, image))
    detector.reset()
    for i, image in enumerate(images):
        assert detector.update(Frame(60 + i * 0.5, i, image))[2].score is None


def test_covering_the_lens_does_not_make_it_forget():
    rng = np.random.default_rng(8)
    images = [
        np.clip(ASTRONAUT + rng.normal(0, 2.0, ASTRONAUT.shape), 0, 255).astype(np.uint8)
        for _ in range(10)
    ]
    black = np.zeros_like(ASTRONAUT)
    said = virtual([*images, black, black, *images])
    assert said[10].score is None
    assert said[-1].score == 1.0


def test_no_policy_can_make_a_flag_of_it():
    raw = load.read("standard")[1] + b'\n[rules."camera.virtual"]\non = 0.6\n'
    with pytest.raises(PolicyError, match="about a camera, not about a person"):
        load.parse(raw, "of this test")


def test_policy_check_refuses_such_a_rule_with_a_sentence(tmp_path: Path, capsys) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_bytes(load.read("standard")[1] + b'\n[rules."camera.virtual"]\non = 0.6\n')
    assert main(["policy", "check", str(policy)]) == 2
    said = capsys.readouterr().err
    assert "it makes a case unattested and is never a flag. Remove the rule." in said
    assert said.count("\n") == 1


def test_three_hours_take_little_memory():
    """Every look is kept, so that a loop of an hour is found; the picture is not."""
    detector = camera.Camera()
    repeats = detector._repeats
    rng = np.random.default_rng(1)
    for i in range(700):
        grey = rng.integers(0, 256, (120, 160), dtype=np.uint8)
        repeats.look(i * 0.5, np.dstack([grey] * 3), grey)
    assert repeats._moves.nbytes / max(repeats._count, 1) < 2_000
