"""What recognises phrases in speech, and the recogniser for any phrase a policy names: Vosk.

Vosk (Alpha Cephei, Apache-2.0, a Kaldi decoder) is given a grammar: the wake phrases, and words to
be taken for everything else. Without the latter every sentence would sound like a wake phrase.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from detectors._sound import RATE
from detectors._words import resolve
from proctor.types import Samples

# Words that belong to one phrase follow each other this closely (s).
LONGEST_PAUSE_S = 0.6
# How often the words so far are looked at, and how much more is heard once a phrase stands among
# them, so that "okay googled it" has the time to become itself (s).
GLANCE_S = 0.3
HEAR_OUT_S = 0.5
# Unbroken talk is brought to a result at least this often, so that a hit is never dated far back.
LONGEST_UTTERANCE_S = 10.0
# A phrase found with the grammar is heard again with the model's whole vocabulary. Where free words
# explain the sound better than the phrase does by more than this (difference of the decoder's log
# likelihoods, per second of sound), it was something else. In the Korean trial 42 of 48 right hits
# lie below 5 and 6 of 8 wrong ones above.
MOST_BETTER_PER_S = 5.0
# The decoder is given this much around a phrase, since its word times are a little tight (s).
MARGIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase as the policy writes it, where it was heard (session s), and how surely (0…1)."""

    phrase: str
    start: float
    end: float
    confidence: float


class Recogniser(Protocol):
    """Listens to stretches of speech for a fixed set of phrases."""

    def accept(self, samples: Samples, t: float) -> list[Hit]:
        """Hear the next samples (mono int16, 16 kHz) of a stretch, which begin at session time ``t``."""
        ...

    def finish(self) -> list[Hit]:
        """The stretch of speech is over: what was still undecided."""
        ...

    def reset(self) -> None:
        """Drop what was heard and not decided: the next samples come after a gap."""
        ...


def load_model(folder: Path) -> Any:
    """The Vosk model in ``folder``; raises ``ValueError`` when it is none or takes no grammar."""
    # Imported here: it costs 0.14 s and is needed only where an exam listens for phrases.
    import vosk

    if not (folder / "am" / "final.mdl").is_file():
        raise ValueError(
            f"The folder {folder} holds no Vosk model (am/final.mdl is missing); "
            f"install it again with `proctor models install`."
        )
    if not (folder / "graph" / "HCLr.fst").is_file():
        raise ValueError(
            f"The Vosk model in {folder} cannot be given phrases (graph/HCLr.fst is missing): "
            f"choose a small model, which can."
        )
    vosk.SetLogLevel(-1)
    return vosk.Model(str(folder))


def knows(model: Any) -> Callable[[str], bool]:
    """Whether a word stands in the vocabulary of ``model``."""
    return lambda word: int(model.vosk_model_find_word(word)) >= 0


