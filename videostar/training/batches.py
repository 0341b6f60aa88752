"""From rows to padded batches, made ahead of the step that needs them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from videostar.models.chat import IGNORED, Chat, without_prompts
from videostar.training.kept_examples import KeptExamples
from videostar.training.preferences import Pair, rows_of
from videostar.training.rows import Row, RowClips
from videostar.util.processes import without_main

_WORKERS = 4  # processes that make batches, at most
_WORTH = 256  # batches: a process takes some eight seconds to start, for all that it imports
_AHEAD = 4  # batches that each has ready
_SHARED = Path("/dev/shm")  # through which batches come from another process  # noqa: S108
_ROOM = 2**31  # bytes; containers often have 64 MB there, and a process that finds it full is killed


class Items(Dataset[Row | Pair]):
    """Rows, or pairs of them, as torch takes them."""

    def __init__(self, items: Sequence[Row | Pair]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Row | Pair:
        return self.items[index]


class Collator:
    """From rows, or pairs of them, to a padded batch.

    No rows give a batch of `spare` without labels, for a rank that has none.
    """

    def __init__(
        self, chat: Chat, clips: RowClips, model: Any, spare: Row | Pair, kept: KeptExamples | None = None
    ) -> None:
        self._chat, self._clips, self._spare, self.kept = chat, clips, spare, kept
        self._dtype = model.dtype
        self._trim = "logits_to_keep" in signature(model.get_base_model().forward).parameters

    def __call__(self, items: list[Row | Pair]) -> dict[str, Any]:
        """Model inputs with `labels`."""
        rows = rows_of(items or [self._spare])
        batch = self.kept.batch(rows) if self.kept else self._chat.examples([self._clips.turn(row) for row in rows])
        if self._trim:
            batch = without_prompts(batch)
        if not items:
            batch["labels"] = torch.full_like(batch["labels"], IGNORED)
        # Pixels come as float32, and the model makes them its own dtype: a 16-bit batch is half as large on its way.
        return {
            name: value.to(self._dtype) if torch.is_tensor(value) and value.is_floating_point() else value
            for name, value in batch.items()
        }


class _Loader(DataLoader[Any]):
    def __iter__(self) -> Any:
        with without_main():
            return super().__iter__()


def prefetched(
    items: Sequence[Row | Pair], batches: Sequence[Sequence[int]], collator: Collator, device: torch.device
) -> DataLoader[Any]:
    """The batches of these items, in order. Many are made in other processes, where there is room for that.

    Not with examples that are kept: they are made once.
    """
    workers = min(_WORKERS, len(os.sched_getaffinity(0)) - 1) if len(batches) >= _WORTH else 0
    if collator.kept or (_SHARED.exists() and shutil.disk_usage(_SHARED).free < _ROOM):
        workers = 0
    return _Loader(
        Items(items),
        batch_sampler=batches,
        collate_fn=collator,
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        multiprocessing_context="spawn" if workers else None,  # a fork of a process with threads may hang
        pin_memory=device.type == "cuda",
    )
