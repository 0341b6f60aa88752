"""Time and memory of training with dropped visual tokens: `python benchmarks/drop_tokens.py`.

LoRA of rank 128 on Qwen3-VL with random weights, in the shape of its 2B model: a decoder with a hidden size of 2048,
cut to 4 of 28 layers, a vision tower cut to 4 of 24, and 8,192 words instead of 151,936 (logits are computed for
answers alone). A step is one row with 16 frames of 448x448 pixels (1,568 visual tokens), a question with 50 tokens and
an answer with 150: forward, backward and AdamW, without gradient checkpointing, in float32.

Each share has a process of its own: one step to warm up, then `--steps`, all of which drop tokens. The table has the
median step in seconds and in seconds of CPU, which other work on the machine changes less, the tokens a second (of the
row before any is dropped), and the peak memory of the process. The last column is the mean step where every fourth step
is full, which is the default.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from statistics import median
from typing import Any

SHARES = (0.0, 0.25, 0.5, 0.75)
LAYERS = 4  # of the decoder and of the vision tower
FRAMES, SIDE, PATCH = 16, 448, 16
IMAGE, VIDEO, START, END = 8188, 8189, 8190, 8191  # token ids
QUESTION, ANSWER = 50, 150  # tokens
FULL_EVERY = 4


def measure(share: float, steps: int, frames: int) -> dict[str, Any]:
    """The figures of one share."""
    import torch
    from peft import get_peft_model
    from torch.nn.functional import cross_entropy

    from videostar.config.training import Training
    from videostar.models.chat import IGNORED, without_prompts
    from videostar.models.lora import lora_config
    from videostar.training.drop_tokens import TokenDropper

    torch.manual_seed(0)
    base = _model()
    model = get_peft_model(base, lora_config(base, Training(rank=128, alpha=256)))
    batch = without_prompts(_row(frames))
    labels = batch.pop("labels")
    dropper = TokenDropper(model, share, full_every=steps + 2, seed=0)
    optimizer = torch.optim.AdamW([weights for weights in model.parameters() if weights.requires_grad])
    lengths: list[int] = []
    base.get_decoder().layers[0].register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]))
    seconds, cpu = [], []
    for step in range(1, steps + 2):
        started, used = time.monotonic(), time.process_time()
        with dropper.step(step, [0], batch):
            logits = model(**batch).logits
        cross_entropy(logits[0, :-1], labels[0, 1:], ignore_index=IGNORED).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.monotonic() - started)
        cpu.append(time.process_time() - used)
    scale = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return {
        "seconds": median(seconds[1:]),
        "cpu": median(cpu[1:]),
        "tokens": batch["input_ids"].shape[1],
        "read": lengths[-1],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9,
    }


def _model() -> Any:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    text = {
        "vocab_size": 8192,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_section": [24, 20, 20],
            "mrope_interleaved": True,
        },
    }
    vision = {
        "depth": LAYERS,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "patch_size": PATCH,
        "out_hidden_size": 2048,
        "deepstack_visual_indexes": [0, 1, 2],
    }
    ids = {"image_token_id": IMAGE, "video_token_id": VIDEO, "vision_start_token_id": START, "vision_end_token_id": END}
    return Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=vision, **ids))


def _row(frames: int) -> dict[str, Any]:
    """A question about noise and its answer, as Qwen3-VL's processor writes them: two frames are one block."""
    import torch

    from videostar.models.chat import IGNORED

    blocks, side = frames // 2, SIDE // PATCH
    ids: list[int] = []
    for _ in range(blocks):
        time = torch.randint(100, 8000, (6,)).tolist()
        ids += [*time, START, *[VIDEO] * (side // 2) ** 2, END]
    ids += torch.randint(100, 8000, (QUESTION + ANSWER,)).tolist()
    tokens = torch.tensor([ids])
    labels = torch.full_like(tokens, IGNORED)
    labels[:, -ANSWER:] = tokens[:, -ANSWER:]
    return {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        "mm_token_type_ids": 2 * (tokens == VIDEO).int(),
        "pixel_values_videos": torch.rand(blocks * side**2, 3 * 2 * PATCH**2),
        "video_grid_thw": torch.tensor([[blocks, side, side]]),
        "labels": labels,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--share", type=float, help=argparse.SUPPRESS)  # in a child
    given = parser.parse_args()
    if given.share is not None:
        print(json.dumps(measure(given.share, given.steps, given.frames)))
        return

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for column in "dropped|tokens read|step s|ratio|CPU s|ratio|tokens/s|peak GB|ratio|1 of 4 full s".split("|"):
        table.add_column(column, justify="right", no_wrap=True)
    whole: dict[str, Any] = {}
    for share in SHARES:
        command = [sys.executable, __file__, "--share", str(share), *sys.argv[1:]]
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
        found = json.loads(child.stdout.splitlines()[-1])
        whole = whole or found
        mean = (found["seconds"] * (FULL_EVERY - 1) + whole["seconds"]) / FULL_EVERY
        table.add_row(
            f"{share:.0%}",
            f"{found['read']:,}",
            f"{found['seconds']:.2f}",
            f"{found['seconds'] / whole['seconds']:.2f}",
            f"{found['cpu']:.2f}",
            f"{found['cpu'] / whole['cpu']:.2f}",
            f"{found['tokens'] / found['seconds']:.0f}",
            f"{found['peak']:.2f}",
            f"{found['peak'] / whole['peak']:.2f}",
            f"{mean:.2f}",
        )
        print(share, found, file=sys.stderr, flush=True)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
