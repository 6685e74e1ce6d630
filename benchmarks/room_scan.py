"""How well a turn is told from pictures: rendered rooms with known angles. Prints a Markdown table.

python benchmarks/room_scan.py
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from proctor.session.sweep import Measured, Sweep
from proctor.types import Frame, Image

_PATH = Path(__file__).resolve().parents[1] / "tests" / "unit" / "turning_rooms.py"


def _rooms() -> Any:
    """The rendered rooms of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location("turning_rooms", _PATH)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{_PATH} cannot be loaded; run this in a full checkout.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(frames: Iterable[Frame]) -> tuple[Measured, float]:
    """What the sweep says, and its CPU milliseconds a frame."""
    sweep, spent, count = Sweep(), 0.0, 0
    for frame in frames:
        began = time.thread_time()
        sweep.add(frame)
        spent, count = spent + time.thread_time() - began, count + 1
    return sweep.finish(), 1000 * spent / count


def barrel(pull: float, fov: float, width: int, height: int) -> Any:
    """A lens that draws a point at ``r`` focal lengths in by about ``pull * r²``."""
    focal = 0.5 * width / math.tan(math.radians(fov) / 2)
    x, y = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
    out = 1 + pull * (x**2 + y**2) / focal**2
    to = ((x * out + width / 2).astype(np.float32), (y * out + height / 2).astype(np.float32))

    def through(_: int, picture: Image) -> Image:
        return np.asarray(cv2.remap(picture, *to, cv2.INTER_LINEAR), dtype=np.uint8)

    return through


def line(name: str, true: float, measured: Measured, cpu: float) -> None:
    off = 100 * (measured.turned / true - 1)
    print(
        f"| {name} | {true:.0f}° | {measured.turned:.1f}° | {off:+.1f} % | "
        f"{measured.field_of_view:.1f}° | {100 * measured.error:.0f} % | {measured.known_from} | "
        f"{measured.not_told_s:.1f} s | {cpu:.1f} |",
        flush=True,
    )


def main() -> None:
    cv2.setNumThreads(1)
    rooms = _rooms()
    print(
        "| sweep | true | told | off | field of view told | standard error | known from | ", end=""
    )
    print("not told | CPU ms a frame |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for seed, fov in ((1, 55), (2, 62), (3, 70), (4, 80)):
        for degrees, speed in ((90, 15), (180, 25), (360, 30), (400, 45)):
            frames = rooms.film(
                rooms.papered(seed), rooms.steady(degrees, speed), fov, noise=4, seed=seed
            )
            line(f"{fov}° camera, {speed}°/s", degrees, *measure(frames))
    size = (rooms.WIDTH, rooms.HEIGHT)
    hard: tuple[tuple[str, float, float, dict[str, Any]], ...] = (
        ("noise of 8 grey levels", 180, 25, {"noise": 8}),
        ("nodding 4°, swaying 3°", 180, 25, {"wobble": 4}),
        ("looking up 15°", 180, 25, {"pitch": 15}),
        ("60° a second", 180, 60, {}),
        ("90° a second", 180, 90, {}),
        ("held 0.05 of the room's radius from the axis", 180, 25, {"arm": 0.05}),
        ("held 0.10 from it", 180, 25, {"arm": 0.1}),
        ("held 0.10 from it", 360, 25, {"arm": 0.1}),
        ("held 0.20 from it", 180, 25, {"arm": 0.2}),
        ("barrel lens, 5 % at the side", 180, 25, {"after": barrel(0.12, 65, *size)}),
        ("pincushion lens, 2 % at the side", 180, 25, {"after": barrel(-0.05, 65, *size)}),
        ("smeared over 3 % of the width", 180, 25, {"after": lambda i, p: cv2.blur(p, (12, 1))}),
    )
    for name, turn, pace, how in hard:
        frames = rooms.film(rooms.papered(5), rooms.steady(turn, pace), 65, **how)
        line(f"65°, {name}", turn, *measure(frames))


if __name__ == "__main__":
    main()
