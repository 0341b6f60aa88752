"""Data manifests: where labelled videos lie and what their labels mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from videostar.config.settings import Settings
from videostar.data.rows import Split
from videostar.data.templates import PathTemplate
from videostar.util.errors import UserError
from videostar.util.resources import find_resource, resource_names
from videostar.util.yaml_files import load_mapping, validate

Paths = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value), Field(min_length=1)
]


#: The formats of row files that can be named without a data manifest, by their endings.
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}


class DataManifest(Settings):
    """One file of `data_manifests/`. If several paths are given, the first that exists is used."""

    title: str = Field("", description="The data set's own name.")
    home: str = Field("", description="Its home page.")
    licence: str = Field("", description="Its licence, as the publisher states it.")
    annotations: str = Field("", description="The published files that are read, and their places below the root.")
    root: str = Field(
        ".", description="Folder of videos, from the manifest's own folder (or ~), or s3://BUCKET/FOLDER."
    )
    confine: bool = Field(
        True,
        description="Paths in rows must not lead out of the root, nor links in it unless --root names it. false: rows "
        "are trusted.",
    )
    format: str = Field(
        "csv", description="The format of the rows: csv, json, jsonl, parquet, xlsx, folder or a data set's own."
    )
    encoding: str | None = Field(None, description="The encoding of .csv, .tsv and .json files; default: UTF-8.")
    rows: dict[Split | Literal["all"], Paths] = Field(
        description="A file for each split, below the root; `all`: with a `split` column, or a fifth is for test; "
        "`test` alone: a set to evaluate on."
    )
    files: dict[str, Paths] = Field({}, description="Other files of the format, such as `classes`, below the root.")
    video: Paths = Field(("{video}",), description="The video's path below the root, made from a row's values.")
    frame_rate: float | None = Field(
        None, gt=0, le=1000, description="Pictures per second of videos that are folders of pictures or raw streams."
    )
    columns: dict[str, str | None] = Field(
        {},
        description="Columns by meaning: {label: class}; `label: class` is short for that. null: not read.",
    )
    adapters: tuple[str, ...] = Field(
        ("action",), min_length=1, description="Label-to-prompt adapters: names, or file.py:Class."
    )
    prompts: str | None = Field(None, description="A file of prompts/, by name or path; default: the adapter's own.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        """`label: class` and `classes: names.txt` are short for entries of `columns` and `files`."""
        for name, section in (("label", "columns"), ("classes", "files")):
            if isinstance(data, dict) and name in data and isinstance(data.get(section) or {}, dict):
                data = {**data, section: {name: data[name], **(data.get(section) or {})}}
                del data[name]
        return data

    @field_validator("rows")
    @classmethod
    def _splits(cls, rows: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if set(rows) != {"test"} and (("all" in rows) == ("train" in rows) or ("all" in rows and len(rows) > 1)):
            raise ValueError("give `all`, or `train` and what there is of `validation` and `test`, or `test` alone")
        return rows

    @field_validator("video")
    @classmethod
    def _templates(cls, video: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(PathTemplate(text).text for text in video)


def is_row_file(name: str) -> bool:
    """Whether `name` is the path of a row file, not that of a data manifest."""
    return Path(name).suffix.lower() in ENDINGS


def find_manifest(name: str) -> tuple[DataManifest, Path, str]:
    """The data manifest called `name`, the folder that its root is relative to, and its name in messages.

    `name` is a shipped manifest, or the path of a .yaml file, a row file or a folder with a folder a class. Raises
    UserError if there is none, with the nearest name.
    """
    check_local("data", name)
    path = Path(name).expanduser()
    ending = path.suffix.lower()
    if is_row_file(name):
        if not path.is_file():
            what = "is a folder or a pipe" if path.exists() else "no such file"
            raise UserError(f"{path}: {what}; give a {ending} with the columns video and label")
        return DataManifest(format=ENDINGS[ending], rows={"all": (path.name,)}, confine=False), path.parent, name
    if path.is_file() and ending not in (".yaml", ".yml"):
        raise UserError(f"{path}: is no row file that is read; give {', '.join(ENDINGS)}, or a .yaml data manifest")
    if path.is_dir() and name not in resource_names("data_manifests"):
        return _load(find_resource("data_manifests", "folder")), path, name
    path = find_resource("data_manifests", name)
    # The root of a shipped manifest is relative to the working folder, not to the package.
    folder = path.parent if name.endswith((".yaml", ".yml")) else Path()
    return _load(path), folder, str(path)


def check_local(what: str, name: str) -> None:
    """Raises UserError for a URL as the name of a row file."""
    if "://" in name:
        raise UserError(
            f"{what}: {name}: rows are read on this machine; download their file; --root names the folder of the "
            "videos, which may be in an object store"
        )


def _load(path: Path) -> DataManifest:
    return validate(load_mapping(path), DataManifest, str(path))
