"""Is somebody speaking? A share of the last second, so that a cough or a knock is not speech.

After a calibration, a voice that is no louder than the student's own room tone does not count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from detectors._roomtone import RoomTone, level_dbfs
from detectors._sound import SECOND
from detectors._voice import IS_VOICE, MODEL, WINDOW_S, Ear, Window, shared_ear
from proctor.pipeline.detector import CALIBRATED, Kind, Plugin, Said
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import AudioChunk, Marker, Observation

NAME = "speech"
VOICE = Kind("speech.voice", "Speech", "Speech was heard for {seconds} s.")

# One answer for every three windows of 32 ms: about ten a second, whatever the chunks' length.
HOP = 3
# Windows of a syllable (people speak about four a second): its loudest counts for all of it.
SYLLABLE = 8
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
        self._learning: RoomTone | None = None
        # From this level (dBFS) on a voice counts; before a calibration every voice does.
        self._limit: float | None = None
        self._levels: deque[float] = deque(maxlen=SYLLABLE)

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
            if self._learning is not None:
                self._learning.add(window)
            self._voiced.append(window.voice >= IS_VOICE and self._is_loud(window))
            self._since += 1
            if self._since == HOP:
                self._since = 0
                answers.append(self._answer(window, self._began))
        return answers

    def _is_loud(self, window: Window) -> bool:
        if self._limit is None:
            return True
        self._levels.append(level_dbfs(window.samples))
        return max(self._levels) >= self._limit

    def mark(self, marker: Marker) -> Sequence[Said]:
        """A calibration begins or ends; another microphone hears the room in another way."""
        t, data = marker.t, marker.data
        match marker.kind:
            case "calibration.begin" if data.get("what") == "voice":
                self._learning = RoomTone(t)
            case "calibration.end" if data.get("what") == "voice":
                return [self._learned(t)]
            case "device.lost" if data.get("device") == "microphone" and self._limit is not None:
                self._limit = None
                return [_told(t, "the microphone was lost")]
        return []

    def _learned(self, t: float) -> Marker:
        tone, self._learning, self._limit = self._learning, None, None
        why = "it was not begun" if tone is None else tone.problem(t)
        if tone is None or why:
            return _told(t, why)
        self._limit = tone.limit_dbfs
        return Marker(
            t,
            CALIBRATED,
            {
                "what": "voice",
                "done": True,
                "sentence": "The sound of your room has been learned.",
                "room_tone_dbfs": round(tone.tone_dbfs, 1),
                "limit_dbfs": round(self._limit, 1),
            },
        )

    def _answer(self, window: Window, began: float) -> Observation:
        t = max(began, window.t + WINDOW_S - SECOND * WINDOW_S / 2)
        share = sum(self._voiced) / SECOND
        if window.fitness.unfit:
            return _unknown(t, window.fitness.unfit)
        if window.fitness.drowned and share < SURE_SHARE:
            return _unknown(t, window.fitness.drowned)
        return Observation(t, VOICE.name, share, NAME, reason=f"voice in {share:.0%} of a second")

    def reset(self) -> None:
        """Forget all history, but not the room tone: after a break it is the same room."""
        self._ear.reset()
        self._learning = None
        self._forget()

    def _forget(self) -> None:
        self._voiced.clear()
        self._levels.clear()
        self._since = 0
        self._began = None

    def close(self) -> None:
        self._forget()


def _unknown(t: float, reason: str) -> Observation:
    return Observation(t, VOICE.name, None, NAME, quality=0.0, reason=reason)


def _told(t: float, why: str) -> Marker:
    """A calibration that did not succeed, and what follows."""
    sentence = f"The sound of your room could not be learned: {why}. Every voice counts."
    return Marker(t, CALIBRATED, {"what": "voice", "done": False, "why": why, "sentence": sentence})


PLUGIN = Plugin(
    name=NAME,
    takes="audio",
    period=0.0,
    kinds=(VOICE,),
    models=(MODEL,),
    Settings=Settings,
    create=lambda settings, context: SpeechDetector(shared_ear(context)),
)
