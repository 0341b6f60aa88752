"""What `benchmarks/gpu.sh` measures on one GPU, on models with random weights at the shapes of Qwen3-VL-2B and -8B.

Clips have 16 frames of 448x448 pixels. Each part runs in a process of its own, and a part that fails does not end the
others; then the exit code is 1. The parts:

- train: LoRA training by `videostar.training.stage.train`, for each size with gradient checkpointing off and on:
  tokens per second (of questions, clips and answers, without padding), the share of the GPU's peak that they take (MFU;
  `gpu_models.py` has the formula; aim: 40 %), peak memory, and time without a batch;
- serve: `videostar generate` with vLLM against bare vLLM with frames at hand (aim: 0.95), as `generation.py` does on a
  small model; the GPU's free memory while the engine runs, after its release and after a training; and whether vLLM
  serves the LoRA of that training as its canaries say;
- cycle: `videostar cycle --pipeline lvlm`, one round. Random weights name no label, so the answers that it trains on
  are templates.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from gpu_world import write_world

HERE = Path(__file__).parent
PARTS = ("train", "serve", "cycle")


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", nargs="+", choices=("2B", "8B"), default=("2B", "8B"), help="of the part `train`")
    parser.add_argument("--tiny", action="store_true", help="a tiny shape and few steps, for the CPU")
    parser.add_argument("--engine", choices=("vllm", "transformers"), help="default: vllm where it is installed")
    parser.add_argument("--seconds", type=int, default=300, help="that a part may take")
    args = parser.parse_args()
    engine = args.engine or ("vllm" if find_spec("vllm") else "transformers")
    sizes = ["tiny"] if args.tiny else list(args.sizes)
    shown = {"frames": 4, "side": 64, "clips": 4} if args.tiny else {"frames": 16, "side": 448, "clips": 32}
    # The smallest model is served; it is made by the first part that needs it.
    jobs = [("train", size) for size in sizes] + [("serve", sizes[0]), ("model", sizes[0]), ("cycle", sizes[0])]
    failed: list[str] = []
    with TemporaryDirectory(prefix="videostar-gpu-") as scratch:
        folder = Path(scratch)
        write_world(folder / "world", shown["clips"], shown["side"])
        for part, size in jobs:
            if ("cycle" if part == "model" else part) not in args.parts or (
                part == "model" and (folder / size).exists()
            ):
                continue
            if part == "serve" and engine != "vllm":
                print("serve: skipped, because it needs vLLM", flush=True)
                continue
            words = [str(HERE / "gpu_parts.py"), part, json.dumps({"folder": scratch, "size": size, **shown})]
            if part == "cycle":
                words = cycle(folder, size, engine, shown)
            started = time.monotonic()
            problem = _run(words, folder, args.seconds)
            print(f"{part} {size}: {problem or 'done'} in {time.monotonic() - started:.0f} s", flush=True)
            if problem:
                failed.append(f"{part} {size}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def cycle(folder: Path, size: str, engine: str, shown: dict[str, int]) -> list[str]:
    """The words of `videostar cycle`, one round."""
    sets = {
        "engine.name": engine,
        "video.frames": shown["frames"],
        "video.max_pixels": shown["side"] ** 2,
        "generation.answers": "[direct, template]",
        "generation.max_new_tokens": 8 if size == "tiny" else 64,
        "training.processes": 1,
        "training.epochs": 1,
    }
    words = ["-m", "videostar.cli", "cycle", "--pipeline", "lvlm", "--rounds", "1", "--model", str(folder / size)]
    words += ["--data", str(folder / "world" / "labels.csv"), "--out", str(folder / "run")]
    return words + [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]


def _run(words: list[str], folder: Path, seconds: int) -> str:
    """Run a part; returns why it failed, or nothing."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    try:
        done = subprocess.run([sys.executable, *words], env=environment, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"ended, because it took more than {seconds} s"
    return f"failed with exit code {done.returncode}" if done.returncode else ""


if __name__ == "__main__":
    main()
