"""A digest of everything that rows and questions are made from: cheaper than making them again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videostar import __version__
from videostar.adapters import LabelAdapter
from videostar.adapters.kinds import KindAdapter
from videostar.adapters.task import Task
from videostar.data.source import DataSource
from videostar.util.files import digest, digest_json


def data_fingerprint(source: DataSource, tasks: Sequence[Task], seed: int) -> str | None:
    """Digest of the row, prompt and adapter files and of the settings that choose among them, but not of the videos.

    None if no file lists the rows, as for a folder per class, or if it does not exist yet. Raises UserError as
    `DataSource.rows` does.
    """
    files = source.files()
    if not all(path.is_file() for path in files):
        return None
    return digest_json(
        {
            "videostar": __version__,
            "manifest": source.manifest.model_dump(mode="json", exclude={"root"}),  # the root may move
            "rows": [digest(path) for path in files],
            "tasks": [_task(task) for task in tasks],
            "splits": source.splits.model_dump(mode="json", exclude={"name", "classes"}),
            "limit": source.limit,
            "seed": seed,
        }
    )


def _task(task: Task) -> dict[str, Any]:
    prompts = {"file": task.prompts.file, **task.prompts.model_dump(mode="json"), "final_line": task.final_line}
    found = {"name": task.name, "adapter": _code(task.adapter), "prompts": prompts}
    drawn = task.adapter.distractors if isinstance(task.adapter, KindAdapter) else None
    return found | ({"distractors": drawn.digest} if drawn else {})


def _code(adapter: LabelAdapter) -> str | None:
    """Digest of the file that defines an adapter."""
    file = sys.modules[type(adapter).__module__].__file__
    return digest(Path(file)) if file else None
