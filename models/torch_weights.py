"""Reads the numbers out of a PyTorch checkpoint without PyTorch, and without running what it says.

A checkpoint is a zip archive: ``data.pkl`` names every tensor, ``data/KEY`` holds its numbers. A
pickle can call anything it names; here it may name six things, none of which does more than note
what it was given, and every other name ends the reading.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.entries import ModelError

Array = npt.NDArray[Any]
# PyTorch writes the machine's byte order, and a name for it in newer files; all of ours are little.
_TYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}
# Far above any network here; a name list longer than this is no checkpoint of ours.
_MOST_NAMES_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A storage: one flat run of numbers in the archive."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage, row by row."""

    numbers: _Numbers
    offset: int
    shape: tuple[int, ...]


def _tensor(
    numbers: object, offset: object, shape: object, stride: object, *_rest: object
) -> _Tensor:
    """What ``torch._utils._rebuild_tensor_v2`` is told; only tensors that lie row by row are known."""
    if not (isinstance(numbers, _Numbers) and isinstance(offset, int) and isinstance(shape, tuple)):
        raise pickle.UnpicklingError("a tensor is described in another way than PyTorch's")
    rows, step = [], 1
    for length in reversed(shape):
        rows.append(step)
        step *= length
    if stride != tuple(reversed(rows)) or offset < 0 or offset + step > numbers.count:
        raise pickle.UnpicklingError("a tensor does not lie row by row within its numbers")
    return _Tensor(numbers, offset, shape)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _TYPES:
            return name
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no weights need")

    def persistent_load(self, pid: Any) -> _Numbers:
        match pid:
            case ("storage", str(kind), str(key), str(), int(count)) if kind in _TYPES:
                return _Numbers(kind, key, count)
        raise pickle.UnpicklingError("it refers to something that is no run of numbers")


def read(path: Path) -> dict[str, Array]:
    """The tensors of the checkpoint at ``path`` (a state dictionary), by name.

    Raises :class:`ModelError` when it is no such checkpoint, or names anything but tensors.
    """
    try:
        with zipfile.ZipFile(path) as opened:
            listed = [n for n in opened.namelist() if n.endswith("/data.pkl")]
            if len(listed) != 1 or opened.getinfo(listed[0]).file_size > _MOST_NAMES_BYTES:
                raise pickle.UnpicklingError("it holds no single list of tensors")
            named = _Reader(io.BytesIO(opened.read(listed[0]))).load()
            if not isinstance(named, Mapping):
                raise pickle.UnpicklingError("it holds no dictionary of tensors")
            folder = listed[0].removesuffix("data.pkl") + "data/"
            return {
                str(name): _numbers(opened, folder, tensor)
                for name, tensor in named.items()
                if isinstance(tensor, _Tensor)
            }
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, TypeError, AttributeError, IndexError,
            EOFError, pickle.UnpicklingError) as error:  # fmt: skip
        raise ModelError(f"{path.name} is no PyTorch checkpoint of weights: {error}.") from error


def _numbers(opened: zipfile.ZipFile, folder: str, tensor: _Tensor) -> Array:
    dtype = np.dtype(_TYPES[tensor.numbers.kind])
    data = opened.read(folder + tensor.numbers.key)
    if len(data) != tensor.numbers.count * dtype.itemsize:
        raise pickle.UnpicklingError(f"the numbers {tensor.numbers.key} have another length")
    flat = np.frombuffer(data, dtype)
    return flat[tensor.offset : tensor.offset + math.prod(tensor.shape)].reshape(tensor.shape)
