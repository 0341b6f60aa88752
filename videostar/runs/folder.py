"""The folder of a run before it is opened: may this command use it?"""

from __future__ import annotations

from pathlib import Path

from videostar.config import Pipeline
from videostar.runs.gates import check_halted
from videostar.runs.manifest import read_manifest
from videostar.runs.settings_diff import check_settings
from videostar.runs.stage_names import stage_name
from videostar.util.errors import UserError
from videostar.util.locks import Lock, Locked, lock_file

FORECAST = "forecast.json"  # beside the manifest, from a dry run
LOG = "log.txt"  # the output of libraries
SHARED = ".partial-shared"  # a folder for the nodes of a cluster, which a crash leaves behind
_OURS = (".lock", ".partial-", "pipeline.yaml", FORECAST, LOG)  # files that may be there before a manifest


def check_folder(folder: Path, settings: Pipeline, restart_from: str | None = None) -> None:
    """Raises what `Run.open` would raise before it looks at data and model, and writes nothing."""
    path = folder / "manifest.json"
    if restart_from is not None:
        stage_name(restart_from, settings.rounds)
    if not path.exists():
        if folder.is_dir() and any(not item.name.startswith(_OURS) for item in folder.iterdir()):
            raise UserError(f"{folder}: is not empty and holds no manifest.json; give --out another folder")
        if restart_from is not None:
            raise UserError(f"{folder}: no run to restart: remove --restart-from")
        return
    found = read_manifest(path)
    later = [name for name in found.stages if int(name[:2]) > settings.rounds]
    if later:
        raise UserError(
            f"{folder}: has done {later[-1]} already, and {settings.rounds} rounds are requested; request more, or "
            f"undo the later ones: videostar rollback {folder} {settings.rounds}"
        )
    check_settings(folder, found.settings, settings, restart_from)
    if restart_from is None:
        check_halted(folder, found, settings)
    if (folder / ".lock").exists():
        lock_folder(folder).release()


def lock_folder(folder: Path) -> Lock:
    """The lock of a run. Raises UserError if another process holds it."""
    try:
        return lock_file(folder / ".lock")
    except Locked:
        raise UserError(f"{folder}: another process works on this run; wait for it or give --out another") from None
