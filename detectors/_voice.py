"""Voice or not, 32 ms at a time: WebRTC's voice detector opens the gate, Silero decides.

One :class:`Ear` a session is shared by every plug-in that listens, so that a block of sound is
judged once.

Silero VAD 6 (Silero Team, 2024, MIT) is run directly in ONNX Runtime: ``input`` float32
[1, 64 + 512] (the last 64 samples of the window before, then the new ones), ``state``
[2, 1, 128], ``sr`` 16000.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import webrtcvad

from detectors._sound import RATE, WINDOW, WINDOW_S, Fitness, Floats, SoundCheck
from proctor.pipeline.detector import Context
from proctor.types import AudioChunk, Samples

MODEL = "silero_vad"
CONTEXT = 64
# The middle of Silero's probability, the value its authors recommend.
IS_VOICE = 0.5

# WebRTC's detector works on 10, 20 or 30 ms. Level 0 (of 0-3) lets most through: with read speech
# turned down by 20 dB over a hiss of -60 dBFS it loses 1.1 % of Silero's voice windows, level 2
# 7.4 % and level 3 about a fifth. In a quiet room it still spares the network 98 % of the windows.
GATE_LEVEL = 0
GATE_FRAME_BYTES = 2 * (RATE * 30 // 1000)
# The gate stays open for half a second, and on opening the network first hears the third of a
# second before, so that neither pauses between words nor soft onsets are lost.
GATE_HANG = 16
GATE_PRE_ROLL = 10

# Longer pieces than this cannot be dated well; capture delivers 0.1 s.
LONGEST_PIECE_S = 10.0


@dataclass(frozen=True, slots=True)
class Window:
    """32 ms of sound from ``t`` on: 512 samples, Silero's probability of voice, and its fitness."""

    t: float
    samples: Samples
    voice: float
    fitness: Fitness


@dataclass(frozen=True, slots=True)
class Heard:
    """The windows completed by one chunk. ``restarted``: they do not join on to those before.

    ``problem`` says why the chunk could not be judged at all; there are no windows then.
    """

    windows: tuple[Window, ...] = ()
    restarted: bool = False
    problem: str = ""


class Silero:
    """The network and its memory. Feed it consecutive windows."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        # One thread, no spinning: a window takes 0.15 ms, and the exam needs the machine.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(RATE, np.int64)
        self.reset()

    def reset(self) -> None:
        self._input = np.zeros((1, CONTEXT + WINDOW), np.float32)
        self._state = np.zeros((2, 1, 128), np.float32)

    def follow(self, window: Floats) -> None:
        """Take ``window`` as the one just before the next, without judging it."""
        self._input[0, CONTEXT:] = window

    def probability(self, window: Floats) -> float:
        """Probability (0…1) that ``window`` (512 float32, -1…1) holds voice."""
        self._input[0, :CONTEXT] = self._input[0, WINDOW:]
        self._input[0, CONTEXT:] = window
        feed = {"input": self._input, "state": self._state, "sr": self._rate}
        answer, self._state = self._session.run(None, feed)
        return float(answer[0, 0])


class Gate:
    """WebRTC's detector over a stream: does the newest sound resemble speech at all?"""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._vad = webrtcvad.Vad(GATE_LEVEL)
        self._rest = b""

    def resembles_speech(self, samples: Samples) -> bool:
        """Whether any 30 ms frame completed by ``samples`` does."""
        data = self._rest + samples.tobytes()
        whole = len(data) - len(data) % GATE_FRAME_BYTES
        self._rest = data[whole:]
        frames = (data[i : i + GATE_FRAME_BYTES] for i in range(0, whole, GATE_FRAME_BYTES))
        # Counted, not any(): the detector adapts to the room with every frame it hears.
        return sum(bool(self._vad.is_speech(frame, RATE)) for frame in frames) > 0


class Ear:
    """Cuts a stream of chunks of any length into judged windows. Never raises on odd sound."""

    def __init__(self, path: Path) -> None:
        self._net = Silero(path)
        self._gate = Gate()
        self._check = SoundCheck()
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next chunk comes after a gap."""
        self._net.reset()
        self._gate.reset()
        self._check.reset()
        self._rest = np.zeros(0, np.int16)
        self._open_for = 0
        self._skipped: deque[Floats] = deque(maxlen=GATE_PRE_ROLL + 1)
        self._fresh = True
        self._chunk: AudioChunk | None = None
        self._heard = Heard()

    def hear(self, chunk: AudioChunk) -> Heard:
        """The windows that ``chunk`` completes; the same answer again for the same chunk."""
        if chunk is self._chunk:
            return self._heard
        problem = _problem(chunk)
        if problem or chunk.gap > 0.0:
            self.reset()
        self._heard = Heard(problem=problem) if problem else self._windows(chunk)
        self._chunk = chunk
        return self._heard

    def _windows(self, chunk: AudioChunk) -> Heard:
        t = chunk.t - len(self._rest) / RATE
        samples = np.concatenate((self._rest, chunk.samples))
        whole = len(samples) - len(samples) % WINDOW
        self._rest = samples[whole:]
        found = []
        for start in range(0, whole, WINDOW):
            piece = samples[start : start + WINDOW]
            sound = piece.astype(np.float32) / np.float32(32768.0)
            fitness = self._check.look(sound)
            voice = self._judge(piece, sound)
            found.append(Window(t + start / RATE, piece, voice, fitness))
        heard = Heard(tuple(found), restarted=self._fresh and bool(found))
        self._fresh = self._fresh and not found
        return heard

    def _judge(self, piece: Samples, sound: Floats) -> float:
        if self._gate.resembles_speech(piece):
            self._open_for = GATE_HANG + 1
        if self._open_for <= 0:
            self._skipped.append(sound)
            return 0.0
        self._open_for -= 1
        if len(self._skipped) > GATE_PRE_ROLL:
            self._net.follow(self._skipped.popleft())
        while self._skipped:
            self._net.probability(self._skipped.popleft())
        return self._net.probability(sound)


def shared_ear(context: Context) -> Ear:
    """The session's one ear; needs the model ``silero_vad`` in ``context``."""
    return context.share("ear", lambda: Ear(context.models[MODEL]))


def _problem(chunk: AudioChunk) -> str:
    if chunk.rate != RATE:
        return f"the sound comes at {chunk.rate} Hz, not at {RATE} Hz"
    if chunk.samples.ndim != 1 or chunk.samples.dtype != np.int16:
        return "the sound is not 16-bit mono"
    if len(chunk.samples) > LONGEST_PIECE_S * RATE:
        return (
            f"the sound came in one piece of {len(chunk.samples) / RATE:.0f} s, too long to judge"
        )
    return ""


__all__ = ["IS_VOICE", "MODEL", "RATE", "WINDOW_S", "Ear", "Heard", "Window", "shared_ear"]
