"""Reading clips: right pictures at right times, and hostile files end in one sentence."""

from __future__ import annotations

import io
import itertools
import resource
import struct
import sys

import av
import numpy as np
import pytest

from proctor.evidence import clip
from proctor.evidence.apart import Apart
from proctor.evidence.clip import ClipError
from proctor.evidence.ring import Ring
from proctor.types import AudioChunk, Frame


@pytest.fixture(scope="module")
def sample() -> bytes:
    """4 s whose grey level rises by 6 with each picture, with sound."""
    ring = Ring()
    for i in range(40):
        ring.frame(Frame(i / 10, i, np.full((120, 160, 3), 6 * i, np.uint8)))
        ring.audio(AudioChunk(i / 10, i, np.zeros(1600, np.int16), 16000))
    return ring.cut("f", 0.0, 4.0).data


def levels(pictures: list[np.ndarray]) -> list[float]:
    return [float(picture.mean()) for picture in pictures]


def test_frames_are_those_shown_at_the_times_in_the_order_asked(sample: bytes) -> None:
    seen = levels(clip.frames(sample, [2.05, 0.55, 3.01]))
    assert seen == pytest.approx([120, 30, 180], abs=2.5)


def test_times_outside_get_the_first_and_last_picture(sample: bytes) -> None:
    assert levels(clip.frames(sample, [-1.0, 99.0])) == pytest.approx([0, 234], abs=2.5)


def test_info_tells_what_is_in_it(sample: bytes) -> None:
    found = clip.info(sample)
    assert (found.width, found.height, found.rate) == (160, 120, 16000)
    assert (found.has_video, found.has_audio, found.pictures) == (True, True, 40)
    assert found.duration == pytest.approx(4.0, abs=0.1)
    assert found.length == len(sample)


def test_the_sound_comes_whole_and_stays_with_the_pictures() -> None:
    ring = Ring()
    for i in range(40):
        ring.frame(Frame(i / 10, i, np.zeros((120, 160, 3), np.uint8)))
        # Silence, then a tone from the third second on.
        tone = np.sin(np.arange(1600) * 2 * np.pi * 440 / 16000) * (8000 if i >= 30 else 0)
        ring.audio(AudioChunk(i / 10, i, tone.astype(np.int16), 16000))
    data = ring.cut("f", 0.0, 4.0).data
    with Apart() as apart:
        heard = apart.sound(data)
    assert heard == clip.sound(data)
    samples = np.frombuffer(heard.samples, "<i2").astype(float)
    assert heard.rate == 16000
    assert len(samples) / heard.rate == pytest.approx(4.0, abs=0.2)
    assert np.abs(samples[: 2 * 16000]).max() < 100
    begin = np.argmax(np.abs(samples) > 2000) / heard.rate
    assert begin == pytest.approx(3.0, abs=0.1)
    assert np.abs(samples[round(3.2 * 16000) : round(3.8 * 16000)]).max() > 6000


def test_what_is_computed_for_a_clip_is_bounded(
    sample: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = itertools.count()
    monkeypatch.setattr(clip.time, "thread_time", lambda: float(next(work)))
    with pytest.raises(ClipError, match="more than 4 s of computing"):
        clip.sound(sample)
    with pytest.raises(ClipError, match="more than 4 s of computing"):
        clip.frames(sample, [3.0])


def test_a_clip_without_sound_has_no_samples() -> None:
    ring = Ring()
    for i in range(10):
        ring.frame(Frame(i / 10, i, np.zeros((120, 160, 3), np.uint8)))
    assert clip.sound(ring.cut("f", 0.0, 1.0).data) == clip.Sound(0, b"")


def other_container(codec: str, fmt: str, seconds: float = 1.0, size: int = 64) -> bytes:
    sink = io.BytesIO()
    with av.open(sink, "w", format=fmt) as container:
        stream = container.add_stream(codec, rate=1)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for i in range(2):
            frame = av.VideoFrame.from_ndarray(
                np.zeros((size * 3 // 2, size), np.uint8), format="yuv420p"
            )
            frame.pts = round(i * seconds)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not an MP4"),
        (b"not a film at all, only words", "not an MP4"),
        (other_container("libx264", "matroska"), "not an MP4"),
        (other_container("mpeg4", "mp4"), "H.264 and AAC"),
        (other_container("libx264", "mp4", seconds=36_000), "36001 s|36000 s"),
        (other_container("libx264", "mp4", size=2048), "2048x2048"),
        (b"\0\0\0\x10ftypisom\0\0\0\0", "H.264 and AAC"),
        (b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0" * clip.MAX_BYTES, "larger than 64 MB"),
    ],
    ids=["empty", "text", "matroska", "mpeg4", "ten-hours", "large", "no-track", "too-many-bytes"],
)
def test_what_is_not_a_clip_of_ours_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    for read in (clip.info, lambda d: clip.frames(d, [0.0])):
        with pytest.raises(ClipError, match=sentence):
            read(data)


@pytest.mark.skipif(sys.platform == "win32", reason="resource is a POSIX module")
@pytest.mark.parametrize("table", [b"trun", b"stsz"])
def test_a_table_that_claims_millions_of_samples_takes_no_memory(
    sample: bytes, table: bytes
) -> None:
    at = sample.index(table) + 4 + {b"trun": 4, b"stsz": 8}[table]
    bomb = sample[:at] + struct.pack(">I", 0x0FFFFFFF) + sample[at + 4 :]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ClipError, match="more entries"):
        clip.info(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_damage_anywhere_ends_in_a_clip_error_or_a_picture(sample: bytes) -> None:
    """400 flipped bytes and 40 truncations: never another exception."""
    rng = np.random.default_rng(5)
    outcomes = set()
    for i in range(440):
        damaged = bytearray(sample)
        if i < 400:
            where = int(rng.integers(0, len(sample) if i % 2 else 2000))
            damaged[where] ^= 1 << int(rng.integers(0, 8))
        else:
            del damaged[int(rng.integers(0, len(sample))) :]
        for read in (clip.info, lambda d: clip.frames(d, [0.0, 2.0]), clip.sound):
            try:
                read(bytes(damaged))
            except ClipError:
                outcomes.add("refused")
            else:
                outcomes.add("read")
    assert outcomes == {"read", "refused"}
