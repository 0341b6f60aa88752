"""UniFormerV2 (Li et al., 2022, arXiv 2211.09552): local and global temporal blocks for a pretrained image ViT.

Every block is zero-initialised as in the paper, so that the armed model starts as the ViT. Sizes are those of the
published code for Something-Something: two local blocks in each layer of the ViT, their channels reduced by 1.5, and
global blocks on the last two thirds of the layers. A local block's normalisation is over all patches of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers.activations import ACT2FN

from videostar.baseline.layout import Layout

_REDUCTION = 1.5  # of a local block's channels
_FRAMES = 3  # that a local block sees
_DROPOUT = 0.5


class LocalBlock(nn.Module):
    """Local MHRA: a depth-wise convolution over the frames, for each patch by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = int(width / _REDUCTION)
        self.norm = nn.BatchNorm1d(width)
        self.down = nn.Linear(width, inner)
        self.time = nn.Conv1d(inner, inner, _FRAMES, padding=1, groups=inner)
        self.up = nn.Linear(inner, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, tokens: Tensor, layout: Layout) -> Tensor:
        """What is added to `tokens` [tokens, width]; 0 for those that are no patches."""
        shown = self.down(self.norm(tokens[layout.patches]))
        padded = torch.cat([shown, shown.new_zeros(1, shown.shape[1])])  # by number; beyond the ends are zeros
        before, now, after = self.time.weight[:, 0].unbind(1)
        mixed = padded[layout.before] * before + shown * now + padded[layout.after] * after + self.time.bias
        return torch.zeros_like(tokens).index_add(0, layout.patches, self.up(mixed).to(tokens.dtype))


class GlobalBlock(nn.Module):
    """A query attends to all tokens of a clip: DPE, C-MHRA and FFN."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.position = nn.Conv3d(width, width, 3, padding=1, groups=width)  # DPE
        self.norm_query, self.norm_tokens, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        up, down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.mlp = nn.Sequential(up, ACT2FN["quick_gelu"], nn.Dropout(_DROPOUT), down)
        nn.init.zeros_(self.position.bias)
        nn.init.xavier_uniform_(up.weight)
        for last in (self.attention.out_proj, down):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, query: Tensor, tokens: Tensor, layout: Layout) -> Tensor:
        """The query of each clip [clips, width], after it has attended to its clip in `tokens` [tokens, width]."""
        sizes = [frames * rows * columns for frames, rows, columns in layout.shapes]
        positions = [
            self.position(clip.T.reshape(1, -1, *shape))[0].flatten(1).T
            for clip, shape in zip(tokens[layout.patches].split(sizes), layout.shapes, strict=True)
        ]
        placed = self.norm_tokens(tokens.index_add(0, layout.patches, torch.cat(positions).to(tokens.dtype)))
        keys = pad_sequence(list(placed.split(layout.lengths)), batch_first=True)
        ends = torch.tensor(layout.lengths, device=tokens.device)[:, None]
        ignored = torch.arange(keys.shape[1], device=tokens.device) >= ends
        seen, _ = self.attention(
            self.norm_query(query)[:, None], keys, keys, key_padding_mask=ignored, need_weights=False
        )
        query = query + seen[:, 0]
        return query + self.mlp(self.norm_mlp(query))


class UniFormer(nn.Module):
    """The blocks that arm a ViT of `depth` layers."""

    def __init__(self, width: int, heads: int, depth: int, stages: int | None = None) -> None:
        """`stages`: the number of layers with a global block, the last ones; default: two thirds."""
        super().__init__()
        self.before = nn.ModuleList(LocalBlock(width) for _ in range(depth))  # its attention
        self.after = nn.ModuleList(LocalBlock(width) for _ in range(depth))
        stages = round(depth * 2 / 3) if stages is None else stages
        self._first = depth - stages  # of the layers with a global block
        self.query = nn.Parameter(torch.zeros(width))
        self.stages = nn.ModuleList(GlobalBlock(width, heads) for _ in range(stages))
        self.balance = nn.Parameter(torch.zeros(width))

    def attend(self, layer: int, query: Tensor | None, tokens: Tensor, layout: Layout) -> Tensor | None:
        """The query of each clip after the output `tokens` of a layer; None before the first global block."""
        if layer < self._first:
            return None
        if query is None:
            query = self.query.expand(len(layout.shapes), -1)
        attended: Tensor = self.stages[layer - self._first](query, tokens, layout)
        return attended

    def fused(self, query: Tensor, pooled: Tensor) -> Tensor:
        """The weighted sum of the queries and of the ViT's own tokens, both [clips, width]."""
        weight = self.balance.sigmoid()
        return (1 - weight) * query + weight * pooled
