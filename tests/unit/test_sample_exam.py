"""The sample exam: composed from pinned clips, credited, cached, and what it says is in it."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from models import registry
from proctor.session import sample_exam
from proctor.session.sample_exam import SCENES, SECONDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The composed exam; skips where the clips are in neither cache nor a local mirror."""
    folder = tmp_path_factory.mktemp("exam")
    wanted = {registry.samples()[name].file for name in registry.samples()}
    roots = [Path(root) for root in registry.mirrors() if not root.startswith("http")]
    here = all(any((root / file).is_file() for root in roots) for file in wanted)
    if not here and not all(registry.find_sample(name) for name in registry.samples()):
        pytest.skip("the sample clips are neither in the cache nor in a local mirror")
    with pytest.MonkeyPatch.context() as patch:
        if here:
            patch.setenv("PROCTOR_CACHE", str(folder / "cache"))
        return sample_exam.compose(folder)


def picture(path: Path, t: float) -> np.ndarray:
    with av.open(str(path)) as container:
        container.seek(int(t * av.time_base))
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= t:
                return np.ascontiguousarray(frame.to_ndarray(format="bgr24"))
    raise AssertionError(f"there is no picture at {t} s")


def scene(kind: str) -> sample_exam.Scene:
    return next(s for s in SCENES if s.kind == kind)


def test_it_lasts_about_ninety_seconds_and_shows_every_act() -> None:
    assert 80 <= SECONDS <= 95
    assert {s.kind for s in SCENES if s.kind} == {
        "gaze.away",
        "object.phone",
        "face.absent",
        "face.several",
        "speech.wake_phrase",
        "speech.voice",
    }
    assert list(SCENES) == sorted(SCENES, key=lambda s: s.start)
    assert sum(s.end - s.start for s in SCENES[:2]) >= 15.0  # begins with an honest, calm person
    for short, least in (("face.absent", 8.0), ("face.several", 8.0), ("speech.voice", 4.0)):
        assert scene(short).end - scene(short).start >= least


def test_every_clip_is_openly_or_freely_licensed_and_credited() -> None:
    page = (ROOT / "docs" / "attributions.md").read_text("utf-8")
    assert registry.samples()
    for sample in registry.samples().values():
        assert sample.licence in ("MIT", "CC-BY-4.0", "Apache-2.0", "Pexels licence")
        assert sample.attribution in page
        assert sample.url in page
        assert "portrait/" not in sample.file


def test_no_clip_stands_in_the_manifest_without_being_played() -> None:
    played = {shot.sample for shot in sample_exam._SHOTS} | {s.sound for s in sample_exam._SHOTS}
    assert played - {""} == set(registry.samples())


def test_it_is_a_film_any_player_opens(exam: Path) -> None:
    with av.open(str(exam)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height) == ("h264", 640, 480)
        assert (audio.codec_context.name, audio.channels) == ("aac", 1)
        assert float(video.duration * video.time_base) == pytest.approx(SECONDS, abs=0.06)
        assert float(audio.duration * audio.time_base) == pytest.approx(SECONDS, abs=0.2)


def test_people_stand_upright_and_the_room_is_empty(exam: Path, model) -> None:
    find = cv2.FaceDetectorYN.create(str(model("yunet")), "", (640, 480), 0.8)

    def faces(t: float) -> list[np.ndarray]:
        found = find.detect(picture(exam, t))[1]
        return [] if found is None else list(found)

    for t in (2.0, 13.0, 27.0, scene("object.phone").start + 1.0, 68.0, 80.0):
        (face,) = faces(t)
        # YuNet's points: right eye, left eye, nose, right and left corner of the mouth, each x, y.
        (right_x, right_y), (left_x, left_y), _, *mouth = face[4:14].reshape(5, 2)
        assert face[3] > 100  # near the camera
        assert abs(left_x - right_x) > 2 * abs(left_y - right_y)  # eyes side by side ...
        assert (
            min(y for _, y in mouth) > max(left_y, right_y) + 0.2 * face[3]
        )  # ... above the mouth
    absent = scene("face.absent")
    assert not [t for t in np.arange(absent.start + 0.2, absent.end, 2.0) if faces(t)]
    several = scene("face.several")
    assert [len(faces(t)) for t in np.arange(several.start + 0.5, several.end, 2.0)].count(2) >= 4


def test_voices_are_where_it_says_and_the_rest_is_a_quiet_room(exam: Path) -> None:
    with av.open(str(exam)) as container:
        samples = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])

    def loudness(start: float, end: float) -> float:
        part = samples[int(start * 16_000) : int(end * 16_000)]
        return float(np.sqrt(np.mean(np.square(part))))

    room = loudness(0.0, 60.0)
    assert 1e-4 < room < 3e-3  # a live microphone in a still room, neither muted nor heard
    for kind in ("speech.wake_phrase", "speech.voice"):
        for said in [s for s in SCENES if s.kind == kind]:
            assert loudness(said.start, said.end) > 20 * room


def test_it_is_composed_once(exam: Path) -> None:
    before = exam.stat().st_mtime_ns
    assert sample_exam.compose(exam.parent) == exam
    assert exam.stat().st_mtime_ns == before


def test_without_the_clips_it_says_which_is_missing_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PROCTOR_MODELS_MIRROR", str(tmp_path))
    # No answer comes from this address on any machine; the clip's own is never asked in a test.
    for name, proxy in (("https_proxy", "http://127.0.0.1:9"), ("no_proxy", "")):
        monkeypatch.setenv(name, proxy)
        monkeypatch.setenv(name.upper(), proxy)
    with pytest.raises(registry.ModelError, match=r"calm cannot be had: .*PROCTOR_MODELS_MIRROR"):
        sample_exam.compose(tmp_path / "out")
    assert not list(tmp_path.rglob("sample-exam*"))