class VoskPhrases:
    """Vosk with a grammar of ``phrases`` and the words in ``decoys``.

    A hit needs every word of a phrase, in order and close together, each with at least
    ``min_confidence`` (the decoder's posterior, 0…1), and must stand a second hearing against the
    model's whole vocabulary. Raises ``ValueError`` when the model
    lacks a word of a phrase in every spelling known for it.
    """

    def __init__(
        self,
        model: Any,
        phrases: Sequence[str],
        decoys: Sequence[str] | None,
        min_confidence: float,
    ) -> None:
        import vosk

        plan = resolve(phrases, decoys, knows(model))
        self._spoken = plan.spoken
        self._min_confidence = min_confidence
        grammar = json.dumps([*plan.spoken, *plan.decoys], ensure_ascii=False)
        self._decoder: Any = vosk.KaldiRecognizer(model, RATE, grammar)
        self._decoder.SetWords(True)
        self._model = model
        self._free: Any = vosk.KaldiRecognizer(model, RATE)
        self._free.SetMaxAlternatives(1)
        self._kept: list[Samples] = []
        # The decoder counts seconds of all it was ever fed; a stretch begins at this count.
        self._fed = 0
        self._zero = 0.0
        self._open = False
        self._undecided = 0
        self._glanced = 0
        self._decide_at: int | None = None

    def _forget(self) -> None:
        self._kept.clear()
        self._undecided = 0
        self._glanced = 0
        self._decide_at = None

    def accept(self, samples: Samples, t: float) -> list[Hit]:
        if not self._open:
            self._zero = t - self._fed / RATE
            self._open = True
        self._fed += len(samples)
        self._undecided += len(samples)
        self._kept.append(samples)
        if self._decoder.AcceptWaveform(samples.tobytes()):
            return self._decide(self._decoder.Result())
        if self._due():
            return self._decide(self._decoder.FinalResult())
        return []

    def _due(self) -> bool:
        """Whether enough was heard for the decoder to make up its mind now."""
        if self._decide_at is not None:
            return self._undecided >= self._decide_at
        if self._undecided - self._glanced >= GLANCE_S * RATE:
            self._glanced = self._undecided
            partial = str(json.loads(self._decoder.PartialResult()).get("partial", ""))
            if any(f" {spoken} " in f" {partial} " for spoken in self._spoken):
                self._decide_at = self._undecided + round(HEAR_OUT_S * RATE)
        return self._undecided >= LONGEST_UTTERANCE_S * RATE

    def finish(self) -> list[Hit]:
        if not self._open:
            return []
        self._open = False
        return self._decide(self._decoder.FinalResult())

    def reset(self) -> None:
        if self._open:
            self._decoder.FinalResult()
        self._open = False
        self._forget()

    def _decide(self, result: str) -> list[Hit]:
        words = json.loads(result).get("result", [])
        hits = [hit for at in range(len(words)) if (hit := self._hit(words[at:]))]
        hits = [hit for hit in hits if self._nothing_fits_much_better(hit)]
        self._forget()
        return hits

    def _nothing_fits_much_better(self, hit: Hit) -> bool:
        """The second hearing: the phrase alone against the whole vocabulary, on the same sound."""
        import vosk

        began = self._zero + (self._fed - self._undecided) / RATE
        first = max(0, round((hit.start - MARGIN_S - began) * RATE))
        last = round((hit.end + MARGIN_S - began) * RATE)
        sound = np.concatenate(self._kept)[first:last]
        spoken = next(text for text, phrase in self._spoken.items() if phrase == hit.phrase)
        alone = vosk.KaldiRecognizer(self._model, RATE, json.dumps([spoken], ensure_ascii=False))
        alone.SetMaxAlternatives(1)
        better = _likelihood(self._free, sound) - _likelihood(alone, sound)
        return better <= MOST_BETTER_PER_S * len(sound) / RATE

    def _hit(self, words: Sequence[dict[str, Any]]) -> Hit | None:
        """The phrase that ``words`` (decoder's words with times and confidences) begin with."""
        for spoken, phrase in self._spoken.items():
            wanted = spoken.split()
            heard = words[: len(wanted)]
            if [word["word"] for word in heard] != wanted:
                continue
            pauses = [b["start"] - a["end"] for a, b in pairwise(heard)]
            confidence = min(1.0, *(float(word["conf"]) for word in heard))
            if max(pauses, default=0.0) <= LONGEST_PAUSE_S and confidence >= self._min_confidence:
                start, end = self._zero + heard[0]["start"], self._zero + heard[-1]["end"]
                return Hit(phrase, start, end, confidence)
        return None


def _likelihood(decoder: Any, sound: Samples) -> float:
    """Log likelihood of the best words for ``sound``; minus infinity when there are none."""
    decoder.AcceptWaveform(sound.tobytes())
    alternatives = json.loads(decoder.FinalResult()).get("alternatives", [])
    return max((float(a["confidence"]) for a in alternatives if a["text"]), default=-math.inf)
