"""A network in OpenVINO's own format (topology as XML, weights beside it), written down as ONNX.

Face re-identification of Open Model Zoo is published in that format only, and OpenVINO stays out of the
agent (docs/decisions/0002): so its ten kinds of layers are translated one by one. Half-precision
weights become FP32, which loses nothing. That the result says what OpenVINO says is proved by
tests/unit/test_openvino_ir.py with numbers that OpenVINO itself gave.

Layers and their meaning: OpenVINO's operation set opset1, https://docs.openvino.ai
(documentation/openvino-ir-format/operation-sets).
"""

from __future__ import annotations

# Only files whose hash the manifest pins are read here, never one from elsewhere.
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.entries import ModelError

INPUT, OUTPUT = "image", "features"
_OPSET, _IR = 17, 8
_TYPES = {"f16": np.float16, "f32": np.float32}
_SAME = {"Add": "Add", "Multiply": "Mul", "Sigmoid": "Sigmoid"}

Array = npt.NDArray[np.float32]


def make(weights: Path, out: Path, topology: Path) -> None:
    """Writes the network of ``weights`` (.bin) and ``topology`` (.xml) to ``out`` as ONNX, FP32.

    Input ``image`` and output ``features`` keep the shapes of the original. Raises
    :class:`ModelError` when the two do not fit together or hold a layer that is not known here.
    """
    try:
        root = ET.fromstring(topology.read_bytes())  # noqa: S314 - pinned by hash, see above
    except ET.ParseError as error:
        raise ModelError(f"{topology.name} is no topology of OpenVINO ({error}).") from error
    network = _Translation(root, weights.read_bytes()).network()
    onnx.checker.check_model(network, full_check=True)
    out.write_bytes(network.SerializeToString(deterministic=True))


class _Translation:
    """One network, layer by layer in the order of the file, which is that of the computation."""

    def __init__(self, root: ET.Element, weights: bytes) -> None:
        self._root = root
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        # What each layer gives: a name in the graph, and for constants the numbers themselves.
        self._names: dict[str, str] = {}
        self._values: dict[str, Array] = {}
        self._sources: dict[str, dict[int, str]] = {}
        for edge in root.iterfind("edges/edge"):
            into = self._sources.setdefault(edge.get("to-layer", ""), {})
            into[int(edge.get("to-port", "0"))] = edge.get("from-layer", "")

    def network(self) -> onnx.ModelProto:
        for layer in self._root.iterfind("layers/layer"):
            self._translate(layer)
        if len(self._inputs) != 1 or len(self._outputs) != 1:
            raise ModelError(
                f"The topology has {len(self._inputs)} inputs and {len(self._outputs)} outputs; "
                f"this translation knows networks with one of each."
            )
        graph = helper.make_graph(
            self._nodes,
            self._root.get("name", "network"),
            self._inputs,
            self._outputs,
            self._constants,
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR,
            producer_name="open-proctor",
        )

    def _translate(self, layer: ET.Element) -> None:
        kind, number = layer.get("type", ""), layer.get("id", "")
        found = layer.find("data")
        data = dict(found.attrib) if found is not None else {}
        sources = [source for _, source in sorted(self._sources.get(number, {}).items())]
        if kind == "Parameter":
            shape = _whole(data["shape"])
            self._inputs.append(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape))
            self._names[number] = INPUT
        elif kind == "Const":
            self._values[number] = self._read(data)
        elif kind == "Result":
            shape = [int(dim.text or 0) for dim in layer.iterfind("input/port/dim")]
            self._outputs.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape))
            self._nodes.append(helper.make_node("Identity", [self._name(sources[0])], [OUTPUT]))
        else:
            self._names[number] = self._operation(kind, data, sources, layer.get("name", ""))

    def _operation(self, kind: str, data: dict[str, str], sources: list[str], called: str) -> str:
        if data.get("auto_pad", "explicit") not in ("explicit", "notset"):
            raise ModelError(f"The layer {called} pads by itself, which is not known here.")
        if kind in _SAME:
            return self._add(_SAME[kind], [self._name(source) for source in sources])
        if kind == "PReLU":
            slope = self._values[sources[1]]
            # One slope a channel, spread over height and width.
            spread = slope if slope.size == 1 else slope.reshape(-1, 1, 1)
            return self._add("PRelu", [self._name(sources[0]), self._constant(spread)])
        if kind == "Convolution":
            kernel = self._values[sources[1]]
            return self._convolve(data, self._name(sources[0]), kernel, 1)
        if kind == "GroupConvolution":
            kernel = self._values[sources[1]]
            joined = kernel.reshape(-1, *kernel.shape[2:])
            return self._convolve(data, self._name(sources[0]), joined, kernel.shape[0])
        if kind == "AvgPool":
            if data.get("rounding_type", "floor") != "floor":
                raise ModelError(f"The layer {called} rounds up, which is not known here.")
            return self._add(
                "AveragePool",
                [self._name(sources[0])],
                kernel_shape=_whole(data["kernel"]),
                strides=_whole(data["strides"]),
                pads=[*_whole(data["pads_begin"]), *_whole(data["pads_end"])],
                count_include_pad=int(data["exclude-pad"] != "true"),
            )
        raise ModelError(f"The layer {called} is a {kind}, which is not known here.")

    def _convolve(self, data: dict[str, str], source: str, kernel: Array, groups: int) -> str:
        return self._add(
            "Conv",
            [source, self._constant(kernel)],
            strides=_whole(data["strides"]),
            dilations=_whole(data["dilations"]),
            pads=[*_whole(data["pads_begin"]), *_whole(data["pads_end"])],
            group=groups,
        )

    def _read(self, data: dict[str, str]) -> Array:
        kind = data.get("element_type", "")
        if kind not in _TYPES:
            raise ModelError(f"The topology has constants of type {kind}, not known here.")
        begin, size, shape = int(data["offset"]), int(data["size"]), _whole(data["shape"])
        held = self._weights[begin : begin + size]
        values = np.frombuffer(held, _TYPES[kind]) if len(held) == size else np.empty(0)
        if values.size != np.prod(shape, dtype=int):
            raise ModelError("The weights do not fit the topology; they are of another network.")
        return values.reshape(shape).astype(np.float32)

    def _name(self, number: str) -> str:
        if number not in self._names:
            self._names[number] = self._constant(self._values[number])
        return self._names[number]

    def _constant(self, values: Array) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _add(self, operation: str, inputs: list[str], **attributes: Any) -> str:
        out = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, inputs, [out], **attributes))
        return out


def _whole(text: str) -> list[int]:
    """``"1,3,128,128"`` as numbers; nothing for an empty text (a single number has no shape)."""
    return [int(part) for part in text.split(",") if part.strip()]
