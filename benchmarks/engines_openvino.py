"""One network in OpenVINO over prepared pictures; started by `benchmarks/engines.py`, never by the agent.

    OTHER_PYTHON benchmarks/engines_openvino.py NETWORK.onnx PICTURES.npy OUT.npz PRECISION ROW [ROW ...]

Needs only numpy and openvino (without openvino-telemetry, which reports usage). PICTURES.npy holds uint8
[n, 3, height, width] RGB; OUT.npz gets the best score of each output ROW a picture (n x rows) and the
milliseconds of processor time each picture took. PRECISION is OpenVINO's hint: f32 or bf16.
"""

from __future__ import annotations

import sys
import time

import numpy as np


def main() -> None:
    # Here, so that the file can be read without OpenVINO.
    import openvino as ov

    network, pictures, out, precision = sys.argv[1:5]
    rows = [int(row) for row in sys.argv[5:]]
    shown = np.load(pictures, mmap_mode="r")
    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
    compiled = core.compile_model(core.read_model(network), "CPU", settings)
    request = compiled.create_infer_request()
    scores, cost = [], []
    for picture in shown:
        blob = (picture.astype(np.float32) / 255.0)[None]
        began = time.process_time()
        request.infer({0: blob})
        cost.append(1000 * (time.process_time() - began))
        scores.append(request.get_output_tensor(0).data[0][rows].max(axis=1).copy())
    np.savez(out, scores=np.array(scores), cost=np.array(cost))


if __name__ == "__main__":
    main()
