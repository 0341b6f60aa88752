"""Train a small CLIP on the demo's world, and ask it what it sees: `python benchmarks/evidence_clip.py --out DIR`.

It is evidence of the kind that does not see the order of frames, to compare with the embedded CoCa, which does. As
there, the image tower first learns to see the object in single frames: a head that is discarded afterwards predicts
colour, shape and position. Then the projection of its frames, averaged over a clip, and the text tower learn from pairs
of a clip and a true description. The folder is one that transformers reads.

The table has the share of held-out clips whose true description scores higher than one that is wrong in one respect:
another colour, another shape, another direction of one leg, or what the clip would show if it ran backwards. To a model
that does not see the order of frames, the last is a guess: 50 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import processors
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, get_cosine_schedule_with_warmup, set_seed

from videostar.demo.coca import CONTEXT, FRAMES, SIDE, make_tokenizer
from videostar.demo.coca_data import draw_batches, draw_scenes, seconds, view
from videostar.demo.language import describe
from videostar.demo.world import COLOURS, DIRECTIONS, SHAPES, Scene
from videostar.evidence.clip_like import ClipLikeEvidence
from videostar.video.clip import Clip

_TOWER = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 4, "hidden_act": "gelu"}
_CLASSES = {"colour": list(COLOURS), "shape": list(SHAPES)}
_OPPOSITE = {"up": "down", "down": "up", "left": "right", "right": "left", "still": "still"}
_POSITION_WEIGHT = 50.0
_FRAMES, _CLIPS = 192, 64  # of a step
_MEAN = _STD = 0.5


def main() -> None:
    """Draw the scenes, train the model in two phases, save it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--clips", type=int, default=6000)
    parser.add_argument("--seeing-steps", type=int, default=900, help=f"of {_FRAMES} frames: the image tower alone")
    parser.add_argument("--steps", type=int, default=1500, help=f"of {_CLIPS} clips: all but the image tower")
    parser.add_argument("--held-out", type=int, default=400, help="clips of the table")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    started = time.monotonic()
    set_seed(args.seed)
    scenes, held_out = draw_scenes(args.clips, args.seed), draw_scenes(args.held_out, args.seed + 1000)
    with ProcessPoolExecutor() as pool:
        views = np.stack(list(pool.map(view, [*scenes, *held_out], chunksize=100)))
    print(f"{len(views)} clips drawn in {time.monotonic() - started:.0f} s", flush=True)

    tokenizer = _tokenizer()
    model = _model(tokenizer)
    _learn_to_see(model, scenes, views, args.seeing_steps, args.seed)
    _learn_to_describe(model, tokenizer, scenes, views, args.steps, args.seed)
    model.save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    size = {"height": SIDE, "width": SIDE}
    CLIPImageProcessor(size=size, crop_size=size, image_mean=[_MEAN] * 3, image_std=[_STD] * 3).save_pretrained(
        args.out
    )
    print(f"{model.num_parameters():,} parameters, trained in {(time.monotonic() - started) / 60:.1f} minutes")
    for name, share in _told_apart(args.out, held_out, views[len(scenes) :]).items():
        print(f"{name:12}{share:6.1%}")


def _tokenizer() -> Any:
    """The embedded CoCa's, but texts end in a token with the highest number, at which CLIP takes their vectors."""
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"eos_token": "<|last|>"})
    first, last = "<|im_start|>", "<|last|>"
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(token, tokenizer.convert_tokens_to_ids(token)) for token in (first, last)],
    )
    return tokenizer


def _model(tokenizer: Any) -> Any:
    text = {
        **_TOWER,
        "num_hidden_layers": 2,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": CONTEXT,
        "bos_token_id": tokenizer.convert_tokens_to_ids("<|im_start|>"),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {**_TOWER, "num_hidden_layers": 3, "image_size": SIDE, "patch_size": 16}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=_TOWER["hidden_size"]))


def _learn_to_see(model: Any, scenes: Sequence[Scene], views: np.ndarray, steps: int, seed: int) -> None:
    """The image tower, from single frames."""
    heads = nn.ModuleDict({name: nn.LazyLinear(len(values)) for name, values in _CLASSES.items()})
    heads["position"] = nn.LazyLinear(2)
    rng = np.random.default_rng(seed + 1)

    def loss(_: int) -> Tensor:
        clips, frames = rng.integers(len(scenes), size=_FRAMES), rng.integers(FRAMES, size=_FRAMES)
        seen = model.vision_model(_pixels(views[clips, frames])).pooler_output
        drawn = [scenes[clip] for clip in clips]
        at = [scene.position(np.array([(frame + 0.5) / FRAMES]))[0] for scene, frame in zip(drawn, frames, strict=True)]
        total = _POSITION_WEIGHT * functional.mse_loss(heads["position"](seen), torch.tensor(np.array(at)).float())
        for name, values in _CLASSES.items():
            targets = torch.tensor([values.index(getattr(scene, name)) for scene in drawn])
            total = total + functional.cross_entropy(heads[name](seen), targets)
        return total

    loss(0)  # gives the heads their size
    _fit([*model.vision_model.parameters(), *heads.parameters()], loss, steps, "seeing")


