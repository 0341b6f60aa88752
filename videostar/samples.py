"""Data manifests in, checked samples out.

A data manifest says where labelled videos are and what their labels mean. Every row is checked before
hours are spent on it; a row that cannot be used is set aside with its reason, and never ends a run.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from videostar import config
from videostar.annotations import FORMATS, PathTemplate, Record, Row, SetAside, Split, SplitPlan, read_rows
from videostar.config import Cache, Settings
from videostar.errors import UserError
from videostar.opening import Opened, open_videos
from videostar.progress import Progress, Tick
from videostar.resources import find_resource
from videostar.yaml_files import load_mapping, validate

_SLACK = 1.0  # seconds that an interval may end after its video: annotators round, and so do files
_IDENTITY = ("id", "label", "seconds", "sha256", "split", "video")  # of a sample, with its values; not where it stands
# What ids are made from, in this order; then from all other columns, if there are any.
_FIRST = ("labels", "question", "start", "end")
_ELSEWHERE = {"video", "label", "split", *_FIRST}

Paths = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value), Field(min_length=1)
]


class World(Settings):
    """Sizes of a demo world, and what its clips are labelled with."""

    task: Literal["action", "when", "count", "sequence"] = "action"
    train: int = Field(192, ge=1, description="Clips to learn from.")
    validation: int = Field(96, ge=1, description="Held-out clips to choose the round by.")
    test: int = Field(240, ge=1, description="Held-out clips.")
    mix: int = Field(240, ge=1, description="Clips of the instruction set that is mixed in.")
    seed: int = 0


class DataManifest(Settings):
    """One file of `data_manifests/`. Where several paths may be given, the first that is there is taken."""

    title: str = Field("", description="The data set's own name.")
    home: str = Field("", description="Its home page.")
    licence: str = Field("", description="Its licence, as the publisher states it.")
    annotations: str = Field("", description="Which files are read, as published, and where they lie below the root.")
    root: str = Field(".", description="Folder of videos, from the manifest's own folder (or ~); rows stay below it.")
    format: str = Field("csv", description="How the rows are written: csv, jsonl, parquet, folder or a data set's own.")
    rows: dict[Split | Literal["all"], Paths] = Field(
        description="A file for each split, below the root; `all`: its `split` column, or a stable fifth is for test."
    )
    files: dict[str, Paths] = Field({}, description="Other files of the format, such as `classes`, below the root.")
    video: Paths = Field(("{video}",), description="The video's path below the root, made from a row's values.")
    columns: dict[str, str | None] = Field(
        {}, description="Which column holds what: {label: class}; `label: class` is short for that. null: not read."
    )
    adapters: tuple[str, ...] = Field(
        ("action",), min_length=1, description="What is asked of the rows: names, or file.py:Class."
    )
    prompts: str | None = Field(None, description="A file of prompts/, by name or path; default: the adapter's own.")
    world: World | None = Field(None, description="Only for the demo: the root is filled by videostar itself.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "label" not in data:
            return data
        columns = data.get("columns") or {}
        return {name: value for name, value in data.items() if name != "label"} | {
            "columns": {"label": data["label"], **columns} if isinstance(columns, dict) else columns
        }

    @field_validator("rows")
    @classmethod
    def _splits(cls, rows: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if ("all" in rows) == ("train" in rows) or ("all" in rows and len(rows) > 1):
            raise ValueError("give `all`, or `train` and what there is of `validation` and `test`")
        return rows

    @field_validator("format")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in FORMATS:
            near = difflib.get_close_matches(name, FORMATS, n=1)
            raise ValueError(f"did you mean {near[0]!r}?" if near else f"one of {', '.join(FORMATS)}")
        return name

    @field_validator("video")
    @classmethod
    def _templates(cls, video: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(PathTemplate(text).text for text in video)


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled video that has been opened and found readable."""

    id: str  # from the video's path and what is said of it: the same wherever the row stands
    video: str  # path below the root
    label: str  # empty where the row is about something else
    split: Split
    sha256: str  # empty, and endless seconds, where videos were not opened
    seconds: float
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)  # all that the row says
    row: str = ""  # where it stands, file:line


@dataclass(frozen=True)
class Data:
    """A data set as found: `samples` in the order of its rows."""

    root: Path
    manifest: DataManifest
    samples: list[Sample]
    set_aside: list[SetAside]
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
        reasons = "; ".join(f"{item.row}: {item.video or '(no path)'}: {item.reason}" for item in found.set_aside[:3])
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
    if manifest.world is not None:
        from videostar.demo.build import build_world

        build_world(base, manifest.world, progress("demo world: clips written"))
    if not base.is_dir():
        raise UserError(f"{where}: root {base}: no such folder; give the folder that holds the videos")
    # Read more than once, so that what is wrong with a file is told before any video is opened, and rows need not be
    # kept to know their splits.
    plan = SplitPlan.of(read_rows(manifest, base, where), data.validation)

    def rows() -> Iterator[Row | SetAside]:
        return _limited(plan.assign(read_rows(manifest, base, where)), limit)

    count = plan.rows if limit is None else sum(1 for _ in rows())
    opened = open_videos(rows(), base, (cache or Cache()).home, contents=contents)
    samples, set_aside = _check(opened, count, progress("videos checked" if contents else "rows checked"))
    samples, leaks = _apart(samples, data.leaks, where)
    return Data(base, manifest, samples, [*set_aside, *leaks], where)


