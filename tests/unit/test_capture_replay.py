"""Recordings of every common kind, and of every kind of badness, read as camera and microphone."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from policies.consent import Grant
from policies.errors import GrantError
from proctor.capture.replay import Recording
from proctor.errors import InputError
from proctor.types import AudioChunk, Frame, Marker

Picture = Callable[[float], np.ndarray]
Sound = Callable[[np.ndarray], np.ndarray]


def tone(hertz: float) -> Sound:
    return lambda t: np.sin(2 * np.pi * hertz * t) / 2


def plain(t: float) -> np.ndarray:
    return np.full((240, 320, 3), (40, 60, 200), np.uint8)


def make(
    path: Path,
    video: str | None = "libx264",
    audio: str | None = "aac",
    *,
    seconds: float = 2.0,
    fps: int = 25,
    picture: Picture = plain,
    times: list[float] | None = None,
    pixels: str = "yuv420p",
    aspect: Fraction | None = None,
    turn: int = 0,
    mirror: bool = False,
    sound: Sound | None = None,
    rate: int = 48000,
    layout: str = "stereo",
    hole: tuple[float, float] | None = None,
    interleave: bool = True,
) -> Path:
    """A small media file. ``hole`` shifts the sound from its first second on by its second."""
    packets: list[av.Packet] = []
    with av.open(str(path), "w") as out:
        if video:
            stamps = times or [i / fps for i in range(round(seconds * fps))]
            base = Fraction(1, 1000) if times else Fraction(1, fps)
            height, width = picture(0.0).shape[:2]
            stream = out.add_stream(video, rate=fps)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            stream.codec_context.thread_count = 1
            stream.time_base = stream.codec_context.time_base = base
            if aspect:
                stream.sample_aspect_ratio = stream.codec_context.sample_aspect_ratio = aspect
            if turn or mirror:
                stream.set_display_rotation(turn, hflip=mirror)
        if audio:
            track = out.add_stream(audio, rate=rate, layout=layout)
        if video:
            for t in stamps:
                frame = av.VideoFrame.from_ndarray(picture(t), format="bgr24")
                frame.pts, frame.time_base = round(t / base), base
                packets += stream.encode(frame)
            packets += stream.encode(None)
        if audio:
            wave = (sound or tone(440))(np.arange(round(seconds * rate)) / rate)
            samples = (wave * 32767).astype(np.int16)
            channels = track.codec_context.layout.nb_channels
            for i in range(0, len(samples), 1024):
                block = np.repeat(samples[i : i + 1024], channels).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
                frame.sample_rate = rate
                shift = round(hole[1] * rate) if hole and i / rate >= hole[0] else 0
                frame.pts, frame.time_base = i + shift, Fraction(1, rate)
                packets += track.encode(frame)
            packets += track.encode(None)
        if interleave:
            packets.sort(key=lambda packet: float((packet.dts or 0) * packet.time_base))
        for packet in packets:
            out.mux(packet)
    return path


def grants() -> dict[str, Grant]:
    return {"camera": Grant("camera", "r1"), "microphone": Grant("microphone", "r1")}


def read(path: Path, **options) -> tuple[list[Frame], list[AudioChunk], list[Marker]]:
    frames, chunks, markers = [], [], []
    last = 0.0
    for item in Recording.open(path).samples(**{**grants(), **options}):
        assert item.t >= last, "samples come in order of time"
        last = item.t if not isinstance(item, Marker) else last
        if isinstance(item, Frame):
            assert item.image.dtype == np.uint8
            assert item.image.flags.c_contiguous
            assert not item.image.flags.writeable
            frames.append(item)
        elif isinstance(item, AudioChunk):
            assert item.samples.dtype == np.int16
            assert not item.samples.flags.writeable
            chunks.append(item)
        else:
            markers.append(item)
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    return frames, chunks, markers


def seconds(chunks: list[AudioChunk]) -> float:
    return sum(len(chunk.samples) / chunk.rate for chunk in chunks)


def pitch(chunks: list[AudioChunk]) -> float:
    """The strongest frequency, of the whole sound but its first and last tenth of a second."""
    samples = np.concatenate([chunk.samples for chunk in chunks])[1600:-1600]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * chunks[0].rate / len(samples))


# --- every common kind -----------------------------------------------------------------------

KINDS = [
    ("a.mp4", "libx264", "aac"),
    ("a.webm", "libvpx", "libopus"),
    ("a.mkv", "libx264", "flac"),
    ("a.avi", "mpeg4", "mp3"),
    ("a.mov", "libx264", "pcm_s16le"),
    ("a.ts", "mpeg2video", "mp2"),
    ("a.mpg", "mpeg1video", "mp2"),
]


@pytest.mark.parametrize(("name", "video", "audio"), KINDS)
def test_common_kinds_give_ten_frames_a_second_and_all_the_sound(tmp_path, name, video, audio):
    frames, chunks, markers = read(make(tmp_path / name, video, audio))
    assert 19 <= len(frames) <= 21
    assert frames[0].image.shape == (240, 320, 3)
    assert np.abs(frames[5].image.astype(int) - (40, 60, 200)).max() <= 12
    assert seconds(chunks) == pytest.approx(2.0, abs=0.07)
    assert pitch(chunks) == pytest.approx(440, abs=2)
    assert {len(chunk.samples) for chunk in chunks[:-1]} == {1600}
    assert not markers


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_any_sample_rate_and_layout_becomes_16_khz_mono(tmp_path, rate, layout):
    path = make(tmp_path / "a.wav", None, "pcm_s16le", rate=rate, layout=layout, sound=tone(1000))
    frames, chunks, _ = read(path)
    assert not frames
    assert {chunk.rate for chunk in chunks} == {16000}
    assert seconds(chunks) == pytest.approx(2.0, abs=0.002)
    assert pitch(chunks) == pytest.approx(1000, abs=1.5)
    loudness = np.abs(chunks[8].samples).max()
    assert 16384 * 0.6 < loudness < 16384 * 1.1


@pytest.mark.parametrize("kind", ["pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_s16le"])
def test_any_sample_format_is_read(tmp_path, kind):
    _, chunks, _ = read(make(tmp_path / "a.wav", None, kind, layout="mono"))
    assert seconds(chunks) == pytest.approx(2.0, abs=0.002)
    assert pitch(chunks) == pytest.approx(440, abs=1.5)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.flac", "flac"), ("a.mp3", "mp3"), ("a.ogg", "libopus")]
)
def test_sound_alone_is_a_recording_without_pictures(tmp_path, name, codec):
    path = make(tmp_path / name, None, codec)
    recording = Recording.open(path)
    assert (recording.has_video, recording.has_audio) == (False, True)
    assert recording.duration == pytest.approx(2.0, abs=0.1)
    frames, chunks, _ = read(path)
    assert not frames
    assert seconds(chunks) == pytest.approx(2.0, abs=0.07)


def test_pictures_alone_are_a_recording_without_sound(tmp_path):
    path = make(tmp_path / "a.mp4", audio=None)
    recording = Recording.open(path)
    assert (recording.has_video, recording.has_audio) == (True, False)
    assert (recording.video_codec, recording.audio_codec) == ("h264", None)
    frames, chunks, _ = read(path)
    assert len(frames) == 20
    assert not chunks


def test_cover_art_is_not_a_camera(tmp_path):
    _, jpeg = cv2.imencode(".jpg", plain(0))
    body = b"\0image/jpeg\0\3\0" + jpeg.tobytes()
    frame = b"APIC" + struct.pack(">IH", len(body), 0) + body
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path = make(tmp_path / "a.mp3", None, "mp3")
    bare = path.read_bytes()
    path.write_bytes(b"ID3\3\0\0" + size + frame + bare)
    recording = Recording.open(path)
    assert (recording.has_video, recording.has_audio) == (False, True)


def test_a_still_picture_is_one_frame(tmp_path):
    path = tmp_path / "a%d.jpg"
    cv2.imwrite(str(path), plain(0))
    frames, _, _ = read(path)
    assert [frame.t for frame in frames] == [0.0]


def test_odd_sizes_and_rare_pixel_formats_are_read(tmp_path):
    def odd(t: float) -> np.ndarray:
        return plain(t)[:201, :301]

    frames, _, _ = read(make(tmp_path / "a.mkv", "ffv1", None, picture=odd, pixels="yuv444p10le"))
    assert frames[0].image.shape == (200, 300, 3)
    assert np.abs(frames[0].image.astype(int) - (40, 60, 200)).max() <= 4


def test_the_longer_side_is_at_most_640(tmp_path):
    def large(t: float) -> np.ndarray:
        picture = np.zeros((960, 1280, 3), np.uint8)
        picture[:, 640:] = 255
        return picture

    path = make(tmp_path / "a.mp4", audio=None, picture=large, seconds=0.4)
    frames, _, _ = read(path)
    assert frames[0].image.shape == (480, 640, 3)
    assert frames[0].image[:, :310].mean() < 8 < 247 < frames[0].image[:, 330:].mean()
    assert (Recording.open(path).width, Recording.open(path).height) == (640, 480)


def test_8k_frames_come_small(tmp_path):
    huge = np.full((4320, 7680, 3), 90, np.uint8)
    path = make(
        tmp_path / "a.avi",
        "mjpeg",
        None,
        picture=lambda t: huge,
        fps=10,
        seconds=0.1,
        pixels="yuvj420p",
    )
    frames, _, _ = read(path)
    assert [frame.image.shape for frame in frames] == [(360, 640, 3)]


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    path = make(tmp_path / "a.mp4", audio=None, aspect=Fraction(4, 3))
    frames, _, _ = read(path)
    assert frames[0].image.shape == (180, 320, 3)


def test_variable_frame_rate_keeps_the_times_of_the_file(tmp_path):
    times = [0, 0.03, 0.07, 0.5, 0.52, 1.4, 1.41, 1.45, 1.9]
    path = make(tmp_path / "a.mp4", times=times)
    recording = Recording.open(path)
    frames = [item for item in recording.samples(**grants()) if isinstance(item, Frame)]
    assert [frame.t for frame in frames] == pytest.approx([0, 0.5, 1.4, 1.9])
    assert (recording.frames_seen, recording.frames_skipped) == (9, 5)


def test_five_minutes_of_silence_are_five_minutes_of_zeros(tmp_path):
    path = make(
        tmp_path / "a.flac",
        None,
        "flac",
        seconds=300,
        rate=8000,
        layout="mono",
        sound=np.zeros_like,
    )
    _, chunks, markers = read(path)
    assert seconds(chunks) == pytest.approx(300, abs=0.01)
    assert not any(chunk.samples.any() for chunk in chunks)
    assert not markers


# --- upright pictures ------------------------------------------------------------------------

RED, GREEN = (30, 30, 220), (30, 220, 30)


def signpost(t: float) -> np.ndarray:
    """Red in the top left corner, green in the top right one."""
    picture = np.full((240, 320, 3), 128, np.uint8)
    picture[:80, :80], picture[:80, -80:] = RED, GREEN
    return picture


def colour_at(image: np.ndarray, corner: str) -> str:
    y = 20 if corner[0] == "t" else -20
    x = 20 if corner[1] == "l" else -20
    _, green, red = (int(value) for value in image[y, x])
    return "red" if red > green + 80 else "green" if green > red + 80 else "grey"


@pytest.mark.parametrize(
    ("turn", "mirror", "red", "green", "size"),
    [
        (0, False, "tl", "tr", (320, 240)),
        # set_display_rotation counts counter-clockwise.
        (-90, False, "tr", "br", (240, 320)),
        (90, False, "bl", "tl", (240, 320)),
        (180, False, "br", "bl", (320, 240)),
        (0, True, "tr", "tl", (320, 240)),
    ],
)
def test_the_display_matrix_is_obeyed(tmp_path, turn, mirror, red, green, size):
    path = make(tmp_path / "a.mp4", audio=None, picture=signpost, turn=turn, mirror=mirror)
    recording = Recording.open(path)
    image = read(path)[0][0].image
    assert (recording.width, recording.height) == size == image.shape[1::-1]
    assert recording.rotation == -turn % 360
    assert colour_at(image, red) == "red"
    assert colour_at(image, green) == "green"


# --- time ------------------------------------------------------------------------------------

EVENTS = (0.52, 1.2, 1.72)


@pytest.mark.parametrize(("name", "video", "audio"), KINDS)
def test_a_flash_and_a_beep_at_one_moment_stay_together(tmp_path, name, video, audio):
    def flash(t: float) -> np.ndarray:
        lit = any(at - 1e-6 <= t < at + 0.2 for at in EVENTS)
        return np.full((240, 320, 3), 235 if lit else 20, np.uint8)

    def beep(t: np.ndarray) -> np.ndarray:
        loud = np.any([(at <= t) & (t < at + 0.2) for at in EVENTS], axis=0)
        return loud * np.sin(2 * np.pi * 1000 * t) / 2

    path = make(tmp_path / name, video, audio, picture=flash, sound=beep, seconds=2.2)
    frames, chunks, _ = read(path, fps=30)
    light = [frame.image.mean() > 128 for frame in frames]
    flashes = [frames[i].t for i in range(1, len(light)) if light[i] and not light[i - 1]]
    loud, beeps = -1.0, []
    for chunk in chunks:
        for i in np.flatnonzero(np.abs(chunk.samples) > 4000):
            t = chunk.t + i / chunk.rate
            if t > loud + 0.1:
                beeps.append(t)
            loud = t
    assert flashes == pytest.approx(EVENTS, abs=0.05)
    assert beeps == pytest.approx(EVENTS, abs=0.05)
    assert np.abs(np.subtract(flashes, beeps)).max() <= 0.05


def test_a_gap_in_the_sound_is_marked_and_time_goes_on(tmp_path):
    path = make(tmp_path / "a.mkv", audio="pcm_s16le", hole=(1.0, 0.7))
    _, chunks, _ = read(path)
    gaps = [(chunk.t, chunk.gap) for chunk in chunks if chunk.gap]
    assert len(gaps) == 1
    at, length = gaps[0]
    assert length == pytest.approx(0.7, abs=0.002)
    before = chunks[next(i for i, chunk in enumerate(chunks) if chunk.gap) - 1]
    assert at - before.end == pytest.approx(length, abs=0.002)
    assert chunks[-1].end == pytest.approx(2.7, abs=0.01)
    assert seconds(chunks) == pytest.approx(2.0, abs=0.002)


def test_sound_that_overlaps_is_given_once(tmp_path):
    path = make(tmp_path / "a.mkv", audio="pcm_s16le", hole=(1.0, -0.4))
    _, chunks, _ = read(path)
    assert not any(chunk.gap for chunk in chunks)
    assert seconds(chunks) == pytest.approx(1.6, abs=0.03)
    assert chunks[-1].end == pytest.approx(1.6, abs=0.03)


def test_tracks_that_are_not_interleaved_still_come_in_order(tmp_path):
    frames, chunks, _ = read(make(tmp_path / "a.mkv", interleave=False, seconds=20, audio="flac"))
    assert len(frames) == 200
    assert seconds(chunks) == pytest.approx(20, abs=0.05)


def test_two_recordings_in_one_file_are_played_one_after_the_other(tmp_path):
    def wide(t: float) -> np.ndarray:
        return np.full((180, 320, 3), 200, np.uint8)

    first = make(tmp_path / "1.ts", "mpeg2video", "mp2")
    second = make(tmp_path / "2.ts", "mpeg2video", "mp2", picture=wide)
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    frames, chunks, markers = read(both)
    assert 39 <= len(frames) <= 41
    assert seconds(chunks) == pytest.approx(4.0, abs=0.1)
    assert frames[-1].image.shape == frames[0].image.shape
    assert not frames[-1].image[:20].any()
    assert frames[-1].image[120].mean() == pytest.approx(200, abs=8)
    assert "starts anew" in markers[0].data["sentence"]


# --- consent ---------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["camera", "microphone"])
def test_a_track_without_a_grant_is_not_read(tmp_path, purpose):
    path = make(tmp_path / "a.mp4")
    recording = Recording.open(path)
    items = list(recording.samples(**{**grants(), purpose: None}))
    wanted = AudioChunk if purpose == "camera" else Frame
    assert items
    assert all(isinstance(item, wanted) for item in items)
    assert (recording.frames_seen == 0) == (purpose == "camera")


def test_grants_are_asked_for_before_the_first_sample(tmp_path):
    recording = Recording.open(make(tmp_path / "a.mp4"))
    for wrong in ({"camera": Grant("microphone", "r1")}, {"microphone": Grant("camera", "r1")}):
        with pytest.raises(GrantError):
            recording.samples(**{**grants(), **wrong})
    given = grants()
    given["camera"].withdraw()
    with pytest.raises(GrantError):
        recording.samples(**given)


def test_a_withdrawn_grant_ends_its_track_at_once(tmp_path):
    given = grants()
    after: list[object] = []
    for item in Recording.open(make(tmp_path / "a.mp4")).samples(**given):
        if not given["camera"].live:
            after.append(item)
        if isinstance(item, Frame) and item.t >= 0.5:
            given["camera"].withdraw()
    assert after
    assert all(isinstance(item, AudioChunk) for item in after)


# --- bad input -------------------------------------------------------------------------------


def bmp(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 4096, 0, 0, 54) + header + bytes(4096)


BAD = {
    "empty.mp4": b"",
    "text.mp4": b"This is no video at all.\n" * 200,
    "zeros.mkv": bytes(100_000),
    "list.m3u8": b"#EXTM3U\n#EXTINF:10,\nother.ts\n#EXT-X-ENDLIST\n",
    "list.mp4": b"ffconcat version 1.0\nfile other.mp4\n",
    "wide.bmp": bmp(100_000, 1),
    "huge.bmp": bmp(30_000, 30_000),
    "small.bmp": bmp(8, 8),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_usable_recording_is_one_sentence(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(BAD[name])
    with pytest.raises(InputError) as caught:
        Recording.open(path)
    assert caught.value.exit_code == 2
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_playlist_cannot_name_another_file(tmp_path):
    make(tmp_path / "other.ts", "mpeg2video", "mp2")
    path = tmp_path / "list.m3u8"
    path.write_bytes(BAD["list.m3u8"])
    with pytest.raises(InputError):
        Recording.open(path)


def test_the_trouble_is_named(tmp_path):
    path = tmp_path / "wide.bmp"
    path.write_bytes(BAD["wide.bmp"])
    with pytest.raises(InputError, match="100000×1"):
        Recording.open(path)
    with pytest.raises(InputError, match="is a folder"):
        Recording.open(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        Recording.open(str(tmp_path / "none.mp4"))


def test_an_mp4_cut_before_its_index_is_refused(tmp_path):
    whole = make(tmp_path / "a.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="index is missing"):
        Recording.open(cut)


def noise(t: float) -> np.ndarray:
    return np.random.default_rng(round(t * 1000)).integers(0, 255, (96, 128, 3), np.uint8)


def test_a_cut_file_gives_its_beginning_and_says_so(tmp_path):
    whole = make(tmp_path / "a.mkv", seconds=6, picture=noise).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    frames, chunks, markers = read(cut)
    assert 2 < frames[-1].t < 4
    assert 2 < seconds(chunks) < 4
    assert [marker.kind for marker in markers] == ["source.damaged"]
    assert "its header says 6.0 s" in markers[0].data["sentence"]


def test_damaged_packets_are_counted_and_the_rest_is_used(tmp_path):
    path = make(tmp_path / "a.ts", "mpeg2video", "mp2", seconds=4, picture=noise)
    data = bytearray(path.read_bytes())
    middle, length = len(data) // 2, len(data) // 20
    data[middle : middle + length] = bytes(length)
    path.write_bytes(data)
    recording = Recording.open(path)
    items = list(recording.samples(**grants()))
    assert recording.damage.pieces > 0
    assert isinstance(items[-1], Marker)
    assert "could not be read" in items[-1].data["sentence"]
    assert max(item.t for item in items if isinstance(item, Frame)) > 3


def test_a_file_of_which_nothing_decodes_is_refused(tmp_path):
    path = make(tmp_path / "a.avi", None, "mp3", seconds=1)
    data = path.read_bytes()
    start = data.index(b"movi") + 4
    path.write_bytes(data[:start] + bytes(byte ^ 0x55 for byte in data[start:]))
    with pytest.raises(InputError, match=r"a\.avi"):
        list(Recording.open(path).samples(**grants()))


@pytest.mark.parametrize(("name", "video", "audio"), KINDS)
def test_bytes_changed_anywhere_end_in_samples_or_in_a_sentence(tmp_path, name, video, audio):
    whole = make(tmp_path / name, video, audio, seconds=0.6, picture=noise).read_bytes()
    path = tmp_path / f"changed-{name}"
    whole_or_in_part, sentences = 0, []
    for seed in range(20):
        random = np.random.default_rng(seed)
        data = bytearray(whole)
        # Headers are short and matter most: half of the files are changed only there.
        reach = min(len(data), 3000) if seed % 2 else len(data)
        for place in random.integers(0, reach, random.integers(1, 100)):
            data[place] = random.integers(256)
        path.write_bytes(data if seed % 3 else data[: random.integers(1, len(data))])
        try:
            read(path)
            whole_or_in_part += 1
        except InputError as error:
            sentences.append(str(error))
    assert whole_or_in_part
    assert all(sentence and "\n" not in sentence for sentence in sentences)


# --- real recordings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "turn"),
    [
        ("video/gaze/center_focus.mp4", (362, 640), 90),
        ("video/portrait/s18.mp4", (640, 360), 0),
        ("video/asl/again.mkv", (640, 480), 0),
        ("video/talking_grid/bbaf2n.mpg", (360, 288), 0),
        ("video/intel_preview/classroom.gif", (480, 270), 0),
    ],
)
def test_real_pictures_are_upright_and_in_true_colours(media, name, size, turn):
    """OpenCV turns pictures upright by itself: what it shows first is what we must show first."""
    recording = Recording.open(media / name)
    assert (recording.width, recording.height, recording.rotation) == (*size, turn)
    frames, _, markers = read(media / name)
    assert recording.duration is not None
    assert len(frames) == pytest.approx(recording.duration * 10, abs=2)
    assert not markers
    _, theirs = cv2.VideoCapture(str(media / name)).read()
    theirs = cv2.resize(theirs, size, interpolation=cv2.INTER_AREA)
    assert np.abs(frames[0].image.astype(int) - theirs).mean() < 3


@pytest.mark.parametrize(
    "name",
    [
        "audio/speech/three_speakers.wav",
        "audio/wake/alexa/307.flac",
        "audio/wake/efficientword_siri/siri_en-GB_KateV3Voice.mp3",
        "audio/noise/rain/3-132852-A.ogg",
        "video/talking_grid/bbaf2n.mpg",
    ],
)
def test_real_sound_is_read_whole(media, name):
    recording = Recording.open(media / name)
    _, chunks, markers = read(media / name)
    assert recording.duration is not None
    assert seconds(chunks) == pytest.approx(recording.duration, abs=0.06)
    assert max(np.abs(chunk.samples).max() for chunk in chunks) > 1000
    assert not markers