def _learn_to_describe(
    model: Any, tokenizer: Any, scenes: Sequence[Scene], views: np.ndarray, steps: int, seed: int
) -> None:
    """The projections and the text tower, with CLIP's loss."""
    with torch.no_grad():
        seen = torch.stack([model.vision_model(_pixels(views[i])).pooler_output for i in range(len(scenes))])
    batches = list(draw_batches(scenes, steps, _CLIPS, seed + 2))

    def loss(step: int) -> Tensor:
        texts = [describe(scenes[i], np.random.default_rng((seed, step, i))) for i in batches[step]]
        frames = functional.normalize(model.visual_projection(seen[batches[step]]), dim=-1)
        clips = functional.normalize(frames.mean(1), dim=-1)
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt")
        named = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        vectors = functional.normalize(model.get_text_features(**named).pooler_output, dim=-1)
        logits = model.logit_scale.clamp(max=np.log(100)).exp() * clips @ vectors.T
        own = torch.arange(len(texts))
        return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2

    trained = (model.visual_projection, model.text_model, model.text_projection)
    _fit([model.logit_scale, *(one for part in trained for one in part.parameters())], loss, steps, "describing")


def _fit(parameters: Iterable[nn.Parameter], loss: Callable[[int], Tensor], steps: int, phase: str) -> None:
    parameters = list(parameters)
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = get_cosine_schedule_with_warmup(optimiser, min(100, steps // 5), steps)
    losses = []
    for step in range(steps):
        value = loss(step)
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(value.item())
        if len(losses) == 25 or step == steps - 1:
            print(f"{phase} {step + 1}/{steps}: loss {np.mean(losses):.3f}", flush=True)
            losses.clear()


def _pixels(frames: np.ndarray) -> Tensor:
    return (torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255 - _MEAN) / _STD


def _told_apart(folder: Path, scenes: Sequence[Scene], views: np.ndarray) -> dict[str, float]:
    """The share of clips whose true description scores higher than a wrong one, by what is wrong in it."""
    evidence, rng = ClipLikeEvidence(folder, torch.device("cpu")), np.random.default_rng(0)
    clips = [
        Clip(frames, tuple(seconds(scene)), scene.fps, scene.seconds)
        for scene, frames in zip(scenes, views, strict=True)
    ]
    wrong = [_wrong(scene, rng) for scene in scenes]
    # Of the same words but for what is wrong.
    written = [[describe(one, np.random.default_rng(i)) for one in others.values()] for i, others in enumerate(wrong)]
    texts = [describe(scene, np.random.default_rng(i)) for i, scene in enumerate(scenes)]
    odds = evidence.against(evidence.encode(clips), texts, written)
    found: dict[str, list[bool]] = {}
    for others, row in zip(wrong, odds, strict=True):
        for name, value in zip(others, row.tolist(), strict=True):
            found.setdefault(name, []).append(value > 0)
    return {name: float(np.mean(higher)) for name, higher in found.items()}


def _wrong(scene: Scene, rng: np.random.Generator) -> dict[str, Scene]:
    """Scenes that differ in one respect."""
    leg, path = int(rng.integers(3)), list(scene.path)
    path[leg] = _other(list(DIRECTIONS), path[leg], rng)
    made = {
        name: dataclasses.replace(scene, **{name: _other(values, getattr(scene, name), rng)})
        for name, values in _CLASSES.items()
    }
    made["direction"] = dataclasses.replace(scene, path=(path[0], path[1], path[2]))
    first, second, third = (_OPPOSITE[leg] for leg in reversed(scene.path))
    if (first, second, third) != scene.path:
        made["backwards"] = dataclasses.replace(scene, path=(first, second, third))
    return made


def _other(values: Sequence[str], value: str, rng: np.random.Generator) -> str:
    others = [one for one in values if one != value]
    return others[rng.integers(len(others))]


if __name__ == "__main__":
    main()
