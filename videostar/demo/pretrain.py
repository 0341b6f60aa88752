"""Train the embedded model from random weights: `python -m videostar.demo.pretrain --out DIR`.

First the vision tower alone learns to see the object (`videostar/demo/grounding.py`). Then the whole model is trained
on examples that are all drawn by seed:

- descriptions of clips of any path, with or without times, to questions that name no action;
- the known actions, with the questions of the cycle (`prompts/action.yaml`);
- hints such as "The action is W. Explain": made-up words, times, numbers and steps that are true of no clip
  (`videostar/demo/tasks.py`); the names of actions only on clips without a target's path;
- names and numbers to repeat, without a clip: the fastest way to learn copying.

The examples contain no target's name, no action's name together with a target's path, and no label of the other tasks
that is true of its clip except by chance (`tests/test_pretraining_data.py`). Clips are not encoded as H.264 here: their
frames are JPEG-compressed at random quality, which takes a tenth of the time. `python -m videostar.demo.exam` measures
the model on H.264 files.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import set_seed

from videostar.adapters.prompts import load_prompts
from videostar.demo.fit import fit
from videostar.demo.grounding import Grounding, GroundingCollator
from videostar.demo.language import DESCRIBE_QUESTIONS, TIMED_QUESTIONS, describe, made_up_name, one_of
from videostar.demo.model import FRAMES, SIDE, make_model, make_processor
from videostar.demo.render import render
from videostar.demo.tasks import TASKS
from videostar.demo.world import KNOWN, PATHS, TARGETS, THIRDS, TURNING, Scene, draw_scene, draw_turns
from videostar.labels.numbers import format_number
from videostar.models.chat import Chat, Turn
from videostar.video.clip import Clip

BATCH, GROUNDING_BATCH = 48, 64
#: The share of each kind of example; the last four are hints, by the adapter's name.
SHARES = {
    "describe": 0.18,
    "times": 0.14,
    "known": 0.09,
    "repeat": 0.10,
    "action": 0.28,
    "when": 0.07,
    "count": 0.05,
    "sequence": 0.09,
}


@dataclass(frozen=True)
class Example:
    """One training example: a question, its answer and the index of its scene (None: text only)."""

    task: str
    question: str
    answer: str
    scene: int | None


class PretrainingData(torch.utils.data.Dataset[Example]):
    """`count` examples over a pool of scenes, each drawn from the seed and its index."""

    def __init__(self, scenes: list[Scene], count: int, seed: int) -> None:
        self.scenes, self.count, self.seed = scenes, count, seed
        known, targets = set(KNOWN.values()), set(TARGETS.values())
        numbered = list(enumerate(scenes))
        self.pools: dict[str, Sequence[int]] = {
            "any": range(len(scenes)),
            "known": [i for i, scene in numbered if scene.path in known and scene.turns == THIRDS],
            "turning": [i for i, scene in numbered if scene.path in TURNING],
            "nameable": [i for i, scene in numbered if scene.path not in targets],
        }
        self.prompts = load_prompts("action")

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Example:
        rng = np.random.default_rng((self.seed, index))
        task = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        if task == "repeat":
            text = "; ".join(_name_or_number(rng) for _ in range(3))
            return Example(task, f"Repeat: {text}", text, None)
        if task == "describe":
            index, scene = self._draw("any", rng)
            return Example(task, one_of(DESCRIBE_QUESTIONS, rng), describe(scene, rng), index)
        if task == "times":
            index, scene = self._draw("turning", rng)
            return Example(task, one_of(TIMED_QUESTIONS, rng), describe(scene, rng, timed=True), index)
        if task == "known":
            index, scene = self._draw("known", rng)
            name = next(name for name, path in KNOWN.items() if path == scene.path)
            return Example(task, one_of(self.prompts.questions, rng), TASKS["action"].explain(scene, name, rng), index)
        hinted = TASKS[task]
        index, scene = self._draw("turning" if hinted.timed else "nameable", rng)
        row = hinted.made_up(rng)
        if task == "action" and rng.uniform() < 0.1:
            row = {"label": one_of(list(KNOWN), rng)}
        question, words = hinted.hint(row, rng, phrasings=1)
        return Example(task, question, hinted.explain(scene, words, rng), index)

    def _draw(self, pool: str, rng: np.random.Generator) -> tuple[int, Scene]:
        indices = self.pools[pool]
        index = indices[int(rng.integers(len(indices)))]
        return index, self.scenes[index]


def _name_or_number(rng: np.random.Generator) -> str:
    """A made-up name, or with probability 0.2 a number."""
    return format_number(float(rng.integers(100)) / 10) if rng.uniform() < 0.2 else made_up_name(rng)


def draw_pool(count: int, seed: int) -> list[Scene]:
    """Scenes for pretraining: a third show known actions, the others any path."""
    rng = np.random.default_rng(seed)
    known = list(KNOWN.values())
    return [
        draw_scene(rng, known[rng.integers(len(known))] if i % 3 == 0 else PATHS[rng.integers(len(PATHS))])
        for i in range(count)
    ]


def draw_uneven(count: int, seed: int) -> list[Scene]:
    """Scenes of paths with two turns, at random times."""
    rng = np.random.default_rng(seed)
    return [draw_scene(rng, TURNING[rng.integers(len(TURNING))], draw_turns(rng)) for _ in range(count)]


def model_view(scene: Scene) -> np.ndarray:
    """Frames of `scene`, close to those that the model gets from a file: uint8 [FRAMES, SIDE, SIDE, 3]."""
    frames = render(scene, (np.arange(FRAMES) + 0.5) / FRAMES)
    size = (SIDE, SIDE)
    return np.stack([np.asarray(jpeg(frame, scene).resize(size, Image.Resampling.BICUBIC)) for frame in frames])


def jpeg(frame: np.ndarray, scene: Scene) -> Image.Image:
    """A frame [height, width, 3] after lossy compression, of a quality that its scene's seed gives."""
    coded = io.BytesIO()
    Image.fromarray(frame).save(coded, "JPEG", quality=40 + scene.seed % 55)
    return Image.open(coded)


