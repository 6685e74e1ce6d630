"""Does somebody else speak than the student? The student's own voice is learnt first, with consent.

Measured of a person's body, so this runs only where the student agreed to the purpose ``identity``;
what is learnt stays in memory and is wiped out at the end (``_own_voice.py``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from detectors._own_voice import ENROL_PIECES, MODEL, OTHER, OWN, OwnVoice, VoiceNet, is_narrow
from detectors._voice import IS_VOICE, WINDOW_S, Ear, Window, shared_ear
from detectors._voice import MODEL as EAR_MODEL
from proctor.pipeline.detector import CALIBRATED, Context, Kind, Plugin, Said
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import AudioChunk, Marker, Observation, Samples

NAME = "speaker"
OTHER_VOICE = Kind(
    "speech.other_voice",
    "Another voice",
    "A voice other than the student's was heard for {seconds} s ({reason}).",
)

# A piece is the last two seconds (1.98), looked at twice a second.
PIECE = 62
HOP = 16
# So much of a piece must be voice: shorter turns of talk say too little about whose they are.
VOICED = 45
# Up to this much "voice" in two seconds is a cough or a knock (docs/detectors/speech.md): nobody spoke.
UNVOICED = 12

# The voice must stand out of the steady background by this much (dB). In hiss 10 dB softer than the
# voice 3 of 90 own pieces of ten readers are no longer clearly theirs and none is taken for somebody
# else's; at 5 dB it was 6 and 1 of 71 (benchmarks/speaker.py).
CLEAR_DB = 10.0
CLEAR_TO_LEARN_DB = 15.0
BACKGROUND_SHARE = 10
BACKGROUND = round(10.0 / WINDOW_S)
# Ten times the distance is 20 dB less, and a wall takes more: what is fainter than that beside the
# student's own voice may well come from another room.
FAINT_DB = 20.0

CALIBRATION = "own_voice"


class Settings(BaseSettings):
    """Nothing to set: whether another voice is a flag, and after how long, is the policy's rule."""


