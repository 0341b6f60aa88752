"""Leaks: training rows whose video is also in a held-out split, which would make its figures worthless."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from videostar.data.hash_index import HashIndex
from videostar.data.measure_videos import MeasuredVideo
from videostar.data.rows import Skipped, Split
from videostar.data.sample_file import SampleFile
from videostar.data.samples import Sample

#: The splits that must not share a video with a split.
_APART: dict[Split, tuple[Split, ...]] = {"train": ("test", "validation"), "validation": ("test",), "test": ()}


def contents_of(samples: Iterable[Sample]) -> HashIndex:
    """The contents of the samples' videos."""
    found = HashIndex()
    for place, sample in enumerate(samples):
        for video in sample.videos:
            found.add(place, content(video))
    return found


class LeakFinder:
    """Finds leaks among samples that are seen one by one."""

    def __init__(self) -> None:
        self._contents: dict[Split, HashIndex] = {split: HashIndex() for split in _APART}

    def add(self, place: int, sample: Sample) -> None:
        """See the sample with that index."""
        for video in sample.videos:
            self._contents[sample.split].add(place, content(video))

    def leaks(self, samples: SampleFile) -> dict[int, Skipped]:
        """By index in `samples`: training samples with a video in validation or test, validation samples in test.

        Videos are compared by content, or by path if they were not opened.
        """
        suspects: set[int] = set()
        held_out: dict[Split, dict[str, str]] = {"validation": {}, "test": {}}
        for split, others in _APART.items():
            for other in others:
                shared = self._contents[split].shared(self._contents[other])
                suspects.update(self._contents[split].places(shared).tolist())
                for sample in samples.select(self._contents[other].places(shared)):
                    for video in sample.videos:
                        held_out[other].setdefault(content(video), video.video)
        found = {place: _leak(samples[place], held_out) for place in sorted(suspects)}
        return {place: leak for place, leak in found.items() if leak is not None}


def find_trained(samples: SampleFile, trained: SampleFile) -> dict[int, Skipped]:
    """By index in `samples`: those with a video of a sample that is trained on."""
    ours, theirs = contents_of(samples), contents_of(trained)
    shared = ours.shared(theirs)
    paths = {content(video): video.video for one in trained.select(theirs.places(shared)) for video in one.videos}
    found: dict[int, Skipped] = {}
    for place in ours.places(shared).tolist():
        sample = samples[place]
        other = next((paths[content(video)] for video in sample.videos if content(video) in paths), None)
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
