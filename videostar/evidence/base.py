"""The protocol of an evidence model: clips and texts in, scores out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from videostar.video.clip import Clip

#: Clips as a model encodes them, one row for each in every tensor.
Encoded: TypeAlias = tuple[Tensor, ...]


class EvidenceModel(Protocol):
    """A model that compares clips with texts. Scores are logits: differences between them count."""

    @property
    def device(self) -> torch.device:
        """Where it computes, and where the clips have to be that it encoded."""
        ...

    @property
    def max_pixels(self) -> int:
        """Pixels of a frame that it can use."""
        ...

    def encode(self, clips: Sequence[Clip]) -> Encoded:
        """The clips, for the methods below."""
        ...

    def similarity(self, clips: Encoded, texts: Sequence[str]) -> Tensor:
        """How well each text fits each clip: [clips, texts]."""
        ...

    def against(self, clips: Encoded, texts: Sequence[str], foils: Sequence[Sequence[str]]) -> list[Tensor]:
        """By how much the text of each clip fits it better than each of its foils: one vector [foils] for each clip."""
        ...
