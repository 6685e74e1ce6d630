"""What every source must do, and how live devices come, go, block and misbehave.

This machine has no camera and no microphone: stand-ins play a made clip (stand_ins.py). All else is real.
"""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from policies.consent import Grant
from policies.errors import GrantError
from proctor.capture import microphone as microphone_module
from proctor.capture.camera import Camera
from proctor.capture.device import Patience
from proctor.capture.microphone import Microphone
from proctor.capture.replay import RealTimeReplay, Recording
from proctor.capture.source import Source
from proctor.clock import SessionClock
from proctor.types import AudioChunk

_SPEC = importlib.util.spec_from_file_location(
    "stand_ins", Path(__file__).with_name("stand_ins.py")
)
stand_ins = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(stand_ins)
DeviceTime, Kept, until = stand_ins.DeviceTime, stand_ins.Kept, stand_ins.until
StandInCamera, StandInMicrophone = stand_ins.StandInCamera, stand_ins.StandInMicrophone

# For devices that are to be lost, and for those that are not, however busy this machine is.
QUICK = Patience(silent_s=0.8, opening_s=1.0, retry_s=0.05)
LONG = Patience(silent_s=30.0, opening_s=30.0, retry_s=0.05)
PURPOSES = ("camera", "microphone")
# Of a device that hangs for a minute; the threads are waited for 0.9 s.
STOPS_S = 15.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 640×480 with a grey that rises, and a 440 Hz tone."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
        video.codec_context.thread_count = 1
        audio = out.add_stream("aac", rate=48000, layout="mono")
        for i in range(60):
            image = np.full((480, 640, 3), 20 + 3 * i, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        wave = (np.sin(2 * np.pi * 440 * np.arange(96000) / 48000) * 16000).astype(np.int16)
        for start in range(0, 96000, 1000):
            block = wave[start : start + 1000].reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            out.mux(audio.encode(frame))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


@dataclass
class Case:
    """How to build one source, whose grants it takes, and the stand-ins behind it."""

    build: Callable[[dict[str, Grant]], Source]
    purposes: tuple[str, ...]
    clock: SessionClock


@pytest.fixture(params=["camera", "microphone", "replay"])
def case(request: pytest.FixtureRequest, clip: Path) -> Case:
    clock = SessionClock()
    if request.param == "camera":
        device = StandInCamera(clip)
        film = partial(Camera, clock=clock, open_device=device, patience=LONG)
        return Case(lambda grants: film(grants["camera"]), ("camera",), clock)
    if request.param == "microphone":
        stream = StandInMicrophone()
        build = partial(Microphone, clock=clock, open_stream=stream, patience=LONG)
        return Case(lambda grants: build(grants["microphone"]), ("microphone",), clock)
    return Case(
        lambda grants: RealTimeReplay(
            Recording.open(clip), clock, camera=grants["camera"], microphone=grants["microphone"]
        ),
        PURPOSES,
        clock,
    )


def grants() -> dict[str, Grant]:
    return {"camera": Grant("camera", "r1"), "microphone": Grant("microphone", "r1")}


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def started() -> Iterator[Callable[[Source, Kept], Source]]:
    """Starts sources, stops them after the test, and sees that stopping was quick and left nothing."""
    before = set(threading.enumerate())
    sources: list[Source] = []

    def start(source: Source, sink: Kept) -> Source:
        sources.append(source)
        source.start(sink)
        return source

    yield start
    for source in sources:
        began = time.monotonic()
        source.stop()
        assert time.monotonic() - began < STOPS_S
    until(lambda: set(threading.enumerate()) <= before)


# --- every source ----------------------------------------------------------------------------


def test_samples_rise_in_time_and_number(case, kept, started):
    began = case.clock.now()
    started(case.build(grants()), kept)
    until(lambda: kept.samples() >= 8)
    for samples in (kept.frames, kept.chunks):
        assert [sample.seq for sample in samples] == list(range(len(samples)))
        times = [sample.t for sample in samples]
        assert times == sorted(set(times))
        # A first block of sound may have begun before the source's thread ran.
        assert all(began - 0.15 <= t <= case.clock.now() for t in times)
    for frame in kept.frames:
        assert frame.image.shape == (480, 640, 3)
        assert frame.image.flags.c_contiguous
        assert not frame.image.flags.writeable
    for chunk in kept.chunks:
        assert (chunk.rate, chunk.gap) == (16000, 0.0)
        assert chunk.samples.dtype == np.int16
        assert not chunk.samples.flags.writeable
    assert bool(kept.frames) == ("camera" in case.purposes)
    assert bool(kept.chunks) == ("microphone" in case.purposes)


def test_nothing_comes_after_stop(case, kept, started):
    source = started(case.build(grants()), kept)
    until(lambda: kept.samples() >= 3)
    source.stop()
    count = kept.samples(), len(kept.events)
    time.sleep(0.25)
    assert (kept.samples(), len(kept.events)) == count
    source.stop()


def test_stop_before_start_is_fine(case):
    case.build(grants()).stop()


@pytest.mark.parametrize("wrong", ["withdrawn", "foreign", "nothing"])
def test_no_grant_no_source(case, wrong):
    for purpose in case.purposes:
        given = grants()
        if wrong == "withdrawn":
            given[purpose].withdraw()
        elif wrong == "foreign":
            given[purpose] = Grant("clips", "r1")
        else:
            given[purpose] = "yes"  # type: ignore[assignment]
        with pytest.raises(GrantError):
            case.build(given)


def test_a_withdrawn_grant_stops_samples_at_once(case, kept, started):
    given = grants()
    started(case.build(given), kept)
    until(lambda: kept.samples() >= 3)
    for purpose in case.purposes:
        given[purpose].withdraw()
    # One sample may already be on its way from the source's thread into the sink.
    time.sleep(0.2)
    count = kept.samples()
    time.sleep(0.3)
    assert kept.samples() == count


# --- recordings in real time -----------------------------------------------------------------


def test_a_recording_plays_at_the_pace_of_the_clock_and_ends(clip, kept, started):
    clock = SessionClock()
    source = RealTimeReplay(Recording.open(clip), clock, **grants())
    began = clock.now()
    started(source, kept)
    until(lambda: "source.ended" in kept.kinds())
    assert clock.now() - began >= 1.9
    assert kept.kinds() == ["source.ended"]
    assert "clip.mp4 has ended" in kept.events[0].data["sentence"]
    assert len(kept.frames) == 20
    assert kept.frames[0].t >= began
    assert kept.frames[-1].t - kept.frames[0].t == pytest.approx(1.9, abs=0.01)
    assert sum(len(chunk.samples) for chunk in kept.chunks) == pytest.approx(32000, abs=1000)


def test_a_recording_that_turns_out_unreadable_ends_with_the_reason(clip, kept, started, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    recording = Recording.open(copy)
    copy.unlink()
    started(RealTimeReplay(recording, SessionClock(), **grants()), kept)
    until(lambda: kept.events)
    assert kept.kinds() == ["source.ended"]
    assert "does not exist" in kept.events[0].data["sentence"]


# --- the camera ------------------------------------------------------------------------------


@pytest.fixture
def device(clip: Path) -> StandInCamera:
    return StandInCamera(clip)


@pytest.fixture
def camera(device: StandInCamera) -> Camera:
    return Camera(Grant("camera", "r1"), SessionClock(), open_device=device, patience=LONG)


@pytest.fixture
def hasty_camera(device: StandInCamera) -> Camera:
    """One that is soon held to be lost."""
    return Camera(Grant("camera", "r1"), SessionClock(), open_device=device, patience=QUICK)


def test_the_camera_takes_ten_of_thirty_frames(device, kept, started):
    started(
        Camera(Grant("camera", "r1"), DeviceTime(device), open_device=device, patience=LONG), kept
    )
    until(lambda: len(kept.frames) >= 11)
    steps = np.diff([frame.t for frame in kept.frames])
    assert steps == pytest.approx(0.1)
    assert not kept.events


def test_an_unplugged_camera_is_lost_and_found(hasty_camera, device, kept, started):
    started(hasty_camera, kept)
    until(lambda: kept.frames)
    device.gives = False
    until(lambda: kept.kinds()[:1] == ["device.lost"])
    count = len(kept.frames)
    device.gives = True
    until(lambda: kept.kinds()[:2] == ["device.lost", "device.found"])
    until(lambda: len(kept.frames) > count + 2)
    assert [frame.seq for frame in kept.frames] == list(range(len(kept.frames)))
    assert device.opened >= 2
    assert all(marker.data["device"] == "camera" for marker in kept.events)
    assert "tried again" in kept.events[0].data["sentence"]


def test_a_camera_that_blocks_for_ever_is_left_behind(hasty_camera, device, kept, started):
    started(hasty_camera, kept)
    until(lambda: kept.frames)
    device.block.clear()
    until(lambda: "device.lost" in kept.kinds())
    began = time.monotonic()
    hasty_camera.stop()
    assert time.monotonic() - began < STOPS_S
    count = len(kept.frames)
    device.block.set()
    until(lambda: device.released == device.opened)
    assert len(kept.frames) == count


def test_blocked_attempts_do_not_pile_up(hasty_camera, device, kept, started):
    device.block.clear()
    started(hasty_camera, kept)
    until(lambda: device.opened >= 3)
    time.sleep(1.0)
    assert device.opened == 3
    device.block.set()
    until(lambda: kept.frames)


def test_a_camera_that_does_not_open_is_refused_once_and_tried_again(camera, device, kept, started):
    device.opens = False
    started(camera, kept)
    until(lambda: device.opened >= 4)
    assert kept.kinds() == ["device.refused"]
    assert len(kept.events[0].data["sentence"]) > 30
    device.opens = True
    until(lambda: kept.kinds() == ["device.refused", "device.found"])
    until(lambda: kept.frames)


def test_a_camera_whose_opening_fails_loudly_is_refused(kept, started):
    def fails(device: int | str) -> StandInCamera:
        raise cv2.error("no such thing")

    started(Camera(Grant("camera", "r1"), SessionClock(), open_device=fails, patience=QUICK), kept)
    until(lambda: kept.events)
    assert kept.kinds() == ["device.refused"]
    assert "no such thing" in kept.events[0].data["sentence"]


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda image: image[:, :, 0], (480, 640, 3)),
        (lambda image: np.dstack([image, image[:, :, :1]]), (480, 640, 3)),
        (lambda image: cv2.resize(image, (1280, 720)), (360, 640, 3)),
        (lambda image: cv2.resize(image, (320, 240)), (240, 320, 3)),
    ],
)
def test_another_format_is_converted_and_told_once(camera, device, kept, started, change, shape):
    device.change = change
    started(camera, kept)
    until(lambda: len(kept.frames) >= 3)
    assert kept.kinds() == ["device.format"]
    assert {frame.image.shape for frame in kept.frames} == {shape}
    assert kept.frames[0].image.mean() > 15


