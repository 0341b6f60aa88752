"""Measure what the embedded CoCa can tell apart on H.264 files: `python -m videostar.demo.exam_coca`.

Draws new clips with a seed that training does not use, and counts how often a true description comes out before every
text that differs from it in one respect, and its own clip before 16 others. `--card` writes the figures to the card.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videostar.demo.language import describe
from videostar.demo.render import write_clip
from videostar.demo.world import COLOURS, DIRECTIONS, PATHS, SHAPES, draw_scene
from videostar.evidence.base import EvidenceModel
from videostar.evidence.foils import foils
from videostar.evidence.load import load_evidence
from videostar.util.resources import evidence_folder
from videostar.video.decode import decode
from videostar.video.sampling import Sampling
from videostar.video.workers import parallel_map

_SEED = 20_000_033
_OTHERS = 16
_RESPECTS = {"colour": tuple(COLOURS), "shape": SHAPES, "path": tuple(DIRECTIONS)}


def examine(model: EvidenceModel, frames: int, clips: int) -> dict[str, float]:
    """The share of clips whose true description comes first, by respect and score."""
    rng = np.random.default_rng(_SEED)
    scenes = [draw_scene(rng, PATHS[rng.integers(len(PATHS))]) for _ in range(clips)]
    texts = [describe(scene, rng) for scene in scenes]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.mp4" for number in range(clips)]
        list(parallel_map(write_clip, files, scenes))
        shown = [decode(file, Sampling(frames, model.max_pixels)) for file in files]
    encoded = model.encode(shown)
    figures = {}
    for respect, words in _RESPECTS.items():
        wrong = [[foil for foil in foils(text) if _differ(foil, text, words)] for text in texts]
        odds = model.against(encoded, texts, wrong)
        figures[f"{respect}, by the caption"] = float(np.mean([bool((one > 0).all()) for one in odds]))
        scores = [
            model.similarity(tuple(part[row : row + 1] for part in encoded), [text, *wrong[row]])[0]
            for row, text in enumerate(texts)
        ]
        figures[f"{respect}, by the contrastive score"] = float(
            np.mean([bool((one[0] > one[1:]).all()) for one in scores])
        )
    every = model.similarity(encoded, texts)
    first = [int(every[(row + np.arange(_OTHERS + 1)) % clips, row].argmax()) == 0 for row in range(clips)]
    figures[f"its own clip before {_OTHERS} others"] = float(np.mean(first))
    return figures


def _differ(foil: str, text: str, words: tuple[str, ...]) -> bool:
    """Whether the words of a respect are others in the foil."""
    return [word for word in foil.split() if word.strip(".,") in words] != [
        word for word in text.split() if word.strip(".,") in words
    ]


_CARD = """---
license: apache-2.0
library_name: open_clip
pipeline_tag: zero-shot-classification
---
# The embedded CoCa

open_clip's CoCa with {parameters:,} parameters, for video, trained from nothing by `python -m
videostar.demo.pretrain_coca` on drawn clips, so that evidence can be tried on any machine. It is not useful for
anything else: it knows a world of one moving shape.

- data: {clips:,} scenes of `videostar/demo/world.py`, any path, with true descriptions. No name of an action is among
  them (`tests/test_pretraining_data.py`).
- frames: 8 of 80 x 80 pixels
- steps: {seeing_steps:,} of 192 frames for the image encoder alone, {looking_steps:,} of 96 clips for the first pooler,
  then {steps:,} of 64 clips for all but the image encoder; learning rate {learning_rate}, seed {seed}
- loss: {first} at first, {last} at last
- wall time: {minutes} minutes on 2 cores
- weights: float16 on disk, computed in float32

## What it can tell apart (`python -m videostar.demo.exam_coca --clips {examined} --card`, new H.264 clips)

A true description comes before every text that differs in one respect:

| | share |
|---|---|
{figures}

## What it cannot do

- judge times ("from 0.4 to 1.2 seconds") better than roughly;
- anything with real camera video, or with words beyond those of the demo's descriptions.
"""


def main() -> None:
    """Print the figures, and write the card with `--card`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=480)
    parser.add_argument("--model", default="embedded", help="the folder of another model; default: the shipped one")
    parser.add_argument("--card", action="store_true", help="write the model card")
    args = parser.parse_args()
    figures = examine(load_evidence(args.model, torch.device("cpu")), 8, args.clips)
    print("\n".join(f"{name:42} {share:.1%}" for name, share in figures.items()))
    if args.card:
        folder = evidence_folder(args.model)
        facts: dict[str, Any] = json.loads((folder / "pretraining.json").read_text())
        rows = "\n".join(f"| {name} | {share:.1%} |" for name, share in figures.items())
        loss = {"first": facts["loss"][0][1], "last": facts["loss"][-1][1]}
        card = _CARD.format(**facts, **loss, examined=args.clips, figures=rows)
        (folder / "README.md").write_text(card)


if __name__ == "__main__":
    main()
