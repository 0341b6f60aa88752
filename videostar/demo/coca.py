"""The embedded CoCa: sizes, tokenizer, and the phases in which it learns to see, to look and to describe."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from open_clip.loss import CoCaLoss
from open_clip.transformer import AttentionalPooler
from tokenizers import processors
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer

from videostar.demo.world import COLOURS, SHAPES
from videostar.evidence.coca import VideoCoCa
from videostar.util.resources import EMBEDDED

FRAMES, SIDE, WIDTH = 8, 80, 128
CONTEXT = 48  # tokens of a text
_HEADS, _QUERIES = 4, 32
_POSITION_WEIGHT = 50.0  # an error of one pixel costs about 0.01
_SHAPE_WEIGHT = 2.0  # the shape is the hardest, and learned last
_SIZES = {"colour": len(COLOURS), "shape": len(SHAPES)}
#: Weights of the two losses (CoCa, section 3.2).
_CAPTION, _CONTRASTIVE = 2.0, 1.0


def model_config(vocabulary: int) -> dict[str, Any]:
    """The `model_cfg` of open_clip: poolers in a cascade, as in the paper (section 3.2)."""
    text = {
        "context_length": CONTEXT,
        "vocab_size": vocabulary,
        "width": WIDTH,
        "heads": _HEADS,
        "layers": 2,
    }
    return {
        "embed_dim": WIDTH,
        "vision_cfg": {
            "image_size": SIDE,
            "patch_size": 16,
            "width": WIDTH,
            "head_width": WIDTH // _HEADS,
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


class Seeing(nn.Module):
    """The image encoder with a head that is discarded; its forward pass returns the loss, as `Trainer` wants it."""

    def __init__(self, model: VideoCoCa) -> None:
        super().__init__()
        self.model = model
        self.pooler = AttentionalPooler(WIDTH, WIDTH, n_head=_HEADS, n_queries=2)
        sizes = {**_SIZES, "position": 2}
        self.heads = nn.ModuleDict({name: nn.Linear(2 * WIDTH, size) for name, size in sizes.items()})

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
        self.heads = nn.ModuleDict({name: nn.Linear(_QUERIES * WIDTH, size) for name, size in _SIZES.items()})
        self.where = nn.Linear(_QUERIES * WIDTH, 2 * FRAMES)

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
