"""The split of each row: for training, for selecting the best round (validation), or only for reporting (test).

A split that a row names is used. Otherwise videos are held out by a hash of their path: independent of the order of
rows, and the same for all rows of a video.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from videostar.data.rows import Row, Skipped, Split

HELD_OUT = 0.2  # share of the videos for test, if the data name no splits
_FEWEST = 2  # rows in validation: below that none are held out for it
_SEPARATORS = str.maketrans("", "", " _-+&./")

#: Spellings in a `split` column or folder, in lower case and without separators. docs/data.md shows this table.
SPELLINGS: Mapping[Split, tuple[str, ...]] = {
    "train": (
        *("train", "training", "trn", "trainset", "trainingset", "trainsplit"),
        *("trainval", "trainvalid", "trainvalidation", "trainingvalidation", "traindev"),
    ),
    "validation": (
        *("validation", "val", "valid", "validate", "validating", "valset", "validset", "validationset", "valsplit"),
        *("dev", "devset", "development"),
    ),
    "test": ("test", "testing", "tst", "testset", "testingset", "testsplit", "heldout", "holdout"),
}
_SPLITS: Mapping[str, Split] = {name: split for split, names in SPELLINGS.items() for name in names}


def split_named(name: str) -> Split | None:
    """The split that a cell or folder names, in any case; None if the name is unknown."""
    return _SPLITS.get(name.lower().translate(_SEPARATORS))


@dataclass
class SplitPlan:
    """Facts about all rows from which the split of each is decided."""

    validation: float  # share of the training videos to hold out, if no row is for validation
    rows: int = 0
    stated: int = 0  # rows that name their split
    training: int = 0  # rows, before validation is held out
    videos: int = 1  # of a row, at most
    has_validation: bool = False
    # Least and greatest hash of the videos without a split, and the least of those that may be held out for validation.
    lowest: float = 1.0
    highest: float = 0.0
    lowest_training: float = 1.0

    @classmethod
    def of(cls, rows: Iterable[Row | Skipped], validation: float) -> SplitPlan:
        """The plan for all rows of a data set."""
        plan = cls(validation)
        for row in rows:
            plan.rows += 1
            if isinstance(row, Row):
                plan._count(row)
        return plan

    def _count(self, row: Row) -> None:
        self.videos = max(self.videos, 1 + len(row.more))
        if row.split is not None:
            self.stated += 1
            self.has_validation |= row.split == "validation"
        else:
            share = _share("", row.video[0])
            self.lowest, self.highest = min(self.lowest, share), max(self.highest, share)
        if row.split == "train" or (row.split is None and share >= HELD_OUT):
            self.training += 1
            self.lowest_training = min(self.lowest_training, _share("validation", row.video[0]))

    def assign(self, rows: Iterable[Row | Skipped]) -> Iterator[Row | Skipped]:
        """The rows, each with its split; one without among rows that have theirs is skipped."""
        for row in rows:
            if isinstance(row, Skipped):
                yield row
            elif row.split is None and self.stated:
                yield Skipped(row.where, row.video[0], "no split", "other rows name their split and this one does not")
            else:
                split = row.split or self._held_out(row.video[0])
                if split == "train" and self._for_validation(row.video[0]):
                    split = "validation"
                yield row if split == row.split else replace(row, split=split)

    @property
    def holds_out_validation(self) -> bool:
        """Whether some of the training videos are held out for validation."""
        return not self.has_validation and self.training * self.validation >= _FEWEST

    def _held_out(self, video: str) -> Split:
        share = _share("", video)
        if self.lowest == self.highest:  # the only video
            return "train"
        # Even of two videos, one is for test and one for training.
        return "test" if share == self.lowest or HELD_OUT > share != self.highest else "train"

    def _for_validation(self, video: str) -> bool:
        if not self.holds_out_validation:
            return False
        share = _share("validation", video)
        return share < self.validation or share == self.lowest_training


@dataclass
class EvaluationPlan:
    """The rows of a data set that is only evaluated on: those for test, else those for validation, else all.

    All of them count as test rows.
    """

    split: Split | None = None  # None: all rows
    rows: int = 0
    videos: int = 1  # of a row, at most

    @classmethod
    def of(cls, rows: Iterable[Row | Skipped]) -> EvaluationPlan:
        """The plan for all rows of a data set."""
        counts: Counter[Split | None] = Counter()
        skipped, videos = 0, 1
        for row in rows:
            if isinstance(row, Skipped):
                skipped += 1
            else:
                counts[row.split] += 1
                videos = max(videos, 1 + len(row.more))
        held_out: tuple[Split, ...] = ("test", "validation")
        split = next((name for name in held_out if counts[name]), None)
        return cls(split, skipped + (counts[split] if split else counts.total()), videos)

    def assign(self, rows: Iterable[Row | Skipped]) -> Iterator[Row | Skipped]:
        """The rows that are evaluated on, as test rows."""
        for row in rows:
            if isinstance(row, Skipped):
                yield row
            elif self.split is None or row.split == self.split:
                yield replace(row, split="test")


def _share(salt: str, video: str) -> float:
    """A number in [0, 1) that depends on the path alone."""
    data = f"{salt}\0{video}" if salt else video
    return int.from_bytes(hashlib.sha256(data.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
