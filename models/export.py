"""Turns official YOLO weights into the ONNX file the agent runs.

Run as a script by the interpreter of the separate export environment (``make export-env``), never
imported by the agent: ``ultralytics`` looks for a network when it is imported and brings PyTorch.

    python export.py WEIGHTS.pt OUT.onnx HEIGHT WIDTH OPSET
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Writes OUT.onnx: input ``images`` 1x3xHEIGHTxWIDTH RGB 0-1, output ``output0`` 84xN, no NMS."""
    weights, out = Path(arguments[0]), Path(arguments[1])
    height, width, opset = (int(number) for number in arguments[2:5])
    # Both must be set before the import: it probes public name servers and may install packages.
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        # Its settings file would otherwise land in the user's home.
        os.environ["YOLO_CONFIG_DIR"] = folder
        from ultralytics import YOLO, __version__  # type: ignore[attr-defined, unused-ignore]

        # The export lands beside the weights: work on a copy.
        copy = Path(folder) / weights.name
        copy.write_bytes(weights.read_bytes())
        network = YOLO(str(copy))
        # ONNX Runtime simplifies the graph when it loads it, so no further package is needed here.
        exported = network.export(
            format="onnx", imgsz=[height, width], opset=opset, simplify=False, device="cpu"
        )
        out.write_bytes(Path(str(exported)).read_bytes())
    sys.stdout.write(f"\nultralytics {__version__}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
