"""The dataset versions of a run, round by round, and whether their files are intact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videostar.runs.manifest import Manifest
from videostar.runs.stage_names import RoundFiles
from videostar.stages.versions import Version
from videostar.util.files import digest, json_text
from videostar.util.yaml_files import validate


@dataclass(frozen=True)
class Recorded:
    """A finished dataset version of a run."""

    round: int
    folder: str
    version: str  # its id
    rows: int
    direct: int
    rationalised: int
    template: int
    rejected: int  # answers
    skipped: int  # videos that could not be shown
    labels: int  # labels (or tasks) with a kept answer
    accuracy: float | None  # held-out, after training on it
    damaged: list[str]  # files that differ from what was written


def history(folder: Path, manifest: Manifest) -> list[Recorded]:
    """Every dataset version of the run in `folder`; all their files are read. Raises UserError."""
    found = []
    for number in range(1, manifest.settings.rounds + 1):
        version = recorded_version(folder, manifest, number)
        if version is None:
            continue
        trained = f"{number:02}/train" in manifest.stages
        evaluated = manifest.stages.get(f"{number:02}/evaluate")
        accuracy = evaluated.facts.get("accuracy") if evaluated and trained else None
        dataset = RoundFiles(folder, number).dataset
        where = dataset.relative_to(folder).as_posix()
        stage = manifest.stages[f"{number:02}/version"]
        found.append(
            Recorded(
                round=number,
                folder=where,
                version=version.version,
                rows=version.rows,
                **{kind: version.counts.get(kind, 0) for kind in ("direct", "rationalised", "template", "rejected")},
                skipped=version.counts.get("skipped", version.counts.get("set_aside", 0)),  # its name up to format 3
                labels=len(version.by_label),
                accuracy=accuracy if isinstance(accuracy, float) else None,
                damaged=_damaged(dataset, version, stage.facts, stage.wrote.get(where)),
            )
        )
    return found


def recorded_version(folder: Path, manifest: Manifest, number: int) -> Version | None:
    """A round's dataset version as recorded in the manifest; None if it is not built yet. Raises UserError."""
    stage = manifest.stages.get(f"{number:02}/version")
    return validate(stage.facts, Version, f"{folder / 'manifest.json'}: {number:02}/version") if stage else None


def _damaged(folder: Path, version: Version, facts: dict[str, Any], expected: str | None) -> list[str]:
    """The files of a version folder that differ from what was written, are missing, or were added."""
    if not folder.is_dir():
        return [f"{folder.name} (missing)"]
    if digest(folder) == expected:
        return []
    known = [*version.files, "version.json", "README.md"]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    found = [f"{name} (missing)" for name in known if name not in there]
    found += [f"{name} (added)" for name in sorted(there - set(known))]
    found += [name for name, is_ in version.files.items() if name in there and digest(folder / name) != is_]
    if "version.json" in there and (folder / "version.json").read_bytes() != json_text(facts).encode():
        found.append("version.json")
    return found or ["README.md"]  # the only file without a digest of its own
