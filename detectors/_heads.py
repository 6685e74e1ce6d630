"""Recognises the usual assistants' wake phrases with our own small heads over a speech embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from detectors._phrases import Hit
from detectors._sound import RATE, Floats
from models.wake_heads import SMOOTHED, STEP, STEPS, WORDINGS, SpeechEmbedding, WakeHeads
from proctor.types import Samples

MODELS = ("oww_melspectrogram", "oww_embedding")

STEP_S = STEP / RATE
# The heads were taught to answer from 0.08 to 0.40 s after a phrase; its end is dated so far back.
ANSWER_S = 0.24
# The wake phrases take 0.5 to 1.2 s to say; one that was heard is dated this long.
PHRASE_S = 0.9
# A head sees two seconds; given the room as it was before somebody spoke, it need not imagine it.
PRE_ROLL_S = 2.0
# One phrase is one hit, though several steps, and the heads of like phrases, answer to it.
REST_S = 1.0


class HeadPhrases:
    """The heads that answer to ``phrases``; a :class:`detectors._phrases.Recogniser`.

    ``phrases`` must be keys of :data:`models.wake_heads.WORDINGS`. A hit's confidence is the head's
    score, which was at least the threshold stored with it. State: two seconds of embeddings.
    """

    def __init__(
        self, embedding: SpeechEmbedding, heads: WakeHeads, phrases: Sequence[str]
    ) -> None:
        self._embedding = embedding
        self._heads = heads
        named = {WORDINGS[phrase]: phrase for phrase in reversed(phrases)}
        self._phrase = [named.get(name, "") for name in heads.names]
        wanted = np.array([bool(phrase) for phrase in self._phrase])
        self._limits = np.where(wanted, heads.thresholds, np.inf)
        self.reset()

    def _start(self) -> None:
        # Before a stretch the heads imagine a quiet room, as they did when they were trained.
        self._history = np.tile(self._embedding.quiet, (STEPS, 1))
        self._scores = np.zeros((SMOOTHED, len(self._phrase)), np.float32)
        self._zero: float | None = None
        self._steps = 0
        self._rest_s = 0.0

    def accept(self, samples: Samples, t: float) -> list[Hit]:
        if self._zero is None:
            self._zero = t
        zero = self._zero
        found = self._embedding.feed(samples)
        if not len(found):
            return []
        history = np.concatenate([self._history, found])
        self._history = history[len(found) :]
        windows = np.stack([history[i : i + STEPS] for i in range(1, len(found) + 1)])
        scores = np.concatenate([self._scores, self._heads.scores(windows)])
        self._scores = scores[len(found) :]
        steady = [scores[i : i + SMOOTHED].mean(axis=0) for i in range(1, len(found) + 1)]
        return [hit for score in steady if (hit := self._hit(score, zero))]

    def _hit(self, scores: Floats, zero: float) -> Hit | None:
        """What the steady scores of one more step say, in a stretch that began at ``zero``."""
        self._steps += 1
        self._rest_s -= STEP_S
        best = int(np.argmax(scores - self._limits))
        if scores[best] < self._limits[best] or self._rest_s > 0.0:
            return None
        self._rest_s = REST_S
        end = max(zero, zero + self._steps * STEP_S - ANSWER_S)
        return Hit(self._phrase[best], max(zero, end - PHRASE_S), end, float(scores[best]))

    def finish(self) -> list[Hit]:
        self.reset()
        return []

    def reset(self) -> None:
        self._embedding.reset()
        self._start()


def load(models: Mapping[str, Path], phrases: Sequence[str]) -> HeadPhrases:
    """The recogniser with the networks in ``models`` (manifest names to paths)."""
    embedding = SpeechEmbedding(*(models[name] for name in MODELS))
    return HeadPhrases(embedding, WakeHeads(), phrases)
