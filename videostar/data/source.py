"""The data of a run: a data manifest, its rows, and checked samples.

Every row is checked before hours are spent on it. A row that cannot be used is skipped with its reason and never ends a
run.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np

from videostar import config
from videostar.config.cache import Cache
from videostar.data.formats import official_classes, read_rows, source_files
from videostar.data.hash_index import HashIndex
from videostar.data.leaks import LeakFinder
from videostar.data.manifest import DataManifest, find_manifest, is_row_file
from videostar.data.measure_videos import MeasuredRow, measure_on_cluster, measure_videos
from videostar.data.places import Places
from videostar.data.rows import Row, Skipped, Split
from videostar.data.sample_file import Indices, SampleFile, SampleWriter
from videostar.data.samples import Sample, make_sample
from videostar.data.splits import EvaluationPlan, SplitPlan
from videostar.util.errors import UserError
from videostar.util.files import Below
from videostar.util.object_path import ObjectPath, parse_root
from videostar.util.progress import Progress, Tick, silent
from videostar.video.cluster import VideoCluster
from videostar.video.errors import BadVideo

_IDENTITY = ("id", "label", "seconds", "sha256", "split", "video")  # fields of a sample that its digest covers


@dataclass(frozen=True)
class DataSource:
    """A data set as described by its manifest and the user's settings; rows and videos are not read yet."""

    manifest: DataManifest
    root: Path  # absolute folder of the videos, or a folder in an object store
    folder: Path  # of the row files
    where: str  # the manifest's name in messages
    classes: Path | None  # a list of classes that replaces the manifest's
    splits: config.Data  # shares of splits, and the handling of leaks
    limit: int | None  # rows of each split, at most
    row_file: Path | None = None  # absolute, if the user named one; otherwise row files lie below the root
    root_named: bool = False  # whether the user named the root: links in it are then the user's own
    frame_rate: float | None = None  # pictures per second of videos that do not state it
    only_evaluated: bool = False  # all its rows, or those of its held-out split, are test rows

    @classmethod
    def find(
        cls,
        data: config.Data,
        *,
        root: str | None = None,
        columns: Mapping[str, str | None] | None = None,
        limit: int | None = None,
        frame_rate: float | None = None,
        only_evaluated: bool = False,
    ) -> DataSource:
        """The data called `data.name`; `root`, `columns` and `frame_rate` replace those of its manifest.

        `only_evaluated`: all its rows are test rows, or those of its held-out split if it has one.

        Raises UserError if there is no such manifest, or if it is wrong.
        """
        manifest, folder, where = find_manifest(data.name)
        if columns:
            manifest = manifest.model_copy(update={"columns": {**manifest.columns, **columns}})
        if data.encoding:
            manifest = manifest.model_copy(update={"encoding": data.encoding})
        classes = Path(data.classes).expanduser() if data.classes else None
        if classes and not classes.is_file():
            raise UserError(f"data.classes: {classes}: no such file; give a text file with a class a line")
        base = parse_root(root, Path(), "--root") if root else parse_root(manifest.root, folder, f"{where}: root")
        row_file = folder.absolute() / manifest.rows["all"][0] if is_row_file(data.name) else None
        rate = frame_rate or manifest.frame_rate
        named = root is not None
        if isinstance(base, ObjectPath) and manifest.format == "folder":
            raise UserError(f"{where}: root {base}: no folders are read there; list the videos in a .csv")
        rows = folder.absolute() if row_file or isinstance(base, ObjectPath) else base
        return cls(manifest, base, rows, where, classes, data, limit, row_file, named, rate, only_evaluated)

    @classmethod
    def of(cls, pipeline: config.Pipeline) -> DataSource:
        """The data of a pipeline. Raises UserError as `find` does."""
        return cls.find(
            pipeline.data,
            root=pipeline.root,
            columns=pipeline.columns,
            limit=pipeline.limit,
            frame_rate=pipeline.video.frame_rate,
        )

    @property
    def places(self) -> Places:
        """The places of the videos."""
        return Places(self._inside(self.root), self.row_file)

    @property
    def _folder(self) -> Below:
        """The folder of the row files."""
        return self._inside(self.folder)

    def _inside(self, folder: Path) -> Below:
        return Below(folder, confine=self.manifest.confine, links=self.root_named)

    def rows(self) -> Iterator[Row | Skipped]:
        """Every row in the order of the files, or the reason why it is skipped. Raises UserError for a wrong file."""
        return map(self.places.resolve, read_rows(self.manifest, self._folder, self.where, self.classes))

    def files(self) -> list[Path]:
        """The row files that exist, in a fixed order."""
        return source_files(self.manifest, self._folder, self.where, self.classes)

    def official_classes(self) -> list[str]:
        """The classes that the publisher lists; empty if there is no list."""
        return list(official_classes(self.manifest, self._folder, self.where, self.classes))

    @cached_property
    def plan(self) -> SplitPlan | EvaluationPlan:
        """The split of every row. Reads all rows, so that errors in files show before any video is opened."""
        if isinstance(self.root, ObjectPath):
            self.root.check(self.where)
        elif not self.root.is_dir():
            raise UserError(f"{self.where}: root {self.root}: no such folder; give the folder that holds the videos")
        return (
            EvaluationPlan.of(self.rows()) if self.only_evaluated else SplitPlan.of(self.rows(), self.splits.validation)
        )

    def split_rows(self) -> Iterator[Row | Skipped]:
        """The rows with their splits, at most `limit` of each."""
        taken: Counter[Split | None] = Counter()
        for row in self.plan.assign(self.rows()):
            if isinstance(row, Row):
                taken[row.split] += 1
            if self.limit is None or isinstance(row, Skipped) or taken[row.split] <= self.limit:
                yield row

    def check_rows(self) -> None:
        """Look for a training row (or else a test row) whose video exists, without opening it.

        Raises UserError as `rows` does, or if there is none.
        """
        skipped = []
        for row in measure_videos(self.split_rows(), self.places, None, self.frame_rate):
            if isinstance(row, Skipped):
                skipped.append(row)
            elif row.row.split == self.needed:
                return
        raise self.nothing_usable(skipped, self.plan.rows)

    def read(self, cache: Cache | None, progress: Progress, cluster: VideoCluster | None = None) -> Data:
        """The checked samples. Without a `cache`, videos are looked up but not opened.

        The nodes of a `cluster` open those that the index lacks; without one, this machine does.

        Raises UserError as `rows` does, or if there are leaks and `data.leaks` is `refuse`.
        """
        count = self.plan.rows if self.limit is None else sum(1 for _ in self.split_rows())
        rate, bad = self.frame_rate, dict[Path, BadVideo]()
        if cache is not None and cluster is not None:
            tick = progress("videos opened")
            bad = measure_on_cluster(self.split_rows(), self.places, cache, rate, cluster, tick)
        measured = measure_videos(self.split_rows(), self.places, cache, rate, bad)
        tick = progress("videos checked" if cache else "rows checked")
        return Data(self, *_check(measured, count, tick, self.splits.leaks, self.where))

    @property
    def needed(self) -> Split:
        """The split that must have a usable row."""
        return "test" if self.only_evaluated else "train"

    def nothing_usable(self, skipped: list[Skipped], rows: int) -> UserError:
        """The error of data without a usable row to train on, or to evaluate on, with the first reasons."""
        reasons = "; ".join(f"{item.where}: {item.video or '(no path)'}: {item.reason}" for item in skipped[:3])
        if skipped:
            reasons += f": {skipped[0].detail}" if len(skipped) == 1 else f"; of the first: {skipped[0].detail}"
        what = "no usable video to evaluate on in" if self.only_evaluated else "no usable train video in"
        return UserError(
            f"{self.where}: {what} {rows} rows ({reasons or 'no such rows'}); fix the rows or give more of them"
        )


