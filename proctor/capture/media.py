"""Reading media files: which are let in, their tracks, damaged parts, and upright pictures."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import av.error
import cv2
import numpy as np
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.reformatter import Interpolation, VideoReformatter

from proctor.capture import boxes, pictures
from proctor.errors import InputError
from proctor.types import Image

Track = av.VideoStream | av.AudioStream
F = TypeVar("F", av.VideoFrame, av.AudioFrame)

# Only plain media files: a playlist or a concat list could make FFmpeg open other files or
# addresses (https://ffmpeg.org/ffmpeg-formats.html: format_whitelist, protocol_whitelist).
FORMATS = (
    "mov,matroska,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,flv,asf,gif,ogg,wav,w64,aiff,au,flac,"
    "mp3,aac,ac3,amr,caf,image2,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe"
)
# 8K with room to spare; a hostile header may claim 100000x1 or 65535x65535.
MOST_PIXELS_A_SIDE = 8192
FEWEST_PIXELS_A_SIDE = 16
OPTIONS = {
    "format_whitelist": FORMATS,
    "protocol_whitelist": "file",
    # A picture is one file, also when its name looks like a numbered series.
    "pattern_type": "none",
    "max_pixels": str(MOST_PIXELS_A_SIDE**2),
}
# Pixels of anamorphic video are at most 4:1 in practice; anything beyond is a damaged header.
MOST_PIXEL_ASPECT = 4
# A demuxer that fails this often in a row has no way ahead (a truncated MP4 fails once a packet).
MOST_FAILURES_IN_A_ROW = 200
# These swallow packets whose key frame is missing without an error; a packet is a picture in them.
SILENT_DECODERS = frozenset({"h264", "hevc"})
# Timestamps that jump back further than this belong to a second recording in the same file.
RESTART_S = 1.0
# Pictures that come without any time follow each other at this rate.
USUAL_RATE = Fraction(25)
EXAMPLES = "give a video or audio file, for instance MP4, WebM, MKV, WAV or FLAC"


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The file at ``path``, its headers read; :class:`InputError` says why it is not usable."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist or is not a file"
            raise InputError(f"The recording {path} {what}; {EXAMPLES}.")
        if path.stat().st_size == 0:
            raise InputError(f"The recording {path} is empty (0 bytes); record or copy it anew.")
        problem = boxes.too_much(path)
        if problem:
            raise InputError(f"The recording {path} is damaged: {problem}. Record or copy it anew.")
        # An absolute name, so that "http:x" or "concat:a" in it cannot name a protocol.
        container = av.open(str(path.resolve()), options=OPTIONS, metadata_errors="ignore")
    except av.error.PermissionError as error:
        raise InputError(f"The recording {path} may not be read; allow reading it.") from error
    except av.error.FFmpegError as error:
        raise InputError(
            f"{path} is not a media file that can be read here, or its beginning or index is "
            f"missing; {EXAMPLES}."
        ) from error
    except OSError as error:
        raise InputError(f"The recording {path} cannot be read ({error.strerror}).") from error
    with container:
        yield container


def tracks(container: InputContainer) -> tuple[av.VideoStream | None, av.AudioStream | None]:
    """The first picture track that is no cover art and the first sound track with a decoder."""
    videos = (
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic
    )
    audios = (stream for stream in container.streams.audio if stream.codec_context is not None)
    return next(videos, None), next(audios, None)


def seconds(stamp: int | None, base: Fraction | None) -> float | None:
    """A timestamp in units of ``base`` as seconds."""
    if stamp is None or base is None:
        return None
    # As exact as the product of fractions, which would be reduced for every frame.
    return stamp * base.numerator / base.denominator


@dataclass(slots=True)
class Damage:
    """What of a recording could not be used, and where it ends too early."""

    pieces: int = 0
    restarts: int = 0
    stops_at: float | None = None
    declared: float = 0.0

    def sentence(self, name: str) -> str:
        """The damage in words; empty when there is none."""
        parts = []
        if self.pieces:
            pieces = "1 damaged piece" if self.pieces == 1 else f"{self.pieces} damaged pieces"
            parts.append(f"{pieces} could not be read in full")
        if self.restarts:
            parts.append(f"its clock starts anew {self.restarts}×")
        if self.stops_at is not None:
            declared = f"although its header says {self.declared:.1f} s"
            parts.append(f"it stops at {self.stops_at:.1f} s {declared}")
        if not parts:
            return ""
        return f"The recording {name} is damaged: {', '.join(parts)}. The rest of it was used."


class Timeline:
    """Timestamps of one track as seconds from ``zero`` that never jump back by RESTART_S."""

    def __init__(self, zero: float, damage: Damage) -> None:
        self.end = 0.0
        self._offset = -zero
        self._damage = damage

    def place(self, stamp: float | None, lasts: float) -> float:
        """Second of an item that carries ``stamp`` (``None``: right after the last)."""
        t = self.end if stamp is None else stamp + self._offset
        if t < self.end - RESTART_S:
            self._offset += self.end - t
            self._damage.restarts += 1
            t = self.end
        self.end = max(self.end, t + lasts)
        return t


def decoded(
    container: InputContainer, track: Track, kind: type[F], damage: Damage
) -> Generator[F, None, None]:
    """Every frame of one track that can be decoded; what cannot is counted in ``damage``."""
    for other in container.streams:
        if other.index != track.index:
            other.discard = Discard.all
    # One thread: more cost CPU and memory and win no time beside the networks (decision 0005).
    track.codec_context.thread_count = 1
    track.codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
    packets = container.demux(track)
    failures = sent = given = failed = 0
    while failures < MOST_FAILURES_IN_A_ROW:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except IndexError:
            # PyAV stumbles over a packet of a track that only appears in mid-file: not ours.
            packets = container.demux(track)
            continue
        except av.error.FFmpegError:
            damage.pieces += 1
            failures += 1
            packets = container.demux(track)
            continue
        failures = 0
        sent += packet.size > 0
        frames = _decode(packet)
        if frames is None:
            failed += 1
            damage.pieces += 1
            continue
        # Frames of 8K are 50 MB each: none is kept after it was looked at.
        while frames:
            frame = frames.pop(0)
            if isinstance(frame, kind):
                given += 1
                damage.pieces += frame.is_corrupt
                yield frame
    if track.codec_context.name in SILENT_DECODERS:
        damage.pieces += max(0, sent - given - failed)


def _decode(packet: av.Packet[Any]) -> list[Any] | None:
    """The frames that ``packet`` completes; ``None`` when it is damaged."""
    try:
        return packet.decode()
    except av.error.EOFError:
        return []
    except av.error.FFmpegError:
        return None


def check_size(path: Path, width: int, height: int) -> None:
    """:class:`InputError` for pictures too large to decode safely or too small to see anything."""
    if not all(FEWEST_PIXELS_A_SIDE <= side <= MOST_PIXELS_A_SIDE for side in (width, height)):
        raise InputError(
            f"The pictures in {path} are {width}×{height} pixels; each side must have "
            f"{FEWEST_PIXELS_A_SIDE} to {MOST_PIXELS_A_SIDE}. Export it in a usual size."
        )


@dataclass(frozen=True, slots=True)
class Upright:
    """How stored pictures become upright BGR pictures of ``width`` × ``height`` pixels.

    ``quarters`` counts clockwise quarter turns; ``mirrored`` is a left-right flip after them.
    """

    width: int
    height: int
    quarters: int
    mirrored: bool

    @classmethod
    def of(cls, frame: av.VideoFrame, aspect: Fraction | None, long_side: int) -> Upright:
        """From the first frame's size and display matrix, and the shape of its pixels."""
        quarters, mirrored = _display_matrix(frame)
        width, height = _square_pixels(frame, aspect)
        if quarters % 2:
            width, height = height, width
        return cls(*pictures.fit(width, height, long_side), quarters, mirrored)

    def convert(
        self, frame: av.VideoFrame, aspect: Fraction | None, scaler: VideoReformatter
    ) -> Image:
        """The upright picture, C-contiguous and read-only.

        One pass of swscale both scales and converts, and honours the file's colour matrix and
        range; it is the cheapest correct way (benchmarks/decode.py). A frame whose size changed in
        mid-file (as browsers record) is fitted in with black borders.
        """
        width, height = _square_pixels(frame, aspect)
        if self.quarters % 2:
            width, height = height, width
        inner = pictures.fit_into(width, height, (self.width, self.height))
        stored = inner[::-1] if self.quarters % 2 else inner
        converted = scaler.reformat(
            frame,
            width=stored[0],
            height=stored[1],
            format="bgr24",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        image: Image = np.asarray(converted.to_ndarray(), dtype=np.uint8)
        if self.quarters:
            image = np.asarray(cv2.rotate(image, _TURNS[self.quarters]), dtype=np.uint8)
        if self.mirrored:
            image = image[:, ::-1]
        image = pictures.letterbox(image, self.width, self.height)
        return pictures.sealed(np.ascontiguousarray(image))


_TURNS = {
    1: cv2.ROTATE_90_CLOCKWISE,
    2: cv2.ROTATE_180,
    3: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def _square_pixels(frame: av.VideoFrame, aspect: Fraction | None) -> tuple[float, float]:
    """Width and height as seen, were the pixels square; never larger than stored."""
    ratio = float(aspect or 1)
    if not 1 / MOST_PIXEL_ASPECT <= ratio <= MOST_PIXEL_ASPECT:
        ratio = 1.0
    if ratio > 1.0:
        return frame.width, frame.height / ratio
    return frame.width * ratio, frame.height


def _display_matrix(frame: av.VideoFrame) -> tuple[int, bool]:
    """Clockwise quarter turns, and whether the picture is mirrored left to right after them.

    The matrix maps (x, y) to (a x + c y, b x + d y), as libavutil/display.h defines it.
    """
    attached: Any = frame.side_data
    try:
        side = attached["DISPLAYMATRIX"]
    except KeyError:
        return 0, False
    a, b, _, c, d = (int(number) for number in np.frombuffer(bytes(side), np.int32)[:5])
    mirrored = a * d - b * c < 0
    degrees = math.degrees(math.atan2(b, -a if mirrored else a))
    return round(degrees / 90) % 4, mirrored
