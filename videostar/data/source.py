"""The data of a run: rows in, checked samples out.

Every row is checked before hours are spent on it; a row that cannot be used is set aside with its reason, and never
ends a run.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from videostar import config
from videostar.config import Cache
from videostar.data.formats import read_rows
from videostar.data.leaks import find_leaks
from videostar.data.manifest import DataManifest, load_manifest
from videostar.data.opening import Opened, open_videos
from videostar.data.rows import Row, Skipped, Split
from videostar.data.samples import Sample, make_sample
from videostar.data.splits import SplitPlan
from videostar.util.errors import UserError
from videostar.util.progress import Progress, Tick

_IDENTITY = ("id", "label", "seconds", "sha256", "split", "video")  # of a sample, with its values; not where it stands


@dataclass(frozen=True)
class Data:
    """A data set as found: `samples` in the order of its rows."""

    root: Path
    manifest: DataManifest
    samples: list[Sample]
    set_aside: list[Skipped]
    where: str = ""  # what to call the manifest in messages

    def split(self, split: Split) -> list[Sample]:
        """The samples of one split, in the order of its rows."""
        return [sample for sample in self.samples if sample.split == split]


def load_data(
    data: config.Data | str,
    limit: int | None,
    progress: Progress,
    root: Path | None = None,
    cache: Cache | None = None,
    columns: Mapping[str, str | None] | None = None,
) -> Data:
    """The data called `data`: a shipped manifest, a manifest's path, or a .csv with `video` and `label`.

    `limit` takes the first so many rows of each split; `root` stands in for the manifest's; `columns` says which
    column holds what. Raises UserError when the manifest or a row file is wrong, or when no training row can be used.
    """
    found = open_data(data, limit, progress, root, cache, columns)
    if not found.split("train"):
        reasons = "; ".join(f"{item.where}: {item.video or '(no path)'}: {item.reason}" for item in found.set_aside[:3])
        count = len(found.samples) + len(found.set_aside)
        raise UserError(
            f"{found.where}: no usable train video in {count} rows ({reasons or 'no such rows'}); "
            "fix the rows or give more of them"
        )
    return found


def open_data(
    data: config.Data | str,
    limit: int | None,
    progress: Progress,
    root: Path | None = None,
    cache: Cache | None = None,
    columns: Mapping[str, str | None] | None = None,
    *,
    contents: bool = True,
) -> Data:
    """As `load_data`, however little of it can be used. Without `contents`, videos are looked for and not opened."""
    data = config.Data(name=data) if isinstance(data, str) else data
    manifest, folder, where = load_manifest(data.name, root, columns)
    base = (folder / Path(manifest.root).expanduser()).absolute()
    if not base.is_dir():
        raise UserError(f"{where}: root {base}: no such folder; give the folder that holds the videos")
    # Read more than once, so that what is wrong with a file is told before any video is opened, and rows need not be
    # kept to know their splits.
    plan = SplitPlan.of(read_rows(manifest, base, where), data.validation)

    def rows() -> Iterator[Row | Skipped]:
        return _limited(plan.assign(read_rows(manifest, base, where)), limit)

    count = plan.rows if limit is None else sum(1 for _ in rows())
    opened = open_videos(rows(), base, (cache or Cache()).home, contents=contents)
    samples, set_aside = _check(opened, count, progress("videos checked" if contents else "rows checked"))
    samples, leaks = _apart(samples, data.leaks, where)
    return Data(base, manifest, samples, [*set_aside, *leaks], where)


def _apart(samples: list[Sample], leaks: str, where: str) -> tuple[list[Sample], list[Skipped]]:
    """The samples without those whose video a split that is held out from them has too."""
    found = find_leaks(samples) if leaks != "keep" else {}
    if found and leaks == "refuse":
        first = next(iter(found.values()))
        raise UserError(
            f"{where}: {len(found)} rows show videos that are held out from them too, such as {first.where}: "
            f"{first.video} {first.reason} ({first.detail}); fix the rows, or skip such rows by --set data.leaks=drop"
        )
    return [sample for place, sample in enumerate(samples) if place not in found], list(found.values())


def _limited(rows: Iterator[Row | Skipped], limit: int | None) -> Iterator[Row | Skipped]:
    """The first `limit` rows of each split, and all that are skipped among them."""
    taken: Counter[Split | None] = Counter()
    for row in rows:
        if isinstance(row, Row):
            taken[row.split] += 1
        if limit is None or isinstance(row, Skipped) or taken[row.split] <= limit:
            yield row


def _check(rows: Iterator[Opened | Skipped], count: int, tick: Tick) -> tuple[list[Sample], list[Skipped]]:
    samples: list[Sample] = []
    known: set[tuple[str, Split]] = set()
    set_aside: list[Skipped] = []
    for done, item in enumerate(rows, start=1):
        found = item if isinstance(item, Skipped) else make_sample(item)
        if isinstance(found, Sample) and (found.id, found.split) in known:
            found = Skipped(found.row, found.video, "doubled", "the same in every column as an earlier row")
        if isinstance(found, Sample):
            samples.append(found)
            known.add((found.id, found.split))
        else:
            set_aside.append(found)
        tick(done, count)
    return samples, set_aside


def data_digest(data: Data, questions: str) -> str:
    """What identifies a data set with its questions, given their digest: its samples, not where they lie.

    It is the sha256 of a JSON object with the keys below, in their order, written sample by sample.
    """
    write = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
    found = hashlib.sha256(f'{{"adapters":{write(data.manifest.adapters)},"questions":{write(questions)}'.encode())
    found.update(b',"samples":[')
    for number, sample in enumerate(data.samples):
        said = {name: getattr(sample, name) for name in _IDENTITY} | {"values": dict(sample.values)}
        found.update(f"{',' if number else ''}{write(said)}".encode())
    found.update(b"]}")
    return found.hexdigest()
