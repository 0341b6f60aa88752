"""A video classifier: a vision tower, temporal blocks if it is armed, and a head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from videostar.baseline.layout import Shape
from videostar.baseline.towers import AttentivePooler, Tower
from videostar.baseline.uniformer import UniFormer

UNKNOWN = -100  # the number of a class that training does not have; no loss is computed for it


class Head(nn.Module):
    """From a clip's vector to a score for each class."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm, self.dropout, self.linear = nn.LayerNorm(width), nn.Dropout(0.5), nn.Linear(width, classes)

    def forward(self, vectors: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """`logits` [clips, classes], and the `loss` if there are `labels`, as `Trainer` takes them."""
        logits = self.linear(self.dropout(self.norm(vectors)))
        if labels is None:
            return {"logits": logits}
        return {"loss": functional.cross_entropy(logits, labels, ignore_index=UNKNOWN), "logits": logits}


class VideoClassifier(nn.Module):
    """The whole model. With a `frozen` tower, only temporal blocks, or an attentive pooler, and head are trained."""

    def __init__(self, tower: Tower, classes: int, *, arm: bool, frozen: bool) -> None:
        super().__init__()
        self.tower = tower
        self.arm = UniFormer(tower.width, tower.heads, tower.depth) if arm else None
        self.pooler = AttentivePooler(tower.module.config) if tower.attentive and not arm else None
        self.head = Head(tower.width, classes)
        self._frozen = frozen
        tower.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> VideoClassifier:
        """As in `Module`; a frozen tower stays as it is, without dropout."""
        super().train(mode)
        if self._frozen:
            self.tower.eval()
        return self

    def vectors(self, pixels: Tensor, shapes: Sequence[Shape]) -> Tensor:
        """A vector for each clip [clips, width]."""
        found: Tensor = self.tower(pixels, shapes, self.arm, self.pooler)
        return found

    def forward(self, pixels: Tensor, shapes: Sequence[Shape], labels: Tensor | None = None) -> dict[str, Tensor]:
        """As `Head`, of clips in the form of `Tower.inputs`."""
        scores: dict[str, Tensor] = self.head(self.vectors(pixels, shapes), labels)
        return scores

    def trained_weights(self) -> dict[str, Tensor]:
        """The weights of the parts that are trained, by name, and the statistics of their normalisations."""
        return {
            name: value.detach().cpu().contiguous()
            for name, value in self.state_dict().items()
            if not (self._frozen and name.startswith("tower."))
        }
