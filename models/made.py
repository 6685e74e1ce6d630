"""Networks that have no official ready file: made here from the official weights, and stamped.

Some are written down by a recipe of ours in this very process. YOLO's export runs in an environment
of its own, because ``ultralytics`` brings PyTorch and opens connections. What is made may differ
from the pinned hash (an export holds a date, another version of a library writes other bytes), so
a stamp beside it records the hash of the weights and of the result; a file that no longer agrees
with its stamp is refused.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from models.entries import MISSING_HERE, WRONG_INPUT, ModelError
from models.fetch import sha256_of

# Each is a module with ``make(weights, out)``, or ``make(weights, out, topology)`` where the manifest
# names a second file; loaded only when a network is made by it.
RECIPES: Mapping[str, str] = {
    "campplus": "models.campplus",
    "openvino_ir": "models.openvino_ir",
}
REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = Path(__file__).with_name("export.py")
# The camera's shape; square 640 costs a third more for the same picture (docs/decisions/0002).
HEIGHT, WIDTH, OPSET = 480, 640, 18
# An export takes seconds; importing PyTorch from a cold disk can take a minute or two.
EXPORT_PATIENCE_S = 900.0
HOW_TO_EXPORT = (
    "run `make export-env` once (PyTorch for the CPU and ultralytics, about 1.6 GB, in .venv-export "
    "beside the project), or set PROCTOR_EXPORT_PYTHON to a Python that has ultralytics and onnx, "
    "then run `proctor models install yolo11n`."
)


def export_python() -> Path | None:
    """The interpreter of the export environment: ``PROCTOR_EXPORT_PYTHON``, else ``.venv-export``."""
    named = os.environ.get("PROCTOR_EXPORT_PYTHON")
    if named:
        if not Path(named).is_file():
            raise ModelError(
                f"PROCTOR_EXPORT_PYTHON names {named}, which is no file; name a Python interpreter."
            )
        return Path(named)
    folder = REPOSITORY / ".venv-export"
    for inside in ("bin/python", "Scripts/python.exe"):
        if (folder / inside).is_file():
            return folder / inside
    return None


def stamp_of(path: Path) -> Path:
    """The stamp beside an exported file."""
    return path.with_name(path.name + ".made.json")


def is_ours(path: Path, digest: str, weights_sha256: str) -> bool:
    """Whether the file of that hash is what our export made from the weights of that hash."""
    try:
        stamp = json.loads(stamp_of(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(stamp.get("sha256") == digest and stamp.get("weights_sha256") == weights_sha256)


def by_recipe(recipe: str, weights: Path, weights_sha256: str, place: Path, *besides: Path) -> Path:
    """Makes the network at ``place`` from ``weights`` by the recipe of that name, and stamps it.

    ``besides`` are further files that the recipe reads. ``weights_sha256`` goes into the stamp.

    Raises :class:`ModelError` when there is no such recipe, or the weights are not what it expects.
    """
    if recipe not in RECIPES:
        raise ModelError(
            f"No recipe is called {recipe}; there are: {', '.join(RECIPES)}.", WRONG_INPUT
        )
    make: Callable[..., None] = importlib.import_module(RECIPES[recipe]).make
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".made-") as folder:
        out = Path(folder) / place.name
        make(weights, out, *besides)
        _stamp(place, out, weights_sha256, f"recipe {recipe}")
        out.replace(place)
    return place


def _stamp(place: Path, made: Path, weights_sha256: str, tool: str) -> None:
    stamp = {"sha256": sha256_of(made), "weights_sha256": weights_sha256, "tool": tool}
    stamp_of(place).write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def export(
    python: Path, weights: Path, weights_sha256: str, classes: tuple[str, ...], place: Path
) -> Path:
    """Exports ``weights`` to ``place`` with ``python``, checks the class names, and stamps it.

    Raises :class:`ModelError` when the export fails or the network names other classes.
    """
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".export-") as folder:
        out = Path(folder) / place.name
        command = [str(python), str(SCRIPT), str(weights), str(out)]
        command += [str(HEIGHT), str(WIDTH), str(OPSET)]
        environment = os.environ | {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
        try:
            result = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env=environment,
                timeout=EXPORT_PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ModelError(f"The export with {python} did not finish: {error}.") from error
        if result.returncode != 0 or not out.is_file():
            words = (result.stderr.strip() or result.stdout.strip() or "no output").splitlines()
            raise ModelError(
                f"The export of {weights.name} with {python} failed ({words[-1].strip()}); "
                "`make export-env` makes a fitting environment."
            )
        check_classes(out, classes)
        _stamp(place, out, weights_sha256, result.stdout.strip().splitlines()[-1])
        out.replace(place)
    return place


def class_names(path: Path) -> tuple[str, ...]:
    """The class names that a YOLO export carries in its metadata, in the order of its output.

    Raises :class:`ModelError` when the file is no network or carries no names.
    """
    # Only here: `proctor models list` need not load an inference engine.
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        named = ast.literal_eval(session.get_modelmeta().custom_metadata_map["names"])
        return tuple(str(named[index]) for index in range(len(named)))
    except Exception as error:  # the engine raises types of its own, all of them mean "unusable"
        raise ModelError(f"{path.name} is no YOLO network with class names ({error}).") from error


def check_classes(path: Path, classes: tuple[str, ...]) -> None:
    """Refuses an export whose classes are not the manifest's: its numbers would mean other things."""
    found = class_names(path)
    if found != classes:
        raise ModelError(
            f"{path.name} names {len(found)} classes ({', '.join(found[:3])} …) and not the "
            f"{len(classes)} of the manifest; it was exported from other weights.",
            MISSING_HERE,
        )
