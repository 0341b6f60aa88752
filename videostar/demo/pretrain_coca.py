"""Train the embedded CoCa from random weights: `python -m videostar.demo.pretrain_coca --out DIR`.

It has to tell true descriptions of the demo's world from false ones. First the image encoder alone learns to see the
object in single frames: a head that is discarded afterwards predicts colour, shape and position. Then the first pooler
learns to look: another such head predicts where the object is in every frame. Last, the poolers and both text
transformers learn from pairs of a clip and a true description, with open_clip's loss (`coca.py`, `coca_data.py`).
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.coca_model import CoCa
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import set_seed

from videostar.demo.coca import FRAMES, SIDE, WIDTH, Describing, Looking, Seeing, make_tokenizer, model_config
from videostar.demo.coca_data import (
    DEVIATION,
    MEAN,
    draw_batches,
    draw_scenes,
    frame_batch,
    pair_batch,
    pixels_of,
    track_batch,
    view,
)
from videostar.demo.fit import fit
from videostar.evidence.coca import VideoCoCa

FRAMES_AT_ONCE, LOOKING, DESCRIBING = 192, 96, 64  # of a step of each phase


def main() -> None:
    """Draw the scenes, train the model in three phases, and save it as open_clip does."""
    parser = argparse.ArgumentParser(description="Train the embedded CoCa from random weights.")
    parser.add_argument("--out", type=Path, required=True, help="an empty or new folder")
    parser.add_argument("--clips", type=int, default=12_000)
    parser.add_argument(
        "--seeing-steps", type=int, default=900, help=f"of {FRAMES_AT_ONCE} frames: the image encoder alone"
    )
    parser.add_argument("--looking-steps", type=int, default=700, help=f"of {LOOKING} clips: the first pooler")
    parser.add_argument("--steps", type=int, default=800, help=f"of {DESCRIBING} clips: all but the image encoder")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    started = time.monotonic()
    given: dict[str, Any] = {"seed": args.seed, "scratch": args.out / "scratch", "in_order": True}
    set_seed(args.seed)
    scenes = draw_scenes(args.clips, args.seed)
    with ProcessPoolExecutor() as pool:
        views = np.stack(list(pool.map(view, scenes, chunksize=200)))
    print(f"{len(scenes)} clips drawn in {time.monotonic() - started:.0f} s", flush=True)

    tokenizer = make_tokenizer()
    config = model_config(len(tokenizer))
    model = VideoCoCa(CoCa(**{name: part for name, part in config.items() if name != "custom_text"}))
    nn.init.normal_(model.coca.text_decoder.text_projection, std=WIDTH**-0.5)  # open_clip leaves it as memory was
    encoder = args.out / "encoder.safetensors"  # after a crash, training goes on from here
    if not encoder.exists():
        rng = np.random.default_rng(args.seed + 2)
        order = rng.integers(len(scenes) * FRAMES, size=args.seeing_steps * FRAMES_AT_ONCE).tolist()
        collate = partial(frame_batch, scenes, views)
        fit(Seeing(model), order, collate, batch=FRAMES_AT_ONCE, rate=args.learning_rate, **given)
        spent = {"minutes": f"{(time.monotonic() - started) / 60:.1f}"}
        save_file(model.coca.visual.state_dict(), encoder, metadata=spent)
        started = time.monotonic()
    model.coca.visual.load_state_dict(load_file(encoder))
    with safe_open(encoder, "pt") as saved:
        before = float(saved.metadata()["minutes"])
    with torch.no_grad():
        encoded = torch.cat(
            [model.encode_frames(pixels_of(views[i : i + 32])).half() for i in range(0, len(views), 32)]
        )

    set_seed(args.seed + 1)
    nn.init.normal_(model.times.weight, std=0.5)  # a time is then about as large as a token
    order = np.random.default_rng(args.seed + 4).integers(len(scenes), size=args.looking_steps * LOOKING).tolist()
    tracks = partial(track_batch, scenes, encoded)
    fit(Looking(model), order, tracks, batch=LOOKING, rate=2 * args.learning_rate, **given)
    batches = [i for batch in draw_batches(scenes, args.steps, DESCRIBING, args.seed + 3) for i in batch]
    pairs = partial(pair_batch, scenes, encoded, tokenizer, args.seed)
    described = fit(
        Describing(model), list(enumerate(batches)), pairs, batch=DESCRIBING, rate=args.learning_rate, **given
    )

    args.out.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.half() for name, value in model.coca.state_dict().items()},
        args.out / "open_clip_model.safetensors",
    )
    save_file({"weight": model.times.weight.half()}, args.out / "times.safetensors")
    preprocess = {
        "size": SIDE,
        "mean": [MEAN] * 3,
        "std": [DEVIATION] * 3,
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    (args.out / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=1) + "\n"
    )
    tokenizer.save_pretrained(args.out)
    facts = {
        **{name: value for name, value in vars(args).items() if name != "out"},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "minutes": round(before + (time.monotonic() - started) / 60, 1),
        "loss": described,
    }
    (args.out / "pretraining.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
