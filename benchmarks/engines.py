"""Input size, number format and engine of the object network: what each finds, and what it costs.

    python -m benchmarks.engines MEDIA PICTURES NETWORK.onnx [--openvino PYTHON] [--every 1]

MEDIA is the evaluation media, PICTURES the labelled pictures, NETWORK.onnx the YOLO11 export whose graph
is rewritten for each size (its weights stay as they are). FP16 and INT8 files are made from it; INT8 is
static, a scale for each output channel, calibrated on `earphone`, which nothing here is judged on.
`--openvino` names a Python with numpy and openvino, in an environment of its own:

    python -m venv ENV && ENV/bin/pip install numpy openvino && ENV/bin/pip uninstall openvino-telemetry

A picture's score is that of its best box of a class. Each set of pictures counts the same, so that the
longest film does not decide. Milliseconds are processor time of one thread, medians; beside each stands
its ratio to the reference (480x640, FP32, ONNX Runtime) timed on the same pictures just before.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16

from benchmarks.objects import pictures
from detectors._yolo import class_names, letterbox
from proctor.types import Image

SIZES = ((480, 640), (384, 512), (320, 416), (288, 384))
STRIDES = (8, 16, 32)
WANTED = ("cell phone", "book", "laptop", "tv", "person")
PHONES = ("webcam phone", "film phone", "held phone")
# Pictures without a phone; wallets and calculators are told by themselves.
CLEAN = (
    "webcam airpods", "rooms", "film asl", "film gaze", "film talking_grid", "film portrait",
    "film presence", "unseen keys", "unseen mugs", "unseen shoes", "unseen hands",
    "unseen bottles_cups", "unseen earbud_case",
)  # fmt: skip
BOOKLESS = (
    "film asl", "film gaze", "film talking_grid", "film portrait", "film presence", "unseen hands",
    "unseen shoes",
)  # fmt: skip
FALSE_SHARE = 0.03
CALIBRATION = 96
SEED = 20261122
RESAMPLED = 200

Scores = npt.NDArray[np.float32]


def resized(network: onnx.ModelProto, height: int, width: int) -> onnx.ModelProto:
    """The same weights for pictures of another size (both divisible by 32).

    An export holds its size in its input and output, in the attention's reshapes (the map at stride 32) and in
    the head's table of anchor points and strides.
    """
    made = onnx.ModelProto()
    made.CopyFrom(network)
    old = [d.dim_value for d in made.graph.input[0].type.tensor_type.shape.dim][2:]
    cells = [(height // s, width // s, s) for s in STRIDES]
    total = sum(h * w for h, w, _ in cells)
    before = sum(old[0] // s * (old[1] // s) for s in STRIDES)
    points = np.concatenate(
        [np.stack(np.meshgrid(np.arange(w), np.arange(h)), 0).reshape(2, -1) for h, w, _ in cells],
        axis=1,
    )
    strides = np.concatenate([np.full(h * w, s) for h, w, s in cells])
    low = (old[0] // 32, old[1] // 32)
    swap = {low[0] * low[1]: height // 32 * (width // 32), before: total}
    for node in made.graph.node:
        if node.op_type != "Constant":
            continue
        tensor = node.attribute[0].t
        value = numpy_helper.to_array(tensor)
        new = value
        if value.shape == (1, 2, before):
            new = (points + 0.5)[None].astype(value.dtype)
        elif value.shape == (1, before):
            new = strides[None].astype(value.dtype)
        elif value.dtype == np.int64 and value.size == 4 and tuple(value[2:]) == low:
            new = np.array([*value[:2], height // 32, width // 32])
        elif value.dtype == np.int64 and value.size in (3, 4) and int(value[-1]) in swap:
            new = np.array([*value[:-1], swap[int(value[-1])]])
        if new is not value:
            tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))
    for place, n in zip(
        made.graph.input[0].type.tensor_type.shape.dim[2:], (height, width), strict=True
    ):
        place.dim_value = n
    made.graph.output[0].type.tensor_type.shape.dim[2].dim_value = total
    for entry in made.metadata_props:
        if entry.key == "imgsz":
            entry.value = f"[{height}, {width}]"
    onnx.checker.check_model(made)
    return made


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # an untyped library
    """Pictures that nothing is judged on, as network inputs."""

    def __init__(self, labelled: Path, height: int, width: int) -> None:
        files = sorted((labelled / "images/earphone").iterdir())
        chosen = np.random.default_rng(SEED).choice(len(files), CALIBRATION, replace=False)
        self._blobs = (letterbox(_read(files[i]), width, height)[0] for i in chosen)

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        blob = next(self._blobs, None)
        return None if blob is None else {"images": blob}


def int8(source: Path, out: Path, labelled: Path, height: int, width: int) -> None:
    """The convolutions in INT8 (QDQ); the head's arithmetic of boxes stays FP32, where a scale of 256
    steps over a picture would move every box."""
    convolutions = [n.name for n in onnx.load(source).graph.node if n.op_type == "Conv"]
    quantize_static(
        source,
        out,
        Calibration(labelled, height, width),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_quantize=[n for n in convolutions if "dfl" not in n],
        op_types_to_quantize=["Conv"],
    )


@dataclass(frozen=True, slots=True)
class Variant:
    name: str
    file: Path
    shape: tuple[int, int]
    engine: str  # "onnxruntime", "openvino f32" or "openvino bf16"


def session(path: Path) -> ort.InferenceSession:
    """As the agent opens it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(network: ort.InferenceSession, shown: Scores, rows: list[int]) -> tuple[Scores, Scores]:
    scores, cost = [], []
    for picture in shown:
        blob = (picture.astype(np.float32) / 255.0)[None]
        began = time.process_time()
        (output,) = network.run(None, {"images": blob})
        cost.append(1000 * (time.process_time() - began))
        scores.append(output[0][rows].max(axis=1))
    return np.array(scores, np.float32), np.array(cost, np.float32)


