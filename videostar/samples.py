"""Data manifests in, checked samples out.

A data manifest says where labelled videos are and what their labels mean. Every row is checked before
hours are spent on it; a row that cannot be used is set aside with its reason, and never ends a run.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from videostar.config import Settings
from videostar.errors import UserError
from videostar.files import below
from videostar.progress import Progress, Tick
from videostar.resources import find_resource
from videostar.video.errors import BadVideo
from videostar.video.probe import probe
from videostar.yaml_files import load_mapping, validate

Split = Literal["train", "test"]
HELD_OUT = 0.2  # of the videos, by the hash of their path, where the data does not say


class World(Settings):
    """Sizes of the demo world."""

    train_per_action: int = Field(12, ge=1)
    test_per_action: int = Field(15, ge=1)
    mix: int = Field(240, ge=1, description="Clips of the instruction set that is mixed in.")
    seed: int = 0


class DataManifest(Settings):
    """One file of `data_manifests/`."""

    root: str = Field(".", description="Folder of videos, from the manifest's own folder (or ~); rows stay below it.")
    rows: dict[Split | Literal["all"], str] = Field(
        description="A .csv for each split, below the root; `all`: its `split` column or a stable fifth is held out."
    )
    video: str = Field("video", description="The column of the video's path, below the root.")
    label: str = Field("label", description="The column of the label.")
    kind: Literal["action"] = Field("action", description="What the labels mean.")
    prompts: str = Field("action", description="A file of prompts/, by name or path.")
    world: World | None = Field(None, description="Only for the demo: the root is filled by videostar itself.")

    @field_validator("rows")
    @classmethod
    def _splits(cls, rows: dict[str, str]) -> dict[str, str]:
        if set(rows) not in ({"all"}, {"train", "test"}):
            raise ValueError("give `all`, or `train` and `test`")
        return rows


@dataclass(frozen=True)
class Sample:
    """A labelled video that has been opened and found readable."""

    id: str  # from the video's path and the label: the same wherever the row stands
    video: str  # path below the root
    label: str
    split: Split
    sha256: str
    seconds: float


@dataclass(frozen=True)
class SetAside:
    """A row that is not used, and why."""

    row: str  # file:line
    video: str
    reason: str
    mend: str


@dataclass(frozen=True)
class Data:
    """A data set as found: `samples` in the order of its rows."""

    root: Path
    manifest: DataManifest
    samples: list[Sample]
    set_aside: list[SetAside]

    def split(self, split: Split) -> list[Sample]:
        """The samples of one split, in the order of its rows."""
        return [sample for sample in self.samples if sample.split == split]

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set, sorted."""
        return tuple(sorted({sample.label for sample in self.samples}))


def load_data(name: str, limit: int | None, progress: Progress) -> Data:
    """The data called `name`: a shipped manifest, a manifest's path, or a .csv with `video` and `label`.

    `limit` takes the first so many rows of each split. Raises UserError when the manifest or a row file is
    wrong, or when a split has no row that can be used.
    """
    manifest, folder, where = load_manifest(name)
    root = (folder / Path(manifest.root).expanduser()).absolute()
    if manifest.world is not None:
        from videostar.demo.build import build_world

        build_world(root, manifest.world, progress("demo world: clips written"))
    if not root.is_dir():
        raise UserError(f"{where}: root {root}: no such folder; give the folder that holds the videos")
    rows = list(_limited(_read_rows(manifest, root, where), limit))
    samples, set_aside = _check(rows, root, progress("videos checked"))
    for split in ("train", "test"):
        if not any(sample.split == split for sample in samples):
            reasons = "; ".join(f"{item.row}: {item.video or '(no path)'}: {item.reason}" for item in set_aside[:3])
            raise UserError(
                f"{where}: no usable {split} video in {len(rows)} rows ({reasons or 'no such rows'}); "
                "mend the rows or give more of them"
            )
    return Data(root, manifest, samples, set_aside)


def load_manifest(name: str) -> tuple[DataManifest, Path, str]:
    """The data manifest called `name`, the folder that its root starts from, and what to call it in messages."""
    if name.endswith(".csv"):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"{path}: no such file; give a .csv with the columns video and label")
        return DataManifest(rows={"all": path.name}), path.parent, name
    path = find_resource("data_manifests", name)
    # A shipped manifest's root is relative to where the user is, not to where the package lies.
    folder = path.parent if name.endswith((".yaml", ".yml")) else Path()
    return validate(load_mapping(path), DataManifest, str(path)), folder, str(path)


@dataclass(frozen=True)
class _Row:
    where: str
    video: str
    label: str
    split: Split


def _read_rows(manifest: DataManifest, root: Path, where: str) -> Iterator[_Row]:
    for split, name in manifest.rows.items():
        path = below(root, name)
        if path is None:
            raise UserError(f"{where}: rows {name}: leads out of the root {root}; move the file below it")
        if not path.is_file():
            raise UserError(f"{where}: rows {path}: no such file; give a .csv below the root")
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                for column in (manifest.video, manifest.label):
                    if column not in (reader.fieldnames or ()):
                        found = ", ".join(reader.fieldnames or ()) or "none"
                        raise UserError(f"{path}: no column {column!r}, only {found}; name the columns in line 1")
                for record in reader:
                    video, label = (record[column] or "" for column in (manifest.video, manifest.label))
                    said = split if split != "all" else record.get("split") or _held_out(video)
                    yield _Row(
                        f"{path.name}:{reader.line_num}", video.strip(), " ".join(label.split()), _as_split(said)
                    )
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read as CSV in UTF-8: {error}") from None


def _held_out(video: str) -> Split:
    share = int.from_bytes(hashlib.sha256(video.encode()).digest()[:8], "big") / 2**64
    return "test" if share < HELD_OUT else "train"


def _as_split(said: str) -> Split:
    return "train" if said.strip().lower() in ("train", "training") else "test"


def _limited(rows: Iterator[_Row], limit: int | None) -> Iterator[_Row]:
    taken = {"train": 0, "test": 0}
    for row in rows:
        taken[row.split] += 1
        if limit is None or taken[row.split] <= limit:
            yield row


def _check(rows: list[_Row], root: Path, tick: Tick) -> tuple[list[Sample], list[SetAside]]:
    samples: dict[str, Sample] = {}
    set_aside: list[SetAside] = []
    with ThreadPoolExecutor() as pool:
        for done, (row, found) in enumerate(zip(rows, pool.map(lambda row: _check_row(row, root), rows), strict=True)):
            if isinstance(found, Sample) and found.id in samples:
                found = SetAside(row.where, row.video, "doubled", "the same video and label stand in an earlier row")
            if isinstance(found, Sample):
                samples[found.id] = found
            else:
                set_aside.append(found)
            tick(done + 1, len(rows))
    return list(samples.values()), set_aside


def _check_row(row: _Row, root: Path) -> Sample | SetAside:
    if not row.label:
        return SetAside(row.where, row.video, "empty label", "give the label in its column")
    path = below(root, row.video)
    if not row.video or path is None:
        return SetAside(row.where, row.video, "outside its root", f"give a path below {root}")
    try:
        facts = probe(path)
    except BadVideo as bad:
        return SetAside(row.where, row.video, bad.reason, bad.detail)
    identity = hashlib.sha256(f"{row.video}\0{row.label}".encode()).hexdigest()[:16]
    return Sample(identity, row.video, row.label, row.split, facts.sha256, facts.seconds)


def data_identity(data: Data) -> dict[str, object]:
    """What identifies a data set: its samples, not where they lie."""
    return {"kind": data.manifest.kind, "samples": [asdict(sample) for sample in data.samples]}
