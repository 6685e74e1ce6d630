"""What objects, lighting and camera flag on recordings, as they are and altered, at a policy's rules.

    python benchmarks/vision_flags.py MEDIA [--only objects] [--alter dark-0.05] [--seconds 20] [--policy standard]

MEDIA is a folder with `video/*/*` and `labels.csv`. Prints one line a recording and a last line with
totals. `--alter` plays every recording back and forth for `--seconds` and, from second 8 on, changes
the pictures in one of the ways in ALTERATIONS ("as-is" only loops them). `--pictures GLOB` shows the
pictures of a folder as if they were one recording, two a second. `--cost` prints what each detector
costs a look beside the bare network, on the same frames of the recordings that `--match` names.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from detectors._yolo import letterbox
from models import registry
from policies import load
from policies.consent import Grant
from proctor.capture.replay import Recording
from proctor.pipeline.detector import Context, Plugin
from proctor.pipeline.plugins import discover
from proctor.pipeline.rules import RuleBook
from proctor.types import Frame, Image

FPS = 2.0
CHANGE_AT_S = 8.0
SUFFIXES = {".mp4", ".mkv", ".mpg", ".gif", ".webm", ".avi"}
NAMES = ("objects", "lighting", "camera")


def light(image: Image, gain: float, noise: float, rng: np.random.Generator) -> Image:
    """The picture with ``gain`` times the light and fresh sensor noise (standard deviation of 255)."""
    linear = (image / 255.0) ** 2.2 * gain
    grain = rng.normal(0.0, noise, image.shape) if noise else 0.0
    return np.clip(255 * linear ** (1 / 2.2) + grain, 0, 255).astype(np.uint8)


def lamp(image: Image, radius: float) -> Image:
    """A lamp into the lens: a burnt disc of ``radius`` picture heights with a halo."""
    rows, columns = image.shape[:2]
    y, x = np.mgrid[:rows, :columns]
    away = np.hypot(x - 0.7 * columns, y - 0.35 * rows) / rows
    glow = 255 * np.exp(-(np.clip(away - radius, 0, None) ** 2) / (2 * 0.08**2))
    return np.clip(image + glow[..., None], 0, 255).astype(np.uint8)


def window(image: Image, subject: float) -> Image:
    """Light from behind: burnt at the sides and above, ``subject`` times the light in the middle."""
    rows, columns = image.shape[:2]
    y, x = np.mgrid[:rows, :columns]
    head = np.hypot((x / columns - 0.5) / 0.18, (y / rows - 0.4) / 0.28)
    body = np.maximum(np.abs(x / columns - 0.5) / 0.32, (0.95 - y / rows) / 0.4)
    inside = np.clip((1.05 - np.minimum(head, body)) / 0.1, 0, 1)[..., None]
    linear = (image / 255.0) ** 2.2
    mixed = inside * linear * subject + (1 - inside) * (0.55 + 2.0 * linear)
    return np.clip(255 * mixed ** (1 / 2.2), 0, 255).astype(np.uint8)


def covered(image: Image, noise: float, rng: np.random.Generator) -> Image:
    """A finger on the lens: reddish shading that follows nothing in the scene, and noise."""
    rows, columns = image.shape[:2]
    y, x = np.mgrid[:rows, :columns]
    glow = np.exp(-((x / columns - 0.45) ** 2 + (y / rows - 0.4) ** 2) / 0.3)
    shade = np.stack([12 + 6 * x / columns, 16 + 8 * y / rows, 30 + 60 * glow], axis=-1)
    return np.clip(shade + rng.normal(0, noise, shade.shape), 0, 255).astype(np.uint8)


def taped(image: Image) -> Image:
    """Translucent tape: a blur of a twelfth of the width at two thirds of the light."""
    soft = cv2.GaussianBlur(image, (0, 0), image.shape[1] / 12)
    return np.clip(soft * 0.83, 0, 255).astype(np.uint8)


Alter = Callable[[Image, np.random.Generator], Image]
ALTERATIONS: dict[str, Alter] = {
    "as-is": lambda image, rng: image,
    "mild-dark": lambda image, rng: light(image, 0.6, 2.0, rng),
    "mild-bright": lambda image, rng: light(image, 1.4, 2.0, rng),
    "dark-0.2": lambda image, rng: light(image, 0.2, 2.0, rng),
    "dark-0.1": lambda image, rng: light(image, 0.1, 2.0, rng),
    "dark-0.05": lambda image, rng: light(image, 0.05, 3.0, rng),
    "dark-0.02": lambda image, rng: light(image, 0.02, 3.0, rng),
    "bright-3": lambda image, rng: light(image, 3.0, 2.0, rng),
    "bright-6": lambda image, rng: light(image, 6.0, 2.0, rng),
    "lamp": lambda image, rng: lamp(image, 0.25),
    "window-0.15": lambda image, rng: window(image, 0.15),
    "window-0.05": lambda image, rng: window(image, 0.05),
    "finger": lambda image, rng: covered(image, 3.0, rng),
    "cap": lambda image, rng: np.clip(rng.normal(4, 3, image.shape), 0, 255).astype(np.uint8),
    "tape": lambda image, rng: taped(image),
}


def frames(path: Path) -> Iterator[Frame]:
    """The frames of a recording, two a second."""
    grant = Grant("camera", "benchmark")
    for item in Recording.open(path).samples(camera=grant, microphone=None, fps=FPS):
        if isinstance(item, Frame):
            yield item


def looped(path: Path, seconds: float, how: str, rng: np.random.Generator) -> Iterator[Frame]:
    """The recording back and forth at its own rate for ``seconds``, altered from CHANGE_AT_S on."""
    grant = Grant("camera", "benchmark")
    taken = [
        item.image
        for item in Recording.open(path).samples(camera=grant, microphone=None, fps=10.0)
        if isinstance(item, Frame)
    ]
    order = list(range(len(taken))) + list(range(len(taken) - 2, 0, -1))
    still = 0
    for seq in range(int(seconds * FPS)):
        t = seq / FPS
        at = order[int(t * 10) % len(order)]
        if t < CHANGE_AT_S:
            still = at
        image = taken[at]
        if t >= CHANGE_AT_S:
            image = taken[still] if how == "freeze" else ALTERATIONS[how](image, rng)
        yield Frame(t, seq, np.ascontiguousarray(image))


def flags(plugins: list[Plugin], shown: Iterator[Frame], policy: str) -> tuple[list[str], float]:
    """One sentence a flag, and the seconds of processor time the detectors took per look."""
    context = Context({name: _model(name) for p in plugins for name in p.models})
    detectors = [p.create(p.Settings(), context) for p in plugins]
    book = RuleBook([k for p in plugins for k in p.kinds], load.read(policy)[0].rules)
    book.begin(0.0)
    events, end, looks, cpu = [], 0.0, 0, 0.0
    for frame in shown:
        began = time.process_time()
        said = [o for d in detectors for o in d.update(frame)]
        cpu += time.process_time() - began
        looks += 1
        events += [e for o in said for e in book.feed(o)]
        end = frame.t + 1 / FPS
    events += book.finish(end)
    text = [
        f"{e.flag.kind} {e.flag.start:.1f}-{e.flag.end or end:.1f}"
        for e in events
        if e.what == "closed"
    ]
    return text, cpu / max(looks, 1)


def cost(plugins: list[Plugin], path: Path) -> str:
    """Mean milliseconds of processor time a look: the bare network, then each detector."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(_model("yolo11n")), options)
    context = Context({name: _model(name) for p in plugins for name in p.models})
    detectors = {p.name: p.create(p.Settings(), context) for p in plugins}
    times: dict[str, list[float]] = {"bare network": [], **{name: [] for name in detectors}}
    for frame in frames(path):
        blob, _, _, _ = letterbox(frame.image, 640, 480)
        began = time.process_time()
        session.run(None, {session.get_inputs()[0].name: blob})
        times["bare network"].append(time.process_time() - began)
        for name, detector in detectors.items():
            began = time.process_time()
            detector.update(frame)
            times[name].append(time.process_time() - began)
    return ", ".join(f"{name} {1000 * np.mean(each):.1f}" for name, each in times.items())