def _read(path: Path) -> Image:
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(f"{path} cannot be read as a picture.")
    return np.asarray(image, np.uint8)


def shown_pictures(media: Path, labelled: Path) -> Iterator[tuple[str, Image]]:
    """The pictures that `benchmarks/objects.py` judges on, and whole sources that the COCO network
    never learned from: phones of at most 15 % of the picture, open books, hands, bottles, cases."""
    for name, image in pictures(media, labelled):
        if not name.startswith("kept "):
            yield name, image
    boxes: dict[str, list[tuple[str, float]]] = {}
    with (labelled / "labels.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            area = float(row["width"]) * float(row["height"])
            boxes.setdefault(row["file"], []).append((row["class"], area))
    for file, found in sorted(boxes.items()):
        if "/cellphone/" in file and max(a for _, a in found) <= 0.15:
            yield "held phone", _read(labelled / file)
        if any(kind == "open_book" for kind, _ in found):
            yield "open book", _read(labelled / file)
    for name in ("hands", "bottles_cups", "earbud_case"):
        for path in sorted((labelled / "images" / name).iterdir()):
            yield f"unseen {name}", _read(path)


def mean_share(
    scores: Scores, sets: npt.NDArray[np.str_], names: tuple[str, ...], limit: float
) -> float:
    return float(np.mean([(scores[sets == name] >= limit).mean() for name in names]))


def told(scores: Scores, sets: npt.NDArray[np.str_]) -> list[str]:
    """The columns of one variant: phones and false phones at an equal false share, books at 0.2."""
    phone, book = scores[:, 0], scores[:, 1]
    limit = next(
        float(x)
        for x in np.linspace(0.02, 1, 981)
        if mean_share(phone, sets, CLEAN, x) <= FALSE_SHARE
    )
    columns = [f"{limit:.2f}", f"{mean_share(phone, sets, PHONES, limit):.0%}"]
    columns += [
        f"{(phone[sets == name] >= limit).mean():.0%}" for name in (*PHONES, "webcam wallet")
    ]
    columns.append(f"{(book[sets == 'open book'] >= 0.2).mean():.0%}")
    columns.append(f"{mean_share(book, sets, BOOKLESS, 0.2):.1%}")
    return columns


def recall(scores: Scores, chosen: dict[str, npt.NDArray[np.intp]]) -> float:
    """Mean share of the phone sets at the lowest score that FALSE_SHARE of the clean sets reach."""
    steps = np.linspace(0.02, 1, 491)[:, None]
    false = np.mean([(scores[chosen[name], 0] >= steps).mean(axis=1) for name in CLEAN], axis=0)
    limit = steps[int(np.argmax(false <= FALSE_SHARE)), 0]
    return float(np.mean([(scores[chosen[name], 0] >= limit).mean() for name in PHONES]))


def compare(plain: dict[str, Scores], sets: npt.NDArray[np.str_]) -> None:
    """The phones of each size minus the first's, with pictures resampled within their sets."""
    rng = np.random.default_rng(SEED)
    places = {str(name): np.flatnonzero(sets == name) for name in dict.fromkeys(sets)}
    drawn = [{n: rng.choice(at, len(at)) for n, at in places.items()} for _ in range(RESAMPLED)]
    found = {size: np.array([recall(s, one) for one in drawn]) for size, s in plain.items()}
    first = next(iter(found.values()))
    for size, shares in list(found.items())[1:]:
        low, high = np.quantile(shares - first, (0.025, 0.975))
        print(f"{size}: phones {np.mean(shares - first):+.2f} [{low:+.2f}, {high:+.2f}]")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("media", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("network", type=Path)
    parser.add_argument("--openvino", type=Path, help="a Python that has openvino and numpy")
    parser.add_argument("--every", type=int, default=1, help="only every so many pictures of a set")
    parser.add_argument("--keep", type=Path, help="keep the scores in this folder")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    shown = [
        item
        for i, item in enumerate(shown_pictures(args.media, args.pictures))
        if i % args.every == 0
    ]
    sets = np.array([name for name, _ in shown])
    names = class_names(
        session(args.network).get_modelmeta().custom_metadata_map, args.network.name
    )
    rows = [4 + names.index(name) for name in WANTED]
    print({str(name): int((sets == name).sum()) for name in dict.fromkeys(sets)})
    head = "ms | ratio | at | phones | " + " | ".join(PHONES) + " | wallet | open book | false book"
    print(f"\n| variant | {head} |\n|---|" + "---|" * (head.count("|") + 1))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        reference: tuple[ort.InferenceSession, Scores] | None = None
        by_size: dict[str, Scores] = {}
        for height, width in SIZES:
            blobs = place / "pictures.npy"
            stack = np.lib.format.open_memmap(
                blobs, mode="w+", dtype=np.uint8, shape=(len(shown), 3, height, width)
            )
            for i, (_, image) in enumerate(shown):
                stack[i] = np.rint(letterbox(image, width, height)[0][0] * 255)
            size = f"{height}x{width}"
            plain, half, quantised = (place / f"{size}-{f}.onnx" for f in ("fp32", "fp16", "int8"))
            network = resized(onnx.load(args.network), height, width)
            onnx.save(network, plain)
            onnx.save(convert_float_to_float16(network, keep_io_types=True), half)
            int8(plain, quantised, args.pictures, height, width)
            variants = [
                Variant(f"{size} {f.stem[-4:].upper()}", f, (height, width), "onnxruntime")
                for f in (plain, half, quantised)
            ]
            if args.openvino:
                variants += [
                    Variant(f"{size} FP32", plain, (height, width), "openvino f32"),
                    Variant(f"{size} FP32 as BF16", plain, (height, width), "openvino bf16"),
                    Variant(f"{size} INT8", quantised, (height, width), "openvino f32"),
                ]
            if reference is None:
                reference = (session(plain), stack[:: max(1, len(shown) // 25)][:25].copy())
            for variant in variants:
                base = float(np.median(run(*reference, rows)[1]))
                if variant.engine == "onnxruntime":
                    scores, cost = run(session(variant.file), stack, rows)
                else:
                    scores, cost = in_openvino(args.openvino, variant, blobs, rows)
                if variant.engine == "onnxruntime":
                    by_size.setdefault(size, scores)
                ms = float(np.median(cost))
                columns = [f"{ms:.1f}", f"{ms / base:.2f}", *told(scores, sets)]
                print(
                    f"| {variant.name}, {variant.engine} | " + " | ".join(columns) + " |",
                    flush=True,
                )
                if args.keep:
                    file = f"{variant.name} {variant.engine}".replace(" ", "-") + ".npz"
                    np.savez(args.keep / file, scores=scores, sets=sets)
    print()
    compare(by_size, sets)


def in_openvino(
    python: Path, variant: Variant, blobs: Path, rows: list[int]
) -> tuple[Scores, Scores]:
    out = blobs.with_name("openvino.npz")
    worker = Path(__file__).with_name("engines_openvino.py")
    precision = variant.engine.split()[1]
    command = [str(python), str(worker), str(variant.file), str(blobs), str(out), precision]
    subprocess.run([*command, *map(str, rows)], check=True)
    with np.load(out) as made:
        return made["scores"], made["cost"]


if __name__ == "__main__":
    main()