def _apart(samples: list[Sample], leaks: str, where: str) -> tuple[list[Sample], list[SetAside]]:
    """The samples without those whose video a split that is held out from them has too."""
    from videostar.leaks import find_leaks

    found = find_leaks(samples) if leaks != "keep" else {}
    if found and leaks == "refuse":
        first = next(iter(found.values()))
        raise UserError(
            f"{where}: {len(found)} rows show videos that are held out from them too, such as {first.row}: "
            f"{first.video} {first.reason} ({first.mend}); fix the rows, or skip such rows by --set data.leaks=drop"
        )
    return [sample for place, sample in enumerate(samples) if place not in found], list(found.values())


def load_manifest(
    name: str, root: Path | None = None, columns: Mapping[str, str | None] | None = None
) -> tuple[DataManifest, Path, str]:
    """The data manifest called `name`, the folder that its root starts from, and what to call it in messages.

    `root` and `columns`, where they are given, take the place of the manifest's own.
    """
    path = Path(name)
    if path.suffix in (".csv", ".jsonl", ".parquet"):
        if not path.is_file():
            raise UserError(f"{path}: no such file; give a {path.suffix} with the columns video and label")
        manifest, folder, where = DataManifest(format=path.suffix[1:], rows={"all": (path.name,)}), path.parent, name
    else:
        path = find_resource("data_manifests", name)
        # A shipped manifest's root is relative to where the user is, not to where the package lies.
        folder = path.parent if name.endswith((".yaml", ".yml")) else Path()
        manifest, where = validate(load_mapping(path), DataManifest, str(path)), str(path)
    if columns:
        manifest = manifest.model_copy(update={"columns": {**manifest.columns, **columns}})
    return (
        (manifest, folder, where) if root is None else (manifest.model_copy(update={"root": str(root)}), Path(), where)
    )


def _limited(rows: Iterator[Row | SetAside], limit: int | None) -> Iterator[Row | SetAside]:
    """The first `limit` rows of each split, and all that are skipped among them."""
    taken: Counter[Split | None] = Counter()
    for row in rows:
        if isinstance(row, Row):
            taken[row.split] += 1
        if limit is None or isinstance(row, SetAside) or taken[row.split] <= limit:
            yield row


def _check(rows: Iterator[Opened | SetAside], count: int, tick: Tick) -> tuple[list[Sample], list[SetAside]]:
    samples: list[Sample] = []
    known: set[tuple[str, Split]] = set()
    set_aside: list[SetAside] = []
    for done, item in enumerate(rows, start=1):
        found = item if isinstance(item, SetAside) else _sample(item)
        if isinstance(found, Sample) and (found.id, found.split) in known:
            found = SetAside(found.row, found.video, "doubled", "the same in every column as an earlier row")
        if isinstance(found, Sample):
            samples.append(found)
            known.add((found.id, found.split))
        else:
            set_aside.append(found)
        tick(done, count)
    return samples, set_aside


def _sample(item: Opened) -> Sample | SetAside:
    row, seconds = item.row, item.seconds
    start, end = row.values.get("start"), row.values.get("end")
    if start is not None and end is not None and end <= start:
        return SetAside(row.where, item.video, "empty interval", f"it ends at {end} s and starts at {start} s")
    if any(time is not None and not 0 <= time <= seconds + _SLACK for time in (start, end)):
        times = " to ".join(f"{time} s" for time in (start, end) if time is not None)
        return SetAside(
            row.where, item.video, "interval outside the video", f"{times}, and the video has {seconds:.1f} s"
        )
    if row.split is None:
        raise ValueError(f"{row.where}: a row whose split was not decided")
    return Sample(
        _identity(item), item.video, row.label, row.split, item.sha256, seconds, Record(row.values), row.where
    )


def _identity(item: Opened) -> str:
    """Made from all that an adapter can see, and not from where the row stands or which split it is in."""
    values = item.row.values
    seen = [item.video, item.row.label or json.dumps(values.get("label", ""))]
    seen += [json.dumps(values[name]) for name in _FIRST if name in values]
    others = {name: value for name, value in values.items() if name not in _ELSEWHERE}
    if (video := str(values.get("video", ""))).strip() not in item.video:  # a column of something else
        others["video"] = video
    if others:
        seen.append(json.dumps(others, sort_keys=True))
    return hashlib.sha256("\0".join(seen).encode()).hexdigest()[:16]


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
