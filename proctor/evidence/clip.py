"""Read a clip in memory. What comes out of a sealed file is untrusted, so everything is bounded.

A reviewer opens files that a stranger's machine made. Before FFmpeg sees one, its size and the counts
in its MP4 boxes are checked; FFmpeg may then use the two codecs our clips have and no other.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import av
import numpy as np
from av.container import InputContainer

from proctor.errors import CheckFailed
from proctor.types import Image

MAX_BYTES = 64_000_000  # a 60 s clip of 1280x720 takes about 10 MB
MAX_SECONDS = 120.0  # twice the longest clip a policy can ask for
MAX_PIXELS = 1920 * 1088  # more than encoders.MAX_SIDE squared
MAX_ENTRIES = (
    50_000  # samples, fragments and boxes; 120 s at 60 pictures a second need about 12 000
)
MAX_RATE = 48_000  # samples a second; ours have 16 000
# Seconds one call may compute (one thread decodes); the longest honest clip takes 0.8. Not by the clock: a laptop
# that is busy with other things must open it, too.
MAX_WORK_S = 4.0
_TOO_MUCH_WORK = f"The clip takes more than {MAX_WORK_S:.0f} s of computing to decode."

# Boxes that hold boxes, and where the number of entries stands in those that hold tables
# (bytes after the box header; ISO/IEC 14496-12).
_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf"}
_COUNT_AT = {b"stsz": 8, b"stz2": 8, b"trun": 4} | dict.fromkeys(
    (b"stts", b"ctts", b"stsc", b"stco", b"co64", b"stss", b"elst", b"stsd", b"sgpd"), 4
)
_OPTIONS = {"codec_whitelist": "h264,aac", "max_streams": "2", "enable_drefs": "0"}


class ClipError(CheckFailed):
    """The bytes are not a clip that is safe to open."""


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What is in a clip. ``duration`` is in seconds; sizes are 0 and rates 0 where a track is missing."""

    duration: float
    has_video: bool
    has_audio: bool
    width: int
    height: int
    pictures: int
    rate: int
    length: int


@dataclass(frozen=True, slots=True)
class Sound:
    """One channel of 16-bit samples, little-endian, at ``rate`` a second; 0 and empty where there is none."""

    rate: int
    samples: bytes


def info(data: bytes) -> ClipInfo:
    """Duration, tracks and picture size. Raises :class:`ClipError` with the reason when unsafe."""
    with _opened(data) as container:
        video = next(iter(container.streams.video), None)
        audio = next(iter(container.streams.audio), None)
        pictures, last = 0, 0.0
        for packet in container.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            pictures += video is not None and packet.stream_index == video.index
        return ClipInfo(
            duration=last,
            has_video=video is not None,
            has_audio=audio is not None,
            width=video.codec_context.width if video else 0,
            height=video.codec_context.height if video else 0,
            pictures=pictures,
            rate=audio.codec_context.sample_rate if audio else 0,
            length=len(data),
        )


def frames(data: bytes, times: Sequence[float]) -> list[Image]:
    """The picture shown at each of ``times`` (seconds from the clip's begin), H×W×3 BGR.

    A time before the first or after the last picture gets that one; a clip without pictures gives
    an empty list. Raises :class:`ClipError` with the reason when the clip is unsafe or damaged.
    """
    wanted = sorted(range(len(times)), key=lambda i: times[i])
    found: dict[int, Image] = {}
    with _opened(data) as container:
        if not container.streams.video:
            return []
        shown: av.VideoFrame | None = None
        for frame in _decode(container):
            # Every time before this picture is answered by the one shown until now.
            while wanted and shown is not None and times[wanted[0]] < frame.time:
                found[wanted.pop(0)] = _bgr(shown)
            shown = frame
            if not wanted:
                break
        if shown is None:
            raise ClipError("The clip says it has pictures, but none of them can be decoded.")
        for index in wanted:
            found[index] = _bgr(shown)
    return [found[i] for i in range(len(times))]


