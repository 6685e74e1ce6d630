"""Rooms, noises and microphones for the wake-phrase heads' training, made from nothing but numbers.

No recording is used: noise is generated, babble is the synthetic voices talking at once. Sounds are
float32 at 16 kHz, about -1 to 1.
"""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np

from models.train.wake_voices import RATE, Sound, resample

Rng = np.random.Generator


def mouth(sound: Sound, rng: Rng) -> Sound:
    """Another speaker: pitch and formants together up or down by up to a fifth."""
    return resample(sound, float(rng.uniform(0.82, 1.2))) if rng.random() < 0.75 else sound


def _quick_length(n: int) -> int:
    """The next length, at least ``n``, that is quick to transform: 1 or 1.5 times a power of 2."""
    power = 1 << (n - 1).bit_length()
    return power * 3 // 4 if n <= power * 3 // 4 else power


def coloured(n: int, slope: float, rng: Rng) -> Sound:
    """Noise whose amplitude falls with frequency to the power of ``slope`` (0 white, 1 brown)."""
    size = _quick_length(n)
    spectrum = np.fft.rfft(rng.standard_normal(size, np.float32))
    spectrum /= np.maximum(np.arange(len(spectrum)), 8.0) ** slope
    return _unit(np.fft.irfft(spectrum, size)[:n])


def _unit(sound: np.ndarray) -> Sound:
    """``sound`` at an effective level of 1."""
    scaled: Sound = (sound / max(float(np.sqrt(np.mean(sound**2))), 1e-9)).astype(np.float32)
    return scaled


def tones(n: int, rng: Rng) -> Sound:
    """Music-like chords with overtones and decay, a new one every quarter to whole second."""
    out, at = np.zeros(n), 0
    while at < n:
        length = min(int(rng.uniform(0.25, 1.0) * RATE), n - at)
        t = np.arange(length) / RATE
        for _ in range(int(rng.integers(1, 4))):
            base = 110.0 * 2 ** (int(rng.integers(0, 36)) / 12)
            for overtone in range(1, 5):
                out[at : at + length] += np.sin(2 * np.pi * base * overtone * t) / overtone**1.5
        out[at : at + length] *= np.exp(-t * rng.uniform(0.5, 5.0))
        at += length
    return _unit(out)


def clicks(n: int, rng: Rng) -> Sound:
    """Short ringing knocks at random times: keys, mouse buttons, a pen on a table."""
    out = coloured(n, 0.5, rng).astype(float) * 0.02
    for _ in range(max(1, int(n / RATE * rng.uniform(1, 9)))):
        length = int(rng.uniform(0.005, 0.06) * RATE)
        at = int(rng.integers(0, max(1, n - length)))
        t = np.arange(min(length, n - at)) / RATE
        ring = np.sin(2 * np.pi * rng.uniform(300, 5000) * t) + rng.normal(size=len(t))
        out[at : at + len(t)] += ring * np.exp(-t * rng.uniform(60, 400)) * rng.uniform(0.2, 1)
    return _unit(out)


def bursts(n: int, rng: Rng) -> Sound:
    """Coughs, barks, creaks and cries of no animal: resonant, gliding, breathing sounds."""
    out = coloured(n, 0.5, rng).astype(float) * 0.03
    at = int(rng.uniform(0, 0.3) * RATE)
    while at < n:
        length = min(int(rng.uniform(0.06, 0.9) * RATE), n - at)
        t = np.arange(length) / RATE
        glide = float(rng.uniform(80, 900)) * 2 ** (rng.uniform(-1.5, 1.5) * t / max(t[-1], 0.01))
        phase = 2 * np.pi * np.cumsum(glide) / RATE
        voiced = np.sum([np.sin(k * phase) / k for k in range(1, 9)], axis=0) * rng.random()
        raw = np.fft.rfft(voiced + rng.normal(size=length) * rng.random())
        hertz = np.fft.rfftfreq(length, 1 / RATE)
        shape = np.full(len(hertz), 0.05)
        for centre in rng.uniform(250, 6000, size=int(rng.integers(1, 5))):
            shape += 1 / (1 + ((hertz - centre) / rng.uniform(60, 900)) ** 2)
        envelope = np.minimum(t / rng.uniform(0.003, 0.15), 1) * np.exp(-t * rng.uniform(0, 12))
        out[at : at + length] += np.fft.irfft(raw * shape, length) * envelope * rng.uniform(0.2, 1)
        at += length + int(rng.uniform(0, 0.7) * RATE)
    return _unit(out)


