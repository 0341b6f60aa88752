"""What the rows and questions of a run are made from, as one digest: cheaper than making them again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videostar import __version__
from videostar.adapters import LabelAdapter
from videostar.adapters.questions import Task
from videostar.config import Pipeline
from videostar.data.formats import source_files
from videostar.data.manifest import load_manifest
from videostar.util.files import digest, digest_json


def sources_digest(settings: Pipeline, tasks: Sequence[Task], root: Path | None) -> str | None:
    """Of the files of rows, prompts and adapters, and of the settings that choose among them; not of the videos.

    None where no file says what the rows are: in a folder a class, or a world that is not written yet. Raises UserError
    as the loading of data does.
    """
    manifest, folder, where = load_manifest(settings.data.name, root, settings.columns)
    files = source_files(manifest, (folder / Path(manifest.root).expanduser()).absolute(), where)
    if not all(path.is_file() for path in files):
        return None
    return digest_json(
        {
            "videostar": __version__,
            "manifest": manifest.model_dump(mode="json", exclude={"root"}),  # which may move
            "rows": [digest(path) for path in files],
            "tasks": [_task(task) for task in tasks],
            "splits": settings.data.model_dump(mode="json", exclude={"name"}),
            "limit": settings.limit,
            "seed": settings.seed,
        }
    )


def _task(task: Task) -> dict[str, Any]:
    prompts = {"file": task.prompts.file, **task.prompts.model_dump(mode="json")}
    return {"name": task.name, "adapter": _code(task.adapter), "prompts": prompts}


def _code(adapter: LabelAdapter) -> str | None:
    """Digest of the file that an adapter is written in."""
    file = sys.modules[type(adapter).__module__].__file__
    return digest(Path(file)) if file else None
