"""The devices of one exam: this computer's camera and microphone, or a recording that poses as both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from policies.consent import Grant
from proctor.capture.source import FPS, Source
from proctor.clock import SessionClock


@dataclass(frozen=True, slots=True)
class Devices:
    """Which devices an exam uses. ``camera`` is a number or a path, ``microphone`` a number or a name
    (``None``: the system's own). With ``recording`` that file plays instead, at its own pace."""

    camera: int | str = 0
    microphone: int | str | None = None
    recording: Path | None = None

    def sources(
        self, clock: SessionClock, camera: Grant | None, microphone: Grant | None
    ) -> list[Source]:
        """New sources for what was agreed to. Raises :class:`InputError` for an unusable recording."""
        if self.recording is not None:
            from proctor.capture.replay import RealTimeReplay, Recording

            recording = Recording.open(self.recording)
            return [RealTimeReplay(recording, clock, camera=camera, microphone=microphone)]
        from proctor.capture.camera import Camera
        from proctor.capture.microphone import Microphone

        found: list[Source] = []
        if camera is not None:
            found.append(Camera(camera, clock, device=self.camera, fps=FPS))
        if microphone is not None:
            found.append(Microphone(microphone, clock, device=self.microphone))
        return found


def named(text: str) -> int | str:
    """A device as typed: a number, or a name or path, as the device libraries want it."""
    return int(text) if text.isdigit() else text
