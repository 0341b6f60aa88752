#!/usr/bin/env bash
# Training, generation and a whole cycle at real sizes on one GPU (H100, H200), without any download of weights.
#
#     benchmarks/gpu.sh                        # some 8 minutes
#     benchmarks/gpu.sh --parts train          # one part: train, serve or cycle
#     benchmarks/gpu.sh --tiny                 # the same at a tiny shape, for a machine without a GPU
#     PYTHON=.venv/bin/python benchmarks/gpu.sh   # in an environment that exists: nothing is installed
#
# See gpu.py for what it prints.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${PYTHON:-}" ]; then
  make --no-print-directory setup
  PYTHON=.venv/bin/python
  .venv/bin/uv pip install --quiet --python "$PYTHON" --constraints constraints.txt --editable '.[vllm]'
fi
export HF_HUB_OFFLINE=1 DO_NOT_TRACK=1 PYTHONPATH="$PWD:$PWD/tests${PYTHONPATH:+:$PYTHONPATH}"
exec "$PYTHON" benchmarks/gpu.py "$@"
