"""A network of OpenVINO's format as ONNX: the same numbers as OpenVINO gave, and clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from models import made, openvino_ir, registry
from models.entries import ModelError

# What OpenVINO 2026.4.1 itself (CPU, FP32) gave for the two pictures of `waves`: the first twelve of
# 256 numbers, their length and sum, and the cosine between the two. It ran in an environment of its own.
OPENVINO = (
    (
        [0.62252474, -0.02536680, -0.51774275, -0.38841531, 0.37794951, 0.30994985,
         0.04242400, -0.00487798, 0.19206536, 0.05955651, 0.21045981, -0.11621744],
        6.7345133, 1.5658128,
    ),
    (
        [0.15777700, -0.22027779, -0.02339995, -0.20832561, 0.20059884, 0.03340387,
         0.00356141, -0.30513117, 0.42231801, 0.03690310, -0.09715005, -0.28091869],
        9.609403, 0.6851777,
    ),
)  # fmt: skip
COSINE = 0.60003424


def waves(number: int) -> npt.NDArray[np.float32]:
    """A picture that anybody can compute again, 1×3×128×128."""
    y, x = np.mgrid[0:128, 0:128].astype(np.float64)
    phases = [(number + 1) * 0.05 * x + 0.03 * (c + 1) * y + c for c in range(3)]
    picture = np.stack([127.5 + 127.5 * np.sin(phase) for phase in phases]).round()
    return picture[None].astype(np.float32)


def test_the_numbers_are_those_that_openvino_gives(model: Callable[[str], Path]) -> None:
    session = onnxruntime.InferenceSession(str(model("face_reid")))
    results = []
    for number, (first, length, total) in enumerate(OPENVINO):
        (features,) = session.run(None, {openvino_ir.INPUT: waves(number)})
        assert features.shape == (1, 256, 1, 1)
        features = features.ravel()
        np.testing.assert_allclose(features[:12], first, atol=2e-5)
        assert np.linalg.norm(features) == pytest.approx(length, abs=1e-4)
        assert features.sum() == pytest.approx(total, abs=5e-4)
        results.append(features / np.linalg.norm(features))
    assert results[0] @ results[1] == pytest.approx(COSINE, abs=1e-5)


def test_what_is_made_is_the_pinned_file_and_its_stamp_names_both_sources(
    model: Callable[[str], Path], tmp_path: Path
) -> None:
    known = registry.manifest()
    pinned, sources = known["face_reid"], ("face_reid_bin", "face_reid_xml")
    sums = "+".join(known[name].sha256 for name in sources)
    place = tmp_path / pinned.file
    weights, topology = (model(name) for name in sources)
    made.by_recipe("openvino_ir", weights, sums, place, topology)
    assert place.stat().st_size == pinned.bytes
    assert made.is_ours(place, pinned.sha256, sums)
    assert not made.is_ours(place, pinned.sha256, known["face_reid_bin"].sha256)


LAYERS = """
<layer id="0" name="in" type="Parameter"><data shape="1,1,2,2" element_type="f32"/></layer>
<layer id="1" name="two" type="Const">
  <data element_type="{type}" offset="0" shape="1" size="{size}"/></layer>
<layer id="2" name="product" type="{operation}"><data {data}/></layer>
<layer id="3" name="out" type="Result"><input><port id="0">
  <dim>1</dim><dim>1</dim><dim>2</dim><dim>2</dim></port></input></layer>
"""
EDGES = """
<edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
<edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
<edge from-layer="2" from-port="2" to-layer="3" to-port="0"/>
"""


def translate(folder: Path, weights: bytes, **changes: str) -> Path:
    fields = {"type": "f32", "size": "4", "operation": "Multiply", "data": ""} | changes
    layers = LAYERS.format(**fields)
    topology = folder / "net.xml"
    topology.write_text(f"<net><layers>{layers}</layers><edges>{EDGES}</edges></net>")
    (folder / "net.bin").write_bytes(weights)
    out = folder / "net.onnx"
    openvino_ir.make(folder / "net.bin", out, topology)
    return out


@pytest.mark.parametrize(
    ("operation", "wanted"), [("Multiply", [2, -4, 6, 8]), ("Add", [3, 0, 5, 6]),
                              ("PReLU", [1, -4, 3, 4])]
)  # fmt: skip
@pytest.mark.parametrize(("kind", "number"), [("f32", np.float32), ("f16", np.float16)])
def test_single_layers_compute_what_they_are_called(
    tmp_path: Path, operation: str, wanted: list[float], kind: str, number: type
) -> None:
    weights = np.array([2.0], number).tobytes()
    path = translate(tmp_path, weights, operation=operation, type=kind, size=str(len(weights)))
    session = onnxruntime.InferenceSession(str(path))
    given = np.array([1, -2, 3, 4], np.float32).reshape(1, 1, 2, 2)
    (result,) = session.run(None, {openvino_ir.INPUT: given})
    assert result.ravel().tolist() == wanted


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"operation": "Swish"}, "product is a Swish, which is not known"),
        ({"type": "i4"}, "constants of type i4"),
        ({"size": "8"}, "do not fit the topology"),
        ({"operation": "Convolution", "data": 'auto_pad="same_upper"'}, "pads by itself"),
        ({"operation": "Parameter", "data": 'shape="1,1,2,2"'}, "2 inputs and 1 outputs"),
    ],
)
def test_what_cannot_be_translated_is_refused_in_a_sentence(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        translate(tmp_path, np.array([2.0], np.float32).tobytes(), **changes)
    (tmp_path / "no.xml").write_text("no topology")
    with pytest.raises(ModelError, match=r"no\.xml is no topology"):
        openvino_ir.make(tmp_path / "net.bin", tmp_path / "x.onnx", tmp_path / "no.xml")