@dataclass(frozen=True)
class Data:
    """The samples of a data set, in the order of its rows, and the rows that are skipped."""

    source: DataSource
    samples: SampleFile
    skipped: list[Skipped]

    @property
    def root(self) -> Path:
        """The folder of the videos."""
        return self.source.root

    def split(self, split: Split) -> SampleFile:
        """The samples of one split, in the order of the rows."""
        return self.samples.select(self._indices[split])

    @cached_property
    def _indices(self) -> dict[Split, Indices]:
        splits: tuple[Split, ...] = get_args(Split)
        numbers = {split: number for number, split in enumerate(splits)}
        found = np.fromiter((numbers[sample.split] for sample in self.samples), np.uint8, len(self.samples))
        return {split: np.flatnonzero(found == number).astype(np.uint32) for split, number in numbers.items()}

    def check(self) -> None:
        """Raises UserError if there is no sample to train on, or to evaluate on."""
        if not any(sample.split == self.source.needed for sample in self.samples):
            raise self.source.nothing_usable(self.skipped, len(self.samples) + len(self.skipped))

    def digest(self, questions: str) -> str:
        """The identity of the samples and their questions, given the questions' digest; independent of places.

        It is the sha256 of a JSON object with the keys below, in their order, written sample by sample.
        """
        write = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
        head = f'{{"adapters":{write(self.source.manifest.adapters)},"questions":{write(questions)}'
        digest = hashlib.sha256(head.encode())
        digest.update(b',"samples":[')
        for number, sample in enumerate(self.samples):
            fields = {name: getattr(sample, name) for name in _IDENTITY} | {"values": sample.values}
            if sample.more:
                fields["more"] = [video._asdict() for video in sample.more]
            digest.update(f"{',' if number else ''}{write(fields)}".encode())
        digest.update(b"]}")
        return digest.hexdigest()


