"""The exam-object network itself: YOLO11n from the fused COCO weights, its boxes, its ONNX file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx  # type: ignore[import-not-found,unused-ignore]
import torch  # type: ignore[import-not-found,unused-ignore]
from onnx import helper, numpy_helper
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel

from models.train.objects_data import CLASSES, SAME, Boxes

SEED = 20261122
# The best boxes of a picture that are looked at further.
CANDIDATES = 300
# Which COCO classes a new class starts as (their mean), and its bias relative to them.
START = {
    "phone": ((67,), 0.0), "tablet": ((62, 63, 67), -1.5), "book": ((73,), 0.0),
    "open_book": ((73,), -1.5), "paper": ((73,), -2.5), "laptop": ((63,), 0.0),
    "screen": ((62,), 0.0), "headphones": ((26, 65, 67), -2.0), "earbuds": ((64, 65, 67), -2.0),
    "watch": ((74,), -1.0), "calculator": ((65, 66), -1.0), "wallet": ((26, 67, 73), -1.5),
    "other_handheld": ((65, 67), -1.5), "person": ((0,), 0.0),
}  # fmt: skip


def coco_network(weights: Path) -> DetectionModel:
    """YOLO11n on COCO, batch norm folded into its convolutions, from the fused weights."""
    model = DetectionModel("yolo11n.yaml", nc=80, verbose=False).fuse(verbose=False)
    with np.load(weights) as arrays:
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    model.load_state_dict(state, strict=True)
    return model.eval()


def exam_network(coco: DetectionModel) -> DetectionModel:
    """The same network with our classes, which start as the COCO classes of ``START``."""
    head = coco.model[-1]
    for branch in head.cv3:
        old = branch[-1]
        new = torch.nn.Conv2d(old.in_channels, len(CLASSES), 1)
        with torch.no_grad():
            for i, name in enumerate(CLASSES):
                like, shift = START[name]
                new.weight[i] = old.weight[list(like)].mean(dim=0)
                new.bias[i] = old.bias[list(like)].mean() + shift
        branch[-1] = new
    head.nc = len(CLASSES)
    head.no = head.nc + 4 * head.reg_max
    coco.names = dict(enumerate(CLASSES))
    coco.args = get_cfg()
    return coco


def found(
    output: torch.Tensor, lowest: float, size: tuple[int, int]
) -> list[tuple[int, float, Boxes]]:
    """Class, score and box (fractions) after non-maximum suppression, from one picture's output."""
    array = output.detach().numpy()
    classes, anchors = np.nonzero(array[4:] >= lowest)
    scores = array[4 + classes, anchors]
    first = np.argsort(-scores, kind="stable")[:CANDIDATES]
    middle, side = array[:2, anchors[first]].T, array[2:4, anchors[first]].T
    boxes = (np.concatenate([middle - side / 2, middle + side / 2], 1) / (size + size)).astype(
        np.float32
    )
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    open_ = np.ones(len(first), bool)
    kept: list[tuple[int, float, Boxes]] = []
    for i, where in enumerate(first):
        if not open_[i]:
            continue
        kept.append((int(classes[where]), float(scores[where]), boxes[i]))
        low, high = np.maximum(boxes[i, :2], boxes[:, :2]), np.minimum(boxes[i, 2:], boxes[:, 2:])
        common = np.clip(high - low, 0, None).prod(axis=1)
        double = common > SAME * (areas[i] + areas - common)
        open_ &= ~(double & (classes[first] == classes[where]))
    return kept


def as_input(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    """BGR pictures n×h×w×3 as network input: RGB 0…1."""
    return (
        torch.from_numpy(np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2))).float()
        / 255
    )


def export(model: DetectionModel, size: tuple[int, int], path: Path) -> None:
    """Writes ONNX whose weights are stored in half precision and unfolded to single at load: half
    the bytes at the speed and accuracy of FP32."""
    head = model.model[-1]
    head.export, head.format = True, "onnx"
    example = torch.zeros(1, 3, size[1], size[0])
    model.eval()
    torch.onnx.export(
        model,
        (example,),
        str(path),
        opset_version=18,
        input_names=["images"],
        output_names=["output0"],
        dynamo=False,
    )
    graph = onnx.load(str(path))
    casts = []
    for tensor in graph.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < 64:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), name + ".half"))
        casts.append(helper.make_node("Cast", [name + ".half"], [name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        graph.graph.node.insert(0, node)
    facts = {
        "names": str(dict(enumerate(CLASSES))),
        "imgsz": str([size[1], size[0]]),
        "license": "AGPL-3.0, derived from Ultralytics YOLO11n",
        "seed": str(SEED),
    }
    helper.set_model_props(graph, facts)
    onnx.checker.check_model(graph)
    onnx.save(graph, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path.name}: {path.stat().st_size} bytes, sha256 {digest}")
