"""Data manifests: where labelled videos lie and what their labels mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from videostar.config import Settings
from videostar.data.rows import Split
from videostar.data.templates import PathTemplate
from videostar.util.errors import UserError
from videostar.util.resources import find_resource
from videostar.util.yaml_files import load_mapping, validate

Paths = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value), Field(min_length=1)
]


class DataManifest(Settings):
    """One file of `data_manifests/`. If several paths are given, the first that exists is used."""

    title: str = Field("", description="The data set's own name.")
    home: str = Field("", description="Its home page.")
    licence: str = Field("", description="Its licence, as the publisher states it.")
    annotations: str = Field("", description="The published files that are read, and their places below the root.")
    root: str = Field(".", description="Folder of videos, from the manifest's own folder (or ~); rows stay below it.")
    format: str = Field("csv", description="The format of the rows: csv, jsonl, parquet, folder or a data set's own.")
    rows: dict[Split | Literal["all"], Paths] = Field(
        description="A file for each split, below the root; `all`: with a `split` column, or a fifth is for test."
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

    @field_validator("video")
    @classmethod
    def _templates(cls, video: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(PathTemplate(text).text for text in video)


def find_manifest(name: str) -> tuple[DataManifest, Path, str]:
    """The data manifest called `name`, the folder that its root is relative to, and its name in messages.

    `name` is a shipped manifest, the path of a .yaml file, or the path of a row file with `video` and `label`. Raises
    UserError if there is none, with the nearest name.
    """
    path = Path(name)
    if path.suffix in (".csv", ".jsonl", ".parquet"):
        if not path.is_file():
            raise UserError(f"{path}: no such file; give a {path.suffix} with the columns video and label")
        return DataManifest(format=path.suffix[1:], rows={"all": (path.name,)}), path.parent, name
    path = find_resource("data_manifests", name)
    # The root of a shipped manifest is relative to the working folder, not to the package.
    folder = path.parent if name.endswith((".yaml", ".yml")) else Path()
    return validate(load_mapping(path), DataManifest, str(path)), folder, str(path)
