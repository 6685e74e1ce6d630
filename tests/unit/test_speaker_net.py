"""The speaker network: made from its published weights, and the same numbers as PyTorch's and Kaldi's."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from detectors._fbank import log_bands
from models import campplus, made, registry, torch_weights
from models.entries import ModelError

RATE = 16_000
VECTORS = Path(__file__).parents[1] / "vectors" / "campplus.json"


def hum(seconds: float) -> Any:
    """A wavering hum with a little hiss: the sound that the stored numbers are of."""
    t = np.arange(2 * RATE) / RATE
    wave = np.sin(2 * np.pi * (140 * t + 8 * np.sin(2 * np.pi * 3 * t)))
    sound = (3000 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype(np.int16)
    hiss = np.random.default_rng(0).normal(0, 60, 2 * RATE).astype(np.int16)
    return (sound + hiss)[: int(seconds * RATE)]


@pytest.mark.parametrize("seconds", ["1.6", "2.0"])
def test_the_numbers_are_those_of_the_original_programs(
    model: Callable[[str], Path], seconds: str
) -> None:
    kept = json.loads(VECTORS.read_text(encoding="utf-8"))[seconds]
    bands = log_bands(hum(float(seconds)))
    assert len(bands) == kept["windows"] <= campplus.LONGEST_WINDOWS
    np.testing.assert_allclose(bands[::40, ::16].ravel(), kept["bands"], atol=2e-3)
    session = onnxruntime.InferenceSession(str(model("campplus")))
    (voice,) = session.run(None, {"bands": bands[None]})
    np.testing.assert_allclose(voice[0], kept["voice"], atol=1e-3)
    assert np.linalg.norm(voice) == pytest.approx(1.0, abs=1e-5)


def test_what_is_made_from_the_published_weights_is_the_pinned_file(
    model: Callable[[str], Path], tmp_path: Path
) -> None:
    pinned = registry.manifest()["campplus"]
    weights = registry.manifest()["campplus_pt"]
    place = tmp_path / pinned.file
    made.by_recipe("campplus", model("campplus_pt"), weights.sha256, place)
    assert place.stat().st_size == pinned.bytes
    assert made.is_ours(place, pinned.sha256, weights.sha256)
    with pytest.raises(ModelError, match="No recipe is called soup"):
        made.by_recipe("soup", place, weights.sha256, place)


class _Bomb:
    """A pickle that would write a file when it is read as pickles usually are."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return (Path.write_text, (self._path, "boom"))


def checkpoint(path: Path, content: bytes, numbers: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", numbers)
    return path


def test_a_checkpoint_that_calls_something_is_refused_and_calls_nothing(tmp_path: Path) -> None:
    sign = tmp_path / "boom.txt"
    content = pickle.dumps({"weight": _Bomb(sign)}, protocol=2)
    with pytest.raises(ModelError, match="which no weights need"):
        torch_weights.read(checkpoint(tmp_path / "bad.pt", content))
    assert not sign.exists()


# A tensor as PyTorch pickles one: rebuild(storage, offset, shape, stride, False, OrderedDict()).
def tensor_pickle(shape: str, stride: str, count: int = 6, storage: str = "FloatStorage") -> bytes:
    def whole(number: int) -> bytes:
        return b"K" + bytes([number])

    def numbers(text: str) -> bytes:
        return b"(" + b"".join(whole(int(n)) for n in text.split(",") if n) + b"t"

    def text(word: str) -> bytes:
        return b"X" + len(word).to_bytes(4, "little") + word.encode()

    pid = b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text("0") + text("cpu")
    return (
        b"\x80\x02}" + text("weight") + b"ctorch._utils\n_rebuild_tensor_v2\n((" + pid[1:]
        + whole(count) + b"tQ" + whole(0) + numbers(shape) + numbers(stride) + b"\x89}tRs."
    )  # fmt: skip


def test_a_tensor_is_read_as_it_was_written(tmp_path: Path) -> None:
    values = np.arange(6, dtype="<f4")
    path = checkpoint(tmp_path / "good.pt", tensor_pickle("2,3", "3,1"), values.tobytes())
    found = torch_weights.read(path)
    assert list(found) == ["weight"]
    np.testing.assert_array_equal(found["weight"], values.reshape(2, 3))


@pytest.mark.parametrize(
    ("shape", "stride", "count", "storage"),
    [
        ("2,3", "1,2", 6, "FloatStorage"),  # not row by row
        ("4,3", "3,1", 6, "FloatStorage"),  # more than there is
        ("2,3", "3,1", 9, "FloatStorage"),  # another length than the archive's
        ("2,3", "3,1", 6, "UntypedStorage"),  # numbers of an unknown kind
    ],
)
def test_a_checkpoint_that_does_not_add_up_is_refused(
    tmp_path: Path, shape: str, stride: str, count: int, storage: str
) -> None:
    content = tensor_pickle(shape, stride, count, storage)
    with pytest.raises(ModelError, match="is no PyTorch checkpoint of weights"):
        torch_weights.read(checkpoint(tmp_path / "bad.pt", content, bytes(24)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no", b"\x80\x02]."])
def test_any_other_file_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is no PyTorch checkpoint of weights"):
        torch_weights.read(path)
    with pytest.raises(ModelError, match="is no PyTorch checkpoint of weights"):
        torch_weights.read(checkpoint(tmp_path / "inside.pt", content))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    values = np.zeros(6, "<f4").tobytes()
    path = checkpoint(tmp_path / "other.pt", tensor_pickle("2,3", "3,1"), values)
    with pytest.raises(ModelError, match=r"have no head\.conv1\.weight; they are others"):
        campplus.make(path, tmp_path / "out.onnx")
