"""Pictures and sound to packets, and packets to a file, all in memory (PyAV).

The traps are measured, not guessed: an encoder must be a stream of a container that was started, or
its packets lack the codec headers a muxer needs; a packet object can be muxed once, so its bytes are
kept; and pictures are converted with OpenCV because swscale costs five times as much.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from operator import itemgetter
from typing import Any, Protocol

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.video.frame import PictureType

from proctor.types import Image, Samples

# Ticks per second of video times: the customary MPEG clock.
VIDEO_CLOCK = 90_000
# A keyframe at least this often (seconds), so that a cut starts at most this early.
KEYFRAME_S = 1.0
# Longest side of a stored picture: enough for a person to judge, and a bound on memory and on what
# a reviewer's player must decode. Larger pictures are scaled down.
MAX_SIDE = 1280
# Constant quality at which 640x480 costs about 1.1 MB a minute with the face still clear.
X264 = {"preset": "superfast", "tune": "zerolatency", "crf": "30", "forced-idr": "1"}
# Speech at 16 kHz mono stays clear at this AAC-LC rate (bits per second).
AUDIO_BITS = 32_000


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture or block of sound; ``ticks`` in the clock of its track."""

    ticks: int
    data: bytes = field(repr=False)
    key: bool


class Encoder(Protocol):
    """What a muxer needs to know of where packets come from. ``clock`` is in ticks per second."""

    clock: int

    @property
    def stream(self) -> av.VideoStream | av.AudioStream: ...


class VideoEncoder:
    """H.264 of one picture size."""

    def __init__(self, width: int, height: int, fps: float) -> None:
        self.clock = VIDEO_CLOCK
        self.size = (width, height)
        self._container = av.open(io.BytesIO(), "w", format="matroska")
        rate = Fraction(fps).limit_denominator(1000)
        self.stream = self._container.add_stream("libx264", rate=rate)
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        context = self.stream.codec_context
        context.time_base = Fraction(1, VIDEO_CLOCK)
        context.thread_count = 1
        # Keyframes are asked for by time; this is only the upper bound in pictures.
        context.gop_size = max(1, round(10 * KEYFRAME_S * fps))
        context.options = dict(X264)
        # OpenCV converts with the matrix and range of BT.601.
        context.colorspace = av.video.reformatter.Colorspace.SMPTE170M
        context.color_range = av.video.reformatter.ColorRange.MPEG
        self._key_due = 0
        _start(self._container, context)

    def encode(self, ticks: int, picture: Image) -> list[Packet]:
        """One picture (H×W×3 BGR of the encoder's size)."""
        planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = ticks, Fraction(1, VIDEO_CLOCK)
        if ticks >= self._key_due:
            frame.pict_type = PictureType.I
            self._key_due = ticks + round(KEYFRAME_S * VIDEO_CLOCK)
        return _copied(self.stream.encode(frame))


class AudioEncoder:
    """AAC-LC mono. The encoder stamps its packets so that decoding one gives the sound of its time."""

    def __init__(self, rate: int) -> None:
        self.clock = rate
        self._container = av.open(io.BytesIO(), "w", format="matroska")
        self.stream = self._container.add_stream("aac", rate=rate, layout="mono")
        self.stream.codec_context.bit_rate = AUDIO_BITS
        _start(self._container, self.stream.codec_context)
        self.block = self.stream.codec_context.frame_size

    def encode(self, ticks: int, samples: Samples) -> list[Packet]:
        """One block of exactly ``self.block`` samples."""
        plane = samples.astype(np.float32)[None, :] / 32768.0
        frame = av.AudioFrame.from_ndarray(plane, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self.clock, ticks, Fraction(1, self.clock)
        return _copied(self.stream.encode(frame))


def _start(container: av.container.OutputContainer, context: av.CodecContext) -> None:
    # Global headers go into the container's description, as MP4 needs them.
    context.flags |= Flags.global_header
    container.start_encoding()


def _copied(
    packets: Iterable[av.Packet[av.VideoStream]] | Iterable[av.Packet[av.AudioStream]],
) -> list[Packet]:
    return [Packet(p.pts, bytes(p), bool(p.is_keyframe)) for p in packets if p.pts is not None]


@dataclass(frozen=True, slots=True)
class Track:
    """Packets in the order of their time; ``nominal`` is how long the last one lasts, in ticks."""

    encoder: Encoder
    packets: list[Packet]
    nominal: int

    @property
    def begin(self) -> float:
        return self.packets[0].ticks / self.encoder.clock

    @property
    def end(self) -> float:
        return (self.packets[-1].ticks + self.nominal) / self.encoder.clock

    def shifted(self, zero: float) -> Iterator[av.Packet[Any]]:
        """Copies for a muxer, with session second ``zero`` as time 0."""
        origin = round(zero * self.encoder.clock)
        ends = [p.ticks for p in self.packets[1:]] + [self.packets[-1].ticks + self.nominal]
        for stored, end in zip(self.packets, ends, strict=True):
            packet: av.Packet[Any] = av.Packet(stored.data)
            packet.time_base = Fraction(1, self.encoder.clock)
            packet.pts = packet.dts = stored.ticks - origin
            packet.duration = end - stored.ticks
            packet.is_keyframe = stored.key
            yield packet


def mux(tracks: Sequence[Track], zero: float) -> bytes:
    """One fragmented MP4; a new fragment at every keyframe, so that any player can start early."""
    sink = io.BytesIO()
    # delay_moov and frag_discont together write the true start of a track that begins later than
    # time 0. With empty_moov instead, its first packet is stretched back to time 0.
    flags = {"movflags": "frag_keyframe+delay_moov+default_base_moof+frag_discont"}
    with av.open(sink, "w", format="mp4", options=flags) as container:
        timed: list[tuple[float, av.Packet[Any]]] = []
        for track in tracks:
            stream = container.add_stream_from_template(track.encoder.stream)
            for stored, packet in zip(track.packets, track.shifted(zero), strict=True):
                packet.stream = stream
                timed.append((stored.ticks / track.encoder.clock, packet))
        for _, packet in sorted(timed, key=itemgetter(0)):
            container.mux(packet)
    return sink.getvalue()


def fit(image: Image) -> Image:
    """The picture with even sides (as 4:2:0 colour needs) of at most ``MAX_SIDE``."""
    height, width = image.shape[:2]
    scale = MAX_SIDE / max(height, width)
    if scale < 1.0:
        size = (max(2, round(width * scale)), max(2, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        height, width = image.shape[:2]
    return image[: height // 2 * 2, : width // 2 * 2]
