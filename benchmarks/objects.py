"""Two object networks side by side on people and sources that ours never saw.

    python benchmarks/objects.py MEDIA PICTURES NETWORK.onnx [NETWORK.onnx ...] [--recall 0.8]

MEDIA is the evaluation media, PICTURES the labelled pictures with labels.csv and sources.csv. A
picture's score is that of its best phone (or book) box. Thresholds are set on the phones of MEDIA so
that each network finds the same share of them; then the rates of false phones are compared, with 95 %
Clopper-Pearson intervals. Pictures of one film or person are not independent: the intervals are too
narrow for what they say about new people.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from scipy.stats import beta

from detectors._yolo import ObjectNet, class_names
from models.train.objects_data import held_out, read
from policies.consent import Grant
from proctor.capture.replay import Recording
from proctor.types import Frame, Image

# A class of ours, and the names under which the networks know it.
ALIKE = {"phone": ("phone", "cell phone"), "book": ("book", "open_book"), "person": ("person",)}
LOWEST = 0.02
PHONES = ("webcam phone", "film phone")
CLEAN = ("asl", "gaze", "talking_grid", "portrait", "presence")


def pictures(media: Path, labelled: Path) -> Iterator[tuple[str, Image]]:
    """Every picture with the set it belongs to."""
    with (media / "images/phone_webcam/boxes.csv").open(encoding="utf-8") as lines:
        kinds = {row["file"]: row["label"] for row in csv.DictReader(lines)}
    for name, kind in sorted(kinds.items()):
        image = _read(media / "images/phone_webcam" / name)
        # Stretched to a square by whoever exported it; cameras are 4:3.
        yield f"webcam {kind}", np.asarray(cv2.resize(image, (640, 480)), np.uint8)
    with (media / "images/coco_rooms/labels.csv").open(encoding="utf-8") as lines:
        rooms = {row["file"]: row["phone"] for row in csv.DictReader(lines)}
    for name, phone in sorted(rooms.items()):
        if phone == "0":
            yield "rooms", _read(media / "images/coco_rooms" / name)
    for folder in ("phone", *CLEAN):
        for path in sorted((media / "video" / folder).iterdir()):
            if path.suffix in (".mp4", ".mkv", ".mpg", ".gif"):
                for frame in _frames(path):
                    yield ("film phone" if folder == "phone" else f"film {folder}"), frame
    for name in ("keys", "mugs", "shoes", "calculator"):
        for path in sorted((labelled / "images" / name).iterdir()):
            yield f"unseen {name}", _read(path)
    for item in read(labelled):
        if held_out(item):
            kind = item.source
            if kind == "books_openimages":
                kind = "open book" if 3 in item.boxes[:, 0] else "book"
            yield f"kept {kind}", _read(item.file)


def _read(path: Path) -> Image:
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(f"{path} cannot be read as a picture.")
    return np.asarray(image, np.uint8)


def _frames(path: Path) -> Iterator[Image]:
    camera = Grant("camera", "benchmark")
    for item in Recording.open(path).samples(camera=camera, microphone=None, fps=2.0):
        if isinstance(item, Frame):
            yield item.image


def best(net: ObjectNet, image: Image) -> dict[str, float]:
    found = net.find(image)
    return {
        kind: max((f.score for f in found if f.name in names), default=0.0)
        for kind, names in ALIKE.items()
    }


def interval(k: int, n: int) -> str:
    low = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))
    return f"{k}/{n} = {k / n:.0%} ({low:.0%}-{high:.0%})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("media", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("networks", type=Path, nargs="+")
    parser.add_argument("--recall", type=float, nargs="+", default=[0.6, 0.8, 0.9])
    args = parser.parse_args()
    shown = list(pictures(args.media, args.pictures))
    sets = list(dict.fromkeys(name for name, _ in shown))
    scores: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for path in args.networks:
        net = open_net(path)
        begun = time.process_time()
        all_scores = [best(net, image) for _, image in shown]
        print(
            f"{path.name}, {net.width}x{net.height}: "
            f"{(time.process_time() - begun) / len(shown) * 1000:.0f} ms CPU a picture"
        )
        scores[path.name] = {
            kind: {
                s: np.array(
                    [x[kind] for x, (n, _) in zip(all_scores, shown, strict=True) if n == s]
                )
                for s in sets
            }
            for kind in ALIKE
        }
    report(scores, sets, args.recall)


def open_net(path: Path) -> ObjectNet:
    """The network with whichever of the alike names it knows."""
    known = class_names(
        ort.InferenceSession(str(path)).get_modelmeta().custom_metadata_map, path.name
    )
    names = [n for names in ALIKE.values() for n in names if n in known]
    return ObjectNet(path, dict.fromkeys(names, LOWEST))


def auc(right: np.ndarray, wrong: np.ndarray) -> float:
    """The chance that a right picture scores higher than a wrong one (ties count half)."""
    higher = (right[:, None] > wrong).mean() + (right[:, None] == wrong).mean() / 2
    return float(higher)


def report(
    scores: dict[str, dict[str, dict[str, np.ndarray]]], sets: list[str], recalls: list[float]
) -> None:
    names = list(scores)
    for recall in recalls:
        print(
            f"\n### Phones, each network at the threshold that finds {recall:.0%} of the unseen ones\n"
        )
        limits = {}
        for name in names:
            right = np.concatenate([scores[name]["phone"][s] for s in PHONES])
            limits[name] = max(
                1e-6, float(np.sort(right)[::-1][int(np.ceil(recall * len(right))) - 1])
            )
        print("| pictures | " + " | ".join(f"{n} at {limits[n]:.3f}" for n in names) + " |")
        print("|---|" + "---|" * len(names))
        for s in sets:
            cells = [
                interval(
                    int((scores[n]["phone"][s] >= limits[n]).sum()), len(scores[n]["phone"][s])
                )
                for n in names
            ]
            print(f"| {s} | " + " | ".join(cells) + " |")
    print("\n### Area under the curve, webcam phone against …\n")
    print("| against | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for s in sets:
        if s not in PHONES and not s.startswith("kept "):
            cells = [
                f"{auc(scores[n]['phone']['webcam phone'], scores[n]['phone'][s]):.2f}"
                for n in names
            ]
            print(f"| {s} | " + " | ".join(cells) + " |")
    print("\n### Fixed thresholds: share of pictures with such a box\n")
    print("| class, threshold, pictures | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for kind in ALIKE:
        for limit in (0.25, 0.5):
            for s in sets:
                cells = [f"{(scores[n][kind][s] >= limit).mean():.0%}" for n in names]
                print(f"| {kind} {limit} {s} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
