"""Leaks: training rows whose video is also in a held-out split, which would make its figures worthless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from videostar.data.measure_videos import MeasuredVideo
from videostar.data.rows import Skipped, Split
from videostar.data.samples import Sample

#: The splits that must not share a video with a split.
_APART: dict[Split, tuple[Split, ...]] = {"train": ("test", "validation"), "validation": ("test",), "test": ()}


def find_leaks(samples: Sequence[Sample]) -> dict[int, Skipped]:
    """By index in `samples`: training samples with a video in validation or test, validation samples in test.

    Videos are compared by content, or by path if they were not opened.
    """
    held_out: dict[Split, dict[str, str]] = {"validation": {}, "test": {}}
    for sample in samples:
        if sample.split != "train":
            for video in sample.videos:
                held_out[sample.split].setdefault(content(video), video.video)
    found: dict[int, Skipped] = {}
    for place, sample in enumerate(samples):
        leak = _leak(sample, held_out)
        if leak is not None:
            found[place] = leak
    return found


def find_trained(samples: Sequence[Sample], trained: Mapping[str, str]) -> dict[int, Skipped]:
    """By index in `samples`: those with a video that is trained on. `trained` has paths by content."""
    found: dict[int, Skipped] = {}
    for place, sample in enumerate(samples):
        other = next((trained[content(video)] for video in sample.videos if content(video) in trained), None)
        if other is not None:
            found[place] = Skipped(sample.row, sample.video, "also in train", f"the same content as {other}")
    return found


def _leak(sample: Sample, held_out: Mapping[Split, Mapping[str, str]]) -> Skipped | None:
    for video in sample.videos:
        for split in _APART[sample.split]:
            other = held_out[split].get(content(video))
            if other is not None:
                detail = "the same video" if other == video.video else f"the same content as {other}"
                return Skipped(sample.row, video.video, f"also in {split}", detail)
    return None


def content(video: MeasuredVideo) -> str:
    """The digest of a video's content, or its path if it was not opened."""
    return video.sha256 or video.video
