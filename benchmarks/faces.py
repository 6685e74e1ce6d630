"""Measures faces and gaze on the labelled recordings: flags by clip, CPU, detection by group.

    python benchmarks/faces.py flags MEDIA [--loop SECONDS] [--only TEXT] [--every]
    python benchmarks/faces.py cost CLIP
    python benchmarks/faces.py people MEDIA

MEDIA is the folder with labels.csv, CLIP any recording of a face. ``flags`` runs both plug-ins and
the rules of the standard policy at ten frames a second; ``--loop`` plays short clips again and again
until that many seconds are full. Networks are found as the agent finds them.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from detectors import faces, gaze
from detectors._nets import FaceFinder, FaceMesh, lift
from models import registry
from policies.consent import Grant
from policies.load import read
from proctor.capture.replay import Recording
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.types import Flag, Frame, Observation

VIDEO = {".mkv", ".mp4", ".mpg", ".gif"}
# The labels that ask for a flag, and the seconds from which the standard rules can give one.
WANTED = {
    "face.absent": (("empty_room",), 5.0),
    "face.several": (("faces=2", "faces=3", "people=2", "people=4"), 2.0),
    "gaze.away": (("gaze:image_", "gaze:away"), 4.0),
}
# Spans where a flag of that kind is neither wanted nor wrong: no face is in view, or people there do
# look at a phone, at each other or turn their heads on purpose.
EITHER = {
    "face.absent": ("face=none",),
    "gaze.away": ("head_turn", "phone", "people=", "faces=2", "faces=3"),
    "gaze.down": ("phone",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("flags", "cost", "people"))
    parser.add_argument("where", type=Path)
    parser.add_argument("--loop", type=float, default=0.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--every", action="store_true", help="print scores over time too")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    if chosen.what == "flags":
        flags(chosen.where, chosen.loop, chosen.only, chosen.every)
    elif chosen.what == "cost":
        cost(chosen.where)
    else:
        people(chosen.where)


def context() -> Context:
    """Both networks, from where the agent finds them."""
    return Context({name: registry.install(name) for name in faces.PLUGIN.models})


def frames(path: Path, loop_s: float = 0.0) -> Iterator[Frame]:
    """The recording at ten frames a second, again and again until ``loop_s`` is full."""
    grant = Grant("camera", "benchmark")
    start, seq = 0.0, 0
    while True:
        last = start
        for sample in Recording.open(path).samples(camera=grant, microphone=None):
            if isinstance(sample, Frame):
                last = start + sample.t
                yield Frame(last, seq, sample.image)
                seq += 1
        start = last + 0.1
        if start >= loop_s:
            return


def run(samples: Iterator[Frame]) -> tuple[list[Flag], list[Observation], RuleBook]:
    """Both plug-ins and the standard rules over ``samples``."""
    nets = context()
    detectors = [plugin.create(plugin.Settings(), nets) for plugin in (faces.PLUGIN, gaze.PLUGIN)]
    kinds = [*faces.PLUGIN.kinds, *gaze.PLUGIN.kinds]
    book = RuleBook(kinds, dict(read("standard")[0].rules))
    closed: list[Flag] = []
    seen: list[Observation] = []
    t = 0.0
    for frame in samples:
        if not seen:
            book.begin(frame.t)
        t = frame.t
        for detector in detectors:
            for observation in detector.update(frame):
                seen.append(observation)
                closed += [e.flag for e in book.feed(observation) if e.what == "closed"]
    closed += [event.flag for event in book.finish(t + 0.1) if event.what == "closed"]
    for detector in detectors:
        detector.close()
    return closed, seen, book


def labelled(media: Path) -> dict[str, list[tuple[float, float, str]]]:
    """Spans (start, end, label) of every video."""
    spans: dict[str, list[tuple[float, float, str]]] = {}
    with (media / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if Path(row["file"]).suffix in VIDEO and row["start_s"]:
                span = (float(row["start_s"]), float(row["end_s"]), row["label"])
                spans.setdefault(row["file"], []).append(span)
    return spans


def flags(media: Path, loop_s: float, only: str, every: bool) -> None:
    """Found, missed and false flags of each clip, and what was not measured."""
    total: dict[str, Counter[str]] = {}
    for file, spans in labelled(media).items():
        if only not in file:
            continue
        raised, seen, book = run(frames(media / file, loop_s))
        print(f"{file}  ({seen[-1].t:.1f} s)")
        for kind, outcome in judge(spans, raised, seen[-1].t, loop_s > 0):
            total.setdefault(kind, Counter())[outcome] += 1
            if outcome != "found" or every:
                print(f"    {outcome:7s} {kind}")
        for flag in raised:
            print(
                f"    {flag.start:6.1f}-{flag.end:6.1f} {flag.kind:13s} {flag.peak:.2f} {flag.why}"
            )
        for name, rule in book.rules.items():
            for reason, s in rule.unknown_s.items():
                if s >= 1.0 and reason != "nothing reported":
                    print(f"    not measured {name} {s:.1f} s: {reason}")
        if every:
            for kind in sorted({o.kind for o in seen}):
                scores = [o.score for o in seen if o.kind == kind]
                text = " ".join("--" if s is None else f"{s:.1f}"[-2:] for s in scores)
                print(f"    {kind:13s} {text[:900]}")
    print("\nkind           found missed false")
    for kind, counts in sorted(total.items()):
        print(f"{kind:14s} {counts['found']:5d} {counts['missed']:6d} {counts['false']:5d}")


def judge(
    spans: list[tuple[float, float, str]], raised: list[Flag], length: float, looped: bool
) -> Iterator[tuple[str, str]]:
    """(kind, found | missed | false) for every wanted span and every flag that none wants."""
    if looped:
        # Every label of a looped clip is taken to hold throughout; only whole-clip labels make sense.
        spans = [(0.0, length + 0.1, label) for _, _, label in spans]
    for kind, (labels, least) in WANTED.items():
        for start, end, label in spans:
            if label.startswith(labels) or any(f" {x}" in label for x in labels):
                hit = any(
                    f.kind == kind and f.start < end and (f.end or end) > start for f in raised
                )
                if end - start >= least or hit:
                    yield kind, "found" if hit else "missed"
    for flag in raised:
        allowed = WANTED.get(flag.kind, ((), 0.0))[0] + EITHER.get(flag.kind, ())
        touches = [x for s, e, x in spans if flag.start < e and (flag.end or e) > s]
        if not any(word in label for label in touches for word in allowed):
            yield flag.kind, "false"


def cost(clip: Path) -> None:
    """CPU per frame of both plug-ins against the bare landmarker on the same frames."""
    pictures = list(frames(clip, loop_s=20.0))
    nets = context()
    plugins = [plugin.create(plugin.Settings(), nets) for plugin in (faces.PLUGIN, gaze.PLUGIN)]
    bare = FaceMesh(nets.models["face_landmarker"]).acquire()
    spent = {"landmarker": [], "faces + gaze": []}  # type: dict[str, list[float]]
    for frame in pictures:
        before = time.process_time()
        bare.look(frame)
        between = time.process_time()
        for plugin in plugins:
            plugin.update(frame)
        spent["landmarker"].append(between - before)
        spent["faces + gaze"].append(time.process_time() - between)
    means = {name: 1000 * float(np.mean(values[5:])) for name, values in spent.items()}
    for name, mean in means.items():
        print(f"{name:13s} {mean:6.2f} ms a frame, {mean:5.1f} % of a core at 10/s")
    print(f"ratio {means['faces + gaze'] / means['landmarker']:.2f}")


def people(media: Path) -> None:
    """Share of FairFace heads found, by group and light, with 95 % Clopper-Pearson intervals."""
    folder = media / "images" / "faces_fairface"
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    nets = context()
    finder = FaceFinder(nets.models["yunet"])
    for light, changed in LIGHTS.items():
        counts: dict[tuple[str, str], list[int]] = {}
        for row in rows:
            image = cv2.imread(str(folder / row["file"]))
            image = changed(image)
            mesh = FaceMesh(nets.models["face_landmarker"]).acquire()
            frame = Frame(0.0, 0, image)
            hits = (
                mesh.look(frame) is not None,
                any(
                    max((f.score for f in finder.find(shown)), default=0.0) >= faces.FACE_SCORE
                    for shown in (image, lift(image))
                ),
            )
            mesh.release()
            groups = (
                "all",
                f"age {row['age_group_fairface']}",
                f"gender {row['gender_fairface']}",
                f"ITA {row['ita_bin_measured'] or 'unmeasured'}",
            )
            for group in groups:
                for name, hit in zip(
                    ("landmarker", "YuNet", "either"), (*hits, any(hits)), strict=True
                ):
                    seen = counts.setdefault((group, name), [0, 0])
                    seen[0] += hit
                    seen[1] += 1
        print(f"\n{light}")
        for group in sorted({g for g, _ in counts}):
            parts = []
            for name in ("landmarker", "YuNet", "either"):
                k, n = counts[group, name]
                low, high = clopper_pearson(k, n)
                parts.append(f"{name} {k}/{n} = {k / n:.3f} [{low:.3f}, {high:.3f}]")
            print(f"{group:16s} " + "  ".join(parts))


def room(image: np.ndarray, gain: float) -> np.ndarray:
    """The head in a wider picture (as a webcam sees it), with ``gain`` times the light and noise."""
    side = 3 * max(image.shape[:2]) // 2
    wide = np.full((side, side, 3), 128, np.uint8)
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    wide[top : top + image.shape[0], left : left + image.shape[1]] = image
    noise = np.random.default_rng(0).normal(0.0, 3.0, wide.shape) if gain < 1 else 0.0
    return np.clip(wide * gain + noise, 0, 255).astype(np.uint8)


def back_light(image: np.ndarray) -> np.ndarray:
    """The head, with a quarter of the light, before a window that fills the rest of the picture."""
    side = 3 * max(image.shape[:2]) // 2
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    window = np.clip(8.0 * np.hypot(x / 1.1, y / 1.4) - 2.0, 0.0, 1.0)[..., None]
    dark = room(image, 0.25).astype(np.float64)
    glow = np.random.default_rng(1).normal(240.0, 4.0, dark.shape)
    return np.clip(dark * (1.0 - window) + glow * window, 0, 255).astype(np.uint8)


LIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "normal light": lambda image: room(image, 1.0),
    "light x 0.35": lambda image: room(image, 0.35),
    "light x 0.15": lambda image: room(image, 0.15),
    "back light": back_light,
}


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact binomial interval, by bisection on the binomial's tails."""
    tail = (1 - level) / 2

    def at_least(k: int, p: float) -> float:
        # By logarithms: the numbers of ways are too large for a float from n = 1030 on.
        ways = [
            math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
            for i in range(k, n + 1)
        ]
        lost, won = math.log1p(-p), math.log(p)
        return sum(math.exp(w + i * won + (n - i) * lost) for i, w in enumerate(ways, k))

    def solve(k: int, wanted: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if at_least(k, middle) < wanted else (low, middle)
        return low

    return (solve(k, tail) if k else 0.0, solve(k + 1, 1 - tail) if k < n else 1.0)


if __name__ == "__main__":
    main()
