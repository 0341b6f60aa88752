"""Encoded clips that are kept in memory: a run asks about the same videos in every stage."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from cachetools import LRUCache

from videostar.evidence.base import Encoded, EvidenceModel
from videostar.video.clip import Clip

_MOST = 256 * 2**20  # bytes: 15,000 clips of the embedded CoCa, 340 of coca_ViT-L-14


class Encodings:
    """The clips that a model encoded last. Any number of threads may share it."""

    def __init__(self) -> None:
        self._kept: LRUCache[str, Encoded] = LRUCache(_MOST, getsizeof=_bytes)
        self._lock = threading.Lock()

    def of(self, model: EvidenceModel, clips: Sequence[Clip]) -> Encoded:
        """The clips as `model` encodes them, each once: a row for each in every tensor, on the model's device.

        It has to be the same model every time.
        """
        keys = [clip.key or f"number {place} of those without a key" for place, clip in enumerate(clips)]
        with self._lock:
            found = {key: self._kept[key] for key, clip in zip(keys, clips, strict=True) if clip.key in self._kept}
            new = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in found}
            if new:
                parts = zip(*(part.cpu().split(1) for part in model.encode(list(new.values()))), strict=True)
                for (key, clip), encoded in zip(new.items(), parts, strict=True):
                    found[key] = encoded
                    if clip.key and _bytes(encoded) <= _MOST:
                        self._kept[key] = tuple(part.clone() for part in encoded)  # not a view of them all
        return tuple(torch.cat(parts).to(model.device) for parts in zip(*(found[key] for key in keys), strict=True))


def _bytes(encoded: Encoded) -> int:
    return sum(part.nbytes for part in encoded)
