"""The rewritten object network of `benchmarks/engines.py` is the same network at another picture size."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from skimage import data

from detectors._yolo import ObjectNet, overlap

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def engines():
    sys.path.insert(0, str(ROOT))
    yield importlib.import_module("benchmarks.engines")
    sys.path.remove(str(ROOT))


@pytest.fixture(scope="module")
def network(model):
    return onnx.load(model("yolo11n"))


def test_its_own_size_gives_the_very_same_answers(engines, network, model, tmp_path):
    again = engines.resized(network, 480, 640)
    onnx.save(again, tmp_path / "again.onnx")
    picture = np.ascontiguousarray(data.astronaut()[..., ::-1])
    wanted = {"person": 0.2, "tie": 0.05}
    assert ObjectNet(tmp_path / "again.onnx", wanted).find(picture) == ObjectNet(
        model("yolo11n"), wanted
    ).find(picture)


@pytest.mark.parametrize("size", [(384, 512), (320, 416)])
def test_another_size_finds_the_same_person_in_the_same_place(
    engines, network, model, tmp_path, size
):
    onnx.save(engines.resized(network, *size), tmp_path / "small.onnx")
    small = ObjectNet(tmp_path / "small.onnx", {"person": 0.5})
    assert (small.height, small.width) == size
    picture = np.ascontiguousarray(data.astronaut()[..., ::-1])
    (before,) = ObjectNet(model("yolo11n"), {"person": 0.5}).find(picture)
    (after,) = small.find(picture)
    assert overlap(before.box, after.box) > 0.85
    assert after.score > 0.7
