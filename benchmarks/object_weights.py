"""Where the evidence weights of `detectors/objects.py` come from: how often each score occurs.

    python -m benchmarks.object_weights MEDIA OBJECTS

MEDIA and OBJECTS are the labelled development folders (their SOURCES.md tell whose pictures they hold).
With a phone: four clips at 4 pictures a second, 58 webcam pictures, and the `cellphone` pictures whose
phone takes at most 15 % of the area. Without: signing clips, ear-bud cases, hands, keys, mugs, shoes,
bottles. Wallets and calculators are left out of the fit and printed by themselves.

Books: with one, the 178 pictures of open books; without, every other set of pictures of
`benchmarks/engines.py` but the rooms (some have shelves), each set counted the same.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.engines import shown_pictures
from detectors._yolo import ObjectNet, overlap
from models import registry
from policies.consent import Grant
from proctor.capture.replay import Recording
from proctor.types import Box, Frame

EDGES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.01)
WITHOUT = ("hands", "keys", "mugs", "shoes", "earbud_case", "bottles_cups")
LARGEST = 0.15
PHONE = "cell phone"


def clip(net: ObjectNet, path: Path) -> Iterator[float]:
    grant = Grant("camera", "benchmark")
    for item in Recording.open(path).samples(camera=grant, microphone=None, fps=4.0):
        if isinstance(item, Frame):
            yield best(net, item.image)


def best(net: ObjectNet, image: np.ndarray, at: list[Box] | None = None) -> float:
    found = [f for f in net.find(image) if f.name == PHONE]
    if at is not None:
        found = [f for f in found if max((overlap(f.box, box) for box in at), default=0.0) > 0.3]
    return max((f.score for f in found), default=0.0)


def labels(folder: Path) -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = defaultdict(list)
    with (folder / "labels.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["class"] == "phone":
                x, y, w, h = (float(row[k]) for k in ("x_center", "y_center", "width", "height"))
                boxes[Path(row["file"]).name].append(Box(x - w / 2, y - h / 2, w, h))
    return boxes


def main() -> None:
    media, objects = (Path(argument) for argument in sys.argv[1:3])
    cv2.setNumThreads(1)
    path = registry.find("yolo11n")
    if path is None:
        raise SystemExit("The network yolo11n is not here; run `proctor models install`.")
    net = ObjectNet(path, {PHONE: 0.03})
    scores: dict[str, list[float]] = defaultdict(list)
    for file in sorted((media / "video/phone").glob("*.mp4")):
        scores["with"] += clip(net, file)
    for file in sorted((media / "video/asl").glob("*.mkv")):
        scores["without"] += clip(net, file)
    with (media / "labels.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if "phone_webcam" in row["file"]:
                image = cv2.resize(cv2.imread(str(media / row["file"])), (640, 480))
                label = row["label"]
                kind = (
                    "wallet" if "wallet" in label else "without" if "no_phone" in label else "with"
                )
                scores[kind].append(best(net, image))
    boxes = labels(objects)
    for file in sorted(objects.glob("**/cellphone/*.jpg")):
        at = boxes[file.name]
        if at and max(b.width * b.height for b in at) <= LARGEST:
            scores["with"].append(best(net, cv2.imread(str(file)), at))
    for kind in (*WITHOUT, "calculator"):
        for file in sorted(objects.glob(f"**/{kind}/*.jpg")):
            name = "calculator" if kind == "calculator" else "without"
            scores[name].append(best(net, cv2.imread(str(file))))
    shares = {name: np.histogram(values, EDGES)[0] / len(values) for name, values in scores.items()}
    print("score      ", *(f"{name} (n={len(scores[name])})" for name in shares), "log ratio")
    for i, low in enumerate(EDGES[:-1]):
        ratio = np.log((shares["with"][i] + 0.003) / (shares["without"][i] + 0.003))
        row = "  ".join(f"{share[i]:.3f}" for share in shares.values())
        print(f"{low:.2f}-{EDGES[i + 1]:.2f}   {row}   {ratio:+.2f}")
    print_books(path, media, objects)


def print_books(path: Path, media: Path, objects: Path) -> None:
    net = ObjectNet(path, {"book": 0.03})
    scores: dict[str, list[float]] = defaultdict(list)
    for name, image in shown_pictures(media, objects):
        scores[name].append(max((f.score for f in net.find(image)), default=0.0))
    shares = {name: np.histogram(values, EDGES)[0] / len(values) for name, values in scores.items()}
    found = shares.pop("open book")
    shares.pop("rooms")
    without = np.mean(list(shares.values()), axis=0)
    print(
        f"\nscore       open books (n={len(scores['open book'])})  {len(shares)} other sets  log ratio"
    )
    for i, low in enumerate(EDGES[:-1]):
        ratio = np.log((found[i] + 0.003) / (without[i] + 0.003))
        print(f"{low:.2f}-{EDGES[i + 1]:.2f}   {found[i]:.3f}  {without[i]:.4f}   {ratio:+.2f}")


if __name__ == "__main__":
    main()
