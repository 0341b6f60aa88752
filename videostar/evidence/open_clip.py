"""CoCa from a folder as open_clip writes it: `open_clip_config.json`, weights and, if it is its own, a tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import open_clip
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from videostar.evidence.base import Encoded
from videostar.evidence.coca import VideoCoCa
from videostar.models.load import first_line
from videostar.util.errors import UserError
from videostar.video.clip import Clip

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
_BATCH = 16  # clips that are encoded together, and texts: the logits of 16 have up to 240 MB
_TEXTS_TOGETHER = 64  # that are encoded
_TEXTS = 65_536  # whose tokens are kept: 50 MB
TIMES = "times.safetensors"  # what a CoCa for video has beyond open_clip's

#: Padded tokens of texts, their vectors, and their states: see `VideoCoCa.encode_texts`.
_EncodedTexts: TypeAlias = tuple[Tensor, Tensor, Tensor]


class CoCaEvidence:
    """Ranks clips by the contrastive score, and texts about a clip by how likely the decoder finds them."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Raises UserError if the folder has no CoCa that can be read."""
        self.check(folder)
        name = f"local-dir:{folder}"
        try:
            model = open_clip.create_model(name)
            tokenizer = open_clip.get_tokenizer(name)
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise UserError(f"{folder}: cannot be read as a model of open_clip ({first_line(error)})") from None
        # Foils of one answer are often those of another.
        self._tokens_of = lru_cache(_TEXTS)(lambda text: tokenizer([text])[0])
        self._model = VideoCoCa(model)
        if (folder / TIMES).is_file():
            self._model.times.load_state_dict({"weight": load_file(folder / TIMES)["weight"].float()})
        self._model.eval().to(device)
        self.device = device
        self._last: tuple[tuple[str, ...], _EncodedTexts] | None = None
        preprocess = json.loads((folder / CONFIG).read_text()).get("preprocess_cfg", {})
        defaults = open_clip.transform.PreprocessCfg()
        self._mean, self._deviation = (
            torch.tensor(preprocess.get(name, getattr(defaults, name)), device=device).view(3, 1, 1)
            for name in ("mean", "std")
        )

    @staticmethod
    def check(folder: Path) -> None:
        """Raises UserError if the folder has no CoCa, without loading it."""
        if not (folder / WEIGHTS).is_file():
            raise UserError(f"{folder}: has no {WEIGHTS}; other formats of weights are not read")
        try:
            is_coca = "multimodal_cfg" in json.loads((folder / CONFIG).read_bytes())["model_cfg"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UserError(f"{folder / CONFIG}: cannot be read ({first_line(error)})") from None
        if not is_coca:
            raise UserError(f"{folder}: is another model of open_clip; give a CoCa, such as coca_ViT-B-32")

    @property
    def max_pixels(self) -> int:
        """Twice those of the square that frames are scaled to, so that little is lost before."""
        return 2 * self._model.side**2

    def encode(self, clips: Sequence[Clip]) -> Encoded:
        """Vectors [clips, dimensions], and the states that texts attend to [clips, queries, dimensions]."""
        groups: dict[int, list[int]] = {}  # clips with as many frames are encoded together
        for place, clip in enumerate(clips):
            groups.setdefault(len(clip.times), []).append(place)
        order = [place for group in groups.values() for place in group]
        batches = [group[at : at + _BATCH] for group in groups.values() for at in range(0, len(group), _BATCH)]
        with torch.inference_mode():
            encoded = [self._encode([clips[place] for place in batch]) for batch in batches]
            back = torch.tensor(order).argsort()
            return torch.cat([vectors for vectors, _ in encoded])[back], torch.cat([s for _, s in encoded])[back]

    def _encode(self, clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
        pixels = torch.stack([self._pixels(clip) for clip in clips])
        seconds = torch.tensor([clip.times for clip in clips], device=self.device)
        return self._model.pool(self._model.encode_frames(pixels), seconds)

    def _pixels(self, clip: Clip) -> Tensor:
        frames = torch.from_numpy(np.array(clip.frames)).permute(0, 3, 1, 2)
        # Whole frames: a centre crop would cut off what happens at the sides. As bytes, which is three times as fast.
        scaled = functional.interpolate(frames, (self._model.side,) * 2, mode="bicubic", antialias=True)
        return (scaled.to(self.device).float() / 255 - self._mean) / self._deviation

    def similarity(self, clips: Encoded, texts: Sequence[str]) -> Tensor:
        """The contrastive logits [clips, texts]."""
        with torch.inference_mode():
            _, vectors, _ = self._encode_texts(texts)
            logits: Tensor = self._model.coca.logit_scale.exp() * clips[0] @ vectors.T
        return logits

    def against(self, clips: Encoded, texts: Sequence[str], foils: Sequence[Sequence[str]]) -> list[Tensor]:
        """The log-odds of each text over its foils where they differ, given its clip: see `_odds`."""
        odds = []
        parts = (part.split(_BATCH) for part in (*self._encode_texts(texts), clips[1]))
        rows = iter(foils)
        for tokens, _, states, shown in zip(*parts, strict=True):
            with torch.inference_mode():
                scores = self._model.next_tokens(shown, states, tokens).log_softmax(-1)
            for row, text in zip(scores, tokens, strict=True):
                others = next(rows)
                pad = self._model.coca.pad_id
                odds.append(_odds(row, text, self._tokenized(others), pad) if others else row.new_empty(0))
        return odds

    def log_likelihood(self, states: Tensor, texts: Sequence[str]) -> Tensor:
        """The log-probability [texts] of each text, given the states [1, queries, dimensions] of one clip."""
        tokens, _, told = self._encode_texts(texts)
        with torch.inference_mode():
            scores = self._model.next_tokens(states.expand(len(texts), -1, -1), told, tokens).log_softmax(-1)
        following = tokens[:, 1 : scores.shape[1] + 1]
        each = scores.gather(2, following[..., None])[..., 0]
        total: Tensor = (each * (following != self._model.coca.pad_id)).sum(1)
        return total

    def _encode_texts(self, texts: Sequence[str]) -> _EncodedTexts:
        """The last are kept, since the same texts are compared with clips and then with their foils."""
        last, key = self._last, tuple(texts)
        if last is None or last[0] != key:
            tokens = self._tokenized(texts)
            padded = 1 + int((tokens != self._model.coca.pad_id).sum(1).max())
            with torch.inference_mode():
                encoded = [self._model.encode_texts(batch) for batch in tokens[:, :padded].split(_TEXTS_TOGETHER)]
            vectors, states = map(torch.cat, zip(*encoded, strict=True))
            last = self._last = key, (tokens, vectors, states)
        return last[1]

    def _tokenized(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self._tokens_of(text) for text in texts]).to(self.device)


def _odds(scores: Tensor, text: Tensor, foils: Tensor, pad: int) -> Tensor:
    """The log-odds [foils] of the padded tokens of a text over those of its foils.

    `scores` [length, vocabulary] are the log-probabilities after each token of the text. Up to the first token that
    differs both are the same, so it has the probability of all of the text that differs, and of the first such token of
    each foil. Foils that go on with the same token share it: "stays still" against "moves up", "moves down" and so on.
    The odds over a foil that differs only beyond the length that the model reads are infinite: it is no rival.
    """
    places = torch.arange(len(text), device=text.device)
    first = (foils != text).int().argmax(1)  # 0 if they are equal
    # From the end: the tokens that are the same again.
    lengths = torch.cat([text[None], foils]).ne(pad).sum(1)
    from_end = torch.cat([text[None], foils]).gather(1, (lengths[:, None] - 1 - places) % len(text))
    last = (lengths[0] - (from_end[1:] == from_end[0]).int().cumprod(1).sum(1)).maximum(first + 1)
    told = scores.gather(1, text[1 : len(scores) + 1, None])[:, 0]
    differs = (places[1 : len(told) + 1] >= first[:, None]) & (places[1 : len(told) + 1] < last[:, None])
    begin = foils.gather(1, first[:, None])[:, 0]
    alike = ((first[:, None] == first) & (begin[:, None] == begin)).sum(1)
    odds = (told * differs).sum(1) - scores[first - 1, begin] + alike.log()
    return odds.where(first > 0, torch.inf)