def sound(data: bytes) -> Sound:
    """The clip's sound, whole; no samples where it has none. Raises :class:`ClipError` as :func:`frames`."""
    with _opened(data) as container:
        if not container.streams.audio:
            return Sound(0, b"")
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        rate = stream.codec_context.sample_rate
        if not 0 < rate <= MAX_RATE:
            raise ClipError(
                f"The clip's sound has {rate} samples a second, which none of ours has."
            )
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        deadline = time.thread_time() + MAX_WORK_S
        parts, most = bytearray(), round(2 * rate * MAX_SECONDS)
        for frame in chain(container.decode(stream), (None,)):
            if frame is not None and not parts and frame.time is not None:
                # Sound that begins after the pictures begins with silence, so that both stay together.
                parts += bytes(2 * round(rate * min(max(frame.time, 0.0), MAX_SECONDS)))
            for part in resampler.resample(frame):
                parts += part.to_ndarray().astype("<i2", copy=False).tobytes()
            if len(parts) > most:
                raise ClipError("The clip has more sound than any of ours.")
            if time.thread_time() > deadline:
                raise ClipError(_TOO_MUCH_WORK)
        return Sound(rate, bytes(parts))


def _decode(container: InputContainer) -> Iterator[av.VideoFrame]:
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    deadline = time.thread_time() + MAX_WORK_S
    for frame in container.decode(stream):
        if time.thread_time() > deadline:
            raise ClipError(_TOO_MUCH_WORK)
        if frame.time is None or frame.time > MAX_SECONDS:
            raise ClipError("The clip has pictures at times that no clip of ours can have.")
        if frame.width * frame.height > MAX_PIXELS:
            raise ClipError(f"The clip's pictures grow to {frame.width}x{frame.height}.")
        yield frame


def _bgr(frame: av.VideoFrame) -> Image:
    return frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)


@contextmanager
def _opened(data: bytes) -> Iterator[InputContainer]:
    """The clip as an open container, after every check that needs no decoding."""
    if len(data) > MAX_BYTES:
        raise ClipError(f"The clip is larger than {MAX_BYTES // 1_000_000} MB.")
    _check_tables(data)
    try:
        with av.open(io.BytesIO(data), "r", format="mp4", options=dict(_OPTIONS)) as container:
            _check_streams(container)
            yield container
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise ClipError(f"The clip cannot be read as MP4 with H.264 and AAC ({error}).") from error


def _check_streams(container: InputContainer) -> None:
    codecs = sorted(s.codec_context.name if s.codec_context else "?" for s in container.streams)
    if codecs not in (["aac"], ["h264"], ["aac", "h264"]):
        raise ClipError(
            f"A clip holds H.264 and AAC; this one holds {', '.join(codecs) or 'nothing'}."
        )
    seconds = (container.duration or 0) / av.time_base
    if seconds > MAX_SECONDS:
        raise ClipError(
            f"The clip claims to last {seconds:.0f} s; none is longer than {MAX_SECONDS:.0f}."
        )
    for stream in container.streams.video:
        size = stream.codec_context.width * stream.codec_context.height
        if size > MAX_PIXELS or size == 0:
            raise ClipError(
                f"The clip's pictures are {stream.codec_context.width}x"
                f"{stream.codec_context.height}, which no clip of ours can be."
            )


def _check_tables(data: bytes) -> None:
    """Refuse an MP4 whose tables claim more entries than a clip can have.

    A few bytes can claim four thousand million samples, and FFmpeg would make room for them.
    """
    if data[4:8] != b"ftyp":
        raise ClipError("The clip is not an MP4 file.")
    view = memoryview(data)
    entries = 0
    todo = [(0, len(data))]
    while todo:
        at, end = todo.pop()
        while at + 8 <= end:
            size, kind, body = _box(view, at, end)
            entries += 1
            if kind in _CONTAINERS:
                todo.append((body, at + size))
            elif kind in _COUNT_AT:
                count = body + _COUNT_AT[kind]
                entries += int.from_bytes(view[count : min(count + 4, at + size)], "big")
            if entries > MAX_ENTRIES:
                raise ClipError("The clip's tables claim more entries than a clip can have.")
            at += size


def _box(view: memoryview, at: int, end: int) -> tuple[int, bytes, int]:
    """Size, type and where the body begins, of the MP4 box at ``at``."""
    size, kind, body = (
        int.from_bytes(view[at : at + 4], "big"),
        bytes(view[at + 4 : at + 8]),
        at + 8,
    )
    if size == 1 and at + 16 <= end:
        size, body = int.from_bytes(view[at + 8 : at + 16], "big"), at + 16
    elif size == 0:
        size = end - at
    if size < body - at or at + size > end:
        raise ClipError("The clip is damaged: one of its boxes does not fit in the file.")
    return size, kind, body
