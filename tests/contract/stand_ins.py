"""Stand-ins for the devices that this machine does not have, and what keeps what comes from them.

They play through the interfaces of ``cv2.VideoCapture`` and ``sounddevice.RawInputStream``, each with a time
of its own: a busy machine lets them run later, but never in another order or at another pace.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from proctor.capture.microphone import FormatRefused
from proctor.clock import SessionClock
from proctor.types import AudioChunk, Frame, Marker

# A device here hangs for so long (s).
BLOCKS_S = 60.0


class DeviceTime(SessionClock):
    """The session's clock where only a stand-in makes time pass: its ``now``, in seconds."""

    def __init__(self, device: StandInCamera | StandInMicrophone) -> None:
        super().__init__()
        object.__setattr__(self, "device", device)

    __slots__ = ("device",)

    def now(self) -> float:
        return float(self.device.now)  # type: ignore[attr-defined]


class Kept:
    """A sink that keeps all it gets."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.chunks: list[AudioChunk] = []
        self.events: list[Marker] = []

    def frame(self, frame: Frame) -> None:
        self.frames.append(frame)

    def audio(self, chunk: AudioChunk) -> None:
        self.chunks.append(chunk)

    def event(self, marker: Marker) -> None:
        self.events.append(marker)

    def kinds(self) -> list[str]:
        return [marker.kind for marker in self.events]

    def samples(self) -> int:
        return len(self.frames) + len(self.chunks)


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class StandInCamera:
    """Plays a clip round and round at 30 frames a second, as ``cv2.VideoCapture`` would."""

    def __init__(self, clip: Path) -> None:
        capture = cv2.VideoCapture(str(clip))
        self.clip = [capture.read()[1] for _ in range(60)]
        self.shown = 0
        self.opens = True
        self.gives = True
        self.change: Callable[[Any], Any] = lambda image: image
        self.block = threading.Event()
        self.block.set()
        self.opened = self.released = 0
        self.now = 0.0

    def __call__(self, device: int | str) -> StandInCamera:
        self.opened += 1
        return self

    def isOpened(self) -> bool:  # noqa: N802
        return self.opens

    def set(self, prop: int, value: float) -> bool:
        return True

    def grab(self) -> bool:
        self.block.wait(BLOCKS_S)
        time.sleep(1 / 30)
        self.shown += 1
        self.now = self.shown / 30
        return self.gives

    def retrieve(self) -> tuple[bool, Any]:
        return True, self.change(self.clip[self.shown % len(self.clip)].copy())

    def release(self) -> None:
        self.released += 1


class StandInMicrophone:
    """Calls back with a 440 Hz tone in real time, as ``sounddevice.RawInputStream`` would."""

    def __init__(self) -> None:
        self.formats: set[tuple[int, int]] = {(16000, 1)}
        self.native = 48000
        self.opens = True
        self.silent = False
        self.overflow = False
        self.stall_s = self.swallow_s = 0.0
        self.opened = self.closed = 0
        self.now = 0.0

    def __call__(
        self, *, samplerate: int | None, channels: int, callback: Any, **rest: Any
    ) -> StandInStream:
        rate = samplerate or self.native
        if not self.opens or (rate, channels) not in self.formats:
            raise FormatRefused("Invalid sample rate")
        assert rest["dtype"] == "int16"
        self.opened += 1
        return StandInStream(self, rate, channels, callback)


class StandInStream:
    def __init__(self, device: StandInMicrophone, rate: int, channels: int, callback: Any) -> None:
        self.device, self.samplerate, self.channels = device, float(rate), channels
        self.callback, self.active = callback, True
        self.thread = threading.Thread(target=self._call, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def close(self) -> None:
        self.active = False
        self.device.closed += 1
        self.thread.join()

    def _call(self) -> None:
        rate = int(self.samplerate)
        size, done, began, start = rate // 20, 0, time.monotonic(), self.device.now
        while self.active:
            time.sleep(max(0.0, began + (done + size) / rate - time.monotonic()))
            stall, self.device.stall_s = self.device.stall_s, 0.0
            time.sleep(stall)
            t = (done + np.arange(size)) / rate
            done += size
            # After a stall what is late comes at once, until the device has caught up.
            self.device.now = max(self.device.now + stall, start + done / rate)
            if self.device.silent:
                continue
            if self.device.swallow_s > 0:
                self.device.swallow_s -= size / rate
                continue
            wave = (np.sin(2 * np.pi * 440 * t) * 16000).astype(np.int16)
            stamp = SimpleNamespace(currentTime=1.0, inputBufferAdcTime=1.0 - size / rate)
            status = SimpleNamespace(input_overflow=self.device.overflow)
            self.device.overflow = False
            self.callback(np.repeat(wave, self.channels).tobytes(), size, stamp, status)
