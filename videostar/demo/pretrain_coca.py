"""Train the embedded CoCa from random weights: `python -m videostar.demo.pretrain_coca --out DIR`.

It has to tell true descriptions of the demo's world from false ones. First the image encoder alone learns to see the
object in single frames: a head that is discarded afterwards predicts colour, shape and position. Then the first pooler
learns to look: another such head predicts where the object is in every frame. Last, the poolers and both text
transformers learn from pairs of a clip and a true description, with open_clip's loss. Batches are drawn in
groups of scenes that differ in one respect: so the wrong texts of a batch are nearly right.

No text here has the name of an action: every one is written by `describe` (`tests/test_pretraining_data.py`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.coca_model import CoCa
from open_clip.loss import CoCaLoss
from open_clip.transformer import AttentionalPooler
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import processors
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, Trainer, TrainingArguments, set_seed

from videostar.demo.language import describe
from videostar.demo.pretrain import draw_uneven, jpeg
from videostar.demo.render import render
from videostar.demo.world import COLOURS, DIRECTIONS, PATHS, SHAPES, Motion, Scene, draw_scene
from videostar.evidence.coca import VideoCoCa
from videostar.util.resources import EMBEDDED

FRAMES, SIDE = 8, 80
CONTEXT = 48  # tokens of a text
_WIDTH, _HEADS = 128, 4
_QUERIES = 32
_GROUP = 8  # scenes of a batch that differ from their first in one respect
_POSITION_WEIGHT = 50.0  # an error of one pixel costs about 0.01
_SHAPE_WEIGHT = 2.0  # the shape is the hardest, and learned last
_MEAN = _STD = 0.5
_SIZES = {"colour": len(COLOURS), "shape": len(SHAPES)}
#: Weights of the two losses (CoCa, section 3.2).
_CAPTION, _CONTRASTIVE = 2.0, 1.0
_TIMED = 8  # in one batch of so many, descriptions state times

#: What makes a description true or false.
Content = tuple[str, str, Motion]


def model_config(vocabulary: int) -> dict[str, Any]:
    """The `model_cfg` of open_clip: poolers in a cascade, as in the paper (section 3.2)."""
    text = {
        "context_length": CONTEXT,
        "vocab_size": vocabulary,
        "width": _WIDTH,
        "heads": _HEADS,
        "layers": 2,
    }
    return {
        "embed_dim": _WIDTH,
        "vision_cfg": {
            "image_size": SIDE,
            "patch_size": 16,
            "width": _WIDTH,
            "head_width": _WIDTH // _HEADS,
            "layers": 3,
            "attentional_pool": "cascade",
            "attn_pooler_queries": _QUERIES,
            "attn_pooler_heads": _HEADS,
            "output_tokens": True,
        },
        "text_cfg": {**text, "embed_cls": True, "output_tokens": True, "hf_tokenizer_name": "."},
        "multimodal_cfg": {**text, "attn_pooler_heads": _HEADS},
        "custom_text": True,
    }


def make_tokenizer() -> Any:
    """The tokenizer of the embedded model, with a first and a last token. Padding is 0, as open_clip expects."""
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    first, last = "<|im_start|>", "<|im_end|>"
    numbers = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (first, last)]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=numbers
    )
    return tokenizer


def draw_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes of any path, a third of them with turns at random times."""
    rng = np.random.default_rng(seed)
    even = [draw_scene(rng, PATHS[rng.integers(len(PATHS))]) for _ in range(count - count // 3)]
    return even + draw_uneven(count // 3, seed + 1)


def view(scene: Scene) -> np.ndarray:
    """Frames of a scene, close to those that the model gets from a file: uint8 [FRAMES, SIDE, SIDE, 3]."""
    frames = render(scene, (np.arange(FRAMES) + 0.5) / FRAMES)
    size = (SIDE, SIDE)
    return np.stack([np.asarray(jpeg(frame, scene).resize(size, Image.Resampling.BICUBIC)) for frame in frames])


def seconds(scene: Scene) -> list[float]:
    """The times of those frames."""
    return [int((i + 0.5) / FRAMES * scene.frame_count) / scene.fps for i in range(FRAMES)]


def draw_batches(scenes: Sequence[Scene], steps: int, batch: int, seed: int) -> Iterator[list[int]]:
    """Indices of scenes, `batch` a step: groups that differ in one respect, and nothing twice in a batch."""
    rng = np.random.default_rng(seed)
    having: dict[Content, list[int]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        having[_content(scene)].append(index)
    for _ in range(steps):
        drawn: dict[Content, int] = {}
        while len(drawn) < batch:
            first = _content(scenes[int(rng.integers(len(scenes)))])
            group = [first, *_neighbours(first, rng)]
            for content in [one for one in group if one in having and one not in drawn][:_GROUP]:
                drawn[content] = having[content][rng.integers(len(having[content]))]
        yield list(drawn.values())[:batch]


def _content(scene: Scene) -> Content:
    return scene.colour, scene.shape, scene.path


def _neighbours(content: Content, rng: np.random.Generator) -> list[Content]:
    """Contents that differ in one respect: every other shape, one other colour, and other directions of one leg."""
    colour, shape, path = content
    others = [name for name in COLOURS if name != colour]
    turned: list[Motion] = []
    for _ in range(4):
        leg = int(rng.integers(3))
        directions = [name for name in DIRECTIONS if name != path[leg]]
        legs = [*path[:leg], directions[rng.integers(len(directions))], *path[leg + 1 :]]
        turned.append((legs[0], legs[1], legs[2]))
    return [
        *((colour, name, path) for name in SHAPES if name != shape),
        (others[rng.integers(len(others))], shape, path),
        *((colour, shape, other) for other in turned),
    ]


def describe_batch(scenes: Sequence[Scene], items: Sequence[tuple[int, int]], seed: int) -> list[str]:
    """True descriptions of the scenes of a batch; each item is a number of its own, and a scene's index."""
    timed = items[0][0] // len(items) % _TIMED == 0
    return [describe(scenes[index], np.random.default_rng((seed, number)), timed=timed) for number, index in items]


class Seeing(nn.Module):
    """The image encoder with a head that is discarded; its forward pass returns the loss, as `Trainer` wants it."""

    def __init__(self, model: VideoCoCa) -> None:
        super().__init__()
        self.model = model
        self.pooler = AttentionalPooler(_WIDTH, _WIDTH, n_head=_HEADS, n_queries=2)
        sizes = {**_SIZES, "position": 2}
        self.heads = nn.ModuleDict({name: nn.Linear(2 * _WIDTH, size) for name, size in sizes.items()})

    def forward(self, pixels: Tensor, position: Tensor, **classes: Tensor) -> dict[str, Tensor]:
        """The loss on frames `pixels` [frames, 3, side, side]; `position` [frames, 2] in shares of the picture."""
        seen = self.pooler(self.model.encode_frames(pixels[None])[0]).flatten(1)
        loss = _POSITION_WEIGHT * functional.mse_loss(self.heads["position"](seen), position)
        for name, targets in classes.items():
            weight = _SHAPE_WEIGHT if name == "shape" else 1.0
            loss = loss + weight * functional.cross_entropy(self.heads[name](seen), targets)
        return {"loss": loss}


class Looking(nn.Module):
    """The first pooler with a head that is discarded: from the tokens of all frames it learns where the object is when.

    From texts alone it does not learn paths (`design/log.md`).
    """

    def __init__(self, model: VideoCoCa) -> None:
        super().__init__()
        self.model = model
        self.heads = nn.ModuleDict({name: nn.Linear(_QUERIES * _WIDTH, size) for name, size in _SIZES.items()})
        self.where = nn.Linear(_QUERIES * _WIDTH, 2 * FRAMES)

    def forward(self, frames: Tensor, seconds: Tensor, positions: Tensor, **classes: Tensor) -> dict[str, Tensor]:
        """The loss on the tokens of frames [clips, frames, tokens, width]; `positions` [clips, 2 x frames]."""
        states = self.model.pool(frames, seconds)[1].flatten(1)
        loss = 2 * _POSITION_WEIGHT * functional.mse_loss(self.where(states), positions)
        for name, targets in classes.items():
            loss = loss + functional.cross_entropy(self.heads[name](states), targets)
        return {"loss": loss}


class Describing(nn.Module):
    """All but the image encoder, on the tokens that it gives."""

    def __init__(self, model: VideoCoCa) -> None:
        super().__init__()
        self.model = model
        self.criterion = CoCaLoss(_CAPTION, _CONTRASTIVE, pad_id=0)

    def forward(self, frames: Tensor, seconds: Tensor, texts: Tensor) -> dict[str, Tensor]:
        """The loss on the tokens of frames [clips, frames, tokens, width] and those of texts [clips, length]."""
        with torch.no_grad():
            self.model.coca.logit_scale.clamp_(max=np.log(100))
        contrastive, caption = self.criterion(**self.model(self.model.pool(frames, seconds), texts))
        return {"loss": contrastive + caption}


def main() -> None:
    """Draw the scenes, train the model in three phases, and save it as open_clip does."""
    parser = argparse.ArgumentParser(description="Train the embedded CoCa from random weights.")
    parser.add_argument("--out", type=Path, required=True, help="an empty or new folder")
    parser.add_argument("--clips", type=int, default=12_000)
    parser.add_argument("--seeing-steps", type=int, default=900, help="of 192 frames: the image encoder alone")
    parser.add_argument("--looking-steps", type=int, default=700, help="of 96 clips: the first pooler")
    parser.add_argument("--steps", type=int, default=800, help="of 64 clips: all but the image encoder")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    started = time.monotonic()
    set_seed(args.seed)
    scenes = draw_scenes(args.clips, args.seed)
    with ProcessPoolExecutor() as pool:
        views = np.stack(list(pool.map(view, scenes, chunksize=200)))
    print(f"{len(scenes)} clips drawn in {time.monotonic() - started:.0f} s", flush=True)

    tokenizer = make_tokenizer()
    config = model_config(len(tokenizer))
    model = VideoCoCa(CoCa(**{name: part for name, part in config.items() if name != "custom_text"}))
    nn.init.normal_(model.coca.text_decoder.text_projection, std=_WIDTH**-0.5)  # open_clip leaves it as memory was
    encoder = args.out / "encoder.safetensors"  # after a crash, training goes on from here
    rng = np.random.default_rng(args.seed + 2)
    if not encoder.exists():
        order = rng.integers(len(scenes) * FRAMES, size=args.seeing_steps * 192).tolist()
        _fit(Seeing(model), order, partial(_frames, scenes, views), 192, args, "seeing", args.learning_rate)
        spent = {"minutes": f"{(time.monotonic() - started) / 60:.1f}"}
        save_file(model.coca.visual.state_dict(), encoder, metadata=spent)
        started = time.monotonic()
    with safe_open(encoder, "pt") as saved:
        before = float(saved.metadata()["minutes"])
        model.coca.visual.load_state_dict({name: saved.get_tensor(name) for name in saved.keys()})  # noqa: SIM118 - it is no mapping
    with torch.no_grad():
        encoded = torch.cat(
            [model.encode_frames(pixels_of(views[i : i + 32])).half() for i in range(0, len(views), 32)]
        )

    set_seed(args.seed + 1)
    nn.init.normal_(model.times.weight, std=0.5)  # a time is then about as large as a token
    order = np.random.default_rng(args.seed + 4).integers(len(scenes), size=args.looking_steps * 96).tolist()
    _fit(Looking(model), order, partial(_tracks, scenes, encoded), 96, args, "looking", 2 * args.learning_rate)
    batches = [i for batch in draw_batches(scenes, args.steps, 64, args.seed + 3) for i in batch]
    pairs = partial(_pairs, scenes, encoded, tokenizer, args.seed)
    described = _fit(Describing(model), list(enumerate(batches)), pairs, 64, args, "describing", args.learning_rate)

    args.out.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.half() for name, value in model.coca.state_dict().items()},
        args.out / "open_clip_model.safetensors",
    )
    save_file({"weight": model.times.weight.half()}, args.out / "times.safetensors")
    preprocess = {
        "size": SIDE,
        "mean": [_MEAN] * 3,
        "std": [_STD] * 3,
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


def pixels_of(frames: np.ndarray) -> Tensor:
    """Frames uint8 [..., side, side, 3] as the model takes them: float32 [..., 3, side, side]."""
    return (torch.from_numpy(frames).movedim(-1, -3).float() / 255 - _MEAN) / _STD


def _frames(scenes: Sequence[Scene], views: np.ndarray, places: list[int]) -> dict[str, Tensor]:
    about = [(scenes[place // FRAMES], place % FRAMES) for place in places]
    at = [scene.position(np.array([(frame + 0.5) / FRAMES]))[0] for scene, frame in about]
    return {
        "pixels": pixels_of(np.stack([views[place // FRAMES, place % FRAMES] for place in places])),
        "position": torch.tensor(np.array(at), dtype=torch.float32),
        **_classes([scene for scene, _ in about]),
    }


def _tracks(scenes: Sequence[Scene], encoded: Tensor, items: list[int]) -> dict[str, Tensor]:
    about = [scenes[index] for index in items]
    times = (np.arange(FRAMES) + 0.5) / FRAMES
    return {
        **_clips(scenes, encoded, items),
        "positions": torch.tensor(np.stack([one.position(times).reshape(-1) for one in about]), dtype=torch.float32),
        **_classes(about),
    }


def _clips(scenes: Sequence[Scene], encoded: Tensor, items: Sequence[int]) -> dict[str, Tensor]:
    return {"frames": encoded[list(items)].float(), "seconds": torch.tensor([seconds(scenes[item]) for item in items])}


def _classes(scenes: Sequence[Scene]) -> dict[str, Tensor]:
    return {
        "colour": torch.tensor([list(COLOURS).index(scene.colour) for scene in scenes]),
        "shape": torch.tensor([SHAPES.index(scene.shape) for scene in scenes]),
    }


def _pairs(
    scenes: Sequence[Scene], encoded: Tensor, tokenizer: Any, seed: int, items: list[tuple[int, int]]
) -> dict[str, Tensor]:
    texts = describe_batch(scenes, items, seed)
    made = tokenizer(texts, return_tensors="pt", padding="max_length", max_length=CONTEXT, truncation=True)
    return {
        **_clips(scenes, encoded, [index for _, index in items]),
        "texts": made.input_ids,
    }


def _fit(
    model: Any, data: Any, collate: Any, batch: int, args: argparse.Namespace, phase: str, rate: float
) -> list[list[float]]:
    """Train one phase, in the order of `data`, and return [step, mean loss] every 50 steps."""

    class InOrder(Trainer):
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(data)

    trainer = InOrder(
        model=model,
        args=TrainingArguments(
            output_dir=str(args.out / phase),
            max_steps=len(data) // batch,
            per_device_train_batch_size=batch,
            learning_rate=rate,
            lr_scheduler_type="cosine",
            warmup_steps=100,
            weight_decay=0.05,
            adam_beta2=0.98,
            max_grad_norm=1.0,
            logging_steps=50,
            save_strategy="no",
            remove_unused_columns=False,
            report_to=[],
            seed=args.seed,
            use_cpu=True,
        ),
        train_dataset=data,
        data_collator=collate,
    )
    trainer.train()
    return [[row["step"], round(row["loss"], 4)] for row in trainer.state.log_history if "loss" in row]


if __name__ == "__main__":
    main()
