"""Wake phrases heard in a stream of speech: a shared speech embedding and our own small heads on it.

The embedding is Google's speech embedding (Lin, Kilgour, Roblek, Sharifi 2020) as openWakeWord
publishes it, Apache-2.0: a mel picture every 10 ms, and 96 numbers of the last 76 of them every
80 ms. The heads (``heads/wake_heads.npz``) are ours: see ``cards/wake_heads.md`` and ``train/wake.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

RATE = 16000
STEP = 1280  # samples between two embeddings: 80 ms
_CONTEXT = 480  # samples before a step that its first mel lines need (512-sample windows, hop 160)
_LINES = 76  # mel lines that an embedding sees
_LINES_A_STEP = STEP // 160
_BANDS = 32
SIZE = 96  # numbers in an embedding
STEPS = 16  # embeddings that a head sees: 15 × 80 ms + 0.78 s = 1.98 s of sound

# A phrase is heard when the mean score of this many steps in a row reaches its head's threshold.
SMOOTHED = 3

HEADS_FILE = Path(__file__).parent / "heads" / "wake_heads.npz"
# Every wording the heads answer to, and its head.
WORDINGS: Mapping[str, str] = {
    "hey siri": "hey siri",
    "ok google": "ok google",
    "okay google": "ok google",
    "hey google": "hey google",
    "alexa": "alexa",
    "hey cortana": "hey cortana",
    "hi bixby": "hey bixby",
    "hey bixby": "hey bixby",
    "hey copilot": "hey copilot",
}

Floats = npt.NDArray[np.float32]


def _session(path: Path) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class SpeechEmbedding:
    """Turns 16 kHz mono int16 samples into one embedding (96 numbers) per 80 ms, in a stream.

    Before the first sample, and after :meth:`reset`, it imagines an endless quiet room; so a phrase
    at the very start of what it is given is still seen whole. The state is bounded: less than one
    step of samples, and 76 mel lines.
    """

    def __init__(self, melspectrogram: Path, embedding: Path) -> None:
        self._mel = _session(melspectrogram)
        self._net = _session(embedding)
        self._mel_input: str = self._mel.get_inputs()[0].name
        self._net_input: str = self._net.get_inputs()[0].name
        # Zero on this scale is what a microphone's last bit of noise gives.
        self.quiet = self._embed(np.zeros((1, _LINES, _BANDS), np.float32))[0]
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._pending = np.zeros(_CONTEXT, np.float32)
        self._lines = np.zeros((_LINES, _BANDS), np.float32)

    def feed(self, samples: npt.NDArray[np.int16]) -> Floats:
        """The embeddings completed by ``samples`` (any number): K×96, K whole 80 ms steps."""
        heard = np.concatenate([self._pending, samples.astype(np.float32)])
        steps = (len(heard) - _CONTEXT) // STEP
        self._pending = heard[steps * STEP :]
        if not steps:
            return np.zeros((0, SIZE), np.float32)
        # One step a call: the mel network clips at 80 dB under the loudest of what it is given, so
        # longer pieces would give other numbers than the stream does.
        ends = _CONTEXT + STEP * np.arange(1, steps + 1)
        mels = [self._mel_lines(heard[end - STEP - _CONTEXT : end]) for end in ends]
        lines = np.concatenate([self._lines, *mels])
        self._lines = lines[-_LINES:]
        return self._slide(lines[_LINES_A_STEP:])

    def _mel_lines(self, samples: Floats) -> Floats:
        decibels = self._mel.run(None, {self._mel_input: samples[None]})[0].reshape(-1, _BANDS)
        # openWakeWord's scaling, which the embedding expects.
        lines: Floats = decibels / 10.0 + 2.0
        return lines

    def _slide(self, lines: Floats) -> Floats:
        """The embeddings of every 76 lines, 8 lines apart."""
        starts = range(0, len(lines) - _LINES + 1, _LINES_A_STEP)
        return self._embed(np.stack([lines[start : start + _LINES] for start in starts]))

    def _embed(self, pictures: Floats) -> Floats:
        out = self._net.run(None, {self._net_input: pictures[..., None].astype(np.float32)})[0]
        numbers: Floats = out.reshape(len(pictures), SIZE)
        return numbers


class WakeHeads:
    """Our heads: a small network with one output a phrase over the last 16 embeddings.

    ``names`` are the heads' phrases and ``thresholds`` the mean score over ``SMOOTHED`` steps from
    which each counts as heard.
    """

    def __init__(self, path: Path = HEADS_FILE) -> None:
        with np.load(path) as file:
            self.names = tuple(str(name) for name in file["names"])
            self.thresholds: Floats = file["thresholds"].astype(np.float32)
            self._mean: Floats = file["mean"].astype(np.float32)
            self._scale: Floats = file["scale"].astype(np.float32)
            self._layers = [
                (file[f"w{i}"].astype(np.float32), file[f"b{i}"].astype(np.float32))
                for i in range(int(file["layers"]))
            ]

    def scores(self, windows: Floats) -> Floats:
        """N×16×96 embeddings to N×heads scores, 0…1."""
        x = ((windows - self._mean) * self._scale).reshape(len(windows), STEPS * SIZE)
        for weights, bias in self._layers[:-1]:
            x = np.maximum(x @ weights + bias, 0.0)
        weights, bias = self._layers[-1]
        scores: Floats = 0.5 + 0.5 * np.tanh(
            0.5 * (x @ weights + bias)
        )  # a logistic that cannot overflow
        return scores
