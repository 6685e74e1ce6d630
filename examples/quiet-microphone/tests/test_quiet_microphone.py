"""What the example promises, tried without Open Proctor's runtime: a detector is a plain filter."""

from __future__ import annotations

import numpy as np
from quiet_microphone import PLUGIN, Settings

from proctor.pipeline.detector import Context
from proctor.types import AudioChunk

RATE = 16_000


def heard(samples: np.ndarray, **settings: int) -> float | None:
    detector = PLUGIN.create(Settings(**settings), Context({}))
    (said,) = detector.update(AudioChunk(0.0, 0, samples.astype(np.int16), RATE))
    return said.score


def test_a_muted_microphone_stands_still() -> None:
    assert heard(np.zeros(RATE)) == 1.0
    assert heard(np.full(RATE, -3)) == 1.0


def test_the_hiss_of_a_silent_room_is_enough() -> None:
    assert heard(np.random.default_rng(1).normal(0, 3, RATE)) == 0.0


def test_too_little_sound_is_unknown() -> None:
    assert heard(np.zeros(1)) is None


def test_a_policy_may_allow_a_driver_that_dithers() -> None:
    dither = np.random.default_rng(2).integers(0, 4, RATE)
    assert heard(dither) == 0.0
    assert heard(dither, steps=3) == 1.0