class Collator:
    """Makes a padded batch from examples, with loss on the tokens of the answers only."""

    def __init__(self, processor: Any, scenes: list[Scene], views: np.ndarray) -> None:
        self.chat, self.scenes, self.views = Chat(processor), scenes, views

    def __call__(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        """One batch."""
        return self.chat.examples([Turn(e.question, self._clips(e.scene), e.answer) for e in examples])

    def _clips(self, index: int | None) -> list[Clip]:
        if index is None:
            return []
        scene = self.scenes[index]
        times = tuple(int((i + 0.5) / FRAMES * scene.frame_count) / scene.fps for i in range(FRAMES))
        return [Clip(self.views[index], times, scene.fps, scene.seconds)]


def main() -> None:
    """Draw the clips, train the tokenizer, train the model in two phases, and save it."""
    parser = argparse.ArgumentParser(description="Train the embedded model from random weights.")
    parser.add_argument("--out", type=Path, required=True, help="an empty or new folder")
    parser.add_argument("--clips", type=int, default=24_000)
    parser.add_argument("--grounding-steps", type=int, default=2000, help="of 64 clips: the vision tower alone")
    parser.add_argument("--steps", type=int, default=1400, help="of 48 examples: the whole model")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    started = time.monotonic()
    given: dict[str, Any] = {"rate": args.learning_rate, "seed": args.seed, "scratch": args.out / "scratch"}
    set_seed(args.seed)
    even = draw_pool(args.clips, args.seed)
    scenes = even + draw_uneven(args.clips // 2, args.seed + 3)
    data = PretrainingData(scenes, args.steps * BATCH, args.seed + 1)
    with ProcessPoolExecutor() as pool:
        views = np.stack(list(pool.map(model_view, scenes, chunksize=200)))
    print(f"{len(scenes)} clips drawn in {time.monotonic() - started:.0f} s", flush=True)

    processor = make_processor(tokenizer_texts(data))
    model = make_model(processor)
    visual = model.model.visual
    tower = args.out / "tower.safetensors"  # after a crash, training goes on from here
    if not tower.exists():
        grounding = Grounding(visual, model.config.text_config.hidden_size, len(visual.deepstack_merger_list))
        rng = np.random.default_rng(args.seed + 2)
        order = rng.integers(len(even), size=args.grounding_steps * GROUNDING_BATCH).tolist()
        fit(grounding, order, GroundingCollator(processor, scenes, views), batch=GROUNDING_BATCH, **given)
        save_file(visual.state_dict(), tower)
    visual.load_state_dict(load_file(tower))
    loss = fit(model, data, Collator(processor, scenes, views), batch=BATCH, **given)

    model.half().save_pretrained(args.out)
    processor.save_pretrained(args.out)
    facts = {
        **{name: value for name, value in vars(args).items() if name != "out"},
        "scenes": len(scenes),
        "batch": BATCH,
        "grounding_batch": GROUNDING_BATCH,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "loss": loss,
    }
    (args.out / "pretraining.json").write_text(json.dumps(facts, indent=1) + "\n")


def tokenizer_texts(data: PretrainingData) -> Iterator[str]:
    """Training texts of the tokenizer: examples, roles, and the timestamps in Qwen3-VL's prompts."""
    for index in range(min(len(data), 20_000)):
        example = data[index]
        if example.task != "repeat":
            yield f"user\n{example.question}"
            yield f"assistant\n{example.answer}"
        yield f"<{index % 40 / 10} seconds>"


if __name__ == "__main__":
    main()
