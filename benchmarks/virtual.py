"""What `camera.virtual` says of recordings as they are, and of loops made of them; and what a look costs.

    python benchmarks/virtual.py MEDIA [--noise 0 2 8] [--minutes 5] [--match d9]

MEDIA is a folder with `video/*/*`. Every recording is looked at twice a second as a camera's pictures are;
then its first seconds are looped, sampled at the slightly uneven times of a live capture, with fresh noise
(standard deviation of 255). Prints when each loop was seen first (score 0.5), and the cost as a ratio to
what the plug-in's other two kinds cost on the same frames.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from detectors import camera
from detectors._luma import small
from detectors._repeats import Repeats
from policies.consent import Grant
from proctor.capture.replay import Recording
from proctor.pipeline.detector import Context
from proctor.types import Frame, Image

SUFFIXES = {".mp4", ".mkv", ".mpg", ".gif", ".webm", ".avi"}
LOOPS_S = (4.13, 5.37, 7.1, 8.9, 139.4)
SEEN = 0.5
JITTER_S = 0.02


def pictures(path: Path, fps: float) -> list[Image]:
    """The pictures of a recording, ``fps`` a second at most."""
    grant = Grant("camera", "benchmark")
    samples = Recording.open(path).samples(camera=grant, microphone=None, fps=fps)
    return [item.image for item in samples if isinstance(item, Frame)]


def as_it_is(images: list[Image]) -> tuple[int, float | None]:
    """How many looks were judged, and the highest score."""
    repeats = Repeats()
    scores = [repeats.look(i / 2, image, small(image))[0] for i, image in enumerate(images)]
    known = [score for score in scores if score is not None]
    return len(known), max(known, default=None)


def looped(images: list[Image], fps: float, noise: float, seconds: float) -> float | None:
    """The second at which a loop of ``images`` was seen first."""
    repeats = Repeats()
    rng = np.random.default_rng(3)
    for i in range(int(seconds * 2)):
        t = i / 2
        image = images[int((t + 1 + rng.uniform(-JITTER_S, JITTER_S)) * fps) % len(images)]
        if noise:
            grain = rng.normal(0.0, noise, image.shape)
            image = np.clip(image + grain, 0, 255).astype(np.uint8)
        score, _ = repeats.look(t, image, small(image))
        if score is not None and score >= SEEN:
            return t
    return None


def cost(images: list[Image]) -> str:
    """CPU of one look with and without the part measured here."""
    spent = {}
    for name in ("with", "without"):
        detector = camera.Camera()
        if name == "without":
            detector._repeats.look = lambda t, image, grey: (None, "")  # type: ignore[method-assign]
        began = time.process_time()
        for i in range(600):
            detector.update(Frame(i / 2, i, images[i % len(images)]))
        spent[name] = (time.process_time() - began) / 600 * 1000
    ratio = spent["with"] / spent["without"]
    return f"{spent['with']:.2f} ms a look, {ratio:.2f} times that without"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("media", type=Path)
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 2.0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--match", default="")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    camera.create(camera.Settings(), Context({}))
    paths = sorted(p for p in (given.media / "video").rglob("*") if p.suffix in SUFFIXES)
    judged, found, total = [], [], 0.0
    for path in (p for p in paths if given.match in p.name):
        images = pictures(path, 2.0)
        looks, highest = as_it_is(images)
        total += len(images) / 2
        if looks:
            judged.append(f"{path.name} ({looks} looks, highest {highest:.2f})")
        if highest is not None and highest >= SEEN:
            found.append(path.name)
    print(
        f"as they are: {len(paths)} recordings, {total:.0f} s; judged: {', '.join(judged) or 'none'}"
    )
    print(f"taken for a program's: {', '.join(found) or 'none'}")
    for path in (p for p in paths if given.match in p.name):
        fps = 10.0 if path.stat().st_size > 2_000_000 else 30.0
        images = pictures(path, fps)
        for length in LOOPS_S:
            count = int(length * fps)
            if count > len(images) or (length < 100 and len(images) < 5 * fps):
                continue
            for noise in given.noise:
                seen = looped(images[:count], fps, noise, given.minutes * 60)
                print(
                    f"{path.name}: loop of {length} s, noise {noise:g}: seen after {seen} s",
                    flush=True,
                )
    print(cost(pictures(paths[-1], 10.0)))


if __name__ == "__main__":
    main()
