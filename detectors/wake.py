"""Was an assistant called? Phrases that the policy names, listened for only while somebody speaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from detectors import _heads
from detectors._phrases import Hit, Recogniser, VoskPhrases, load_model
from detectors._voice import IS_VOICE, WINDOW_S, Ear, Window, shared_ear
from detectors._voice import MODEL as VOICE_MODEL
from models.wake_heads import WORDINGS
from proctor.pipeline.detector import Context, Kind, Plugin
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import AudioChunk, Observation, Samples

NAME = "wake"
MODEL = "vosk_small_en"
PHRASE = Kind("speech.wake_phrase", "Wake phrase", 'The wake phrase "{reason}" was heard.')

# Speech is taken to begin at a lower probability than `speech` asks for, because a phrase cut off
# is a phrase lost while a recogniser run in vain costs little; and it ends after a pause longer
# than those between two words of one phrase (s).
MAYBE_VOICE = 0.3
PAUSE_S = 0.6
# Sound kept from before speech begins, for the recogniser to settle and to hear soft beginnings (s).
PRE_ROLL_S = 0.5
# An assistant is called at the beginning of an utterance: a phrase counts only where a pause ends.
# Silences within words and between the words of fluent speech are shorter than this (s), from which
# on a silence is usually counted as a pause (Goldman-Eisler, Psycholinguistics, 1968).
BREATH_S = 0.25
# A pause holds no voice, or only one that is so much softer than the phrase (dB) that somebody else
# says it: a television in the next room does not hide where this speaker began.
SOFTER_DB = 15.0
# The end of that pause is looked for from so long before the phrase's estimated beginning until so
# long before its end (s): the heads do not tell when a phrase began, and Silero answers a bit late.
BEGAN_EARLIER_S = 0.5
BEFORE_END_S = 0.1
# "Nothing heard" is said this often (s).
REPORT_S = 0.5
# An observation may be dated back only so far (s); the recogniser decides long before.
MAX_BACKDATE_S = 14.0

# The usual assistants, which our own heads know; any other phrase is Vosk's.
DEFAULT_PHRASES = tuple(WORDINGS)


class Settings(BaseSettings):
    """``phrases`` to listen for; those that are not among the default ones need the Vosk model.

    The other settings are for that model.
    """

    phrases: tuple[str, ...] = Field(
        DEFAULT_PHRASES, min_length=1, max_length=50, description="Phrases to listen for."
    )
    decoys: tuple[str, ...] | None = Field(
        None,
        description="Everyday words of the model's language, near-misses among them, that other "
        "talk may be taken for. Not given: the English ones.",
    )
    min_confidence: float = Field(
        0.5, ge=0.3, le=1.0, description="How sure the recogniser must be of every word."
    )
    model: str = Field(MODEL, description="Manifest name of the Vosk model.")

    @field_validator("phrases", "decoys", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """Lower case, single spaces, no punctuation: as a recogniser's vocabulary is written."""
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            return value
        plain = [" ".join(text.lower().translate(_NO_PUNCTUATION).split()) for text in value]
        if not all(plain):
            raise ValueError("a phrase needs at least one word")
        return tuple(dict.fromkeys(plain))


_NO_PUNCTUATION = str.maketrans(dict.fromkeys(',.!?;:"', " "))


class Lately:
    """What was heard of late, as far as it takes to say whether a phrase began an utterance."""

    def __init__(self) -> None:
        seconds = MAX_BACKDATE_S + BEGAN_EARLIER_S + BREATH_S
        self._kept: deque[tuple[float, float, float]] = deque(maxlen=round(seconds / WINDOW_S))

    def follow(self, windows: Sequence[Window]) -> None:
        self._kept.extend((w.t, w.voice, _level(w.samples)) for w in windows)

    def forget(self) -> None:
        """What comes next does not join on: whether a pause came before it, nobody heard."""
        self._kept.clear()

    def began_with(self, hit: Hit) -> bool:
        """Whether a pause ended where the phrase of ``hit`` began, or nothing was heard before."""
        if not self._kept:
            return True
        t, voice, level = np.array(self._kept).T
        said = level[(t >= hit.start) & (t <= hit.end)]
        loud = float(said.max()) if len(said) else np.inf
        quiet = (voice < IS_VOICE) | (level < loud - SOFTER_DB)
        quiet_s = np.inf
        for at, still in zip(t, quiet, strict=True):
            if not still and quiet_s >= BREATH_S and _near_beginning(at, hit):
                return True
            quiet_s = quiet_s + WINDOW_S if still else 0.0
        return False


def _level(samples: Samples) -> float:
    """Loudness in dB (of the root mean square, of any reference; never minus infinity)."""
    return float(10.0 * np.log10(np.square(samples.astype(np.float64)).mean() + 1.0))


def _near_beginning(t: float, hit: Hit) -> bool:
    return hit.start - BEGAN_EARLIER_S <= t <= hit.end - BEFORE_END_S


