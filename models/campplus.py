"""CAM++, the speaker network, as an ONNX file made from its published PyTorch weights.

CAM++ (Wang, Zheng, Chen, Cheng, Chen 2023, "CAM++: A Fast and Efficient Network for Speaker
Verification Using Context-Aware Masking", arXiv 2303.00332; weights by 3D-Speaker, Apache-2.0) is
published as weights only. The graph is written down here layer by layer from the paper and from the
weights' names and shapes: a convolutional front (32 channels), one strided convolution over time,
three densely connected blocks of 12, 24 and 16 layers, mean and deviation over time, 192 numbers.

For sound of at most two seconds the paper's segments of 100 steps are the whole sound, so that the
segment mean is the mean; the graph relies on it and refuses nothing longer, so give it nothing longer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.entries import ModelError
from models.torch_weights import Array, read

# Longest piece the graph is right for, in windows of 10 ms (see above).
LONGEST_WINDOWS = 200
BANDS = 80
SIZE = 192
_BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and the dilation of their convolution
_EPSILON = 1e-5  # PyTorch's batch normalisation
_OPSET, _IR = 17, 8


class _Graph:
    """Collects nodes; every method adds some and returns the name of the result."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def weight(self, name: str) -> Array:
        if name not in self._weights:
            raise ModelError(f"The speaker network's weights have no {name}; they are others.")
        return self._weights[name].astype(np.float64)

    def constant(self, values: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        out = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [out], **attributes))
        return out

    def scale(self, norm: str) -> tuple[Array, Array]:
        """A batch normalisation as factor and summand of each channel."""
        mean, variance = (
            self.weight(f"{norm}.running_mean"),
            self.weight(f"{norm}.running_var"),
        )
        factor = 1.0 / np.sqrt(variance + _EPSILON)
        if f"{norm}.weight" not in self._weights:
            return factor, -mean * factor
        factor = factor * self.weight(f"{norm}.weight")
        return factor, self.weight(f"{norm}.bias") - mean * factor

    def convolve(
        self, x: str, name: str, norm: str = "", *, strides: tuple[int, ...], dilation: int = 1
    ) -> str:
        """A convolution that keeps the length (but for its stride), with the normalisation after it."""
        kernel = self.weight(f"{name}.weight")
        bias = np.zeros(len(kernel))
        if f"{name}.bias" in self._weights:
            bias = self.weight(f"{name}.bias")
        if norm:
            factor, summand = self.scale(norm)
            kernel = kernel * factor.reshape(-1, *[1] * (kernel.ndim - 1))
            bias = bias * factor + summand
        pads = [(size - 1) // 2 * dilation for size in kernel.shape[2:]]
        return self.add(
            "Conv",
            x,
            self.constant(kernel.astype(np.float32)),
            self.constant(bias.astype(np.float32)),
            strides=list(strides),
            dilations=[dilation] * len(pads),
            pads=pads + pads,
        )

    def normalise(self, x: str, norm: str) -> str:
        """A batch normalisation by itself, over channels × time, and what is below zero cut off."""
        factor, summand = (v.astype(np.float32)[:, None] for v in self.scale(norm))
        scaled = self.add("Mul", x, self.constant(factor))
        return self.add("Relu", self.add("Add", scaled, self.constant(summand)))

    def mean(self, x: str) -> str:
        return self.add("ReduceMean", x, axes=[2], keepdims=1)


def _front(graph: _Graph, x: str) -> str:
    """1×80×T to 1×320×T: six residual blocks' worth of 3×3 convolutions over bands and time."""
    x = graph.add("Unsqueeze", x, graph.constant(np.array([1], np.int64)))
    x = graph.add("Relu", graph.convolve(x, "head.conv1", "head.bn1", strides=(1, 1)))
    for layer in (1, 2):
        for block, stride in ((0, 2), (1, 1)):
            name = f"head.layer{layer}.{block}"
            y = graph.convolve(x, f"{name}.conv1", f"{name}.bn1", strides=(stride, 1))
            y = graph.add("Relu", y)
            y = graph.convolve(y, f"{name}.conv2", f"{name}.bn2", strides=(1, 1))
            if stride != 1:
                short = f"{name}.shortcut"
                x = graph.convolve(x, f"{short}.0", f"{short}.1", strides=(stride, 1))
            x = graph.add("Relu", graph.add("Add", y, x))
    x = graph.add("Relu", graph.convolve(x, "head.conv2", "head.bn2", strides=(2, 1)))
    return graph.add("Reshape", x, graph.constant(np.array([1, 32 * BANDS // 8, -1], np.int64)))


def _layer(graph: _Graph, x: str, name: str, dilation: int) -> str:
    """One densely connected layer: 32 new channels, each weighed by what the whole sound is like."""
    x = graph.normalise(x, f"{name}.nonlinear1.batchnorm")
    x = graph.convolve(x, f"{name}.linear1", f"{name}.nonlinear2.batchnorm", strides=(1,))
    x = graph.add("Relu", x)
    cam = f"{name}.cam_layer"
    local = graph.convolve(x, f"{cam}.linear_local", strides=(1,), dilation=dilation)
    # The mean of the sound and that of its only segment: twice the same.
    context = graph.add("Mul", graph.mean(x), graph.number(2.0))
    context = graph.add("Relu", graph.convolve(context, f"{cam}.linear1", strides=(1,)))
    mask = graph.add("Sigmoid", graph.convolve(context, f"{cam}.linear2", strides=(1,)))
    return graph.add("Mul", local, mask)


def _pooled(graph: _Graph, x: str) -> str:
    """1×C×T to 1×2C×1: mean and (unbiased) deviation over time."""
    mean = graph.mean(x)
    away = graph.add("Sub", x, mean)
    axis = graph.constant(np.array([2], np.int64))
    total = graph.add("ReduceSum", graph.add("Mul", away, away), axis, keepdims=1)
    length = graph.add("Cast", graph.add("Shape", x, start=2, end=3), to=TensorProto.FLOAT)
    spread = graph.add("Div", total, graph.add("Sub", length, graph.number(1.0)))
    return graph.add("Concat", mean, graph.add("Sqrt", spread), axis=1)


def make(weights: Path, out: Path) -> None:
    """Writes ``out``: input ``bands`` 1×T×80 (T at most 200), output ``voice`` 1×192 of length one.

    Raises :class:`ModelError` when ``weights`` are not those of this network.
    """
    graph = _Graph(read(weights))
    x = _front(graph, graph.add("Transpose", "bands", perm=[0, 2, 1]))
    tdnn = "xvector.tdnn"
    x = graph.convolve(x, f"{tdnn}.linear", f"{tdnn}.nonlinear.batchnorm", strides=(2,))
    x = graph.add("Relu", x)
    for number, (layers, dilation) in enumerate(_BLOCKS, 1):
        for layer in range(1, layers + 1):
            new = _layer(graph, x, f"xvector.block{number}.tdnnd{layer}", dilation)
            x = graph.add("Concat", x, new, axis=1)
        x = graph.normalise(x, f"xvector.transit{number}.nonlinear.batchnorm")
        x = graph.convolve(x, f"xvector.transit{number}.linear", strides=(1,))
    x = _pooled(graph, graph.normalise(x, "xvector.out_nonlinear.batchnorm"))
    x = graph.convolve(x, "xvector.dense.linear", "xvector.dense.nonlinear.batchnorm", strides=(1,))
    x = graph.add("Reshape", x, graph.constant(np.array([1, SIZE], np.int64)))
    voice = helper.make_node("LpNormalization", [x], ["voice"], axis=1, p=2)
    made = helper.make_graph(
        [*graph.nodes, voice],
        "campplus",
        [helper.make_tensor_value_info("bands", TensorProto.FLOAT, [1, "windows", BANDS])],
        [helper.make_tensor_value_info("voice", TensorProto.FLOAT, [1, SIZE])],
        graph.constants,
    )
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(
        made, opset_imports=opset, ir_version=_IR, producer_name="open-proctor"
    )
    onnx.checker.check_model(model)
    out.write_bytes(model.SerializeToString(deterministic=True))