def test_a_camera_that_gives_no_pictures_is_told_and_lost(hasty_camera, device, kept, started):
    started(hasty_camera, kept)
    until(lambda: kept.frames)
    device.change = lambda image: None
    until(lambda: "device.lost" in kept.kinds())
    assert kept.kinds() == ["device.format", "device.lost"]


def test_a_camera_that_comes_back_in_another_shape_keeps_its_size(camera, device, kept, started):
    started(camera, kept)
    until(lambda: kept.frames)
    device.change = lambda image: cv2.resize(image, (1280, 720))
    count = len(kept.frames)
    until(lambda: len(kept.frames) > count + 3)
    assert {frame.image.shape for frame in kept.frames} == {(480, 640, 3)}
    assert not kept.frames[-1].image[:50].any()


# --- the microphone --------------------------------------------------------------------------


@pytest.fixture
def stream() -> StandInMicrophone:
    return StandInMicrophone()


@pytest.fixture
def microphone(stream: StandInMicrophone) -> Microphone:
    return microphone_of(stream, LONG, DeviceTime(stream))


def microphone_of(
    open_stream: Any, patience: Patience, clock: SessionClock | None = None
) -> Microphone:
    grant = Grant("microphone", "r1")
    return Microphone(grant, clock or SessionClock(), open_stream=open_stream, patience=patience)