class SpeakerDetector:
    """``update`` takes 16 kHz mono chunks and answers ``speech.other_voice`` about twice a second.

    The student's voice is learnt from the first eight seconds of clear speech, or, where the exam
    asks them to read aloud, between ``calibration.begin`` and ``calibration.end`` of ``own_voice``. Then
    each two seconds of speech are compared: 0.0 where nobody speaks or the student does, 0.5 to 1
    where somebody else does, *unknown* where it cannot be told. Dated to the middle of the piece.
    """

    def __init__(self, ear: Ear, net: VoiceNet) -> None:
        self._ear = ear
        self._net = net
        self._own = OwnVoice()
        self._asked = False
        self._mixed = False
        self._levels: deque[float] = deque(maxlen=BACKGROUND)
        self._piece: deque[Window] = deque(maxlen=PIECE)
        # Windows since the last answer, and since the last piece that was learnt from.
        self._since = 0
        self._fresh = 0

    def update(self, sample: AudioChunk) -> Sequence[Observation]:
        heard = self._ear.hear(sample)
        if heard.problem:
            self._forget_sound()
            return [_unknown(sample.t, heard.problem)]
        if heard.restarted:
            self._forget_sound()
        answers = []
        for window in heard.windows:
            self._levels.append(_loudness(window.samples))
            self._piece.append(window)
            self._since += 1
            self._fresh += 1
            if self._since >= HOP:
                self._since = 0
                answers.append(self._answer())
        return answers

    def mark(self, marker: Marker) -> Sequence[Said]:
        """A calibration of ``own_voice`` begins (learn anew, from what is read aloud) or ends."""
        if marker.data.get("what") != CALIBRATION:
            return []
        if marker.kind == "calibration.begin":
            self._own.forget()
            self._forget_sound()
            self._asked, self._mixed = True, False
        elif marker.kind == "calibration.end" and self._asked:
            self._asked = False
            return [self._how_it_went(marker.t)]
        return []

    def _how_it_went(self, t: float) -> Marker:
        done, seconds = self._own.known, 2 * self._own.pieces
        sentence = "Your voice is known now; it is kept in memory and forgotten after the exam."
        if not done:
            why = (
                "more than one voice was heard" if self._mixed else f"{seconds} s of it were heard"
            )
            sentence = (
                f"Your voice could not be learnt: {2 * ENROL_PIECES} s of clear speech are needed, "
                f"and {why}. It will be learnt from what you say first."
            )
        return Marker(t, CALIBRATED, {"what": CALIBRATION, "done": done, "sentence": sentence})

    def _answer(self) -> Observation:
        last = self._piece[-1]
        t = max(self._piece[0].t, last.t + WINDOW_S - PIECE * WINDOW_S / 2)
        if last.fitness.unfit:
            return _unknown(t, last.fitness.unfit)
        voiced = [w for w in self._piece if w.voice >= IS_VOICE]
        if len(voiced) <= UNVOICED:
            if last.fitness.drowned:
                return _unknown(t, last.fitness.drowned)
            return Observation(t, OTHER_VOICE.name, 0.0, NAME, reason="nobody speaks")
        if len(voiced) < VOICED:
            return _unknown(t, f"too little speech to compare ({len(voiced) * WINDOW_S:.1f} s)")
        return self._judge(t, voiced)

    def _judge(self, t: float, voiced: Sequence[Window]) -> Observation:
        level = float(np.mean([_loudness(w.samples) for w in voiced]))
        clear = level - float(np.percentile(self._levels, BACKGROUND_SHARE))
        if not self._own.known:
            return self._learn(t, level, clear)
        if clear < CLEAR_DB:
            return _unknown(t, f"too noisy to tell voices apart ({clear:.0f} dB above the noise)")
        if level < self._own.dbfs - FAINT_DB:
            fainter = f"{self._own.dbfs - level:.0f} dB below the student's own voice"
            return _unknown(t, f"a voice too faint to compare ({fainter})")
        samples = self._samples()
        if is_narrow(samples) != self._own.narrow:
            return _unknown(t, "the microphone sounds other than when the voice was learnt")
        likeness = self._own.likeness(self._net.voice(samples))
        if likeness >= OWN:
            reason = f"the student's own voice, likeness {likeness:.2f}"
            return Observation(t, OTHER_VOICE.name, 0.0, NAME, reason=reason)
        if likeness >= OTHER:
            return _unknown(t, f"not clearly one voice or another (likeness {likeness:.2f})")
        score = min(1.0, 1.0 - 0.5 * likeness / OTHER)
        reason = f"likeness {likeness:.2f}, another voice below {OTHER:.2f}"
        return Observation(t, OTHER_VOICE.name, score, NAME, reason=reason)

    def _learn(self, t: float, level: float, clear: float) -> Observation:
        if clear < CLEAR_TO_LEARN_DB:
            return _unknown(t, f"too noisy to learn the student's voice ({clear:.0f} dB)")
        # No piece is learnt from twice.
        if self._fresh >= PIECE:
            self._fresh = 0
            samples = self._samples()
            voice = self._net.voice(samples)
            self._mixed |= not self._own.learn(voice, level, is_narrow(samples))
        if self._own.known:
            return Observation(
                t, OTHER_VOICE.name, 0.0, NAME, reason="the student's voice is learnt"
            )
        if self._mixed:
            return _unknown(t, "more than one voice while the student's was to be learnt")
        return _unknown(t, f"the student's voice is not known yet ({2 * self._own.pieces} s of it)")

    def _samples(self) -> Samples:
        return np.concatenate([window.samples for window in self._piece])

    def reset(self) -> None:
        """The next sample comes after a gap. The student's voice stays known: who speaks after a
        break must still be compared with who spoke before it."""
        self._ear.reset()
        self._forget_sound()

    def _forget_sound(self) -> None:
        self._piece.clear()
        self._levels.clear()
        self._since = 0
        self._fresh = 0

    def close(self) -> None:
        self._own.forget()
        self._forget_sound()


def _loudness(samples: Samples) -> float:
    """dBFS of the movement in ``samples``; a constant offset is no sound."""
    return 20.0 * float(np.log10(max(float(samples.std()) / 32768.0, 1e-6)))


def _unknown(t: float, reason: str) -> Observation:
    return Observation(t, OTHER_VOICE.name, None, NAME, quality=0.0, reason=reason)


def _create(settings: Settings, context: Context) -> SpeakerDetector:
    return SpeakerDetector(shared_ear(context), VoiceNet(context.models[MODEL]))


PLUGIN = Plugin(
    name=NAME,
    takes="audio",
    period=0.0,
    kinds=(OTHER_VOICE,),
    models=(EAR_MODEL, MODEL),
    Settings=Settings,
    create=_create,
    needs=("identity",),
)
