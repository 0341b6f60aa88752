"""CoCa for video (Yu et al., 2022): open_clip's model, with its image encoder on every frame.

Its attentional poolers attend to the tokens of all frames together, as in the paper's section on video. A token has the
time of its frame added, so that the order of frames can be learned. Weights that were trained on pictures have no
times: they stay zero, and such a model does not see the order of frames.
"""

from __future__ import annotations

import math

import torch
from open_clip.coca_model import CoCa
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

_WAVES = 4  # for the share of the clip that has passed, and as many for seconds
_LONGEST = 8.0  # seconds: half the period of the slowest wave


class VideoCoCa(nn.Module):
    """Encodes clips and texts to unit vectors, and predicts the tokens of a text about a clip."""

    def __init__(self, coca: CoCa) -> None:
        super().__init__()
        self.coca = coca
        width = coca.visual.positional_embedding.shape[1]
        self.times = nn.Linear(4 * _WAVES, width, bias=False)
        nn.init.zeros_(self.times.weight)

    @property
    def side(self) -> int:
        """The height and width of its frames in pixels."""
        return int(self.coca.visual.image_size[0])

    def encode_frames(self, pixels: Tensor) -> Tensor:
        """The tokens of every frame [clips, frames, tokens, width] of `pixels` [clips, frames, 3, side, side]."""
        visual = self.coca.visual
        tokens = visual.transformer(visual._embeds(pixels.flatten(0, 1)))
        return tokens.unflatten(0, pixels.shape[:2])

    def pool(self, tokens: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors [clips, dimensions] and the states that texts attend to [clips, queries, dimensions].

        `tokens` are those of `encode_frames`; `seconds` [clips, frames] are the times of the frames.
        """
        visual = self.coca.visual
        timed = tokens + self.times(_waves(seconds)).unsqueeze(2)
        pooled, states = visual._pool(timed.flatten(1, 2))
        vectors = pooled.reshape(len(pooled), -1) @ visual.proj
        return functional.normalize(vectors, dim=-1), states

    def encode_texts(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors [texts, dimensions] and the states [texts, length, dimensions] of `tokens`.

        They are padded: to the length that the model takes, or, which takes less time, by one token at least.
        """
        text = self.coca.text
        positions = getattr(text, "positional_embedding", None)
        replaced = {}
        if positions is not None and tokens.shape[1] < len(positions) - 1:  # the last is that of the class token
            replaced = {"positional_embedding": torch.cat([positions[: tokens.shape[1]], positions[-1:]])}
        vectors, states = functional_call(text, replaced, (tokens,))
        return functional.normalize(vectors, dim=-1), states

    def forward(self, clips: tuple[Tensor, Tensor], tokens: Tensor) -> dict[str, Tensor]:
        """The arguments of open_clip's `CoCaLoss`, for the results of `pool` and one text for each clip."""
        vectors, states = self.encode_texts(tokens)
        logits = self.next_tokens(clips[1], states, tokens)
        return {
            "image_features": clips[0],
            "text_features": vectors,
            "logits": logits,
            "labels": tokens[:, 1 : logits.shape[1] + 1],
            "logit_scale": self.coca.logit_scale.exp(),
        }

    def next_tokens(self, clips: Tensor, texts: Tensor, tokens: Tensor) -> Tensor:
        """The logits of every token after each of `tokens` [texts, length, vocabulary].

        `clips` are the states of the clip that each text is about, and `texts` those of the texts; after the longest
        text there are none.
        """
        length = int((tokens != self.coca.pad_id).sum(1).max())  # the decoder is causal: padding costs time alone
        logits: Tensor = self.coca.text_decoder(clips, texts[:, : length - 1])
        return logits


def _waves(seconds: Tensor) -> Tensor:
    """Sines and cosines [clips, frames, features] of each frame's place in its clip and of its time."""
    frames = seconds.shape[1]
    share = ((torch.arange(frames, device=seconds.device) + 0.5) / frames).expand_as(seconds)
    speeds = math.pi * 2.0 ** torch.arange(_WAVES, device=seconds.device)
    phases = torch.cat([share[..., None] * speeds, seconds[..., None] / _LONGEST * speeds], dim=-1)
    return torch.cat([phases.sin(), phases.cos()], dim=-1)
