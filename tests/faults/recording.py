"""A short recording whose every picture and sound can be told apart from anything else on a disk."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from proctor.evidence import clip

FPS, RATE, SECONDS = 10, 16_000, 4.0
COVERED = ((0.8, 1.6), (2.4, 3.2))
# Kept out of everything but memory: stored without loss, so what is decoded is these very bytes.
_WINDOW = 24
_WINDOWS_A_CLIP = 60

POLICY = """
version = 1
id = "small"
institution = "Practice institution"
exam = "A short recording"
contact = "Nobody reads this."
stakes = "practice"
languages = ["en"]
recipients = []

[purposes.camera]
alternative = "Nobody is watched in a recording."

[purposes.microphone]
alternative = "Nobody is heard in a recording."

[purposes.clips]
alternative = "Nothing is kept of a recording."

[clips]
pre_roll_s = 0.5
post_roll_s = 0.3
max_s = 5.0

[retention]
clips_days = 30
journal_days = 365

[detectors.camera]
required = true

[rules."camera.covered"]
on = 0.6
off = 0.4
min_s = 0.4
gap_s = 0.0
cooldown_s = 0.0
"""


def make(target: Path) -> list[bytes]:
    """Write the recording (FFV1 and PCM, both lossless) and return stretches of its raw bytes.

    320x240 pictures at 10 a second for 4 s, the lens covered twice, and noise as sound.
    """
    rng = np.random.default_rng(7)
    tile = rng.integers(40, 216, (24, 32, 3), dtype=np.uint8)
    wall = np.kron(tile, np.ones((10, 10, 1), dtype=np.uint8)).astype(np.int16)
    canaries = []
    with av.open(str(target), "w", format="matroska") as container:
        video = container.add_stream("ffv1", rate=FPS)
        video.width, video.height, video.pix_fmt = 320, 240, "bgr0"
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for number in range(round(SECONDS * FPS)):
            t = number / FPS
            covered = any(start <= t < end for start, end in COVERED)
            picture = np.full_like(wall, 4) if covered else np.roll(wall, 3 * number, axis=1)
            picture = (picture + rng.integers(-2, 3, wall.shape)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="bgr0")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
            samples = rng.integers(-3000, 3000, (1, RATE // FPS), dtype=np.int16)
            sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            sound.sample_rate, sound.time_base = RATE, Fraction(1, RATE)
            sound.pts = number * RATE // FPS
            container.mux(audio.encode(sound))
            canaries += [picture[120, 50:66].tobytes(), samples[0, 100:124].tobytes()]
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return canaries


def windows(opened: bytes) -> list[bytes]:
    """Stretches of an opened clip that its sealed file, or any other, must not show.

    The codecs work alike every time, so every run of the recording makes these bytes.
    """
    assert clip.info(opened).pictures > 5
    media = opened.index(b"mdat") + 4
    step = max(_WINDOW, (len(opened) - media - _WINDOW) // _WINDOWS_A_CLIP)
    cut = [opened[at : at + _WINDOW] for at in range(media, len(opened) - _WINDOW, step)]
    # A run of one byte is no sign of anything.
    return [piece for piece in cut if len(set(piece)) > _WINDOW // 2]
