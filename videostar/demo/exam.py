"""Measure what the embedded model can do on H.264 files: `python -m videostar.demo.exam`.

Draws new clips with a seed that pretraining does not use, writes them as H.264, has the model answer questions about
them through the cycle's engine, and prints the figures. `--card` writes the figures to the model card.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videostar.adapters.prompts import load_prompts
from videostar.config import Pipeline
from videostar.demo.language import DESCRIBE_QUESTIONS, TIMED_QUESTIONS, one_of
from videostar.demo.measure import Score, Truth, answer
from videostar.demo.render import write_clip
from videostar.demo.tasks import TASKS, draw_unnamed
from videostar.demo.world import KNOWN, PATHS, TARGETS, TURNING, Scene, draw_scene, draw_turns
from videostar.labels import parse_label
from videostar.pipeline_files import load_pipeline
from videostar.util.resources import EMBEDDED
from videostar.video.workers import parallel_map

_SEED = 20_000_003


def examine(settings: Pipeline, clips: int) -> dict[str, float]:
    """The share of correct answers for each kind of question, on `clips` clips each."""
    rng = np.random.default_rng(_SEED)
    questions = load_prompts("action").questions
    known = list(KNOWN.items())
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)

        def answers_to(pairs: Sequence[tuple[Scene, str]]) -> list[str]:
            videos = [f"{i}.mp4" for i in range(len(pairs))]
            scenes, texts = zip(*pairs, strict=True)
            list(parallel_map(write_clip, [root / video for video in videos], scenes))
            return answer(settings, None, root, list(zip(videos, texts, strict=True)))

        for name, paths in (("any path", PATHS), ("a target's path", tuple(TARGETS.values()))):
            scenes = [draw_scene(rng, paths[i % len(paths)]) for i in range(clips)]
            answers = answers_to([(scene, DESCRIBE_QUESTIONS[i % 4]) for i, scene in enumerate(scenes)])
            figures |= _truth(f"describes {name}", scenes, answers)

        scenes = [draw_scene(rng, one_of(TURNING, rng), draw_turns(rng)) for _ in range(clips)]
        answers = answers_to([(scene, TIMED_QUESTIONS[i % 3]) for i, scene in enumerate(scenes)])
        figures["tells when it turns, both within 0.3 s"] = float(np.mean(list(map(_timely, scenes, answers))))

        scenes = [draw_scene(rng, known[i % len(known)][1]) for i in range(clips)]
        answers = answers_to([(scene, questions[i % len(questions)]) for i, scene in enumerate(scenes)])
        labels = [parse_label({"kind": "action", "name": name, "among": list(KNOWN)}) for name, _ in known]
        right = [labels[i % len(labels)].judge(answer).accepted for i, answer in enumerate(answers)]
        figures["names a known action"] = float(np.mean(right))

        for name, task in TASKS.items():
            plans = [draw_unnamed(rng, timed=task.timed) for _ in range(clips)]
            scenes = [draw_scene(rng, path, turns) for path, turns, _ in plans]
            hints = [task.hint(task.made_up(rng), rng, phrasings=1) for _ in scenes]
            answers = answers_to([(scene, hint) for scene, (hint, _) in zip(scenes, hints, strict=True)])
            exact = [answer.endswith(f" {words}.") for answer, (_, words) in zip(answers, hints, strict=True)]
            figures[f"repeats a made-up label exactly: {name}"] = float(np.mean(exact))
            figures |= _truth(f"explains a made-up label: {name}", scenes, answers)
    return figures


def _timely(scene: Scene, answer: str) -> bool:
    """Whether an answer states six numbers, and both turns (the ends of the first two legs) within 0.3 s."""
    times = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", answer)]
    turns = [end for _, end in scene.leg_times[:2]]
    return len(times) == 6 and all(abs(a - b) <= 0.3 for a, b in zip(times[1:5:2], turns, strict=True))


def _truth(name: str, scenes: Sequence[Scene], answers: Sequence[str]) -> dict[str, float]:
    total = Score()
    for scene, text in zip(scenes, answers, strict=True):
        total.add(text, Truth(scene.colour, scene.shape, scene.path))
    parts = {"colour": total.colour, "shape": total.shape, "path": total.path, "all": total.all}
    return {f"{name}: {part}": count / total.n for part, count in parts.items()}


# The model's digest covers its card, and runs record that digest: a new text here means a new digest.
_CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: video-text-to-text
---
# The embedded model

A Qwen3-VL of {parameters:,} parameters, trained from nothing by `python -m videostar.demo.pretrain` on drawn
clips, so that every stage of videostar can run for real on any machine. It is not useful for anything
else: it knows a world of one moving shape, and says so of any video.

- data: {scenes:,} scenes of `videostar/demo/world.py`; descriptions, with times or without, eight known actions,
  explanations of made-up names, times, numbers and steps, names repeated. No target's name, no name beside a
  target's path, and no true answer to the other tasks' questions is among it (`tests/test_pretraining_data.py`).
- steps: {grounding_steps:,} of {grounding_batch} clips for the vision tower alone, then {steps:,} of {batch}
  examples for the whole, learning rate {learning_rate}, seed {seed}
- loss: {first} at first, {last} at last (all of it in `pretraining.json`)
- wall time: {minutes} minutes on 2 cores
- weights: float16 on disk, computed in float32

## What it can do (`python -m videostar.demo.exam --clips {examined} --card`, {examined} fresh H.264 clips a question)

| | share |
|---|---|
{figures}

## What it cannot do

- name an action that it was not taught, say when something happens if asked for that alone, count, or list steps
  in words that it was not taught (that is what the demos are about);
- tell every shape: see the table;
- follow a hint in other words than those it was taught ("The action is W."), but now and then: the cycle
  mends that, since what it mixes in has all phrasings of the task's file in `prompts/`;
- describe more than one object, other motions than the five it knows, or real camera video.
"""


def card(facts: dict[str, Any], figures: dict[str, float], clips: int) -> str:
    """The model card, from the facts in `pretraining.json` and the figures of `examine`."""
    rows = "\n".join(f"| {name} | {share:.1%} |" for name, share in figures.items())
    return _CARD.format(first=facts["loss"][0][1], last=facts["loss"][-1][1], examined=clips, figures=rows, **facts)


def main() -> None:
    """Print the figures, and write the card with `--card`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=480, help="clips per kind of question")
    parser.add_argument("--model", default="embedded", help="the folder of another model; default: the shipped one")
    parser.add_argument("--card", action="store_true", help="write the model card")
    args = parser.parse_args()
    figures = examine(load_pipeline("demo", model=args.model), args.clips)
    print("\n".join(f"{name:42} {share:.1%}" for name, share in figures.items()))
    if args.card:
        folder = EMBEDDED if args.model == "embedded" else Path(args.model)
        facts = json.loads((folder / "pretraining.json").read_text())
        (folder / "README.md").write_text(card(facts, figures, args.clips))


if __name__ == "__main__":
    main()
