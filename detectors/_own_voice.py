"""Whose voice is it? A network's 192 numbers for two seconds of speech, and the student's own ones.

The numbers live in this process's memory, are never written or sent anywhere, and are overwritten
when the exam ends or the student's leave for them does.

Network: CAM++ (see ``models/campplus.py``). Two pieces of one voice give numbers that point the same
way; their likeness is the cosine of the angle between them, about 0 for strangers and 1 for the same
sound. Where the limits come from: ``benchmarks/speaker.py``, the tables in
``docs/detectors/speaker.md``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from detectors._fbank import RATE, log_bands
from proctor.types import Samples

MODEL = "campplus"

# From this likeness on it is the student: of pieces by other people one in a thousand reaches it.
OWN = 0.42
# Below this it is somebody else; in between nobody can tell. The gap spares the student whose voice
# is hoarse or excited, and costs some pieces of others, who are heard again a second later.
OTHER = 0.30

# Enrolled from this many pieces (of two seconds, none overlapping another).
ENROL_PIECES = 4

# A telephone's sound ends at 3.4 kHz. What is above 4 kHz lies 7 dB above to 35 dB below the rest in
# pieces of ordinary recordings, and 60 dB below and more in the same pieces through a telephone's band.
NARROW_DB = -48.0
_SPEECH_HZ, _UPPER_HZ = 200.0, 4000.0

Voice = npt.NDArray[np.float32]


class VoiceNet:
    """The network. One run for two seconds takes about 15 ms of one core."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def voice(self, samples: Samples) -> Voice:
        """192 numbers of length one for 16 kHz mono ``samples``, one to two seconds long."""
        (voice,) = self._session.run(None, {"bands": log_bands(samples)[None]})
        numbers: Voice = voice[0]
        return numbers


def is_narrow(samples: Samples) -> bool:
    """Whether the sound ends below 4 kHz, as through a telephone or a headset in its call mode."""
    spectrum = np.fft.rfft(samples * np.hanning(len(samples)))
    power = spectrum.real**2 + spectrum.imag**2
    hertz = np.fft.rfftfreq(len(samples), 1.0 / RATE)
    upper = float(power[hertz > _UPPER_HZ].sum())
    speech = float(power[(hertz > _SPEECH_HZ) & (hertz <= _UPPER_HZ)].sum())
    return bool(upper < speech * 10.0 ** (NARROW_DB / 10.0))


class OwnVoice:
    """The student's voice: learnt from a few pieces, compared with later ones, then wiped out."""

    def __init__(self) -> None:
        self._pieces: list[Voice] = []
        self._own: Voice | None = None
        self.dbfs = 0.0
        self.narrow = False
        self._levels: list[float] = []

    @property
    def known(self) -> bool:
        return self._own is not None

    @property
    def pieces(self) -> int:
        """How many pieces have been learnt from so far."""
        return len(self._pieces)

    def learn(self, voice: Voice, dbfs: float, narrow: bool = False) -> bool:
        """Learn from one more piece of loudness ``dbfs``; whether it is the voice of those before.

        Where it is not, two people may have spoken: learning begins again with this piece.
        ``narrow``: what :func:`is_narrow` says of it.
        """
        same = not self._pieces or self._likeness(voice, self._mean()) >= OWN
        if not same:
            self._wipe_pieces()
        self._pieces.append(voice)
        self._levels.append(dbfs)
        if len(self._pieces) >= ENROL_PIECES:
            self._own = self._mean()
            self.dbfs = float(np.median(self._levels))
            self.narrow = narrow
            self._wipe_pieces()
        return same

    def likeness(self, voice: Voice) -> float:
        """-1…1, how much ``voice`` is the student's. Only once :attr:`known`."""
        if self._own is None:
            raise ValueError("no voice has been learnt")
        return self._likeness(voice, self._own)

    def forget(self) -> None:
        """Overwrite every number that was learnt."""
        self._wipe_pieces()
        if self._own is not None:
            self._own.fill(0.0)
        self._own = None

    def _mean(self) -> Voice:
        mean: Voice = np.mean(self._pieces, axis=0, dtype=np.float32)
        mean /= np.float32(np.linalg.norm(mean))
        return mean

    def _wipe_pieces(self) -> None:
        for piece in self._pieces:
            piece.fill(0.0)
        self._pieces.clear()
        self._levels.clear()

    @staticmethod
    def _likeness(one: Voice, other: Voice) -> float:
        return float(one @ other)
