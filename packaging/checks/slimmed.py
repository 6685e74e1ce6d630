"""Run apart by ``test_slimmed.py``: do libraries that were made smaller still answer as the whole ones do?

python slimmed.py algebra FOLDER      OpenCV of the packed folder, which computes with NumPy's OpenBLAS
python slimmed.py texts               Qt of this Python; the caller puts the packed ICU tables before its own
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = Any  # of either precision
# Larger than the sizes up to which OpenCV computes by itself (hal_internal.cpp: 100 at most).
SIZE, TALL = 160, 200


def algebra(inside: Path) -> None:
    """Everything that OpenCV asks of LAPACK, in both precisions, beside NumPy's answer."""
    (file,) = (inside / "cv2").glob("cv2*.so")
    loader = ExtensionFileLoader("cv2", str(file))
    spec = importlib.util.spec_from_loader("cv2", loader)
    assert spec is not None
    cv2 = importlib.util.module_from_spec(spec)
    loader.exec_module(cv2)
    draw = np.random.default_rng(1)
    for kind, near in ((np.float32, 2e-3), (np.float64, 1e-9)):
        square = (draw.normal(size=(SIZE, SIZE)) + 20 * np.eye(SIZE)).astype(kind)
        tall = draw.normal(size=(TALL, SIZE)).astype(kind)
        right, ones = draw.normal(size=(SIZE, 3)).astype(kind), np.ones((TALL, 1), kind)
        even = square @ square.T
        values, left, rest = cv2.SVDecomp(tall)
        assert np.allclose((left * values.T) @ rest, tall, atol=near)
        for method, matrix in (
            (cv2.DECOMP_LU, square),
            (cv2.DECOMP_QR, square),
            (cv2.DECOMP_SVD, square),
            (cv2.DECOMP_CHOLESKY, even),
        ):
            found, answer = cv2.solve(matrix, right, flags=method)
            assert found
            assert np.allclose(matrix @ answer, right, atol=near), (kind, method)
        fitted = cv2.solve(tall, ones, flags=cv2.DECOMP_QR)[1]
        assert np.allclose(fitted, np.linalg.lstsq(tall, ones, rcond=None)[0], atol=near)
        assert np.allclose(
            cv2.gemm(tall, square, 2.0, None, 0.0), 2 * tall @ square, atol=100 * near
        )
        pairs = (np.stack([tall, tall[::-1]], -1), np.stack([square, square.T], -1))
        got = cv2.gemm(*pairs, 1.0, None, 0.0)
        assert np.allclose(joined(got), joined(pairs[0]) @ joined(pairs[1]), atol=100 * near)
        assert np.isclose(
            np.log(cv2.determinant(square / 20)), np.linalg.slogdet(square / 20)[1], atol=0.01
        )
    (library,) = (inside / "opencv_python_headless.libs").glob("libopenblas*")
    by_name(ctypes.CDLL(str(library)))
    used = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert str(library) in used
    print(json.dumps({"size": library.stat().st_size}))


def joined(pair: Any) -> npt.NDArray[np.complex128]:
    """Complex numbers out of OpenCV's two channels."""
    return np.asarray(pair[..., 0] + 1j * pair[..., 1], np.complex128)


def by_name(library: ctypes.CDLL) -> None:
    """The names that OpenCV holds but seldom calls: QR, Cholesky, eigenvalues; and how a mistake is told."""
    draw = np.random.default_rng(2)
    for letter, kind, near in (("s", np.float32, 1e-3), ("d", np.float64, 1e-9)):
        matrix = (draw.normal(size=(SIZE, SIZE)) + 20 * np.eye(SIZE)).astype(kind, order="F")
        even = np.asfortranarray(matrix @ matrix.T)
        size, room, info = (ctypes.c_int(n) for n in (SIZE, SIZE * 64, 99))
        lower = even.copy(order="F")
        call(library, f"{letter}potrf_", b"L", size, lower, size, info)
        assert info.value == 0
        assert np.allclose(np.tril(lower), np.linalg.cholesky(even), atol=50 * near)
        call(library, f"{letter}potrf_", b"L", size, np.asfortranarray(-even), size, info)
        assert info.value == 1  # the first minor is not positive
        triangle, tau, work = (
            matrix.copy(order="F"),
            np.empty(SIZE, kind),
            np.empty(SIZE * 64, kind),
        )
        call(library, f"{letter}geqrf_", size, size, triangle, size, tau, work, room, info)
        assert info.value == 0
        assert np.allclose(
            np.abs(np.triu(triangle)), np.abs(np.linalg.qr(matrix)[1]), atol=50 * near
        )
    real, imaginary = np.empty(SIZE), np.empty(SIZE)
    none, one = np.empty(1), ctypes.c_int(1)
    work, copy = np.empty(SIZE * 64), matrix.copy(order="F")
    call(
        library,
        "dgeev_",
        b"N",
        b"N",
        size,
        copy,
        size,
        real,
        imaginary,
        none,
        one,
        none,
        one,
        work,
        room,
        info,
    )
    assert info.value == 0
    found, wanted = (
        np.sort_complex(real + 1j * imaginary),
        np.sort_complex(np.linalg.eigvals(matrix)),
    )
    assert np.allclose(found, wanted, atol=1e-8)


def call(library: ctypes.CDLL, name: str, *words: bytes | Matrix | ctypes.c_int) -> None:
    """A routine as C calls Fortran's: everything by its place."""
    getattr(library, name)(
        *(
            word.ctypes.data_as(ctypes.c_void_p) if isinstance(word, np.ndarray)
            else ctypes.c_char_p(word) if isinstance(word, bytes) else ctypes.byref(word)
            for word in words
        )
    )  # fmt: skip


def texts() -> None:
    """How Qt sorts and puts in capitals, language by language."""
    from PySide6.QtCore import QCollator, QLocale

    words = [
        "Zebra",
        "äpfel",
        "apfel",
        "Öl",
        "cote",
        "côté",
        "coté",
        "côte",
        "nz",
        "ñu",
        "na",
        "B",
        "b",
        "ijs",
    ]
    said: dict[str, object] = {}
    for lang in ("de", "en", "es", "fr", "nl"):
        locale = QLocale(lang)
        said[lang] = [sorted(words, key=QCollator(locale).sortKey), locale.toUpper("Straße ñ i")]
    tables = {
        line.split()[-1]
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        if "libicudata" in line
    }
    print(json.dumps({"said": said, "tables": sorted(tables)}))


if __name__ == "__main__":
    if sys.argv[1] == "algebra":
        algebra(Path(sys.argv[2]))
    else:
        texts()