def hum(n: int, rng: Rng) -> Sound:
    """Mains hum or a fan: a low tone with overtones over soft noise."""
    t = np.arange(n) / RATE
    base = float(rng.uniform(45, 200))
    waves = [np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) / k for k in range(1, 8)]
    return _unit(np.sum(waves, axis=0) + 0.3 * coloured(n, 0.7, rng))


def babble(n: int, voices: list[Sound], rng: Rng) -> Sound:
    """Three to seven of ``voices`` at once, each repeated to length from a random place."""
    out = np.zeros(n)
    for _ in range(int(rng.integers(3, 8))):
        voice = voices[int(rng.integers(len(voices)))]
        out += np.roll(np.resize(_unit(voice), n), int(rng.integers(n))) * rng.uniform(0.3, 1)
    return _unit(out)


def noise(n: int, voices: list[Sound], rng: Rng) -> Sound:
    """One of the noises above, at an effective level of 1."""
    kind = rng.random()
    if kind < 0.4:
        return coloured(n, float(rng.uniform(0, 1.1)), rng)
    if kind < 0.52:
        return babble(n, voices, rng)
    if kind < 0.65:
        return clicks(n, rng)
    if kind < 0.78:
        return bursts(n, rng)
    return hum(n, rng) if kind < 0.9 else tones(n, rng)


def room(sound: Sound, rng: Rng) -> Sound:
    """``sound`` in a room: direct path, a few early reflections, and a decaying tail."""
    t60 = float(rng.uniform(0.12, 0.7))
    n = int(t60 * RATE)
    t = np.arange(n) / RATE
    impulse = rng.normal(size=n) * np.exp(-6.9 * t / t60) * (t > 0.004)
    impulse *= 10 ** (-rng.uniform(0, 15) / 20) / np.sqrt(np.sum(impulse**2))
    impulse[0] = 1.0
    for delay in rng.integers(int(0.001 * RATE), int(0.02 * RATE), size=6):
        impulse[delay] += rng.uniform(-0.4, 0.4)
    size = _quick_length(len(sound) + n)
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(impulse, size), size)
    heard: Sound = wet[: len(sound)].astype(np.float32)
    return heard


def microphone(sound: Sound, rng: Rng) -> Sound:
    """A microphone's band and tilt: high-pass, low-pass and up to 4 dB an octave."""
    size = _quick_length(len(sound))
    spectrum = np.fft.rfft(sound, size)
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 20.0)
    low, high = float(rng.uniform(30, 300)), float(rng.choice((3400, 5000, 7000, 9000)))
    gain = 1 / np.sqrt(1 + (low / hertz) ** 4) / np.sqrt(1 + (hertz / high) ** 12)
    gain *= (hertz / 1000.0) ** (float(rng.uniform(-4, 4)) / 6.02)
    return np.fft.irfft(spectrum * gain, size)[: len(sound)].astype(np.float32)


def codec(sound: Sound, rng: Rng) -> Sound:
    """``sound`` after a lossy codec (Opus, AAC or MP3), cut to the same length."""
    name, container, rates = (
        ("libopus", "ogg", (8000, 12000, 24000)),
        ("aac", "adts", (16000, 24000, 48000)),
        ("libmp3lame", "mp3", (16000, 32000, 48000)),
    )[int(rng.integers(3))]
    memory = io.BytesIO()
    with av.open(memory, "w", format=container) as out:
        stream: Any = out.add_stream(name, rate=RATE, layout="mono")
        stream.bit_rate = int(rng.choice(rates))
        loud = np.clip(sound * 32768, -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(loud[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)
    memory.seek(0)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(memory, "r") as back:
        frames = [piece for frame in back.decode(audio=0) for piece in resampler.resample(frame)]
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames]) / 32768.0
    return np.resize(samples, len(sound)).astype(np.float32)


def recorded(sound: Sound, voices: list[Sound], rng: Rng) -> Sound:
    """``sound`` as a laptop would record it: room, noise, microphone, codec and level.

    One in eight stays as it was, so that clean sound is known too.
    """
    if rng.random() < 0.875:
        if rng.random() < 0.6:
            sound = room(sound, rng)
        speech = float(np.sqrt(np.mean(np.sort(sound**2)[-len(sound) // 3 :]))) + 1e-6
        ratio = float(rng.uniform(3, 35))
        sound = sound + noise(len(sound), voices, rng) * speech * 10 ** (-ratio / 20)
        if rng.random() < 0.6:
            sound = microphone(sound, rng)
        if rng.random() < 0.12:
            sound = codec(sound, rng)
    peak = float(np.abs(sound).max()) + 1e-6
    wanted = 10 ** (float(rng.uniform(-30, 4)) / 20)  # above 0 dB the sound clips
    level: Sound = np.clip(sound / peak * wanted, -1, 1).astype(np.float32)
    return level
