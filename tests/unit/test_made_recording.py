"""The recording that needs no download: what it says is in it, our detectors find, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from detectors import camera, lighting
from policies.load import read
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.session import made_recording
from proctor.types import Flag, Frame

GRID_S = 0.5


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_recording.make(tmp_path_factory.mktemp("made"))


def frames(path: Path) -> Iterator[Frame]:
    """A picture each half second, as the agent's camera grid gives them."""
    wanted = 0.0
    with av.open(str(path)) as container:
        for seq, frame in enumerate(container.decode(video=0)):
            if frame.time is not None and frame.time >= wanted - 1e-6:
                wanted += GRID_S
                yield Frame(frame.time, seq, np.ascontiguousarray(frame.to_ndarray(format="bgr24")))


def sound(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
    return np.concatenate(parts)


def test_it_is_a_small_film_with_picture_and_sound(recording: Path) -> None:
    with av.open(str(recording)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height) == ("h264", 640, 480)
        assert (audio.codec_context.name, audio.rate) == ("aac", 16_000)
        assert float(video.duration * video.time_base) == made_recording.SECONDS
        assert float(audio.duration * audio.time_base) == pytest.approx(36.0, abs=0.1)
    assert recording.stat().st_size < 2_000_000


def test_light_and_camera_detectors_find_exactly_what_it_says(recording: Path) -> None:
    detectors = [
        camera.create(camera.Settings(), Context({})),
        lighting.create(lighting.Settings(), Context({})),
    ]
    kinds = (*camera.KINDS, *lighting.KINDS)
    rules = {
        name: r for name, r in read("standard")[0].rules.items() if name in {k.name for k in kinds}
    }
    book = RuleBook(kinds, rules)
    book.begin(0.0)
    flags: dict[str, Flag] = {}
    for frame in frames(recording):
        for detector in detectors:
            for observation in detector.update(frame):
                flags |= {e.flag.id: e.flag for e in book.feed(observation)}
    flags |= {e.flag.id: e.flag for e in book.finish(made_recording.SECONDS)}
    found = sorted((f.start, f.end, f.kind) for f in flags.values())
    wanted = sorted(
        (s.start, s.end, s.kind)
        for s in made_recording.SCENES
        if s.kind.startswith(("light.", "camera."))
    )
    assert [kind for *_, kind in found] == [kind for *_, kind in wanted]
    for (start, end, _), (begin, until, _) in zip(found, wanted, strict=True):
        assert start == pytest.approx(begin, abs=1.1)
        assert end == pytest.approx(until, abs=1.1)


def test_tones_are_where_it_says_and_silence_is_silent(recording: Path) -> None:
    samples = sound(recording)

    def loudness(start: float, end: float) -> float:
        part = samples[int(start * 16_000) : int(end * 16_000)]
        return float(np.sqrt(np.mean(np.square(part))))

    room = loudness(5.0, 7.0)
    assert 1e-4 < room < 3e-3
    for scene in made_recording.SCENES:
        if scene.title in ("A tone", "A chord", "Two tones"):
            assert loudness(scene.start + 0.1, scene.end - 0.1) > 20 * room
    assert loudness(27.5, 32.5) < room / 10


def test_it_is_found_again_and_made_the_same_everywhere(recording: Path, tmp_path: Path) -> None:
    before = recording.stat().st_mtime_ns
    assert made_recording.make(recording.parent) == recording
    assert recording.stat().st_mtime_ns == before
    assert made_recording.make(tmp_path).read_bytes() == recording.read_bytes()


def test_a_stopped_making_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: float, total: float) -> None:
        if done > 1.0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_recording.make(tmp_path, stop)
    assert list(tmp_path.iterdir()) == []
