"""Fine-tunes YOLO11n into the exam-object network. Data, recipe and results: models/cards/exam_objects.md,
which also says why what it made so far does not replace the COCO network.

    YOLO_OFFLINE=true python -m models.train.objects PICTURES WEIGHTS.npz --out DIR [--epochs 8] [--imgsz 288x384]

PICTURES is the folder with labels.csv and sources.csv, WEIGHTS.npz the fused COCO weights. Needs an
environment of its own with torch, torchvision, ultralytics and onnx (never the agent's). After every
epoch the running average is judged on held-out pictures and kept if it is the best so far, so the
work may be ended at any time; ``--export-only`` turns the best kept so far into ONNX.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from torch.utils.data import (  # type: ignore[import-not-found,unused-ignore]
    DataLoader,
)
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.loss import v8DetectionLoss

from models.train import objects_data as data
from models.train.objects_data import CLASSES, COCO, Boxes, Labelled, Sample
from models.train.objects_net import SEED, as_input, coco_network, exam_network, export, found

# Pictures in one epoch, and how many of them are drawn on.
EPOCH, DRAWN = 900, 0.4
# How often a source is drawn from in an epoch; the rest follows its size.
SHARES = {
    "cellphone": 0.28, "books_openimages": 0.18, "earphone": 0.22, "headphones": 0.07,
    "hands": 0.12, "earbud_case": 0.05, "bottles_cups": 0.08,
}  # fmt: skip
BATCH, RATE, WARM_STEPS, DECAY, AVERAGE = 8, 3e-4, 60, 5e-4, 0.99
# The whole backbone: two thousand pictures would teach it less than COCO's hundred thousand taught it
# (trained along, the person's average precision fell from 0.94 to 0.87 in two epochs; frozen, it
# stays), and a frozen half costs nothing backward.
FROZEN = 11
VALIDATION = 150


def fill_gaps(coco: DetectionModel, items: list[Labelled], cache: Path) -> None:
    """Fills each picture's gaps with the COCO network's boxes, looked for once and kept in ``cache``."""
    if not cache.is_file():
        seen = {
            f"{i.file.name}/{name}": rows for i in items for name, rows in guess(coco, i).items()
        }
        np.savez(cache, **seen)  # type: ignore[arg-type]
    with np.load(cache) as seen:
        for item in items:
            data.fill(item, {name: seen[f"{item.file.name}/{name}"] for name in COCO})


def guess(coco: DetectionModel, item: Labelled) -> dict[str, Boxes]:
    """What the COCO network sees in a picture: for each class, score and box in fractions."""
    width, height = 512, 384
    image = cv2.imread(str(item.file))
    if image is None:
        raise FileNotFoundError(f"{item.file} cannot be read as a picture.")
    rows, columns = image.shape[:2]
    fit = min(width / columns, height / rows)
    blob = np.full((height, width, 3), data.PAD, np.uint8)
    w, h = round(columns * fit), round(rows * fit)
    blob[:h, :w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        output = coco(as_input(blob[None]))[0][0]
    wanted = torch.cat([output[:4], output[[4 + i for i in COCO.values()]]])
    guesses: dict[str, list[list[float]]] = {name: [] for name in COCO}
    for c, score, box in found(wanted, data.UNSURE, (w, h)):
        guesses[list(COCO)[c]].append([score, *np.clip(box, 0, 1)])
    return {k: np.array(v, np.float32).reshape(-1, 5) for k, v in guesses.items()}


class Samples:
    """``count`` samples, each from its own seed: the same whatever the number of workers."""

    def __init__(
        self, items: list[Labelled], count: int, size: tuple[int, int], seed: int, vary: bool
    ) -> None:
        self._items, self._count, self._size = items, count, size
        self._seed, self._vary = seed, vary
        self._by_source = {s: [i for i in items if i.source == s] for s in SHARES}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        cv2.setNumThreads(1)
        rng = np.random.default_rng([self._seed, index])
        source = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        item = self._by_source[source][int(rng.integers(len(self._by_source[source])))]
        draw = bool(rng.random() < DRAWN)
        return data.sample(rng, item, *self._size, draw=draw, vary=self._vary)


def _batches(samples: Samples, workers: int) -> Iterator[list[Sample]]:
    # Lists, not stacked tensors: every picture has its own number of boxes.
    yield from DataLoader(samples, BATCH, num_workers=workers, collate_fn=list)


class MaskedCrossEntropy:
    """Binary cross entropy that leaves out what nobody labelled (``counts`` is 0 there)."""

    counts: torch.Tensor

    def __call__(self, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, wanted, reduction="none"
        )
        # Where a labelled thing is, every other class is known to be wrong.
        labelled = wanted.sum(dim=2, keepdim=True) > 0
        return loss * torch.where(labelled, torch.ones_like(self.counts), self.counts)


def _counts(batch: list[Sample], size: tuple[int, int]) -> torch.Tensor:
    """1 or 0 for each picture, anchor (strides 8, 16, 32) and class: whether its absence is known."""
    centres = []
    for stride in (8, 16, 32):
        y, x = np.mgrid[0 : size[1] // stride, 0 : size[0] // stride]
        centres.append(
            np.stack(
                [(x.ravel() + 0.5) * stride / size[0], (y.ravel() + 0.5) * stride / size[1]], 1
            )
        )
    points = np.concatenate(centres)
    counts = np.ones((len(batch), len(points), len(CLASSES)), np.float32)
    for i, one in enumerate(batch):
        counts[i] = 1 - one.silent
        for c, left, top, right, bottom in one.unsure:
            inside = (points > (left, top)).all(axis=1) & (points < (right, bottom)).all(axis=1)
            counts[i, inside, int(c)] = 0
    return torch.from_numpy(counts)


def _targets(batch: list[Sample]) -> dict[str, torch.Tensor]:
    """Boxes as ultralytics' loss wants them: picture's index, class, centre x, y, width, height."""
    rows = [(i, *box) for i, one in enumerate(batch) for box in one.boxes]
    table = torch.tensor(np.array(rows, np.float32).reshape(-1, 6))
    corner = table[:, 2:]
    centre = torch.cat([(corner[:, :2] + corner[:, 2:]) / 2, corner[:, 2:] - corner[:, :2]], 1)
    return {"batch_idx": table[:, 0], "cls": table[:, 1], "bboxes": centre}


def average_precision(
    model: DetectionModel, samples: Samples, size: tuple[int, int]
) -> dict[str, float]:
    """Average precision at half overlap of every class with ten or more labelled boxes. Boxes that
    find what nobody judged (unsure, or a silent class) count neither way."""
    hits: dict[int, list[tuple[float, bool]]] = {c: [] for c in range(len(CLASSES))}
    total = np.zeros(len(CLASSES), int)
    for i in range(len(samples)):
        one = samples[i]
        with torch.inference_mode():
            output = model(as_input(one.image[None]))[0][0]
        for c in one.boxes[:, 0]:
            total[int(c)] += 1
        used: set[int] = set()
        for c, score, box in found(output, 0.02, size):
            match = [
                k
                for k, b in enumerate(one.boxes)
                if k not in used and b[0] == c and data.iou(box, b[1:]) >= 0.5
            ]
            free = [k for k, b in enumerate(one.boxes) if b[0] != c and data.iou(box, b[1:]) >= 0.5]
            if match:
                used.add(match[0])
                hits[c].append((score, True))
            elif free or not (
                one.silent[c] or any(data.iou(box, u[1:]) > 0.1 for u in one.unsure if u[0] == c)
            ):
                hits[c].append((score, False))
    result = {}
    for c, name in enumerate(CLASSES):
        if total[c] >= 10:
            right = np.array([h for _, h in sorted(hits[c], reverse=True)], bool)
            precision = np.cumsum(right) / np.arange(1, len(right) + 1)
            best = np.maximum.accumulate(precision[::-1])[::-1]
            result[name] = float(best[right].sum() / total[c])
    return result


def train(
    model: DetectionModel,
    items: list[Labelled],
    size: tuple[int, int],
    epochs: int,
    workers: int,
    out: Path,
) -> None:
    """Trains, and after every epoch writes the curve and, if it is the best, the running average."""
    for number, layer in enumerate(model.model):
        layer.requires_grad_(number >= FROZEN)
    model.model[-1].dfl.requires_grad_(False)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": DECAY},
            {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=RATE,
    )
    criterion: Any = v8DetectionLoss(model)
    criterion.bce = MaskedCrossEntropy()
    average = {k: v.clone() for k, v in model.state_dict().items()}
    kept = Samples([i for i in items if data.held_out(i)], VALIDATION, size, SEED + 999, vary=False)
    learn = [i for i in items if not data.held_out(i)]
    steps, step, best = epochs * -(-EPOCH // BATCH), 0, -1.0
    curve: list[dict[str, object]] = []
    for epoch in range(epochs + 1):
        begun, losses = time.monotonic(), []
        if epoch:
            model.train()
            for batch in _batches(Samples(learn, EPOCH, size, SEED + epoch, vary=True), workers):
                share = step / steps
                rate = (
                    RATE
                    * min(1.0, (step + 1) / WARM_STEPS)
                    * (0.05 + 0.95 * (1 + np.cos(np.pi * share)) / 2)
                )
                for group in optimizer.param_groups:
                    group["lr"] = rate
                criterion.bce.counts = _counts(batch, size)
                loss, parts = criterion(
                    model(as_input(np.stack([s.image for s in batch]))), _targets(batch)
                )
                optimizer.zero_grad()
                (loss.sum() / len(batch)).backward()
                torch.nn.utils.clip_grad_norm_(weights, 10.0)
                optimizer.step()
                step += 1
                keep = min(AVERAGE, step / (step + 10))
                with torch.no_grad():
                    for name, value in model.state_dict().items():
                        average[name].lerp_(value, 1 - keep)
                losses.append([float(v) for v in parts.values()])
                if step % 25 == 0:
                    print(
                        f"step {step}/{steps} {time.monotonic() - begun:.0f} s {np.mean(losses[-25:], 0)}",
                        flush=True,
                    )
        ours = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(average)
        precision = average_precision(model.eval(), kept, size)
        mean = float(np.mean(list(precision.values())))
        if epoch and mean > best:
            best = mean
            torch.save(average, out / "best.pt")
        torch.save(average, out / "last.pt")
        model.load_state_dict(ours)
        box, cls, dfl = np.mean(losses, axis=0) if losses else (0.0, 0.0, 0.0)
        named = {k: round(v, 3) for k, v in precision.items()}
        row = {
            "epoch": epoch,
            "box": f"{box:.3f}",
            "class": f"{cls:.3f}",
            "edges": f"{dfl:.3f}",
            "mean_ap50": f"{mean:.3f}",
        }
        curve.append(row | named | {"seconds": round(time.monotonic() - begun)})
        print(curve[-1], flush=True)
        with (out / "curve.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(curve[0]))
            writer.writeheader()
            writer.writerows(curve)


def _size(text: str) -> tuple[int, int]:
    height, width = (int(part) for part in text.split("x"))
    if height % 32 or width % 32:
        raise argparse.ArgumentTypeError("height and width must be multiples of 32")
    return width, height


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument(
        "--imgsz", type=_size, default=(384, 288), help="training size, HEIGHTxWIDTH"
    )
    parser.add_argument(
        "--export-imgsz", type=_size, default=(512, 384), help="the ONNX file's size"
    )
    parser.add_argument(
        "--blend",
        type=float,
        default=1.0,
        help="export this share of the trained weights and the rest of the weights it started from "
        "(Wortsman et al. 2022: fine-tuned networks so keep what they knew of other pictures)",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--export-only", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    coco = coco_network(args.weights)
    if not args.export_only:
        items = data.read(args.pictures)
        fill_gaps(coco, items, args.out / "gaps.npz")
        boxes = sum(len(i.boxes) for i in items)
        print(
            f"{len(items)} pictures, {boxes} boxes, {sum(len(i.unsure) for i in items)} left out",
            flush=True,
        )
        train(exam_network(coco), items, args.imgsz, args.epochs, args.workers, args.out)
        coco = coco_network(args.weights)
    model = exam_network(coco)
    trained = torch.load(args.out / "best.pt")
    for name, value in model.state_dict().items():
        value.lerp_(trained[name], args.blend)
    export(model, args.export_imgsz, args.out / "exam_objects.onnx")


if __name__ == "__main__":
    main()
