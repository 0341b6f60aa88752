"""Leaks: training rows whose video is also in a held-out split, which would make its figures worthless."""

from __future__ import annotations

from collections.abc import Sequence

from videostar.data.rows import Skipped, Split
from videostar.data.samples import Sample

#: The splits that must not share a video with a split.
_APART: dict[Split, tuple[Split, ...]] = {"train": ("test", "validation"), "validation": ("test",), "test": ()}


def find_leaks(samples: Sequence[Sample]) -> dict[int, Skipped]:
    """By index in `samples`: training samples whose video is in validation or test, validation samples in test.

    Videos are compared by content, or by path if they were not opened.
    """
    held_out: dict[Split, dict[str, str]] = {"validation": {}, "test": {}}
    for sample in samples:
        if sample.split != "train":
            held_out[sample.split].setdefault(content(sample), sample.video)
    found: dict[int, Skipped] = {}
    for place, sample in enumerate(samples):
        for split in _APART[sample.split]:
            other = held_out[split].get(content(sample))
            if other is not None:
                detail = "the same video" if other == sample.video else f"the same content as {other}"
                found[place] = Skipped(sample.row, sample.video, f"also in {split}", detail)
                break
    return found


def content(sample: Sample) -> str:
    """The digest of a video's content, or its path if it was not opened."""
    return sample.sha256 or sample.video
