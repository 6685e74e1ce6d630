"""What was made smaller on Linux answers as before: OpenCV without its own OpenBLAS, Qt with fewer tables of ICU's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
# docs/numbers.md; the network for own English phrases, 68 MB, is no part of every package and is not counted.
MOST_BYTES = 450_000_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only done on Linux")


def apart(*words: object, **more: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HERE / "slimmed.py"), *map(str, words)], env={**os.environ, **more},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_it_takes_no_more_room_than_promised(frozen: Path) -> None:
    size = sum(
        path.lstat().st_size
        for path in frozen.rglob("*")
        if path.is_file() and "vosk-model" not in path.as_posix()
    )
    print(f"packed folder: {size / 1e6:.0f} MB, the network vosk_small_en not counted")
    assert size < MOST_BYTES


def test_opencv_computes_with_numpys_openblas(frozen: Path) -> None:
    inside = frozen / "_internal"
    # The packed program finds its libraries by this path, too.
    told = apart("algebra", inside, LD_LIBRARY_PATH=str(inside))
    assert told["size"] < 100_000
    assert len(list(inside.glob("*.libs/*openblas*"))) == 2


def test_qt_sorts_and_capitalises_as_with_all_of_icus_tables(frozen: Path) -> None:
    (tables,) = (frozen / "_internal/PySide6/Qt/lib").glob("libicudata.so.*")
    assert tables.stat().st_size < 5_000_000
    small, whole = apart("texts", LD_PRELOAD=str(tables)), apart("texts")
    assert small["tables"] == [str(tables)]
    assert whole["tables"] != small["tables"]
    assert small["said"] == whole["said"]
    # The comparison would see a difference: languages do not sort alike.
    assert len({json.dumps(order) for order, _ in whole["said"].values()}) > 1


def test_every_library_that_is_needed_is_here_or_the_systems(frozen: Path) -> None:
    inside = frozen / "_internal"
    lacking = set()
    for path in inside.rglob("*.so*"):
        if path.is_symlink() or not path.is_file():
            continue
        done = subprocess.run(
            ["ldd", str(path)], env={**os.environ, "LD_LIBRARY_PATH": str(inside)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        lacking |= {line.strip() for line in done.stdout.splitlines() if "not found" in line}
    assert lacking == set()
