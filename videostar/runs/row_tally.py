"""What the usable rows of a data set show when they are compared: counts, and problems."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Self, get_args

from videostar.data.hash_index import HashIndex
from videostar.data.leaks import LeakFinder, content
from videostar.data.rows import Split
from videostar.data.sample_file import SampleFile
from videostar.data.samples import Sample
from videostar.data.source import Data
from videostar.data.splits import split_named
from videostar.runs.problems import SHOWN, Problem, groups

FEW = 5  # training rows: a class with fewer is hardly learned
_SPLIT_COLUMNS = frozenset("set subset splits partition phase usage fold".split())


@dataclass(frozen=True)
class Counts:
    """The usable rows of a split."""

    rows: int
    videos: int
    classes: int
    fewest: tuple[str, int] | None  # the class with the fewest rows
    most: tuple[str, int] | None
    few: dict[str, int]  # every class with fewer than FEW rows


@dataclass
class SplitTally:
    """The rows of a split."""

    rows: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    videos: HashIndex = field(default_factory=HashIndex)  # paths
    contents: HashIndex = field(default_factory=HashIndex)  # of the same videos

    def add(self, place: int, sample: Sample) -> None:
        """Count a row."""
        self.rows += 1
        if sample.label and "question" not in sample.values:  # one with a question has an answer, not a class
            self.classes[sample.label] += 1
        for video in sample.videos:
            self.videos.add(place, video.video)
            self.contents.add(place, content(video))

    def counts(self) -> Counts:
        """The numbers of rows, videos and classes."""
        ranked = self.classes.most_common()
        return Counts(
            rows=self.rows,
            videos=self.videos.count,
            classes=len(ranked),
            fewest=ranked[-1] if ranked else None,
            most=ranked[0] if ranked else None,
            few={label: count for label, count in ranked if count < FEW},
        )


class RowTally:
    """All usable rows, by split. Texts are kept as hashes, since there may be a million rows."""

    def __init__(self, samples: SampleFile) -> None:
        self._samples = samples
        self.splits: dict[Split, SplitTally] = {split: SplitTally() for split in get_args(Split)}
        self._labelled = HashIndex()  # paths of videos with one label
        self._leaks = LeakFinder()

    @classmethod
    def of(cls, data: Data) -> Self:
        """The rows of a data set."""
        tally, leaks = cls(data.samples), data.source.splits.leaks == "keep"  # else there are none left
        for place, sample in enumerate(data.samples):
            tally.splits[sample.split].add(place, sample)
            if _has_one_label(sample):
                tally._labelled.add(place, sample.video)
            if leaks:
                tally._leaks.add(place, sample)
        return tally

    def two_labels(self) -> list[Problem]:
        """Videos with several rows."""
        labels: dict[str, str] = {}
        more: dict[str, list[str]] = {}
        for sample in self._samples.select(self._labelled.places(self._labelled.repeated())):
            if sample.video in labels:
                several = more.setdefault(sample.video, [labels[sample.video]])
                if len(several) < SHOWN:
                    several.append(sample.label)
            labels.setdefault(sample.video, sample.label)
        return groups("two labels of one video", more, True)

    def leaks(self) -> list[Problem]:
        """Leaks that are kept."""
        found = self._leaks.leaks(self._samples)
        return groups("video also held out", {row.video: [row.reason] for row in found.values()}, True)

    def same_content(self) -> list[Problem]:
        """Videos of one split with the same content."""
        return [problem for split in self.splits for problem in self._same_content(split)]

    def _same_content(self, split: Split) -> list[Problem]:
        tally = self.splits[split]
        firsts: dict[str, str] = {}
        same: dict[str, list[str]] = {}
        for sample in self._samples.select(tally.contents.places(tally.contents.differing(tally.videos))):
            for video in sample.videos:
                first = firsts.setdefault(content(video), video.video)
                if video.video != first:
                    others = same.setdefault(first, [])
                    if len(others) < SHOWN and video.video not in others:
                        others.append(video.video)
        return groups(f"same content in {split}", same, False)

    def never_trained(self) -> list[Problem]:
        """Classes that are held out and not trained."""
        held_out = self.splits["validation"].classes + self.splits["test"].classes
        trained = self.splits["train"].classes
        unseen = {label: [f"{count} held out"] for label, count in held_out.items() if label not in trained}
        return groups("class without a training row", unseen, False)


def _has_one_label(sample: Sample) -> bool:
    """Whether its video is not one of several, and has no intervals or questions, of which it may have many."""
    return not sample.more and not sample.values.keys() & {"start", "labels", "question"}


def unread_splits(samples: SampleFile) -> list[Problem]:
    """Columns that seem to name splits and are not read."""
    names = [name for name in samples[0].values if name.strip().lower() in _SPLIT_COLUMNS] if samples else []
    found = [name for name in names if all(split_named(str(sample.values.get(name))) for sample in samples)]
    examples = [f"{name}: it seems to name the splits; --set columns.split={name} reads it" for name in found]
    return [Problem("split column not read", len(found), False, examples)] if found else []


def inner_folders(samples: SampleFile) -> list[Problem]:
    """Folders in class folders, by which a class may be meant."""
    inner: dict[str, list[str]] = {}
    for sample in samples:
        folders = sample.video.split("/")[:-1]
        depth = folders.index(sample.values["label"]) + 1
        if len(folders) > depth:
            inner.setdefault("/".join(folders[: depth + 1]), [f"used as {sample.label!r}"])
    return groups("folder in a class folder", inner, False)
