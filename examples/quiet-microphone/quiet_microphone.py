"""Does the microphone deliver anything at all? An example of a detector plug-in.

A microphone that works moves by its own hiss, also in a silent room. When every sample has the same
value for a while, it is muted or unplugged, and nothing can be said about sound. That is worth a
look by a person, who may simply ask the student to plug it in again.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from proctor.pipeline.detector import Context, Detector, Kind, Plugin
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import AudioChunk, Observation

NAME = "quiet_microphone"
SILENT = Kind(
    name="microphone.silent",
    title="Silent microphone",
    # What a student and a proctor read. {seconds} is how long it lasted.
    sentence="The microphone delivered nothing at all for {seconds} s.",
)


class Settings(BaseSettings):
    """What a policy may set, below ``[detectors.quiet_microphone.settings]``."""

    steps: int = Field(
        1,
        ge=0,
        le=64,
        description="Samples that differ by no more than this (of 32,768) count as the same value.",
    )


class QuietMicrophone:
    """One observation a chunk: 1.0 where its samples stand still, 0.0 where they move."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def update(self, chunk: AudioChunk) -> Sequence[Observation]:
        if len(chunk.samples) < 2:
            # Not enough to tell: say so, instead of guessing either way.
            return [Observation(chunk.t, SILENT.name, None, NAME, reason="too little sound")]
        spread = int(chunk.samples.max()) - int(chunk.samples.min())
        score = 1.0 if spread <= self._steps else 0.0
        return [Observation(chunk.t, SILENT.name, score, NAME, reason=f"moved by {spread} steps")]

    def reset(self) -> None:
        """Nothing is remembered from one chunk to the next."""

    def close(self) -> None:
        """Nothing is held open."""


def create(settings: Settings, context: Context) -> Detector:
    """The detector with a policy's settings; it needs no network, so ``context`` stays unused."""
    return QuietMicrophone(settings.steps)


PLUGIN = Plugin(
    name=NAME,
    takes="audio",
    period=0.0,  # every sample
    kinds=(SILENT,),
    models=(),
    Settings=Settings,
    create=create,
)