def _check(
    rows: Iterator[MeasuredRow | Skipped], count: int, tick: Tick, leaks: str, where: str
) -> tuple[SampleFile, list[Skipped]]:
    """The samples of the rows, and the rows that are skipped: those with leaks come last."""
    writer, finder = SampleWriter(), LeakFinder()
    ids: dict[Split, HashIndex] = {split: HashIndex() for split in get_args(Split)}
    skipped: list[tuple[int, Skipped]] = []  # after so many samples
    place = 0
    for done, item in enumerate(rows, start=1):
        checked = item if isinstance(item, Skipped) else make_sample(item)
        if isinstance(checked, Skipped):
            skipped.append((place, checked))
        else:
            writer.add(checked)
            ids[checked.split].add(place, checked.id)
            if leaks != "keep":
                finder.add(place, checked)
            place += 1
        tick(done, count)
    samples = writer.samples()
    doubled = set(_doubled(ids.values(), samples))
    del ids
    found = {at: leak for at, leak in finder.leaks(samples).items() if at not in doubled}
    if found and leaks == "refuse":
        first = next(iter(found.values()))
        raise UserError(
            f"{where}: {len(found)} rows show videos that are held out from them too, such as {first.where}: "
            f"{first.video} {first.reason} ({first.detail}); fix the rows, or skip such rows by --set data.leaks=drop"
        )
    ordered = heapq.merge(skipped, ((at, _double(samples[at])) for at in sorted(doubled)), key=lambda item: item[0])
    return samples.without([*doubled, *found]), [*(row for _, row in ordered), *found.values()]


def _doubled(ids: Iterable[HashIndex], samples: SampleFile) -> Iterator[int]:
    """The places of the samples with the id of an earlier one in the same split."""
    for of_split in ids:
        known: set[str] = set()
        places = of_split.places(of_split.repeated())
        for place, sample in zip(places.tolist(), samples.select(places), strict=True):
            if sample.id in known:
                yield place
            known.add(sample.id)


def _double(sample: Sample) -> Skipped:
    return Skipped(sample.row, sample.video, "doubled", "the same in every column as an earlier row")


def with_frame_rate(pipeline: config.Pipeline) -> config.Pipeline:
    """The settings with the frame rate of the data manifest, unless they have their own. Raises UserError."""
    rate = pipeline.video.frame_rate or find_manifest(pipeline.data.name)[0].frame_rate
    return pipeline.model_copy(update={"video": pipeline.video.model_copy(update={"frame_rate": rate})})


def load_data(pipeline: config.Pipeline, progress: Progress = silent) -> Data:
    """The checked samples of a pipeline's data, with the rows that are skipped.

    Every row is read and every video opened once. Raises UserError if the data manifest or a row file is wrong, or if
    no row can be trained on.
    """
    source = DataSource.of(pipeline)
    data = source.read(pipeline.cache, progress)
    data.check()
    return data
