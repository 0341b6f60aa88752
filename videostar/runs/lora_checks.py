"""Whether a LoRA fits the model, the engine and the settings, before weights are loaded; and what it adapts."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, get_peft_model, get_peft_model_state_dict

from videostar.config import Engine, ModelSpec
from videostar.config.training import Training
from videostar.engines.vllm.options import RANKS
from videostar.models.load import bare_model, load_config
from videostar.models.lora import other_base, read_facts, read_tensors
from videostar.models.parts import PARTS, adapted_share
from videostar.util.errors import UserError
from videostar.util.terminal import warn

UNSERVED = "a vLLM server loads LoRAs of the language model alone, and no DoRA"


def check_lora(folder: Path, spec: ModelSpec, engine: Engine, training: Training | None = None) -> None:
    """Check that the LoRA in `folder` is whole, fits the model and can be served by the engine. Loads no weights.

    `training` is given if training goes on with it, at that rank and alpha. Raises UserError.
    """
    if not (folder / "adapter_config.json").is_file():
        near = _nearest(folder)
        raise UserError(
            f"{folder}: no LoRA; {f'did you mean {near}?' if near else 'give a folder that training wrote'}"
        )
    facts = read_facts(folder)
    if engine.name != "transformers" and facts.rank > RANKS[-1]:
        raise UserError(f"{folder}: has rank {facts.rank}, vLLM serves at most {RANKS[-1]}; use --engine transformers")
    config = _peft_config(folder)
    if training and (config.r, config.lora_alpha) != (training.rank, training.alpha):
        raise UserError(
            f"{folder}: has rank {config.r} and alpha {config.lora_alpha}, the settings have {training.rank} and "
            f"{training.alpha}; continue with --set training.rank={config.r} --set "
            f"training.alpha={config.lora_alpha}, or start from the base"
        )
    misfit = _misfit(config, read_tensors(folder / "adapter_model.safetensors"), spec)
    if misfit:
        raise UserError(f"{folder}: does not fit model {spec.name!r}: {misfit}; give another LoRA or model")
    for name, used in (("rslora", config.use_rslora), ("dora", config.use_dora)):
        if training and getattr(training, name) != bool(used):
            raise UserError(
                f"{folder}: was trained with {name}: {str(bool(used)).lower()}; continue with --set "
                f"training.{name}={str(bool(used)).lower()}, or start from the base"
            )
    parts = facts.parts(load_config(spec))
    if engine.name == "openai" and (facts.dora or parts - {"language"}):
        raise UserError(f"{folder}: {UNSERVED}; use --engine vllm or transformers")
    if training and parts != set(training.targets):
        own, given = (", ".join(part for part in PARTS if part in one) for one in (parts, training.targets))
        raise UserError(
            f"{folder}: adapts {own}, the settings have {given}; continue with --set "
            f"'training.targets=[{own}]', or start from the base"
        )


def _nearest(folder: Path) -> Path | None:
    """The LoRA near `folder` with the most similar path."""
    around = next((place for place in (folder, *folder.parents[:2]) if place.is_dir()), folder)
    found = [
        str(file.parent)
        for pattern in (".", "*", "*/*", "rounds/*/*")
        for file in around.glob(f"{pattern}/adapter_config.json")
    ]
    near = difflib.get_close_matches(str(folder), found, n=1, cutoff=0)
    return Path(near[0]) if near else None


def _peft_config(folder: Path) -> Any:
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{folder}: PEFT cannot read adapter_config.json ({error}); train the LoRA again") from None
    if not isinstance(config, LoraConfig):
        raise UserError(f"{folder}: is for PEFT, but not a LoRA; give a folder that training wrote")
    return config


def _misfit(config: Any, found: dict[str, list[int]], spec: ModelSpec) -> str:
    """Why a LoRA with this configuration and these tensors does not fit the model; empty if it does."""
    base, config.base_model_name_or_path = config.base_model_name_or_path, None  # PEFT warns if it is another path
    try:
        with torch.device("meta"):
            model: Any = get_peft_model(bare_model(spec), config)
    except ValueError:  # its message lists all target modules
        return "the model has none of the layers that it adapts"
    expected = {
        name: list(weights.shape)
        for name, weights in get_peft_model_state_dict(model, save_embedding_layers=False).items()
    }
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            return f"{name} is {found.get(name, 'missing')} and should be {expected.get(name, 'missing')}"
    return f"its base was {base}" if other_base(base, spec.name) else ""


def report_adapted(spec: ModelSpec, training: Training) -> None:
    """Print which share of the model LoRA adapts. Raises UserError if the model has no layers of a target."""
    for line in adapted_share(bare_model(spec), training):
        warn(line)