def _model(name: str) -> Path:
    path = registry.find(name)
    if path is None:
        raise SystemExit(f"The network {name} is not here; run `proctor models install`.")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media", type=Path)
    parser.add_argument("--only", choices=NAMES, action="append")
    parser.add_argument("--alter", choices=[*ALTERATIONS, "freeze"])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--policy", default="standard")
    parser.add_argument("--pictures", metavar="GLOB")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--match", default="", help="only recordings whose path holds this text")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    found = discover()
    plugins = [found[name] for name in chosen.only or NAMES]
    rng = np.random.default_rng(20261122)
    if chosen.pictures:
        paths = sorted(chosen.media.glob(chosen.pictures))
        images = (cv2.imread(str(p)) for p in paths)
        shown = (Frame(i / FPS, i, image) for i, image in enumerate(images))
        print(f"{chosen.pictures} ({len(paths)})", *flags(plugins, shown, chosen.policy)[0])
        return
    flagged = total = 0
    for path in sorted(p for p in chosen.media.glob("video/*/*") if p.suffix in SUFFIXES):
        if chosen.match not in str(path):
            continue
        if chosen.cost:
            print(f"{path.parent.name}/{path.name:46s} {cost(plugins, path)} ms")
            continue
        how = chosen.alter
        shown = looped(path, chosen.seconds, how, rng) if how else frames(path)
        said, cpu = flags(plugins, shown, chosen.policy)
        total += 1
        flagged += bool(said)
        print(f"{path.parent.name}/{path.name:46s} {1000 * cpu:5.1f} ms  {'; '.join(said)}")
    print(f"{flagged} of {total} recordings with a flag")


if __name__ == "__main__":
    main()
