"""Training rows whose video is held out as well: figures on a video that was trained on say nothing."""

from __future__ import annotations

from collections.abc import Sequence

from videostar.data.rows import Skipped, Split
from videostar.data.samples import Sample

#: Of a split, the splits that its videos must not be in.
_APART: dict[Split, tuple[Split, ...]] = {"train": ("test", "validation"), "validation": ("test",), "test": ()}


def find_leaks(samples: Sequence[Sample]) -> dict[int, Skipped]:
    """By place in `samples`, those of training whose video is in validation or test, and of validation in test.

    Videos are compared by content, and by path where they were not opened.
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
    """What a video holds; its path, where it was not opened."""
    return sample.sha256 or sample.video
