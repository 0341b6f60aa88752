"""Dropped tokens: in training the language model reads a random part of the visual tokens.

As in VATT ("DropToken", Akbari et al. 2021, arXiv 2104.11178): neighbouring tokens of a video hold much the same, and
the cost of a Transformer grows with their number. Here the vision tower sees all frames, and tokens are dropped between
it and the language model. The others keep the positions that they have in the whole sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


class TokenDropper:
    """Drops visual tokens of a model in training, of the families with `Family.drops`.

    `model` is a transformers model or PEFT's. `share` is the share of each row's visual tokens that is dropped, in
    [0, 1); every `full_every`-th step drops none. The draw depends on `seed`, the step and the row's number in its
    global batch alone, so not on how the batch is split.
    """

    def __init__(self, model: Any, share: float, full_every: int, seed: int) -> None:
        self._language = model.get_decoder()
        self._marks = visual_marks(model.config)
        self._share, self._full_every, self._seed = share, full_every, seed

    @contextmanager
    def step(self, step: int, rows: Sequence[int], batch: Mapping[str, Any]) -> Iterator[None]:
        """While this is open, `model(**batch)` drops tokens.

        `step` is counted from 1; `rows` are the numbers of the batch's rows in their global batch. `batch` has
        `input_ids` and `attention_mask`, both [rows, tokens]. Hidden states and logits have the places of all tokens,
        so labels and `logits_to_keep` stay as they are; at dropped tokens they mean nothing.
        """
        dropped = self._dropped(step, rows, batch["input_ids"])
        if not dropped.any():
            yield
            return
        shorter = _Shorter(batch["attention_mask"].bool() & ~dropped)
        handles = [
            self._language.register_forward_pre_hook(shorter.shorten, with_kwargs=True),
            self._language.register_forward_hook(shorter.restore),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _dropped(self, step: int, rows: Sequence[int], ids: torch.Tensor) -> torch.Tensor:
        dropped = torch.zeros(ids.shape, dtype=torch.bool)
        if self._share and step % self._full_every:
            for place, (row, visual) in enumerate(zip(rows, torch.isin(ids.cpu(), self._marks), strict=True)):
                dropped[place] = draw(visual, self._share, (self._seed, step, row))
        return dropped.to(ids.device)


def visual_marks(config: Any) -> torch.Tensor:
    """The ids of the tokens that stand for pictures and videos."""
    ids = [getattr(config, name, None) for name in ("image_token_id", "video_token_id")]
    return torch.tensor([number for number in ids if number is not None])


def draw(visual: torch.Tensor, share: float, seed: Sequence[int]) -> torch.Tensor:
    """Which tokens of a row are dropped: bool [tokens], drawn uniformly from `visual`, bool [tokens].

    At least one visual token stays.
    """
    (places,) = visual.nonzero(as_tuple=True)
    count = min(round(share * len(places)), len(places) - 1)
    dropped = torch.zeros_like(visual)
    if count > 0:
        dropped[places[np.random.default_rng(seed).permutation(len(places))[:count]]] = True
    return dropped


class _Shorter:
    """Hooks of a language model that make it read only the tokens in `kept`, bool [rows, tokens].

    The rows are padded right to the longest of them. The output has all places again: `logits_to_keep` counts from the
    end, and rows lose different numbers of tokens.
    """

    def __init__(self, kept: torch.Tensor) -> None:
        lengths = kept.sum(dim=1, keepdim=True)
        longest = int(lengths.max())
        self._kept = kept
        #: For each place in the shorter rows, the place that it had. Of padding any place will do.
        self._places = (~kept).int().argsort(dim=1, stable=True)[:, :longest]
        self._filled = torch.arange(longest, device=kept.device) < lengths

    def shorten(self, module: Any, args: tuple[Any, ...], inputs: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        """The language model's inputs, without the dropped tokens."""
        embeds, positions = inputs["inputs_embeds"], inputs.get("position_ids")
        if positions is None:  # as the model itself would number them
            positions = torch.arange(self._kept.shape[1], device=embeds.device).expand(self._kept.shape)
        places = self._places.expand(*positions.shape[:-2], *self._places.shape)  # M-RoPE has several a token
        shorter = {
            "inputs_embeds": embeds.take_along_dim(self._places[..., None], dim=1),
            "position_ids": positions.take_along_dim(places, dim=-1),
            "attention_mask": self._filled.to(inputs["attention_mask"].dtype),
        }
        visual = inputs.get("visual_pos_masks")
        if visual is not None:  # of Qwen3-VL, whose first layers add features to visual tokens
            shorter["visual_pos_masks"] = visual.take_along_dim(self._places, dim=1) & self._filled
            still = self._kept[visual]
            shorter["deepstack_visual_embeds"] = [layer[still] for layer in inputs["deepstack_visual_embeds"]]
        return args, {**inputs, **shorter}

    def restore(self, module: Any, args: tuple[Any, ...], output: Any) -> Any:
        """The language model's output with every token at its place; zeros at dropped ones."""
        short = output.last_hidden_state
        full = short.new_zeros(*self._kept.shape, short.shape[-1])
        full[self._kept] = short[self._filled]
        output.last_hidden_state = full
        return output
