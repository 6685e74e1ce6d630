"""Plays the sound of a clip on this computer's loudspeaker, where there is one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject

from proctor.evidence.clip import Sound
from ui.bridge import Worker


class Speaker(QObject):
    """Opening a loudspeaker may take long, so it happens off the window's thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = Worker(self)
        self._sounds = False

    def play(self, sound: Sound, begin: float, then: Callable[[bool], None]) -> None:
        """Play from ``begin`` seconds on; ``then`` learns whether there is a loudspeaker."""
        at = 2 * max(0, round(begin * sound.rate))
        if at >= len(sound.samples):
            return
        samples = np.frombuffer(sound.samples[at:], "<i2")
        self._sounds = True
        self._worker.run(lambda: _play(samples, sound.rate), then)

    def stop(self) -> None:
        """Silence; also where nothing plays."""
        if self._sounds:
            self._sounds = False
            self._worker.run(_stop, lambda _: None)

    def close(self) -> None:
        """Silence, and wait until it is there."""
        self._worker.close()
        if self._sounds:
            self._sounds = False
            _stop()


def _play(samples: np.ndarray[tuple[int], np.dtype[np.int16]], rate: int) -> bool:
    try:
        import sounddevice
    except OSError:  # PortAudio is not installed; the player says that there is no loudspeaker
        return False
    try:
        sounddevice.play(samples, rate)
    except (sounddevice.PortAudioError, ValueError):
        return False
    return True


def _stop() -> None:
    try:
        import sounddevice
    except OSError:
        return
    sounddevice.stop()
