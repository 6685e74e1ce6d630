"""What a speaker network reads: the loudness of 80 bands of frequency, a hundred times a second.

Kaldi's filter-bank features, as CAM++ was trained on them (3D-Speaker: 80 bands, no dither, the mean
of every band taken away). Written out in NumPy so that no audio library is needed; it agrees with
``kaldi-native-fbank`` 1.22 to 0.002 (natural logarithms; tests/unit/test_speaker_net.py).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

RATE = 16_000
BANDS = 80
# Kaldi's defaults: windows of 25 ms every 10 ms, Povey's window, 20 Hz to half the rate.
FRAME = 400
STEP = 160
_FFT = 512
_LOWEST_HZ = 20.0
_PREEMPHASIS = 0.97
# What a band without any energy counts: the smallest difference that float32 knows beside one.
_FLOOR = float(np.finfo(np.float32).eps)

Floats = npt.NDArray[np.float32]


def _mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1127.0 * np.log(1.0 + hertz / 700.0)


@cache
def _window() -> npt.NDArray[np.float64]:
    """Povey's window: a Hann window to the power 0.85, so that it need not end at nothing."""
    turn = 2.0 * np.pi * np.arange(FRAME) / (FRAME - 1)
    window: npt.NDArray[np.float64] = (0.5 - 0.5 * np.cos(turn)) ** 0.85
    return window


@cache
def _bands() -> npt.NDArray[np.float64]:
    """257×80: triangles, evenly spaced and overlapping by half on the mel scale."""
    lowest, highest = _mel(np.array([_LOWEST_HZ, RATE / 2]))
    edges = np.linspace(float(lowest), float(highest), BANDS + 2)
    mel = _mel(np.arange(_FFT // 2 + 1) * RATE / _FFT)[:, None]
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (mel - left) / (middle - left)
    falling = (right - mel) / (right - middle)
    bands: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    bands[-1] = 0.0  # Kaldi leaves the last point of the spectrum out
    return bands


def log_bands(samples: npt.NDArray[np.int16]) -> Floats:
    """T×80 natural logarithms of band energy, each band's mean over the T windows taken away.

    ``samples`` are 16 kHz mono; T is one window every 10 ms for as long as 25 ms are left, at least
    one window (400 samples) must be given.
    """
    sound = samples.astype(np.float64) / 32768.0
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::STEP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    spectrum = np.fft.rfft((frames - _PREEMPHASIS * before) * _window(), _FFT)
    power = spectrum.real**2 + spectrum.imag**2
    logs = np.log(np.maximum(power @ _bands(), _FLOOR))
    bands: Floats = (logs - logs.mean(axis=0)).astype(np.float32)
    return bands
