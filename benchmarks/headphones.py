"""Whether headphones on a head can be told from what the object network sees there. They cannot yet.

    python -m benchmarks.headphones MEDIA PICTURES NETWORK.onnx

Heads are found by YuNet and cut out, 2.4 times the face, 192x192. Features are the means of three inner
layers of the object network (4, 6 and 10) on a grid of 3x3; on them a ridge classifier, classes weighed
alike. Learned and judged in `earphone` (heads with headphones, heads with ear-buds or nothing) in five
parts, pictures of one shooting (alike colours) in one part; heads of other sources of PICTURES are
learned from as well, without headphones. Heads of MEDIA are never learned from. Printed: the area under the
curve, and, at the limit that finds 80 %, the share of heads without headphones that have them.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from benchmarks.engines import resized
from benchmarks.objects import auc, interval
from detectors._nets import FaceFinder
from models import registry
from policies.consent import Grant
from proctor.capture.replay import Recording
from proctor.types import Box, Frame, Image

SIDE, TIMES, SMALLEST = 192, 2.4, 28
LAYERS = ("/model.4/", "/model.6/", "/model.10/")
GRID, PARTS, SEED = 3, 5, 20261122
# Pictures whose 8x8 thumbnails of the head (0-1) lie nearer than this are of one shooting.
ALIKE = 2.2
# Of 0.01 to 100 any value gives the same within 0.02.
RIDGE = 1.0
PLAIN = ("cellphone", "books_openimages", "hands", "shoes", "bottles_cups", "keys")
FILMS = ("asl", "gaze", "talking_grid", "portrait", "phone")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Head:
    source: str
    worn: bool
    cut: Image


def labels(folder: Path) -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = defaultdict(list)
    with (folder / "labels.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["class"] == "headphones":
                x, y, w, h = (float(row[k]) for k in ("x_center", "y_center", "width", "height"))
                boxes[row["file"]].append(Box(x - w / 2, y - h / 2, w, h))
    return boxes


def on_head(face: Box, thing: Box) -> bool:
    """Mostly within the head around the face, and reaching above the eyes: not round the neck."""
    left, right = face.x - 0.35 * face.width, face.x + 1.35 * face.width
    top, bottom = face.y - 0.45 * face.height, face.y + 1.1 * face.height
    w = min(right, thing.x + thing.width) - max(left, thing.x)
    h = min(bottom, thing.y + thing.height) - max(top, thing.y)
    inside = max(w, 0.0) * max(h, 0.0) > 0.5 * thing.width * thing.height
    return inside and thing.y < face.y + 0.35 * face.height


def cut(image: Image, face: Box) -> Image:
    rows, columns = image.shape[:2]
    x, y = (face.x + face.width / 2) * columns, (face.y + 0.4 * face.height) * rows
    scale = SIDE / (TIMES * max(face.width * columns, 0.85 * face.height * rows))
    matrix = np.float32([[scale, 0, SIDE / 2 - x * scale], [0, scale, SIDE / 2 - y * scale]])
    made = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(made, np.uint8)


def heads(finder: FaceFinder, media: Path, pictures: Path) -> Iterator[Head]:
    boxes = labels(pictures)

    def found(source: str, image: Image, things: list[Box]) -> Iterator[Head]:
        rows, columns = image.shape[:2]
        for face in (f.box for f in finder.find(image, 0.7)):
            if min(face.width * columns, face.height * rows) >= SMALLEST:
                worn = any(on_head(face, thing) for thing in things)
                yield Head(source, worn, cut(image, face))

    for source in ("earphone", *PLAIN):
        for path in sorted((pictures / "images" / source).iterdir()):
            image = np.asarray(cv2.imread(str(path)), np.uint8)
            yield from found(source, image, boxes[f"images/{source}/{path.name}"])
    for path in sorted((media / "images/faces_fairface").rglob("*.jpg")):
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        h, w = (n // 2 for n in image.shape[:2])
        padded = cv2.copyMakeBorder(image, h, h, w, w, cv2.BORDER_REPLICATE)
        yield from found("fairface", np.asarray(padded, np.uint8), [])
    for path in sorted((media / "images/phone_webcam").rglob("*.jpg")):
        yield from found("phone_webcam", np.asarray(cv2.imread(str(path)), np.uint8), [])
    for film in FILMS:
        for path in sorted((media / "video" / film).iterdir()):
            if path.suffix in (".mp4", ".mkv", ".mpg"):
                camera = Grant("camera", "benchmark")
                for item in Recording.open(path).samples(camera=camera, microphone=None, fps=1.0):
                    if isinstance(item, Frame):
                        yield from found(film, item.image, [])


def features(network: Path, cuts: list[Image]) -> Floats:
    """Means of the layers on the grid, standardised: n x (9 x channels)."""
    graph = resized(onnx.load(network), SIDE, SIDE)
    for layer in LAYERS:
        name = [node.output[0] for node in graph.graph.node if node.name.startswith(layer)][-1]
        graph.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, None))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(graph.SerializeToString(), options)
    rows = []
    for image in cuts:
        blob = cv2.dnn.blobFromImage(image, 1 / 255.0, swapRB=True)
        maps = session.run(None, {"images": blob})[1:]
        rows.append(np.concatenate([_pool(one[0]) for one in maps]))
    made = np.array(rows, np.float64)
    return np.asarray((made - made.mean(axis=0)) / (made.std(axis=0) + 1e-6))


def _pool(channels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    cells = [c for band in np.array_split(channels, GRID, 1) for c in np.array_split(band, GRID, 2)]
    return np.concatenate([cell.mean(axis=(1, 2)) for cell in cells])


def shootings(cuts: list[Image]) -> npt.NDArray[np.intp]:
    """A number for each picture, the same where a chain of alike pictures leads from one to the other."""
    small = np.array(
        [cv2.resize(c, (8, 8), interpolation=cv2.INTER_AREA).ravel() / 255 for c in cuts]
    )
    near = np.linalg.norm(small[:, None] - small[None], axis=2) < ALIKE
    number = np.arange(len(cuts))
    while True:
        lowest = np.where(near, number[None], len(cuts)).min(axis=1)
        if np.array_equal(lowest, number):
            return number
        number = lowest


def learn(rows: Floats, worn: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    """Weights and offset of a ridge classifier whose two classes count the same."""
    sign = np.where(worn, 1.0, -1.0)
    count = np.where(worn, worn.sum(), (~worn).sum())
    kernel = rows @ rows.T / rows.shape[1] + 1.0
    dual = np.linalg.solve(kernel + RIDGE * np.diag(count / count.mean()), sign)
    return np.asarray(rows.T @ dual / rows.shape[1]), float(dual.sum())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("media", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("network", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    path = registry.find("yunet")
    if path is None:
        raise SystemExit("The network yunet is not here; run `proctor models install`.")
    all_heads = list(heads(FaceFinder(path), args.media, args.pictures))
    source = np.array([head.source for head in all_heads])
    worn = np.array([head.worn for head in all_heads])
    rows = features(args.network, [head.cut for head in all_heads])
    own = np.flatnonzero(source == "earphone")
    plain = np.flatnonzero(np.isin(source, PLAIN))
    group = shootings([all_heads[i].cut for i in own])
    part = np.random.default_rng(SEED).permutation(len(own))[group] % PARTS
    scores = np.zeros(len(own))
    others = np.zeros(len(all_heads))
    for k in range(PARTS):
        taught = np.concatenate([own[part != k], plain])
        weights, offset = learn(rows[taught], worn[taught])
        scores[part == k] = rows[own[part == k]] @ weights + offset
        others += (rows @ weights + offset) / PARTS
    right, wrong = scores[worn[own]], scores[~worn[own]]
    limit = float(np.quantile(right, 0.2))
    print(
        f"earphone: {len(right)} heads with headphones, {len(wrong)} without, {len(set(group))} shootings"
    )
    print(f"area under the curve {auc(right, wrong):.2f}")
    print(
        f"called headphones where 80 % are found: {interval(int((wrong >= limit).sum()), len(wrong))}"
    )
    for name in ("fairface", "phone_webcam", *FILMS):
        mine = others[source == name]
        print(f"  {name}: {interval(int((mine >= limit).sum()), len(mine))}")


if __name__ == "__main__":
    main()
