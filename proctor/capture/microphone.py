"""The microphone: sounddevice, 16 kHz mono int16, gaps marked, found again when it was lost."""

from __future__ import annotations

import queue
import sys
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import av
import numpy as np

from policies.consent import Grant
from proctor.capture import sound
from proctor.capture.device import LOOK_S, Attempt, LiveDevice, Patience
from proctor.capture.naming import DeviceFacts, microphone_facts
from proctor.capture.source import Sink
from proctor.clock import SessionClock
from proctor.errors import DeviceError

# On a busy machine callbacks come late, then several at once, and no sample is lost: only what is
# late for all of this time, by more than that, was lost without PortAudio flagging it.
WINDOW_S = 2.0
JITTER_S = 0.25
# Blocks waiting for our thread; when more come, something hangs and the loss is marked instead.
MOST_WAITING = 100
# Longest input latency that is believed; some drivers report none or nonsense.
MOST_LATENCY_S = 1.0
# (samples a second, channels) to ask for in turn; None is the device's own rate.
FORMATS: tuple[tuple[int | None, int], ...] = ((sound.RATE, 1), (None, 1), (None, 2))


class AudioStream(Protocol):
    """What is used of ``sounddevice.RawInputStream``."""

    @property
    def samplerate(self) -> float: ...

    @property
    def channels(self) -> int: ...

    @property
    def active(self) -> bool: ...

    def start(self) -> None: ...

    def close(self) -> None: ...


class FormatRefused(DeviceError):
    """The device, or the sound system, does not open in this format."""


def open_microphone(**settings: Any) -> AudioStream:
    """``sounddevice.RawInputStream``; :class:`FormatRefused` when it does not open so."""
    try:
        import sounddevice
    except OSError as error:
        raise DeviceError(
            "Sound input needs the library PortAudio; install it (on Debian and Ubuntu: "
            "sudo apt install libportaudio2) and start again."
        ) from error
    try:
        stream: AudioStream = sounddevice.RawInputStream(**settings)
    except (sounddevice.PortAudioError, ValueError) as error:
        # PortAudio lists the devices once, when it starts: without a new start a microphone that
        # is plugged in later is never seen (https://github.com/spatialaudio/python-sounddevice).
        sounddevice._terminate()
        sounddevice._initialize()
        raise FormatRefused(str(error)) from error
    return stream


@dataclass(frozen=True, slots=True)
class _Block:
    """Raw samples as the callback got them; ``latency`` is the age of the first, if known."""

    arrived: float
    latency: float | None
    data: bytes
    broken: bool


class _Pace:
    """The time of each block of one stream: its count of samples, anchored to the clock.

    The anchor is the earliest that any block of the last WINDOW_S came, for a block can be handed
    over late, but never early.
    """

    def __init__(self) -> None:
        self._counted = 0.0
        self._anchors: deque[tuple[float, float]] = deque()

    def place(self, start: float, lasts: float, broken: bool) -> float:
        """When the first sample of a block was taken, which by the clock was ``start``."""
        if broken:
            self._anchors.clear()
        while self._anchors and self._anchors[0][0] < self._counted - WINDOW_S:
            self._anchors.popleft()
        self._anchors.append((self._counted, start - self._counted))
        t = self._counted + min(anchor for _, anchor in self._anchors)
        self._counted += lasts
        return t


class Microphone(LiveDevice):
    """Chunks of ``block_s`` seconds at ``rate``, in order; a device of another format is converted."""

    def __init__(
        self,
        grant: Grant,
        clock: SessionClock,
        device: int | str | None = None,
        rate: int = sound.RATE,
        block_s: float = sound.BLOCK_S,
        open_stream: Callable[..., AudioStream] = open_microphone,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(grant, "microphone", clock, patience or Patience())
        self._device = device
        self._rate = rate
        self._block_s = block_s
        self._open_stream = open_stream
        # One for the device's whole life: time without sound between two attempts is a gap.
        self._blocks = sound.MonoBlocks(rate, block_s, JITTER_S)
        self._format_told = False

    def facts(self) -> DeviceFacts:
        """What the sound system says of this microphone, without recording from it."""
        return microphone_facts(self._device)

    def _read(self, attempt: Attempt, sink: Sink) -> None:
        waiting: queue.SimpleQueue[_Block] = queue.SimpleQueue()
        with closing(self._open(waiting)) as stream:
            rate, channels = round(stream.samplerate), stream.channels
            if (rate, channels) != (self._rate, 1):
                self._tell_format(sink, rate, channels)
            pace = _Pace()
            stream.start()
            while attempt.wanted():
                try:
                    block = waiting.get(timeout=LOOK_S)
                except queue.Empty:
                    if not stream.active:
                        break
                    continue
                if not attempt.wanted():
                    break
                attempt.sample()
                frame = _frame(block.data, rate, channels)
                lasts = frame.samples / rate
                age = lasts if block.latency is None else block.latency
                t = pace.place(block.arrived - age, lasts, block.broken)
                for chunk in self._blocks.feed(frame, t, block.broken):
                    sink.audio(chunk)
        # The rest of the last block, unless a later attempt fills it or consent is gone.
        if self._grant.live and self._attempt is attempt:
            for chunk in self._blocks.finish():
                sink.audio(chunk)

    def _open(self, waiting: queue.SimpleQueue[_Block]) -> AudioStream:
        """The first format that the device can do; the last error when it can do none."""
        problem: FormatRefused | None = None
        for rate, channels in FORMATS:
            wanted = self._rate if rate == sound.RATE else rate
            callback = self._callback(waiting)
            try:
                stream = self._open_stream(
                    samplerate=wanted,
                    channels=channels,
                    device=self._device,
                    dtype="int16",
                    blocksize=0 if wanted is None else round(wanted * self._block_s),
                    callback=callback,
                )
            except FormatRefused as error:
                problem = error
                continue
            return stream
        raise DeviceError(f"{self._refused()} (The sound system answered: {problem})")

    def _callback(self, waiting: queue.SimpleQueue[_Block]) -> Callable[..., None]:
        lost = False

        def callback(data: Any, frames: int, time: Any, status: Any) -> None:
            """Called by PortAudio's own thread: notes time, copies, and returns."""
            nonlocal lost
            latency = time.currentTime - time.inputBufferAdcTime
            known = latency if 0.0 < latency <= MOST_LATENCY_S else None
            lost = lost or bool(status.input_overflow)
            if waiting.qsize() >= MOST_WAITING:
                lost = True
                return
            waiting.put(_Block(self._clock.now(), known, bytes(data), lost))
            lost = False

        return callback

    def _tell_format(self, sink: Sink, rate: int, channels: int) -> None:
        if not self._format_told:
            self._format_told = True
            self._event(
                sink,
                "device.format",
                f"The microphone gives {rate} samples a second on {channels} channels; "
                f"they are converted to {self._rate} on one.",
            )

    def _refused(self) -> str:
        if sys.platform == "darwin":
            return (
                "The microphone cannot be used; allow it in System Settings › Privacy & Security "
                "› Microphone for this program, then start it again."
            )
        if sys.platform == "win32":
            return (
                "The microphone cannot be used; allow it in Settings › Privacy & security › "
                "Microphone ('Let desktop apps access your microphone')."
            )
        return (
            "The microphone cannot be used; plug one in, see in the sound settings that it is "
            "chosen and not muted, and that this account may use sound (group audio)."
        )


def _frame(data: bytes, rate: int, channels: int) -> av.AudioFrame:
    samples = np.frombuffer(data, np.int16).reshape(1, -1)
    layout = "mono" if channels == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
    frame.sample_rate = rate
    return frame
