"""Data manifests: where labelled videos are and what their labels mean."""

from __future__ import annotations

from collections.abc import Mapping
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
