"""Find files of `pipelines/`, `prompts/` and `data_manifests/`, and models, by name or path."""

from __future__ import annotations

import difflib
from pathlib import Path

from videostar.util.errors import UserError
from videostar.util.files import digest

_PACKAGE = Path(__file__).parents[1]
EMBEDDED = _PACKAGE / "demo" / "embedded"
EMBEDDED_COCA = _PACKAGE / "demo" / "embedded_coca"


def resource_folder(kind: str) -> Path:
    """The folder of one kind (`pipelines`, ...): in the installed package, or beside it in a git checkout."""
    inside = _PACKAGE / kind
    return inside if inside.is_dir() else _PACKAGE.parent / kind


def model_path(name: str) -> str:
    """The folder or hub id of a pipeline's `model`. Raises UserError for a folder without a model."""
    if name == "embedded":
        return str(EMBEDDED)
    if name.startswith((".", "/", "~")) or Path(name).exists():
        folder = Path(name).expanduser()
        if not (folder / "config.json").is_file():
            models = [str(config.parent) for config in folder.parent.glob("*/config.json")]
            near = difflib.get_close_matches(str(folder), models, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "give a model's folder, a hub id, or `embedded`"
            raise UserError(f"model {name!r}: no config.json there; {hint}")
        return str(folder)
    return name


def evidence_folder(name: str) -> Path:
    """The folder of an evidence model: `embedded`, or a path. Raises UserError if it has no model."""
    folder = EMBEDDED_COCA if name == "embedded" else Path(name).expanduser()
    if not any((folder / config).is_file() for config in ("open_clip_config.json", "config.json")):
        raise UserError(
            f"evidence model {name!r}: has neither open_clip_config.json (CoCa) nor config.json (CLIP "
            "and the like); give `embedded` or the folder of such a model"
        )
    return folder


def evidence_digest(name: str) -> str:
    """The identity of an evidence model. Raises UserError as `evidence_folder`."""
    return digest(evidence_folder(name), hidden=False)  # as for `model_digest`


def check_model(name: str) -> None:
    """Raises UserError if a pipeline's model is not on this machine."""
    path = model_path(name)
    if not Path(path).is_dir() and _cached_config(path) is None:
        raise UserError(
            f"model {name!r}: is not on this machine (hf download {name}); give `embedded`, a folder with config.json "
            "and *.safetensors, or the id of a model that is downloaded"
        )


def model_digest(name: str) -> str:
    """The identity of a pipeline's model: the digest of its folder, or `ID@COMMIT` for a downloaded model.

    If the model is not on this machine, it is the hub id alone.
    """
    path = model_path(name)
    if Path(path).is_dir():
        return digest(Path(path), hidden=False)  # `hf download --local-dir` writes times to .cache
    config = _cached_config(path)
    return path if config is None else f"{path}@{config.parent.name}"


def _cached_config(hub_id: str) -> Path | None:
    """The configuration file of a downloaded model; None if it is not on this machine."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(hub_id, "config.json")
    except HFValidationError:  # not an id
        return None
    return Path(config) if isinstance(config, str) else None


def resource_names(kind: str) -> list[str]:
    """The names of all shipped files of one kind, such as `ablations/label_templates`."""
    folder = resource_folder(kind)
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def find_resource(kind: str, name: str, beside: Path | None = None) -> Path:
    """The file called `name`: a path if it ends in .yaml or .yml, else the name of a shipped file.

    Paths are relative to `beside` (default: the working folder). Raises UserError if there is no such file, with the
    nearest shipped name.
    """
    if name.endswith((".yaml", ".yml")):
        path = (beside or Path()) / name
        if path.is_file():
            return path
        raise UserError(
            f"{path}: no such file; give an existing .yaml file or one of: {', '.join(resource_names(kind))}"
        )
    names = resource_names(kind)
    if name in names:
        return resource_folder(kind) / f"{name}.yaml"
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
    raise UserError(f"{kind}: no {name!r} among the shipped ones; {hint}")