def pitch(chunks: list[AudioChunk]) -> float:
    samples = np.concatenate([chunk.samples for chunk in chunks])
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * 16000 / len(samples))


def test_chunks_join_without_gaps(microphone, kept, started):
    started(microphone, kept)
    until(lambda: len(kept.chunks) >= 10)
    assert not kept.events
    assert {len(chunk.samples) for chunk in kept.chunks[:10]} == {1600}
    joins = [late.t - early.end for early, late in zip(kept.chunks, kept.chunks[1:], strict=False)]
    assert np.abs(joins).max() < 0.005
    assert pitch(kept.chunks) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(("native", "channels"), [(48000, 1), (44100, 2), (8000, 1), (96000, 2)])
def test_another_rate_or_stereo_is_converted_and_told(
    microphone, stream, kept, started, native, channels
):
    stream.native, stream.formats = native, {(native, channels)}
    started(microphone, kept)
    until(lambda: len(kept.chunks) >= 8)
    assert kept.kinds() == ["device.format"]
    assert str(native) in kept.events[0].data["sentence"]
    assert {len(chunk.samples) for chunk in kept.chunks[:8]} == {1600}
    assert pitch(kept.chunks) == pytest.approx(440, abs=3)


def test_an_overflow_is_a_gap(microphone, stream, kept, started):
    started(microphone, kept)
    until(lambda: len(kept.chunks) >= 2)
    stream.overflow = True
    count = len(kept.chunks)
    until(lambda: len(kept.chunks) >= count + 4)
    assert len([chunk for chunk in kept.chunks if chunk.gap > 0]) == 1


