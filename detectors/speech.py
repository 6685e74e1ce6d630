"""Is somebody speaking? A share of the last second, so that a cough or a knock is not speech."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from detectors._sound import SECOND
from detectors._voice import IS_VOICE, MODEL, WINDOW_S, Ear, Window, shared_ear
from proctor.pipeline.detector import Kind, Plugin
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import AudioChunk, Observation

NAME = "speech"
VOICE = Kind("speech.voice", "Speech", "Speech was heard for {seconds} s.")

# One answer for every three windows of 32 ms: about ten a second, whatever the chunks' length.
HOP = 3
# Below this share of the last second "no" would be said; in heavy noise nobody can know that.
SURE_SHARE = 0.35


class Settings(BaseSettings):
    """Speech has nothing to set: when it becomes a flag is the policy's rule."""


class SpeechDetector:
    """``update`` takes 16 kHz mono chunks and answers ``speech.voice`` about ten times a second.

    The score is the share of the last second in which Silero hears voice; it is dated to the middle
    of that second, so that a flag begins where the talk begins. *Unknown* when the microphone is
    muted or overdriven, when the background drowns speech, and for sound in another format.
    """

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._voiced: deque[bool] = deque(maxlen=SECOND)
        self._since = 0
        self._began: float | None = None

    def update(self, sample: AudioChunk) -> Sequence[Observation]:
        heard = self._ear.hear(sample)
        if heard.problem:
            self._forget()
            return [_unknown(sample.t, heard.problem)]
        if heard.restarted:
            self._forget()
        answers = []
        for window in heard.windows:
            if self._began is None:
                self._began = window.t
            self._voiced.append(window.voice >= IS_VOICE)
            self._since += 1
            if self._since == HOP:
                self._since = 0
                answers.append(self._answer(window, self._began))
        return answers

    def _answer(self, window: Window, began: float) -> Observation:
        t = max(began, window.t + WINDOW_S - SECOND * WINDOW_S / 2)
        share = sum(self._voiced) / SECOND
        if window.fitness.unfit:
            return _unknown(t, window.fitness.unfit)
        if window.fitness.drowned and share < SURE_SHARE:
            return _unknown(t, window.fitness.drowned)
        return Observation(t, VOICE.name, share, NAME, reason=f"voice in {share:.0%} of a second")

    def reset(self) -> None:
        self._ear.reset()
        self._forget()

    def _forget(self) -> None:
        self._voiced.clear()
        self._since = 0
        self._began = None

    def close(self) -> None:
        self._forget()


def _unknown(t: float, reason: str) -> Observation:
    return Observation(t, VOICE.name, None, NAME, quality=0.0, reason=reason)


PLUGIN = Plugin(
    name=NAME,
    takes="audio",
    period=0.0,
    kinds=(VOICE,),
    models=(MODEL,),
    Settings=Settings,
    create=lambda settings, context: SpeechDetector(shared_ear(context)),
)
