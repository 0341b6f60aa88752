"""Merge the LoRA of a run into its base model: a model of its own, which transformers and vLLM load."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from videostar.config import Dtype, ModelSpec
from videostar.runs.manifest import Manifest, open_run
from videostar.runs.stage_names import RoundFiles
from videostar.util.errors import UserError
from videostar.util.files import new_folder, write_text
from videostar.util.resources import check_model, model_digest, model_path


@dataclass(frozen=True)
class Source:
    """A LoRA, its base, and what is known of both."""

    lora: Path
    spec: ModelSpec
    facts: dict[str, Any]  # for the model card, by what they are


def merge(
    source: str, out: Path, *, model: str | None = None, dtype: Dtype | None = None, command: str = ""
) -> dict[str, Any]:
    """Write the base model with a LoRA merged into its weights to the new folder `out`, with processor and model card.

    Args:
        source: A run (its best round), RUN:ROUND, or the folder of a LoRA.
        out: A new folder; it is whole or absent.
        model: The base model; None: that of the run, or that which the LoRA names.
        dtype: Of the weights; None: that of the run's settings on this machine.
        command: The command that does this, for the model card.

    Returns:
        `merged` (the folder), `lora`, `base`, `dtype`, and `round` for a run.

    Raises:
        UserError: There is no such LoRA, it does not fit the model, the model is quantised, or `out` exists.
    """
    if out.exists():
        raise UserError(f"{out}: exists; models are never overwritten: give --out a new folder")
    found = _find(source, model)
    spec = replace(found.spec, dtype=dtype or found.spec.dtype)
    check_model(spec.name)
    from transformers import GenerationConfig  # loads torch

    from videostar.config import Engine
    from videostar.models.load import dtype_name
    from videostar.models.merge import save_merged
    from videostar.runs.lora_checks import check_lora
    from videostar.runs.preflight import check_room

    check_lora(found.lora, spec, Engine())
    check_room(spec, out)
    base = spec.name if spec.name == "embedded" else model_digest(spec.name)
    facts = {"base model": base, "dtype": dtype_name(spec), **found.facts}
    with new_folder(out) as folder:
        save_merged(spec, found.lora, folder)
        with suppress(OSError):  # of the base, as published: engines read how to sample from it
            GenerationConfig.from_pretrained(model_path(spec.name)).save_pretrained(folder)
        write_text(folder / "README.md", _card(spec.name, facts, command))
    about = {"round": found.facts["round"]} if "round" in found.facts else {}
    return {"merged": str(out), "lora": str(found.lora), "base": spec.name, "dtype": facts["dtype"], **about}


def _find(source: str, model: str | None) -> Source:
    """The LoRA that `source` names: RUN, RUN:ROUND or its folder. Raises UserError."""
    if (Path(source) / "adapter_config.json").is_file():
        return _of_folder(Path(source), model)
    run, colon, number = source.rpartition(":")
    named = bool(colon) and number.isascii() and number.isdecimal()
    folder, manifest = open_run(Path(run if named else source))
    trained = [n for n in range(1, manifest.settings.rounds + 1) if f"{n:02}/train" in manifest.stages]
    there = ", ".join(map(str, trained)) or "none yet"
    if named and int(number) not in trained:
        raise UserError(f"{source}: no LoRA of that round; there are: {there}")
    if not named and (manifest.best is None or manifest.best.lora is None):
        why = "has no best round yet" if manifest.best is None else "the base model is best, without a LoRA"
        raise UserError(f"{source}: {why}; name a round, such as {source}:1 (there are: {there})")
    best = manifest.best
    lora = folder / best.lora if not named and best and best.lora else RoundFiles(folder, int(number or 0)).lora
    trained_in = int(lora.parent.name)
    spec = manifest.settings.spec
    return Source(lora, replace(spec, name=model or spec.name), _figures(folder, manifest, trained_in))


def _of_folder(lora: Path, model: str | None) -> Source:
    from videostar.models.lora import named_base  # loads torch

    base = model or named_base(lora)
    if base is None:
        raise UserError(f"{lora}: names no base model that can be looked up; give --model")
    return Source(lora, ModelSpec(base), {"LoRA": lora.absolute().name})


def _figures(run: Path, manifest: Manifest, number: int) -> dict[str, Any]:
    """What the run measured of a round."""
    facts = {
        part: stage.facts if (stage := manifest.stages.get(f"{number:02}/{part}")) else {}
        for part in ("train", "evaluate")
    }
    found: dict[str, Any] = {
        "run": run.absolute().name,
        "round": number,
        "data": Path(manifest.settings.data.name).name,
    }
    found["trained on"] = f"{facts['train']['rows']} kept answers, {facts['train']['mixed']} rows mixed in"
    if facts["evaluate"]:
        low, high = facts["evaluate"]["ci95"] or (None, None)
        accuracy = facts["evaluate"]["accuracy"]
        if accuracy is not None:
            interval = (
                f" (95 % interval {low:.1%} to {high:.1%}, n={facts['evaluate']['n']})" if low is not None else ""
            )
            found["test accuracy"] = f"{accuracy:.1%}{interval}"
        validation = facts["evaluate"].get("validation") or {}
        if validation.get("accuracy") is not None:
            found["validation accuracy"] = f"{validation['accuracy']:.1%}"
    return found


def _card(base: str, facts: dict[str, Any], command: str) -> str:
    of_hub = base != "embedded" and not Path(base).expanduser().exists()
    front = {"library_name": "transformers", "pipeline_tag": "video-text-to-text"} | (
        {"base_model": base} if of_hub else {}
    )
    lines = [
        "---",
        *(f"{key}: {json.dumps(value)}" for key, value in front.items()),
        "---",
        "# A model that was trained with Video-STaR",
        "",
        *(f"- {key}: {value}" for key, value in facts.items()),
        *([f"- made by: `{command}`"] if command else []),
        "",
        "The LoRA of the training is merged into the weights. They are derived from the base model, so its license "
        "applies: see its model card.",
        "",
    ]
    return "\n".join(lines)