def test_late_blocks_are_neither_a_gap_nor_a_loss(microphone, stream, kept, started):
    started(microphone, kept)
    until(lambda: len(kept.chunks) >= 5)
    stream.stall_s = 0.6
    until(lambda: len(kept.chunks) >= 20)
    assert not any(chunk.gap for chunk in kept.chunks)
    assert kept.chunks[19].end - kept.chunks[0].t == pytest.approx(2.0, abs=0.02)
    assert pitch(kept.chunks) == pytest.approx(440, abs=1)
    assert not kept.events


def test_sound_lost_without_a_word_is_a_gap_in_the_end(microphone, stream, kept, started):
    started(microphone, kept)
    until(lambda: len(kept.chunks) >= 3)
    stream.swallow_s = 0.6
    until(lambda: any(chunk.gap for chunk in kept.chunks))
    gaps = [chunk.gap for chunk in kept.chunks if chunk.gap]
    assert gaps == [pytest.approx(0.6, abs=0.15)]


def test_a_lost_microphone_leaves_a_gap_and_is_found(stream, kept, started):
    started(microphone_of(stream, QUICK), kept)
    until(lambda: len(kept.chunks) >= 2)
    stream.silent = True
    until(lambda: kept.kinds()[:1] == ["device.lost"])
    stream.silent = False
    until(lambda: kept.kinds()[:2] == ["device.lost", "device.found"])
    until(lambda: any(chunk.gap for chunk in kept.chunks))
    gap = next(chunk.gap for chunk in kept.chunks if chunk.gap)
    assert gap >= QUICK.silent_s * 0.8
    until(lambda: kept.chunks[-1].gap == 0)
    assert stream.opened >= 2
    times = [chunk.t for chunk in kept.chunks]
    assert times == sorted(times)


def test_a_microphone_that_does_not_open_is_refused_once(microphone, stream, kept, started):
    stream.opens = False
    started(microphone, kept)
    until(lambda: kept.events)
    time.sleep(0.3)
    assert kept.kinds() == ["device.refused"]
    assert "Invalid sample rate" in kept.events[0].data["sentence"]
    stream.opens = True
    until(lambda: kept.chunks)
    until(lambda: kept.kinds() == ["device.refused", "device.found"])


def test_streams_are_closed(microphone, stream, kept, started):
    started(microphone, kept)
    until(lambda: kept.chunks)
    microphone.stop()
    assert (stream.opened, stream.closed) == (1, 1)


def test_the_missing_sound_library_is_named(kept, started, monkeypatch):
    """Where PortAudio is missing, importing sounddevice raises OSError."""
    import builtins

    real = builtins.__import__

    def no_portaudio(name: str, *rest: Any, **more: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", no_portaudio)
    started(microphone_of(microphone_module.open_microphone, QUICK), kept)
    until(lambda: kept.events)
    assert kept.kinds() == ["device.refused"]
    assert "libportaudio2" in kept.events[0].data["sentence"]
