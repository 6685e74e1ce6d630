"""What the exam-object network is trained on: real labelled pictures, gaps filled, and drawn things.

Each source labels only its own class. Elsewhere the COCO network's sure boxes count as labels, its
unsure ones are left out of the loss, and a class that neither knows counts only where a source is
known to be free of it: an unlabelled thing is never counted as wrong.
"""

from __future__ import annotations

import csv
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models.train.objects_drawn import compose, empty_hand
from models.train.objects_things import Picture, Rng

CLASSES = (
    "phone", "tablet", "book", "open_book", "paper", "laptop", "screen", "headphones",
    "earbuds", "watch", "calculator", "wallet", "other_handheld", "person",
)  # fmt: skip
# COCO's index of the classes that it knows too.
COCO = {"person": 0, "screen": 62, "laptop": 63, "phone": 67, "book": 73}
# How the labels call a class of ours.
OTHER = {"other": "other_handheld"}
# The COCO network's boxes from SURE up are labels, those from UNSURE up are left out of the loss.
SURE, UNSURE = 0.5, 0.2
# Two boxes that overlap more are one thing.
SAME = 0.5
PAD = 114
# Every seventh picture of a source is kept for choosing the best epoch.
HELD_OUT = 7


@dataclass(frozen=True, slots=True)
class Source:
    """How far a folder's labels go. ``labelled``: its own classes. ``free``: classes it surely lacks
    where unlabelled. The COCO classes in neither are filled in; any other class is left out."""

    labelled: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


_HANDHELD = (
    "tablet",
    "wallet",
    "calculator",
    "other_handheld",
    "headphones",
    "earbuds",
    "open_book",
)
# Only sources whose licence is stated (books: that of Open Images). `other` boxes of `hands` are hands.
SOURCES = {
    "cellphone": Source(("phone",)),
    "books_openimages": Source(("book", "open_book")),
    "earphone": Source(("earbuds", "headphones")),
    "headphones": Source(("headphones",), ("phone", "book", "paper", *_HANDHELD)),
    "hands": Source((), ("phone", *_HANDHELD)),
    "earbud_case": Source(
        ("other_handheld",), ("phone", "tablet", "wallet", "open_book", "headphones")
    ),
    "bottles_cups": Source((), ("phone", "book", *_HANDHELD)),
}

Boxes = npt.NDArray[np.float32]


@dataclass(slots=True)
class Labelled:
    """One picture: rows of class, left, top, right, bottom in fractions; ``unsure`` likewise;
    ``silent`` holds 1.0 for each class that does not count here outside the boxes."""

    file: Path
    source: str
    boxes: Boxes
    unsure: Boxes = field(default_factory=lambda: np.zeros((0, 5), np.float32))
    silent: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(len(CLASSES), np.float32)
    )
    hand: tuple[float, float, float, float] | None = None


@dataclass(slots=True)
class Sample:
    """One network input (BGR, fixed size) with its boxes, as :class:`Labelled`."""

    image: Picture
    boxes: Boxes
    unsure: Boxes
    silent: npt.NDArray[np.float32]


