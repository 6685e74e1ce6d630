"""A covered lens and a frozen picture, against real recordings, dark rooms and re-encoded stills."""

from __future__ import annotations

import io
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage import data

from detectors import camera
from policies import load
from policies.consent import Grant
from proctor.capture.replay import Recording
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.types import Frame

ASTRONAUT = cv2.resize(np.ascontiguousarray(data.astronaut()[..., ::-1]), (640, 480))
STILL = "presence/one-by-one-person-detection.mp4"  # an empty room, heavily compressed
HONEST = (
    "asl/hungry.mkv",
    "gaze/center_focus.mp4",
    "portrait/d9.mp4",
    "talking_grid/brbk7n.mpg",
    "intel_preview/head-pose-face-detection-male.gif",
    "intel_preview/people-detection.gif",
)


def flags(frames):
    detector = camera.create(camera.Settings(), Context({}))
    book = RuleBook(camera.KINDS, load.read("standard")[0].rules)
    events, end = [], 0.0
    for frame in frames:
        for observation in detector.update(frame):
            events += book.feed(observation)
        end = frame.t + 0.5
    events += book.finish(end)
    return {e.flag.kind: e.flag for e in reversed(events) if e.what == "closed"}


def frames(path: Path, until: float = 1e9):
    samples = Recording.open(path).samples(camera=Grant("camera", "test"), microphone=None, fps=2.0)
    for item in samples:
        if isinstance(item, Frame):
            if item.t > until:
                return
            yield item


def live(image, seconds=10.0, noise=2.0):
    """A scene that stands still before a real sensor: the same picture, fresh noise."""
    rng = np.random.default_rng(11)
    for i in range(int(seconds * 2)):
        grain = rng.normal(0.0, noise, image.shape)
        yield Frame(i / 2, i, np.clip(image + grain, 0, 255).astype(np.uint8))


def finger(noise=3.0):
    y, x = np.mgrid[:480, :640]
    glow = np.exp(-((x / 640 - 0.45) ** 2 + (y / 480 - 0.4) ** 2) / 0.3)
    return np.stack([12 + 6 * x / 640, 16 + 8 * y / 480, 30 + 60 * glow], axis=-1)


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_recording_has_no_flag(media, name):
    assert flags(frames(media / "video" / name, until=8.0)) == {}


def test_a_still_empty_room_is_neither_frozen_nor_covered(media):
    assert flags(frames(media / "video" / STILL, until=25.0)) == {}


COVERS = {
    "finger": finger(),
    "lens cap": np.full((480, 640, 3), 4.0),
    "white sticker": np.full((480, 640, 3), 190.0),
    "tape": cv2.GaussianBlur(ASTRONAUT, (0, 0), 55) * 0.8,
}


@pytest.mark.parametrize("cover", COVERS)
@pytest.mark.parametrize("noise", [0.5, 2.0, 6.0])
def test_a_covered_lens_is_flagged(cover, noise):
    shown = [*live(ASTRONAUT, 5.0)]
    shown += [Frame(5 + f.t, 10 + f.seq, f.image) for f in live(COVERS[cover], 6.0, noise)]
    found = flags(shown)
    assert set(found) == {"camera.covered"}
    assert found["camera.covered"].start == pytest.approx(5.0, abs=0.6)


@pytest.mark.parametrize("left", [0.1, 0.03])
def test_a_dark_room_is_not_a_covered_lens(left):
    dark = 255 * ((ASTRONAUT / 255.0) ** 2.2 * left) ** (1 / 2.2)
    assert flags(live(dark, 8.0, noise=3.0)) == {}


def test_a_dark_room_of_a_recording_is_not_a_covered_lens(media):
    path = media / "video/talking_grid/swiz3n.mpg"  # a plain wall: the least structure of all
    image = next(iter(frames(path))).image
    dark = 255 * ((image / 255.0) ** 2.2 * 0.05) ** (1 / 2.2)
    assert flags(live(dark, 8.0, noise=2.0)) == {}


def test_a_frozen_picture_is_flagged_from_its_start():
    moving = list(live(ASTRONAUT, 6.0))
    frozen = [Frame(6 + i / 2, 12 + i, moving[-1].image.copy()) for i in range(10)]
    found = flags([*moving, *frozen])
    assert set(found) == {"camera.frozen"}
    assert found["camera.frozen"].start == pytest.approx(6.0, abs=0.6)
    assert found["camera.frozen"].end == pytest.approx(11.0, abs=0.6)


def test_a_short_hang_is_not_flagged():
    moving = list(live(ASTRONAUT, 12.0))
    hung = [moving[8].image if 8 <= i < 12 else f.image for i, f in enumerate(moving)]
    assert flags(Frame(i / 2, i, image) for i, image in enumerate(hung)) == {}


def test_a_frozen_picture_is_still_frozen_after_re_encoding():
    """Ten pictures a second through H.264, four seconds live, then ten seconds of one picture."""
    rng = np.random.default_rng(4)
    data_out = io.BytesIO()
    with av.open(data_out, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "23", "preset": "superfast"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        image = ASTRONAUT
        for i in range(140):
            if i < 40:
                grain = rng.normal(0, 4, ASTRONAUT.shape)
                image = np.clip(ASTRONAUT + grain, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    data_out.seek(0)
    with av.open(data_out) as back:
        shown = [
            Frame(i / 10, i, np.ascontiguousarray(f.to_ndarray(format="bgr24")))
            for i, f in enumerate(back.decode(video=0))
            if i % 5 == 0
        ]
    flag = flags(shown)["camera.frozen"]
    assert 4.0 <= flag.start <= 8.0
    assert flag.end > 12.0


def test_doubled_frames_of_a_slow_camera_are_not_frozen():
    """Fifteen a second from a sensor that gives seven: each picture twice."""
    pictures = [f.image for f in live(ASTRONAUT, 10.0)]
    doubled = (Frame(i / 15, i, pictures[i // 2]) for i in range(30))
    assert flags(doubled) == {}


def test_a_covered_camera_says_nothing_of_freezing():
    detector = camera.create(camera.Settings(), Context({}))
    black = np.zeros((480, 640, 3), np.uint8)
    for i in range(3):
        covered, frozen, virtual = detector.update(Frame(i / 2, i, black))
    assert covered.score == 1.0
    assert frozen.score is None
    assert frozen.reason == "camera covered"
    assert virtual.score is None


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (33, 32), (4320, 7680), (479, 641)])
def test_any_shape_is_answered(shape):
    detector = camera.create(camera.Settings(), Context({}))
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for i in range(2):
        said = detector.update(Frame(i / 2, i, image))
        assert [o.kind for o in said] == [k.name for k in camera.KINDS]
        assert all(o.score is None or 0.0 <= o.score <= 1.0 for o in said)


def test_a_change_of_size_is_no_freeze():
    detector = camera.create(camera.Settings(), Context({}))
    detector.update(Frame(0.0, 0, ASTRONAUT))
    said = detector.update(Frame(0.5, 1, np.ascontiguousarray(ASTRONAUT[:240, :320])))
    assert said[1].score is None
