"""What `objects` flags on labelled photographs that are shown as if they were live.

    python -m benchmarks.object_stills MEDIA PICTURES [--every 1] [--policy standard]

Each picture is shown for 10 s, two looks a second, at a policy's rules, in two ways. *Standing*: the same
picture from the beginning, as a thing on a desk or shelf. *Brought in*: 6 s of the picture blurred beyond
recognition, then four versions of it in turn, moved by up to 3 % and up to 10 % lighter or darker, as a
thing in a hand. Photographs are no films: the looks agree more than a film's would.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.engines import shown_pictures
from benchmarks.objects import interval
from detectors._yolo import Found, ObjectNet
from detectors.objects import KINDS, LOWEST, MODEL, Objects, Settings
from models import registry
from policies import load
from proctor.pipeline.rules import RuleBook
from proctor.types import Frame, Image

SECONDS, BEFORE_S, FPS = 10.0, 6.0, 2.0
SHIFT, GAIN, VERSIONS = 0.03, 0.1, 4
SEED = 20261122
# Open laptops in `earphone`, found by eye on thumbnails before any network had looked; the source does
# not label them. Its pictures were stretched to a square by whoever exported them.
LAPTOPS = (18, 19, 32, 43, 83, 94, 139, 140, 154, 180, 183, 185, 197, 216, 227, 228, 232, 233, 263,
           278, 305, 312, 367)  # fmt: skip
ROOMS = ("000000001503", "000000001675", "000000004795", "000000009400")


class Remembering:
    """The network, which looks at each picture once: a still picture gives the same every time."""

    def __init__(self, net: ObjectNet) -> None:
        self._net = net
        self._known: dict[bytes, list[Found]] = {}

    def find(self, image: Image) -> list[Found]:
        key = image.tobytes()
        if key not in self._known:
            self._known[key] = self._net.find(image)
        return self._known[key]

    def forget(self) -> None:
        self._known.clear()


def laptops(media: Path, labelled: Path) -> Iterator[tuple[str, Image]]:
    for number in LAPTOPS:
        image = cv2.imread(str(labelled / f"images/earphone/earphone_{number:04}.jpg"))
        yield "laptop", np.asarray(cv2.resize(image, (640, 480)), np.uint8)
    for name in ROOMS:
        yield (
            "laptop",
            np.asarray(cv2.imread(str(media / f"images/coco_rooms/{name}.jpg")), np.uint8),
        )


def versions(image: Image, rng: np.random.Generator) -> list[Image]:
    rows, columns = image.shape[:2]
    made = []
    for _ in range(VERSIONS):
        x, y = rng.uniform(-SHIFT, SHIFT, 2) * (columns, rows)
        moved = cv2.warpAffine(
            image,
            np.float32([[1, 0, x], [0, 1, y]]),
            (columns, rows),
            borderMode=cv2.BORDER_REPLICATE,
        )
        made.append(np.clip(moved * rng.uniform(1 - GAIN, 1 + GAIN), 0, 255).astype(np.uint8))
    return made


def frames(image: Image, brought: bool, rng: np.random.Generator) -> Iterator[Frame]:
    shown = versions(image, rng) if brought else [image]
    blank = cv2.GaussianBlur(image, (0, 0), max(image.shape) / 10)
    for seq in range(int((SECONDS + (BEFORE_S if brought else 0.0)) * FPS)):
        t = seq / FPS
        hidden = brought and t < BEFORE_S
        yield Frame(t, seq, blank if hidden else shown[seq % len(shown)])


def flagged(net: Remembering, shown: Iterator[Frame], policy: str) -> set[str]:
    detector = Objects(net, Settings())  # type: ignore[arg-type]  # finds as the network does
    book = RuleBook(KINDS, load.read(policy)[0].rules)
    book.begin(0.0)
    events = []
    for frame in shown:
        for observation in detector.update(frame):
            events += book.feed(observation)
    net.forget()
    return {event.flag.kind for event in events if event.what == "opened"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("media", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only every so many pictures")
    parser.add_argument("--policy", default="standard")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    path = registry.find(MODEL)
    if path is None:
        raise SystemExit(f"The network {MODEL} is not here; run `proctor models install`.")
    net = Remembering(ObjectNet(path, LOWEST))
    rng = np.random.default_rng(SEED)
    kinds = [kind.name for kind in KINDS if kind.name != "object.person"]
    counts: dict[str, dict[tuple[bool, str], int]] = defaultdict(lambda: defaultdict(int))
    totals: dict[str, int] = defaultdict(int)
    stills = (item for item in shown_pictures(args.media, args.pictures) if "film" not in item[0])
    chosen = [item for i, item in enumerate(stills) if i % args.every == 0]
    for name, image in (*chosen, *laptops(args.media, args.pictures)):
        totals[name] += 1
        for brought in (False, True):
            for kind in flagged(net, frames(image, brought, rng), args.policy):
                counts[name][brought, kind] += 1
    for brought, title in ((False, "standing"), (True, "brought in")):
        print(f"\n| {title} | " + " | ".join(kinds) + " |\n|---|" + "---|" * len(kinds))
        for name, n in totals.items():
            cells = [interval(counts[name][brought, kind], n) for kind in kinds]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
