"""Lets the synthetic voices speak: one file of utterances a voice family, made once and kept.

    python -m models.train.wake_corpus FOLDER [FAMILY ...]

Every utterance has its own random generator, seeded by (seed, family, number), so that a family
can be made anew, alone or in another order, with the same result.
"""

from __future__ import annotations

import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.train import wake_texts, wake_voices
from models.train.wake_voices import Say, Sound

SEED = 20261122
HEADS = tuple(wake_texts.PHRASES)
NEGATIVE = -1

# Utterances a phrase, and negative texts. "learn" families are trained on; "tune" chooses the
# thresholds; "judge" is only ever measured. "talk" is ordinary talk, without near-misses, by Pico, and so
# is what others say under a name that ends like that.
SHARES: dict[str, tuple[str, int, int]] = {
    "espeak": ("learn", 160, 1600),
    "flite": ("learn", 80, 900),
    "festival": ("learn", 15, 60),
    "hibari": ("learn", 200, 4000),
    "kokoro": ("learn", 100, 100),
    "pico": ("tune", 80, 1200),
    "talk": ("talk", 0, 3000),
    "hibari_talk": ("learn", 0, 3000),
    "espeak_talk": ("learn", 0, 1200),
    "flite_talk": ("learn", 0, 900),
    "joe": ("judge", 50, 400),
}


@dataclass(frozen=True, slots=True)
class Utterances:
    """What one family said: sounds (float32, 16 kHz, trimmed), head numbers and texts."""

    sounds: list[Sound]
    labels: npt.NDArray[np.int64]
    texts: list[str]


def _voice(family: str, hibari: wake_voices.Hibari) -> Say:
    if family in ("hibari", "hibari_talk"):
        return hibari
    if family == "kokoro":
        return wake_voices.Kokoro(hibari)
    if family == "joe":
        return wake_voices.Joe()
    family = family.removesuffix("_talk")
    plain: dict[str, Say] = {
        "espeak": wake_voices.espeak,
        "flite": wake_voices.flite,
        "festival": wake_voices.festival,
        "pico": wake_voices.pico,
        "talk": wake_voices.pico,
    }
    return plain[family]


def _text(family: str, label: int, words: list[str], rng: np.random.Generator) -> str:
    if label != NEGATIVE:
        return wake_texts.wording(HEADS[label], rng)
    return (
        wake_texts.talk(words, rng) if family.endswith("talk") else wake_texts.negative(words, rng)
    )


def speak(family: str, folder: Path) -> Path:
    """Make the utterances of one family, unless they are there; the path of its file."""
    path = folder / f"{family}.npz"
    if path.exists():
        return path
    hibari = wake_voices.Hibari()
    words, say = hibari.words(), _voice(family, hibari)
    _, positives, negatives = SHARES[family]
    labels = [head for head in range(len(HEADS)) for _ in range(positives)]
    labels += [NEGATIVE] * negatives
    sounds, texts, start = [], [], time.monotonic()
    for number, label in enumerate(labels):
        rng = np.random.default_rng((SEED, zlib.crc32(family.encode()), number))
        text = _text(family, label, words, rng)
        sound = say(text, rng)
        peak = float(np.abs(sound).max(initial=1e-6))
        sounds.append(np.round(sound / peak * 30000).astype(np.int16))
        texts.append(text)
        if number % 200 == 199:
            left = (time.monotonic() - start) / (number + 1) * (len(labels) - number - 1)
            print(f"{family}: {number + 1} of {len(labels)}, {left:.0f} s left", flush=True)
    np.savez(
        path,
        samples=np.concatenate(sounds),
        lengths=np.array([len(sound) for sound in sounds]),
        labels=np.array(labels),
        texts=np.array(texts),
    )
    return path


def load(path: Path) -> Utterances:
    """Read what :func:`speak` made."""
    with np.load(path) as file:
        ends = np.cumsum(file["lengths"])
        parts = np.split(file["samples"], ends[:-1])
        sounds = [part.astype(np.float32) / 32768.0 for part in parts]
        return Utterances(sounds, file["labels"], [str(text) for text in file["texts"]])


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for family in arguments[1:] or SHARES:
        print(speak(family, folder))


if __name__ == "__main__":
    main(sys.argv[1:])
