"""Training in LLaMA-Factory and ms-swift, compared with ours: the same model, clips, answers, steps and LoRA.

Each is installed in an environment of its own, since their pins contradict ours and each other's:

    uv venv /tmp/llamafactory && uv pip install --python /tmp/llamafactory llamafactory==0.9.5 torch==2.13.0
    uv venv /tmp/swift && uv pip install --python /tmp/swift ms-swift==4.6.0 torch==2.13.0 torchvision==0.28.0 \
        qwen_vl_utils decord
    python benchmarks/training_peers.py --llamafactory /tmp/llamafactory/bin/python --swift /tmp/swift/bin/python

The model is the embedded one (transformers' Qwen3-VL classes), saved as a folder in float32. The peers read the rows of
our steps in the same order, with as many frames of the same size, and decode videos in the training process, which is
their default. Seconds are those between the log lines of the first step that is counted and of the last, and memory is
the peak of the training process (ru_maxrss).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from training import child_figures

_LOSS = re.compile(r"'loss': '?([0-9.]+)")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llamafactory", type=Path, help="the Python of its environment")
    parser.add_argument("--swift", type=Path, help="the Python of its environment")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--skip", type=int, default=4, help="first steps that are not counted")
    parser.add_argument("--rows", type=int, default=192)
    parser.add_argument("--batch", type=int, default=24, help="rows per step")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sizes = {name: getattr(args, name) for name in ("steps", "skip", "rows", "batch", "frames")}
        given = {**sizes, "folder": scratch, "model": str(folder / "model")}
        child_figures("prepare", {**given, "model": "embedded"})
        child_figures("for peers", given)  # the model's folder, and the rows in the order of our steps
        for _ in range(args.repeats):
            found.setdefault("ours", []).append(child_figures("ours", given))
            if args.llamafactory:
                found.setdefault("LLaMA-Factory", []).append(_llamafactory(args.llamafactory, folder, args))
            if args.swift:
                found.setdefault("ms-swift", []).append(_swift(args.swift, folder, args))
    print(f"{args.steps} steps of {args.batch} rows, {args.frames} frames; median of {args.repeats}")
    print(f"{'':14}{'seconds a step':>16}{'ours is':>20}{'memory, MiB':>13}{'first loss':>12}{'last loss':>12}")
    ours = median(turn["rate"] for turn in found["ours"])
    for way, turns in found.items():
        rate, memory, first, last = (median(turn[name] for turn in turns) for name in ("rate", "memory", *_ENDS))
        faster = f"{ours / rate:.2f} times faster"
        print(f"{way:14}{1 / rate:16.3f}{faster:>20}{memory:13.0f}{first:12.4f}{last:12.4f}")


# ms-swift knows the ids of Qwen's placeholders, not those in a model's configuration.
_SWIFT = """
from swift.pipelines import sft_main
from swift.template.templates.qwen import Qwen2VLTemplate
Qwen2VLTemplate.image_token_id, Qwen2VLTemplate.video_token_id = 5, 6
sft_main()
"""
_ENDS = ("first_loss", "last_loss")


def _llamafactory(python: Path, folder: Path, args: argparse.Namespace) -> dict[str, float]:
    data = folder / "llamafactory"
    data.mkdir(exist_ok=True)
    columns = {"messages": "messages", "videos": "videos"}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    about = {"file_name": str(folder / "rows.json"), "formatting": "sharegpt", "columns": columns, "tags": tags}
    (data / "dataset_info.json").write_text(json.dumps({"rows": about}), encoding="utf-8")
    options = {
        "model_name_or_path": str(folder / "model"),
        "template": "qwen3_vl_nothink",
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": 32,
        "lora_alpha": 64,
        "lora_target": "all",
        "dataset_dir": str(data),
        "dataset": "rows",
        "disable_shuffling": True,
        "cutoff_len": 2048,
        "video_fps": 2 * args.frames,  # clips are longer than half a second
        "video_maxlen": args.frames,
        "video_max_pixels": 4096,
        "video_min_pixels": 4096,
        "optim": "adamw_torch_fused",
        "use_cpu": True,
        "disable_gradient_checkpointing": True,
        **_common(folder, args),
    }
    (data / "train.yaml").write_text(json.dumps(options), encoding="utf-8")
    return _measure([python, "-m", "llamafactory.cli", "train", data / "train.yaml"], args)


def _swift(python: Path, folder: Path, args: argparse.Namespace) -> dict[str, float]:
    options = {
        "model": str(folder / "model"),
        "model_type": "qwen3_vl",
        "template": "qwen3_vl",
        "dataset": str(folder / "rows.jsonl"),
        "dataset_shuffle": False,
        "train_dataloader_shuffle": False,
        "split_dataset_ratio": 0,
        "tuner_type": "lora",
        "lora_rank": 32,
        "lora_alpha": 64,
        "lora_dropout": 0.0,
        "torch_dtype": "float32",
        "max_length": 2048,
        "weight_decay": 0.0,
        "adam_beta2": 0.999,
        "gradient_checkpointing": False,
        "dataset_num_proc": 1,
        **_common(folder, args),
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    frames = str(args.frames)
    shown = {"FPS": frames, "FPS_MIN_FRAMES": frames, "FPS_MAX_FRAMES": frames}
    pixels = {"VIDEO_MAX_TOKEN_NUM": "4", "VIDEO_MIN_TOKEN_NUM": "4"}  # of a frame: 64x64 pixels
    command = [python, "-c", _SWIFT, *words]
    return _measure(command, args, FORCE_QWENVL_VIDEO_READER="decord", **shown, **pixels)


def _common(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """What both take from transformers' TrainingArguments."""
    return {
        "output_dir": str(folder / f"out-{time.monotonic_ns()}"),
        "per_device_train_batch_size": args.batch,
        "gradient_accumulation_steps": 1,
        "max_steps": args.steps,
        "learning_rate": 4e-3,
        "lr_scheduler_type": "cosine",
        "warmup_steps": -(-args.steps // 20),
        "max_grad_norm": 1.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "dataloader_num_workers": 0,
        "seed": 0,
    }


def _measure(words: list[Any], args: argparse.Namespace, **environment: str) -> dict[str, float]:
    """Times the lines of losses that a training prints. Shows its output and exits if it fails."""
    offline = {"HF_HUB_OFFLINE": "1", "USE_HF": "1", "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(
        list(map(str, words)),
        env={**os.environ, "PYTHONPATH": "", **offline, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None
    lines, times, losses = [], [], []
    for line in child.stdout:
        lines.append(line)
        if loss := _LOSS.search(line):
            times.append(time.monotonic())
            losses.append(float(loss[1]))
    _, status, usage = os.wait4(child.pid, 0)
    if status or len(times) < args.steps:
        sys.exit("".join(lines[-60:]) + f"\n{words[0]}: status {status}, {len(times)} steps")
    return {
        "rate": (args.steps - args.skip) / (times[args.steps - 1] - times[args.skip - 1]),
        "memory": usage.ru_maxrss / 1024,
        "first_loss": losses[0],
        "last_loss": losses[args.steps - 1],
    }


if __name__ == "__main__":
    main()
