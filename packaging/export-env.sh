#!/bin/sh
# Makes .venv-export, the only place where ultralytics and PyTorch live: it turns the official YOLO
# weights into the ONNX file the agent runs (docs/decisions/0004). CPU only, about 1.6 GB.
set -eu
cd "$(dirname "$0")/.."

base=./.venv/bin/python
[ -x "$base" ] || { echo "export-env: run make setup first." >&2; exit 3; }
"$base" -m venv .venv-export
pip="./.venv-export/bin/python -m pip --disable-pip-version-check --no-input"

# All in one command: alone, each of them would pull a newer PyTorch.
packages="torch==2.13.0 torchvision==0.28.0 ultralytics==8.4.190 onnx==1.23.2"
plan=.venv-export/plan.json
# PROCTOR_TORCH_INDEX may name the package index of PyTorch's CPU builds.
# shellcheck disable=SC2086
$pip install -q --dry-run --report "$plan" ${PROCTOR_TORCH_INDEX:+--extra-index-url "$PROCTOR_TORCH_INDEX"} $packages
# nvidia-ml-py, a small reader of card temperatures that ultralytics asks for, is no part of CUDA.
if grep -qE '"name": "(nvidia-(cu|nccl|nv)|cuda-|triton")' "$plan"; then
    echo "export-env: your package index would bring CUDA along, several GB that nothing here uses." >&2
    echo "export-env: set PROCTOR_TORCH_INDEX to the index of CPU builds that PyTorch's Get Started page names, and try again." >&2
    exit 3
fi
# shellcheck disable=SC2086
$pip install -q ${PROCTOR_TORCH_INDEX:+--extra-index-url "$PROCTOR_TORCH_INDEX"} $packages
echo "export-env: done; proctor models install yolo11n uses it."