class WakeDetector:
    """``update`` takes 16 kHz mono chunks and answers ``speech.wake_phrase``.

    Score 0.0 twice a second; when a phrase was recognised after a pause, or where listening began,
    two observations with the recogniser's confidence, dated where the phrase began and ended, whose
    reason is the phrase. A phrase in the middle of running speech is none. *Unknown* under
    the same conditions as speech, except that a phrase heard in spite of them counts.
    """

    def __init__(
        self, ear: Ear, recognisers: Sequence[Recogniser], pre_roll_s: float = PRE_ROLL_S
    ) -> None:
        self._ear = ear
        self._recognisers = tuple(recognisers)
        self._before: deque[Window] = deque(maxlen=round(pre_roll_s / WINDOW_S))
        self._listening = False
        self._silence_s = 0.0
        self._reported = float("-inf")
        self._lately = Lately()

    def update(self, sample: AudioChunk) -> Sequence[Observation]:
        heard = self._ear.hear(sample)
        if heard.problem:
            self._forget()
            return [Observation(sample.t, PHRASE.name, None, NAME, None, 0.0, heard.problem)]
        hits: list[Hit] = []
        if heard.restarted:
            hits += self._called(self._stop())
            self._forget()
        self._lately.follow(heard.windows)
        hits += self._called(self._listen(heard.windows))
        answers = [answer for hit in hits for answer in _hit(hit, sample.t)]
        if heard.windows and abs(sample.t - self._reported) >= REPORT_S:
            self._reported = sample.t
            answers.append(_nothing(sample.t, heard.windows[-1]))
        return answers

    def _called(self, hits: Sequence[Hit]) -> list[Hit]:
        """Those of ``hits`` that began an utterance, as far as was heard until now."""
        return [hit for hit in hits if self._lately.began_with(hit)]

    def _listen(self, windows: Sequence[Window]) -> list[Hit]:
        """Give the recognisers what is speech among ``windows``, in as few pieces as possible."""
        hits: list[Hit] = []
        speech: list[Window] = []
        for window in windows:
            voice = window.voice >= MAYBE_VOICE
            if not self._listening and not voice:
                self._before.append(window)
                continue
            if not self._listening:
                self._listening = True
                speech += self._before
                self._before.clear()
            speech.append(window)
            self._silence_s = 0.0 if voice else self._silence_s + WINDOW_S
            if self._silence_s > PAUSE_S:
                hits += self._accept(speech) + self._stop()
                speech = []
        return hits + self._accept(speech)

    def _accept(self, speech: Sequence[Window]) -> list[Hit]:
        if not speech:
            return []
        samples: Samples = np.concatenate([window.samples for window in speech])
        return [hit for r in self._recognisers for hit in r.accept(samples, speech[0].t)]

    def _stop(self) -> list[Hit]:
        """Speech is over: what the recognisers had not decided yet."""
        if not self._listening:
            return []
        self._listening = False
        self._silence_s = 0.0
        return [hit for recogniser in self._recognisers for hit in recogniser.finish()]

    def _forget(self) -> None:
        self._before.clear()
        self._listening = False
        self._silence_s = 0.0
        self._lately.forget()
        for recogniser in self._recognisers:
            recogniser.reset()

    def reset(self) -> None:
        self._ear.reset()
        self._forget()
        self._reported = float("-inf")

    def close(self) -> None:
        self._recognisers = ()


def _hit(hit: Hit, now: float) -> list[Observation]:
    first, last = max(hit.start, now - MAX_BACKDATE_S), max(hit.end, now - MAX_BACKDATE_S)
    return [
        Observation(t, PHRASE.name, hit.confidence, NAME, reason=hit.phrase) for t in (first, last)
    ]


def _nothing(t: float, window: Window) -> Observation:
    unknown = window.fitness.unfit or window.fitness.drowned
    if unknown:
        return Observation(t, PHRASE.name, None, NAME, quality=0.0, reason=unknown)
    return Observation(t, PHRASE.name, 0.0, NAME)


def _create(settings: Settings, context: Context) -> WakeDetector:
    ours = tuple(phrase for phrase in settings.phrases if phrase in WORDINGS)
    others = tuple(phrase for phrase in settings.phrases if phrase not in WORDINGS)
    recognisers: list[Recogniser] = []
    pre_roll_s = PRE_ROLL_S
    if ours:
        recognisers.append(_heads.load(context.models, ours))
        pre_roll_s = _heads.PRE_ROLL_S
    if others:
        recognisers.append(_vosk(settings, others, context))
    return WakeDetector(shared_ear(context), recognisers, pre_roll_s)


def _wanted(settings: Settings) -> Sequence[str]:
    """The network for phrases of a policy's own, where it names any."""
    return () if set(settings.phrases) <= set(WORDINGS) else (settings.model,)


def _vosk(settings: Settings, phrases: Sequence[str], context: Context) -> VoskPhrases:
    if settings.model not in context.models:
        named = ", ".join(f"'{phrase}'" for phrase in phrases)
        raise ValueError(
            f"The wake phrases {named} need the network '{settings.model}', which is not on this "
            f"computer: `proctor models install {settings.model}` fetches it, or keep 'phrases' "
            f"under [detectors.wake.settings] to: {', '.join(DEFAULT_PHRASES)}."
        )
    folder = context.models[settings.model]
    model = context.share(f"vosk:{folder}", lambda: load_model(folder))
    return VoskPhrases(model, phrases, settings.decoys, settings.min_confidence)


PLUGIN = Plugin(
    name=NAME,
    takes="audio",
    period=0.0,
    kinds=(PHRASE,),
    models=(VOICE_MODEL, *_heads.MODELS),
    Settings=Settings,
    create=_create,
    optional_models=(MODEL,),
    wanted=_wanted,
)
