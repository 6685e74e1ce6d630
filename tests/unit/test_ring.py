"""The ring: what goes in comes out in time, in step, in one piece, and no more than asked is kept."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage import data

from proctor.errors import InputError, ProctorError
from proctor.evidence import clip
from proctor.evidence.ring import NothingThereError, Ring
from proctor.types import AudioChunk, Clip, Frame

RATE = 16000
FPS = 10
# Where flash and beep fall, in session seconds.
MARKS = (3.6, 4.4, 5.5)


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """A real face (NASA, public domain), 320x240 BGR."""
    return cv2.resize(data.astronaut()[:, :, ::-1], (320, 240), interpolation=cv2.INTER_AREA)


def noisy(picture: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-6, 7, picture.shape)
    return np.clip(picture.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def beep(seconds: float = 0.1) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    return (12000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16)


def fill(
    ring: Ring,
    portrait: np.ndarray,
    seconds: float,
    *,
    begin: float = 0.013,
    video: bool = True,
    audio: bool = True,
    marks: tuple[float, ...] = MARKS,
) -> None:
    """Feed 10 pictures and 10 blocks of sound a second, with a flash and a beep at ``marks``."""
    for i in range(round(seconds * FPS)):
        t = begin + i / FPS
        marked = any(abs(t - begin - m) < 1e-6 for m in marks)
        if video:
            ring.frame(Frame(t, i, np.full_like(portrait, 255) if marked else noisy(portrait, i)))
        if audio:
            samples = beep() if marked else np.zeros(RATE // FPS, np.int16)
            ring.audio(AudioChunk(t, i, samples, RATE))


def flashes(made: Clip) -> list[float]:
    """Session seconds at which the picture turns white."""
    with av.open(io.BytesIO(made.data)) as container:
        return [
            made.start + frame.time
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 240
        ]


def beeps(made: Clip) -> list[float]:
    """Session seconds at which a sound begins after at least 50 ms of silence."""
    starts, quiet_since = [], -1.0
    with av.open(io.BytesIO(made.data)) as container:
        for frame in container.decode(audio=0):
            for i in np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.1):
                t = made.start + frame.time + i / RATE
                if t - quiet_since > 0.05:
                    starts.append(t)
                quiet_since = t
    return starts


def test_sound_and_picture_come_out_in_step_and_at_their_time(portrait: np.ndarray) -> None:
    ring = Ring(seconds=10)
    fill(ring, portrait, 7)
    made = ring.cut("f", 3.2, 6.0)
    assert flashes(made) == pytest.approx([m + 0.013 for m in MARKS], abs=0.02)
    assert beeps(made) == pytest.approx([m + 0.013 for m in MARKS], abs=0.02)


def test_a_clip_begins_at_time_zero_with_a_keyframe_at_or_before_the_wanted_start(
    portrait: np.ndarray,
) -> None:
    ring = Ring(seconds=10)
    fill(ring, portrait, 7)
    made = ring.cut("f", 3.5, 6.0)
    assert 2.3 <= made.start <= 3.5
    assert 5.9 <= made.end <= 6.2
    assert clip.info(made.data).duration == pytest.approx(made.end - made.start, abs=0.07)
    with av.open(io.BytesIO(made.data)) as container:
        packets = [p for p in container.demux() if p.size]
        first = next(p for p in packets if p.stream.type == "video")
    assert min(p.pts * p.time_base for p in packets) == 0
    assert first.is_keyframe
    assert float(first.pts * first.time_base) < 0.07  # sound may begin up to one block earlier


def test_the_file_is_fragmented_and_its_description_comes_first(portrait: np.ndarray) -> None:
    ring = Ring()
    fill(ring, portrait, 4)
    made = ring.cut("f", 0.5, 3.5).data
    assert made[4:8] == b"ftyp"
    assert made.index(b"moov") < made.index(b"moof") < made.index(b"mdat")
    assert made.count(b"moof") >= 3


def test_the_pictures_are_those_that_went_in(portrait: np.ndarray) -> None:
    ring = Ring()
    fill(ring, portrait, 3, marks=())
    made = ring.cut("f", 1.0, 2.5)
    (seen,) = clip.frames(made.data, [1.0])
    assert cv2.PSNR(seen, portrait) > 28


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffmpeg is not installed")
def test_another_player_opens_it_without_complaint(portrait: np.ndarray, tmp_path: Path) -> None:
    ring = Ring()
    fill(ring, portrait, 4)
    made = ring.cut("f", 1.0, 3.5).data
    entries = "stream=codec_name,profile,channels:format=duration"
    probe = subprocess.run(
        ["ffprobe", "-v", "warning", "-show_entries", entries, "-of", "json", "-"],
        input=made,
        capture_output=True,
        check=True,
    )
    assert probe.stderr == b""
    found = json.loads(probe.stdout)
    assert [s["codec_name"] for s in found["streams"]] == ["h264", "aac"]
    assert found["streams"][1]["profile"] == "LC"
    decode = ["ffmpeg", "-v", "warning", "-i", "-", "-f", "null", "-"]
    assert subprocess.run(decode, input=made, capture_output=True, check=True).stderr == b""


def test_a_missing_track_is_left_out(portrait: np.ndarray) -> None:
    silent, dark = Ring(), Ring()
    fill(silent, portrait, 3, audio=False)
    fill(dark, portrait, 3, video=False)
    seen, heard = silent.cut("f", 1, 2), dark.cut("f", 1, 2)
    assert (seen.mime, heard.mime) == ("video/mp4", "audio/mp4")
    assert (clip.info(seen.data).has_video, clip.info(seen.data).has_audio) == (True, False)
    assert (clip.info(heard.data).has_video, clip.info(heard.data).has_audio) == (False, True)


def test_a_camera_that_stopped_before_gives_a_clip_of_sound_alone(portrait: np.ndarray) -> None:
    ring = Ring()
    fill(ring, portrait, 3)
    fill(ring, portrait, 6, begin=3.013, video=False, marks=())
    assert clip.info(ring.cut("f", 6, 8).data).has_video is False


def test_a_camera_that_comes_late_shows_its_pictures_at_their_time(portrait: np.ndarray) -> None:
    ring = Ring()
    fill(ring, portrait, 3, video=False, marks=())
    fill(ring, portrait, 4, begin=3.013, marks=(1.0,))
    made = ring.cut("f", 0.5, 6.0)
    assert made.start == pytest.approx(0.5, abs=0.07)
    assert flashes(made) == pytest.approx([4.013], abs=0.02)
    assert beeps(made) == pytest.approx([4.013], abs=0.02)
    with av.open(io.BytesIO(made.data)) as container:
        assert next(container.decode(video=0)).time == pytest.approx(3.013 - made.start, abs=0.01)


@pytest.mark.parametrize("lost", [0.3, 5.0, 200.0])
def test_lost_sound_keeps_its_time(portrait: np.ndarray, lost: float) -> None:
    ring = Ring(seconds=300)
    ring.audio(AudioChunk(1.0, 0, np.zeros(RATE + 123, np.int16), RATE))
    after = 2.0 + 123 / RATE + lost
    ring.audio(AudioChunk(after, 1, np.concatenate((np.zeros(8000, np.int16), beep())), RATE, lost))
    ring.audio(AudioChunk(after + 0.6, 2, np.zeros(RATE, np.int16), RATE))
    assert beeps(ring.cut("f", after, after + 1.5)) == pytest.approx([after + 0.5], abs=0.02)
    if lost < 100:
        assert beeps(ring.cut("f", 1.0, after + 1.5)) == pytest.approx([after + 0.5], abs=0.02)


def test_overlapping_sound_is_not_heard_twice() -> None:
    ring = Ring()
    tone = np.concatenate((np.zeros(8000, np.int16), beep(), np.zeros(6400, np.int16)))
    ring.audio(AudioChunk(0.0, 0, tone, RATE))
    ring.audio(AudioChunk(0.4, 1, np.concatenate((tone[6400:], np.zeros(8000, np.int16))), RATE))
    assert beeps(ring.cut("f", 0.0, 1.5)) == pytest.approx([0.5], abs=0.02)


def test_a_slightly_fast_microphone_clock_stays_in_step() -> None:
    """Stamps that run 0.5 % faster than the samples: never further off than the slack."""
    ring = Ring(seconds=60)
    for i in range(300):
        marked = i == 290
        samples = beep() if marked else np.zeros(1600, np.int16)
        ring.audio(AudioChunk(i * 0.1005, i, samples, RATE))
    assert beeps(ring.cut("f", 27, 30)) == pytest.approx([290 * 0.1005], abs=0.04)


def test_a_clip_never_spans_two_picture_sizes(portrait: np.ndarray) -> None:
    ring = Ring()
    fill(ring, portrait, 3)
    fill(ring, cv2.resize(portrait, (640, 480)), 3, begin=3.013, marks=())
    made = ring.cut("f", 1.0, 5.0)
    assert made.start == pytest.approx(3.013, abs=0.07)
    assert (clip.info(made.data).width, clip.info(made.data).height) == (640, 480)
    before = ring.cut("g", 1.0, 2.5)
    assert (clip.info(before.data).width, clip.info(before.data).height) == (320, 240)


@pytest.mark.parametrize(
    ("size", "stored"), [((2560, 1440), (1280, 720)), ((321, 241), (320, 240))]
)
def test_pictures_are_kept_at_even_sizes_of_at_most_1280(
    portrait: np.ndarray, size: tuple[int, int], stored: tuple[int, int]
) -> None:
    ring = Ring()
    picture = cv2.resize(portrait, size)
    for i in range(5):
        ring.frame(Frame(i / 10, i, picture))
    found = clip.info(ring.cut("f", 0.0, 1.0).data)
    assert (found.width, found.height) == stored


def test_only_the_last_seconds_are_held_unless_asked(portrait: np.ndarray) -> None:
    ring = Ring(seconds=3)
    fill(ring, portrait, 10)
    small = ring.memory
    with pytest.raises(NothingThereError, match="flag 'f' has no clip"):
        ring.cut("f", 1.0, 3.0)
    handle = ring.hold(8.0)
    fill(ring, portrait, 10, begin=10.013)
    assert ring.memory > 2 * small
    assert ring.cut("f", 8.0, 9.0).start == pytest.approx(8.0, abs=1.1)
    ring.release(handle)
    ring.release(handle)
    assert ring.memory == pytest.approx(small, rel=0.5)
    with pytest.raises(NothingThereError):
        ring.cut("f", 8.0, 9.0)


def test_memory_is_what_is_held_and_latest_is_the_newest_time(portrait: np.ndarray) -> None:
    ring = Ring(seconds=5)
    assert (ring.memory, ring.latest) == (0, 0.0)
    fill(ring, portrait, 8)
    assert ring.latest == pytest.approx(8.013)
    whole = ring.cut("f", 2.0, 9.0)
    assert ring.memory == pytest.approx(len(whole.data), rel=0.2)


def test_nothing_at_all_is_one_sentence() -> None:
    with pytest.raises(ProctorError, match=r"No picture or sound from 1\.0 s to 2\.0 s"):
        Ring().cut("f", 1.0, 2.0)


def test_a_picture_that_is_not_newer_is_left_out(portrait: np.ndarray) -> None:
    ring = Ring()
    for t in (0.0, 0.1, 0.1, 0.05, 0.2):
        ring.frame(Frame(t, 0, portrait))
    assert clip.info(ring.cut("f", 0, 1).data).pictures == 3


def test_sound_of_another_rate_is_refused() -> None:
    with pytest.raises(InputError, match="16000 Hz and was given 44100"):
        Ring().audio(AudioChunk(0.0, 0, np.zeros(441, np.int16), 44100))
