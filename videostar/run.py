"""A run on disk: its settings, and which stages of which rounds are done.

A stage counts as done only when the manifest says so and what it wrote still has the digest that the
manifest holds. The manifest is replaced whole after every stage, so a crash costs at most the stage at
hand (and of a ledger only the window at hand).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import yaml
from pydantic import Field

from videostar import __version__
from videostar.config import Pipeline, Settings
from videostar.errors import UserError
from videostar.files import digest, digest_json, write_json, write_text
from videostar.resources import model_path
from videostar.yaml_files import load_mapping, validate

FORECAST = "forecast.json"  # beside the manifest, from a dry run


class Stage(Settings):
    """A finished stage."""

    wrote: dict[str, str] = Field(description="Path below the run -> sha256.")
    facts: dict[str, Any] = Field(description="Counts and figures of the stage.")
    seconds: float


class Manifest(Settings):
    """`manifest.json`."""

    format: int = 1
    videostar: str = __version__
    settings: Pipeline
    data: str = Field(description="Digest of the checked samples.")
    model: str = Field(description="Digest of the base model's folder, or its hub id.")
    stages: dict[str, Stage] = Field(default_factory=dict)


class Run:
    """The folder of a run, held by this process alone until `close`."""

    def __init__(self, folder: Path, manifest: Manifest, lock: filelock.BaseFileLock) -> None:
        self.folder, self.manifest, self._lock = folder, manifest, lock

    @classmethod
    def open(cls, folder: Path, settings: Pipeline, data: str, model: str) -> Run:
        """Create the run, or go on with the one that is there.

        Raises UserError when another process has it, or when it was made with other settings, data or model.
        """
        _look(folder, settings)
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
        try:
            found = _look(folder, settings)
            if found is None:
                run = cls(folder, Manifest(settings=settings, data=data, model=model), lock)
                write_text(folder / "pipeline.yaml", yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))
                run._save()
                return run
            for name, before, now in (
                ("data (rows, labels or prompts)", found.data, data),
                ("base model", found.model, model),
            ):
                if before != now:
                    raise UserError(
                        f"{folder}: the {name} has changed since the run began; restore it, or give another --out"
                    )
            return cls(folder, found, lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Let another process have the run."""
        self._lock.release()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stage(self, name: str, work: Callable[[], dict[str, Any]], *writes: Path) -> dict[str, Any]:
        """The facts of stage `name`: of its record if it is done, else of `work`, which leaves `writes`."""
        done = self.manifest.stages.get(name)
        if done is not None:
            for path, expected in done.wrote.items():
                if not (self.folder / path).exists() or digest(self.folder / path) != expected:
                    raise UserError(
                        f"{self.folder / path}: is not what stage {name} wrote; restore it, or start again with "
                        "another --out"
                    )
            return done.facts
        started = time.monotonic()
        facts = work()
        wrote = {path.relative_to(self.folder).as_posix(): digest(path) for path in writes}
        stage = Stage(wrote=wrote, facts=facts, seconds=round(time.monotonic() - started, 3))
        self.manifest = self.manifest.model_copy(update={"stages": {**self.manifest.stages, name: stage}})
        self._save()
        return facts

    def lineage(self, adapter: Path | None, engine: str) -> dict[str, Any]:
        """What answers that are given now, with that adapter and by that engine, come from."""
        return lineage(self.manifest.data, self.manifest.settings, adapter, engine)

    def _save(self) -> None:
        write_json(self.folder / "manifest.json", self.manifest.model_dump(mode="json"))


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`. Raises UserError when it is missing or is not one."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the manifest.json of a run")
    return validate(load_mapping(path), Manifest, str(path))


def check_folder(folder: Path, settings: Pipeline) -> None:
    """Raises what `Run.open` would raise before it looks at data and model, and writes nothing."""
    _look(folder, settings)
    if (folder / ".lock").exists():
        _lock(folder).release()


def _lock(folder: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(f"{folder}: another process works on this run; wait for it or give --out another") from None
    return lock


def _look(folder: Path, settings: Pipeline) -> Manifest | None:
    """The manifest of the run in `folder`, if there is one, and it is of these settings."""
    path = folder / "manifest.json"
    if not path.exists():
        if folder.is_dir() and any(
            not item.name.startswith((".lock", ".partial-", "pipeline.yaml", FORECAST)) for item in folder.iterdir()
        ):
            raise UserError(f"{folder}: is not empty and holds no manifest.json; give --out another folder")
        return None
    found = read_manifest(path)
    old, new = _flat(found.settings.model_dump(mode="json")), _flat(settings.model_dump(mode="json"))
    changed = [f"{key}: {old.get(key)!r} -> {new.get(key)!r}" for key in {**old, **new} if old.get(key) != new.get(key)]
    if changed:
        raise UserError(
            f"{folder}: was made with other settings ({'; '.join(changed)}); use those, or give --out another folder"
        )
    return found


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def lineage(data: str, settings: Pipeline, adapter: Path | None, engine: str) -> dict[str, Any]:
    """What answers come from: digests of the data, base model, settings and adapter, and the engine that gave them."""
    return {
        "data": data,
        "model": model_digest(settings.model),
        "settings": digest_json(settings.model_dump(mode="json")),
        "adapter": digest(adapter) if adapter else None,
        "engine": {"name": engine, "dtype": settings.engine.dtype},
    }


def model_digest(name: str) -> str:
    """What identifies a pipeline's model: the digest of its folder, or its hub id."""
    path = model_path(name)
    return digest(Path(path)) if Path(path).is_dir() else path
