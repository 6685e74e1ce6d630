"""A camera that is plugged in instead of the one in use is found under its own number."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from policies.consent import Grant
from proctor.capture.camera import Camera
from proctor.capture.device import Patience
from proctor.capture.naming import camera_facts
from proctor.clock import SessionClock
from proctor.types import AudioChunk, Frame, Marker

QUICK = Patience(silent_s=2.0, opening_s=4.0, retry_s=0.02)


class Plug:
    """What ``cv2.VideoCapture`` would be for one number: a camera while ``there``, else nothing."""

    def __init__(self, there: bool) -> None:
        self.there = there
        self.rng = np.random.default_rng(1)

    def isOpened(self) -> bool:  # noqa: N802
        return self.there

    def set(self, prop: int, value: float) -> bool:
        return True

    def grab(self) -> bool:
        time.sleep(1 / 30)
        return self.there

    def retrieve(self) -> tuple[bool, Any]:
        return True, self.rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)

    def release(self) -> None:
        pass


class Kept:
    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.events: list[Marker] = []
        self.frame, self.event = self.frames.append, self.events.append

    def audio(self, chunk: AudioChunk) -> None:
        raise AssertionError("a camera gives no sound")

    def kinds(self) -> list[str]:
        return [marker.kind for marker in self.events]


def until(true: Any) -> None:
    deadline = time.monotonic() + 60.0
    while not true():
        assert time.monotonic() < deadline, "it took more than 60 s"
        time.sleep(0.02)


def test_a_camera_that_is_plugged_in_instead_is_found_under_its_number() -> None:
    plugs = {0: Plug(True), 3: Plug(False)}
    asked: list[int | str] = []

    def at(number: int | str) -> Plug:
        asked.append(number)
        return plugs.get(int(number), Plug(False))

    kept = Kept()
    camera = Camera(Grant("camera", "r1"), SessionClock(), open_device=at, patience=QUICK)
    camera.start(kept)
    try:
        until(lambda: kept.frames)
        # Before it was lost, no other camera is looked at.
        assert set(asked) == {0}
        plugs[0].there, plugs[3].there = False, True
        until(lambda: "device.changed" in kept.kinds())
        count = len(kept.frames)
        until(lambda: len(kept.frames) > count + 2)
    finally:
        camera.stop()
    assert set(kept.kinds()) == {"device.lost", "device.changed", "device.found"}
    assert camera.facts() == camera_facts(3)


def test_a_camera_that_was_named_by_a_path_is_never_exchanged() -> None:
    plug = Plug(True)
    asked: set[int | str] = set()

    def at(name: int | str) -> Plug:
        asked.add(name)
        return plug

    kept = Kept()
    camera = Camera(
        Grant("camera", "r1"), SessionClock(), "/dev/front", open_device=at, patience=QUICK
    )
    camera.start(kept)
    try:
        until(lambda: kept.frames)
        plug.there = False
        until(lambda: "device.lost" in kept.kinds())
        time.sleep(0.5)
    finally:
        camera.stop()
    assert asked == {"/dev/front"}
