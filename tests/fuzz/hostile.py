"""Media files made to take all memory or time, or to crash a decoder: made here, stored nowhere.

Each is a few bytes to a few hundred kilobytes. What they try, and what came of it: docs/evidence.md.
"""

from __future__ import annotations

import io
import random
import struct
import wave
import zlib
from collections.abc import Iterator

import av
import numpy as np

from proctor.evidence.ring import Ring
from proctor.types import AudioChunk, Frame

# MP4 boxes (ISO/IEC 14496-12) whose fields are bent below.
_TEN_HOURS = 36_000


def clip() -> bytes:
    """A clip of ours, 3 s with sound: what the others are bent from."""
    ring, rng = Ring(), np.random.default_rng(11)
    wall = rng.integers(0, 256, (15, 20, 3), dtype=np.uint8)
    for number in range(30):
        picture = np.kron(np.roll(wall, number, axis=1), np.ones((8, 8, 1), np.uint8))
        ring.frame(Frame(number / 10, number, picture))
        sound = rng.integers(-900, 900, 1600, dtype=np.int16)
        ring.audio(AudioChunk(number / 10, number, sound, 16_000))
    return ring.cut("f", 0.0, 3.0).data


def film(
    codec: str, container: str, width: int, height: int, pictures: int = 2, rate: int = 10
) -> bytes:
    """A film of plain grey in any codec, however large: grey takes no room."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height = width, height
        stream.codec_context.thread_count = 1
        if codec == "libx264":
            stream.options = {"preset": "ultrafast"}
        formats = [f.name for f in stream.codec_context.codec.video_formats or ()]
        stream.pix_fmt = "yuv420p" if "yuv420p" in formats else formats[0]
        frame = av.VideoFrame(width, height, stream.pix_fmt)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for number in range(pictures):
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return sink.getvalue()


def sound(codec: str, container: str, seconds: float = 1.0) -> bytes:
    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as file:
        stream = file.add_stream(codec, rate=48_000, layout="mono")
        samples = np.zeros((1, int(48_000 * seconds)), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
        frame.sample_rate = 48_000
        resampler = av.AudioResampler(stream.codec_context.format, "mono", 48_000)
        for piece in resampler.resample(frame):
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return sink.getvalue()


def png(width: int, height: int, rows: int) -> bytes:
    """A PNG that claims ``width`` × ``height`` pixels and holds ``rows`` rows of zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    squeezed = zlib.compressobj(9)
    body = b"".join(squeezed.compress(bytes(1 + 3 * width)) for _ in range(rows)) + squeezed.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def riff(rate: int, channels: int, bits: int, claimed: int, data: bytes) -> bytes:
    """A WAV file whose header claims what it likes."""
    block = min(65_535, max(1, channels * bits // 8))
    kind = struct.pack("<HHIIHH", 1, channels, rate, min(2**32 - 1, rate * block), block, bits)
    return (
        b"RIFF" + struct.pack("<I", claimed) + b"WAVEfmt " + struct.pack("<I", 16) + kind
        + b"data" + struct.pack("<I", claimed) + data
    )  # fmt: skip


def plain_wav() -> bytes:
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.random.default_rng(2).integers(-99, 99, 16_000, np.int16).tobytes())
    return sink.getvalue()


def with_number(data: bytes, box: bytes, at: int, number: int) -> bytes:
    """``data`` with the 32-bit number ``at`` bytes into the body of its first such ``box`` replaced."""
    place = data.index(box) + 4 + at
    return data[:place] + struct.pack(">I", number) + data[place + 4 :]


def larger_inside(small: bytes, large: bytes) -> bytes:
    """The film ``large`` in a container that claims the size of ``small``: the decoder finds out."""
    bent = large
    for box, at in ((b"tkhd", 76), (b"avc1", 24)):
        place, model = large.index(box) + 4 + at, small.index(box) + 4 + at
        length = 8 if box == b"tkhd" else 4
        bent = bent[:place] + small[model : model + length] + bent[place + length :]
    return bent


def mutated(data: bytes, seed: int, head: int = 2_000) -> bytes:
    """``data`` with one to eight pieces flipped, cut out, doubled, or set to extreme values."""
    rng, bent = random.Random(seed), bytearray(data)  # noqa: S311 (it has to be the same every time)
    for _ in range(rng.randint(1, 8)):
        where = rng.randrange(min(len(bent), head if rng.random() < 0.7 else len(bent)))
        length = rng.choice((1, 2, 4, 8, 64))
        piece = bent[where : where + length]
        change = rng.randrange(5)
        if change == 0:
            bent[where] ^= 1 << rng.randrange(8)
        elif change == 1:
            del bent[where : where + length]
        elif change == 2:
            bent[where:where] = piece * rng.choice((1, 50))
        else:
            bent[where : where + length] = (b"\xff" if change == 3 else b"\x7f") * len(piece)
    return bytes(bent)


def files(mutations: int) -> Iterator[tuple[str, bytes]]:
    """Every hostile file with a name that says what it tries, and ``mutations`` of each plain one."""
    ours = clip()
    yield "nothing.mp4", b""
    yield "a-text.mp4", b"once upon a time"
    yield "zeros.mp4", bytes(100_000)
    yield "an-archive.mp4", b"PK\x03\x04" + bytes(2000)
    yield "a-playlist.mp4", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"
    yield "a-concat-list.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"
    yield "only-its-begin.mp4", ours[:700]
    yield "half.mp4", ours[: len(ours) // 2]
    yield "without-its-end.mp4", ours[:-40]
    yield "ten-hours-in-its-header.mp4", with_number(ours, b"mvhd", 16, _TEN_HOURS * 1000)
    yield "ten-hours-between-pictures.mp4", film("libx264", "mp4", 64, 64, rate=1)
    yield "a-table-of-billions.mp4", with_number(ours, b"trun", 4, 0xFFFFFFFF)
    yield "a-table-of-millions.mp4", with_number(ours, b"trun", 4, 0x01200000)
    bare = with_number(ours, b"trun", 0, 0)
    yield "a-table-of-millions-without-entries.mp4", with_number(bare, b"trun", 4, 0x01200000)
    yield "a-track-id-of-billions.mp4", with_number(ours, b"tfhd", 4, 0xFFFFFFFF)
    yield (
        "boxes-in-boxes.mp4",
        ours[:32]
        + struct.pack(">I4s", 8 * 40_000, b"moov") * 1
        + b"".join(struct.pack(">I4s", 8 * (40_000 - n), b"trak") for n in range(1, 40_000)),
    )
    large = film("libx264", "mp4", 7680, 4320)
    yield "eight-thousand-pixels.mp4", large
    yield "larger-inside-than-outside.mp4", larger_inside(ours, large)
    yield "four-thousand-inside.mp4", larger_inside(ours, film("libx264", "mp4", 4096, 2304, 24))
    yield "a-line-of-pixels.mp4", film("libx264", "mp4", 16_000, 2)
    for codec, container in (
        ("mpeg4", "mp4"), ("libvpx-vp9", "mp4"), ("libx265", "mp4"), ("ffv1", "matroska"),
        ("png", "mov"), ("libvpx", "webm"), ("gif", "gif"),
    ):  # fmt: skip
        yield f"codec-{codec}.{container}", film(codec, container, 64, 64, 5)
    yield "a-line-in-matroska.mkv", film("ffv1", "matroska", 100_000, 1)
    yield "two-thousand.webm", film("libvpx", "webm", 2048, 2048, 1)
    yield "a-line-in-a-picture.png", png(100_000, 1, 1)
    yield "a-column-in-a-picture.png", png(1, 100_000, 100_000)
    yield "a-bomb-in-a-picture.png", png(8000, 8000, 8000)
    yield "a-large-bomb-in-a-picture.png", png(30_000, 30_000, 300)
    yield "billions-of-pixels.png", png(2**31 - 1, 2**31 - 1, 0)
    yield "four-gigabytes.wav", riff(16_000, 1, 16, 2**32 - 1, bytes(64_000))
    yield "ten-hours.wav", riff(8, 1, 8, 8 * _TEN_HOURS, bytes(8 * 100))
    yield "no-rate.wav", riff(0, 1, 16, 32_000, bytes(32_000))
    yield "billions-of-samples-a-second.wav", riff(2**31 - 1, 1, 16, 32_000, bytes(32_000))
    yield "no-channels.wav", riff(16_000, 0, 16, 32_000, bytes(32_000))
    yield "thousands-of-channels.wav", riff(16_000, 65_535, 16, 32_000, bytes(200_000))
    yield "bits.wav", riff(16_000, 1, 65_535, 32_000, bytes(32_000))
    yield "sound.flac", sound("flac", "flac")
    plain = {
        "mp4": ours,
        "webm": film("libvpx", "webm", 160, 120, 20),
        "vp9.webm": film("libvpx-vp9", "webm", 160, 120, 20),
        "mkv": film("ffv1", "matroska", 160, 120, 5),
        "mp3": sound("mp3", "mp3"),
        "wav": plain_wav(),
    }
    for kind, data in plain.items():
        yield f"plain.{kind}", data
        for seed in range(mutations if kind != "mp4" else 4 * mutations):
            yield f"mutated-{seed}.{kind}", mutated(data, seed)
