"""Manifests and files of runs that an earlier videostar began.

Formats 1 and 2 gave the data as text, held nothing out of the training rows and kept leaks. Up to format 3, a round's
LoRA was in `rounds/NN/adapter` and the skipped rows in `set_aside.jsonl`; since format 4 they are in `rounds/NN/lora`
and `skipped.jsonl`. Manifests of every format can be read. A run is converted when a command opens it to work on it:
first files are renamed, then the manifest is written, so that the next command repairs a crash in between.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from videostar.util.files import sync_folder

FORMAT = 4  # of manifests that are written now
_LORA_BEFORE, _LORA = "adapter", "lora"


def updated(data: dict[str, Any]) -> dict[str, Any]:
    """The content of a manifest of an earlier format with the settings of today, and its own format and paths."""
    settings = data.get("settings")
    if isinstance(settings, dict) and isinstance(name := settings.get("data"), str):
        settings = {**settings, "data": {"name": name, "validation": 0.0, "leaks": "keep"}}
        mix = settings.get("mix")
        if isinstance(mix, dict) and str(mix.get("data")).startswith("demo"):  # the name of a demo world
            settings["mix"] = {**mix, "data": f"{mix['data']}_world/mix.jsonl"}
    return {**data, "settings": settings}


def rename_files(run: Path) -> None:
    """Rename the files of a run that have other names since format 4, in `struck/` too."""
    loras = [*run.glob(f"rounds/*/{_LORA_BEFORE}"), *run.glob(f"struck/*/rounds/*/{_LORA_BEFORE}")]
    for before, name in [
        *((lora, _LORA) for lora in loras),
        *((file, "skipped.jsonl") for file in run.glob("set_aside.jsonl")),
    ]:
        os.replace(before, before.with_name(name))
        sync_folder(before.parent)


def renamed(paths: dict[str, str]) -> dict[str, str]:
    """Digests by path below the run, with today's paths."""
    return {_renamed(path): digest for path, digest in paths.items()}


def _renamed(path: str) -> str:
    return f"{path.removesuffix(_LORA_BEFORE)}{_LORA}" if path.endswith(f"/{_LORA_BEFORE}") else path
