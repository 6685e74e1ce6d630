"""Writes a small recording: H.264 pictures and AAC sound in one MP4 file, whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from proctor.errors import MissingError
from proctor.types import Image, Samples

WIDTH, HEIGHT = 640, 480
# Twice the agent's own grid of ten pictures a second; divides the sample rate.
FPS = 20
RATE = 16_000
# Standard deviation of a cheap webcam's luma noise by lamp light, in grey levels: about 1 to 3.
NOISE = 1.6
_NOISE_PLANES = 12
_KEY_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What is really to be seen or heard from ``start`` to ``end``; ``kind`` is empty for nothing."""

    start: float
    end: float
    kind: str
    title: str


class Movie:
    """One recording being written. Use as a context manager; the file appears when it is complete.

    ``key_every_s`` is the time between two pictures that stand by themselves, so that a player can
    jump there. ``picture`` takes 480×640×3 uint8 BGR, one for each 1/20 s, and ``sound`` mono int16 at 16 kHz.
    Camera-like noise from a fixed seed is laid over every picture, so that two are never the same.
    """

    def __init__(self, target: Path, *, key_every_s: float = _KEY_EVERY_S) -> None:
        self._target = target
        self._part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._part), "w", format="mp4")
        except OSError as error:
            raise MissingError(
                f"The recording {target} cannot be written ({error.strerror}); give another folder."
            ) from error
        self._video: VideoStream = self._container.add_stream("libx264", rate=FPS)
        self._video.width, self._video.height = WIDTH, HEIGHT
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.gop_size = round(key_every_s * FPS)
        self._video.codec_context.thread_count = 2
        self._video.codec_context.time_base = Fraction(1, FPS)
        self._video.options = {"preset": "superfast", "qp": "25", "bf": "0"}
        self._audio: AudioStream = self._container.add_stream("aac", rate=RATE, layout="mono")
        self._audio.bit_rate = 64_000
        planes = np.random.default_rng(20).normal(0.0, NOISE, (_NOISE_PLANES, HEIGHT, WIDTH))
        self._noise = planes.round().astype(np.int16)
        self._pictures = 0
        self._samples = 0

    def __enter__(self) -> Movie:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for stream in (self._video, self._audio):
                    self._container.mux(stream.encode(None))
            self._container.close()
            if kind is None:
                self._part.replace(self._target)
        finally:
            self._part.unlink(missing_ok=True)

    @property
    def seconds(self) -> float:
        """Seconds of pictures written so far."""
        return self._pictures / FPS

    def picture(self, image: Image, *, frozen: bool = False) -> None:
        """Append one picture. ``frozen`` repeats the noise of the picture before it, too."""
        if frozen:
            plane = self._last_plane
        else:
            # The planes move about, so that their cycle of twelve is no repetition either.
            plane = np.roll(
                self._noise[self._pictures % _NOISE_PLANES], self._pictures * 37 % WIDTH, axis=1
            )
            self._last_plane: npt.NDArray[np.int16] = plane
        yuv = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
        yuv[:HEIGHT] = cv2.add(yuv[:HEIGHT], plane, dtype=cv2.CV_8U)
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts, frame.time_base = self._pictures, Fraction(1, FPS)
        self._container.mux(self._video.encode(frame))
        self._pictures += 1

    def sound(self, samples: Samples) -> None:
        """Append mono samples at 16 kHz."""
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        frame.pts, frame.time_base = self._samples, Fraction(1, RATE)
        self._container.mux(self._audio.encode(frame))
        self._samples += len(samples)


def room_noise(seconds: float, rms: float = 25.0, seed: int = 7) -> npt.NDArray[np.float32]:
    """The quiet hiss of a room that is never digitally silent; ``rms`` in steps of 16-bit sound.

    25 is about -62 dB of full scale, a laptop microphone in a still room.
    """
    white = np.random.default_rng(seed).normal(0.0, 1.0, round(seconds * RATE) + 1)
    # Neighbours averaged: a gentle fall towards high frequencies, as in a room.
    soft: npt.NDArray[np.float32] = (white[1:] + white[:-1]).astype(np.float32)
    return soft * np.float32(rms / np.sqrt(2.0))