def read(folder: Path) -> list[Labelled]:
    """All pictures of the usable sources with their own labels, in the order of their names."""
    rows: dict[str, list[tuple[str, float, float, float, float]]] = defaultdict(list)
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            x, y = float(row["x_center"]), float(row["y_center"])
            w, h = float(row["width"]), float(row["height"])
            rows[row["file"]].append((row["class"], x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    found: list[Labelled] = []
    with (folder / "sources.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            source = SOURCES.get(row["group"])
            if source is None:
                continue
            named = rows[row["file"]]
            own = [(OTHER.get(box[0], box[0]), *box[1:]) for box in named]
            boxes = [[CLASSES.index(c), *box] for c, *box in own if c in source.labelled]
            hand = None
            if row["group"] == "hands" and named:
                hand = (named[0][1], named[0][2], named[0][3], named[0][4])
            silent = [c not in source.labelled + source.free and c not in COCO for c in CLASSES]
            found.append(
                Labelled(
                    folder / row["file"],
                    row["group"],
                    np.array(boxes, np.float32).reshape(-1, 5),
                    silent=np.array(silent, np.float32),
                    hand=hand,
                )
            )
    return sorted(found, key=lambda item: item.file.name)


def fill(item: Labelled, guesses: Mapping[str, Boxes]) -> None:
    """Fills a picture's gaps, in place, with the COCO network's boxes.

    ``guesses``: for each class of ``COCO``, rows of score, left, top, right, bottom in fractions.
    """
    source = SOURCES[item.source]
    boxes: list[Boxes] = list(item.boxes)
    unsure: list[Boxes] = []
    for name, rows in guesses.items():
        if name in source.free or (name in source.labelled and name != "book"):
            continue
        for score, *box in rows[rows[:, 0] >= UNSURE]:
            # A shelf is only partly labelled, so more books may be filled in; twice is none.
            if any(iou(np.array(box), b[1:]) > SAME for b in item.boxes):
                continue
            row = np.array([CLASSES.index(name), *box], np.float32)
            (boxes if score >= SURE else unsure).append(row)
    item.boxes = np.array(boxes, np.float32).reshape(-1, 5)
    item.unsure = np.array(unsure, np.float32).reshape(-1, 5)


def held_out(item: Labelled) -> bool:
    """Whether a picture belongs to validation; the same picture always, whatever else there is."""
    return zlib.crc32(item.file.name.encode()) % HELD_OUT == 0


def iou(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - common
    return common / union if union > 0 else 0.0


def _draw_on(rng: Rng, image: Picture, item: Labelled) -> tuple[Picture, Boxes, Boxes]:
    """A picture with one or two drawn things, or with a drawn empty hand."""
    boxes, unsure = item.boxes, item.unsure
    if rng.random() < 0.08:
        return empty_hand(rng, image), boxes, unsure
    for _ in range(1 if rng.random() < 0.8 else 2):
        where, skin = None, None
        if item.hand is not None and rng.random() < 0.8:
            left, top, right, bottom = item.hand
            middle = ((left + right) / 2, top + 0.65 * (bottom - top))
            rows, columns = image.shape[:2]
            y, x = int(middle[1] * rows), int(middle[0] * columns)
            near = image[max(0, y - 12) : y + 12, max(0, x - 12) : x + 12].reshape(-1, 3)
            if len(near):
                where, skin = middle, np.median(near, axis=0).astype(np.float32)
        image, name, box = compose(rng, image, where, skin)
        drawn = np.array([[CLASSES.index(name), *box]], np.float32)
        hidden = np.array([_inside(b[1:], drawn[0, 1:]) > 0.5 for b in boxes], bool)
        unsure = np.concatenate([unsure, boxes[hidden]]) if hidden.any() else unsure
        boxes = np.concatenate([boxes[~hidden] if len(boxes) else boxes, drawn])
    return image, boxes, unsure


def _inside(a: Boxes, b: Boxes) -> float:
    """The share of box ``a`` that lies in box ``b``."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    area = float(np.prod(a[2:] - a[:2]))
    return float(np.prod(np.clip(high - low, 0, None))) / area if area > 0 else 0.0


def _weather(rng: Rng, image: Picture) -> Picture:
    """Colour, exposure, noise, blur and compression as cheap cameras and dim rooms give them."""
    gains = 1 + rng.normal(0, 0.06, 3)
    gamma = float(np.exp(rng.normal(0, 0.25)))
    light = float(rng.uniform(0.15, 0.6)) if rng.random() < 0.15 else float(rng.uniform(0.75, 1.2))
    ramp = np.linspace(0, 1, 256) ** gamma * 255 * light
    table = np.clip(ramp[:, None] * gains + rng.normal(0, 4), 0, 255).astype(np.uint8)
    image = cv2.LUT(image, np.ascontiguousarray(table.reshape(1, 256, 3)))
    if rng.random() < 0.5:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        share = float(rng.uniform(0.5, 1.4)) if rng.random() < 0.9 else 0.0
        image = cv2.addWeighted(image, share, grey, 1 - share, 0)
    if rng.random() < 0.3:
        size = int(rng.integers(2, 6))
        kernel = np.zeros((size, size), np.float32)
        if rng.random() < 0.5:
            kernel[size // 2] = 1 / size
        else:
            kernel[:] = 1 / size**2
        image = cv2.filter2D(image, -1, kernel)
    if rng.random() < 0.3:
        noise = rng.normal(0, float(rng.uniform(1, 9)), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        _, coded = cv2.imencode(
            ".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
        )
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image


def sample(rng: Rng, item: Labelled, width: int, height: int, draw: bool, vary: bool) -> Sample:
    """One network input from a picture: drawn on or not, varied (training) or plain (validation)."""
    image = cv2.imread(str(item.file))
    if image is None:
        raise FileNotFoundError(f"{item.file} cannot be read as a picture.")
    # Colours, edges and boxes are the same at a size near the network's; drawing is then cheap.
    shrink = min(1.0, 1.4 * max(width / image.shape[1], height / image.shape[0]))
    picture = np.asarray(
        cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8
    )
    boxes, unsure = item.boxes, item.unsure
    if draw:
        # Things are as large in a webcam's picture as they are here only at its shape (4:3).
        picture, boxes, unsure = _draw_on(rng, picture, item)
    rows, columns = picture.shape[:2]
    fit = min(width / columns, height / rows)
    stretch = 1.0
    if vary:
        # From half the frame to nearly twice: cameras sit near and far.
        cover = max(width / columns, height / rows)
        fit = float(rng.uniform(0.4 * fit, 1.25 * cover))
        stretch = float(np.exp(rng.normal(0, 0.1)))
    sx, sy = fit * stretch, fit / stretch
    spare_x, spare_y = width - columns * sx, height - rows * sy
    dx = spare_x * (float(rng.uniform(0, 1)) if vary else 0.5)
    dy = spare_y * (float(rng.uniform(0, 1)) if vary else 0.5)
    how = np.array([[sx, 0, dx], [0, sy, dy]], np.float32)
    if vary and rng.random() < 0.5:
        how = np.array([[-sx, 0, width - dx], [0, sy, dy]], np.float32)
    if fit < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.35 / fit)
    flat = cv2.warpAffine(
        picture, how, (width, height), flags=cv2.INTER_LINEAR, borderValue=(PAD,) * 3
    )
    if vary:
        flat = _weather(rng, flat)
    size = (columns, rows)
    moved, hidden = _move(boxes, how, size, (width, height))
    return Sample(
        flat,
        moved,
        np.concatenate([_move(unsure, how, size, (width, height))[0], hidden]),
        item.silent,
    )


def _move(
    boxes: Boxes, how: npt.NDArray[np.float32], source: tuple[int, int], target: tuple[int, int]
) -> tuple[Boxes, Boxes]:
    """Boxes after an axis-parallel affine map: those mostly in the picture, and the cut ones."""
    if not len(boxes):
        return boxes, boxes
    x = boxes[:, [1, 3]] * source[0] * how[0, 0] + how[0, 2]
    y = boxes[:, [2, 4]] * source[1] * how[1, 1] + how[1, 2]
    left, right = x.min(axis=1) / target[0], x.max(axis=1) / target[0]
    top, bottom = y.min(axis=1) / target[1], y.max(axis=1) / target[1]
    whole = np.stack([boxes[:, 0], left, top, right, bottom], axis=1).astype(np.float32)
    seen = whole.copy()
    seen[:, 1:] = np.clip(whole[:, 1:], 0, 1)
    sides = np.clip(seen[:, 3:] - seen[:, 1:3], 0, None)
    area = (whole[:, 3:] - whole[:, 1:3]).prod(axis=1)
    share = sides.prod(axis=1) / np.maximum(area, 1e-9)
    # Below four pixels there is nothing to recognise at the network's finest grid of eight.
    visible = (sides * np.array(target)).min(axis=1) >= 4
    stays = (share >= 0.4) & visible
    return seen[stays], seen[~stays & (share > 0.02)]
