"""Where the patches of several clips stand in a row of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

Shape: TypeAlias = tuple[int, int, int]  # of a clip in patches: frames, rows, columns


@dataclass(frozen=True)
class Layout:
    """Clips of any shapes, one after another in one row of tokens; each clip frame by frame.

    `patches` has the place of every patch in that row, clip by clip, frame by frame, row by row. `before` and `after`
    have the number, in that order, of the same patch in the frame before and after; where there is none, it is the
    number of all patches.
    """

    shapes: tuple[Shape, ...]
    lengths: tuple[int, ...]  # tokens of each clip
    patches: Tensor
    before: Tensor
    after: Tensor
    class_tokens: Tensor | None  # the place of the class token of each frame; None if a frame has none

    @classmethod
    def of(cls, shapes: Sequence[Shape], device: torch.device, *, first: int = 0, merge: int = 1) -> Layout:
        """The layout of clips of these shapes.

        `first` tokens stand before the patches of each frame, of which the first is the class token. The patches of a
        frame are in blocks of `merge` x `merge`.
        """
        total = sum(frames * rows * columns for frames, rows, columns in shapes)
        patches, before, after, heads, lengths = [], [], [], [], []
        offset = number = 0
        for frames, rows, columns in shapes:
            count = rows * columns
            blocks = torch.arange(count).view(rows // merge, columns // merge, merge, merge)
            order = blocks.permute(0, 2, 1, 3).reshape(count)
            starts = offset + torch.arange(frames)[:, None] * (first + count)
            patches.append((starts + first + order).flatten())
            heads.append(starts.flatten())
            numbers = number + torch.arange(frames * count)
            end = torch.full((count,), total)
            before.append(torch.cat([end, numbers[:-count]]))
            after.append(torch.cat([numbers[count:], end]))
            lengths.append(frames * (first + count))
            offset, number = offset + lengths[-1], number + frames * count
        return cls(
            shapes=tuple(shapes),
            lengths=tuple(lengths),
            patches=torch.cat(patches).to(device),
            before=torch.cat(before).to(device),
            after=torch.cat(after).to(device),
            class_tokens=torch.cat(heads).to(device) if first else None,
        )

    def pooled(self, tokens: Tensor) -> Tensor:
        """The mean over the frames of each clip [clips, width] of the class token, or of all patches if there is none.

        `tokens`: [tokens, width].
        """
        shown = tokens[self.patches if self.class_tokens is None else self.class_tokens]
        sizes = [shape[0] * (1 if self.class_tokens is not None else shape[1] * shape[2]) for shape in self.shapes]
        return torch.stack([clip.mean(0) for clip in shown.split(sizes)])
