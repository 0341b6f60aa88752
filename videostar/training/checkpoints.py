"""Checkpoints within a round, so that a killed training goes on at its step.

A checkpoint is a folder that is there as a whole or not at all: `state.safetensors` with the LoRA, the optimizer's
state and the random state, and `state.json` with the step, the learning rate's schedule and the digest of both. What a
training learns from has a key; a checkpoint with another key is ignored. The last two are kept: if the newer one is
damaged, the older one counts. Beside them `clips.json` has the shapes of the clips.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from videostar.util.files import digest, make_folder, new_folder, write_json

_KEPT = 2
_SHAPES = "clips.json"
_CLIPS = TypeAdapter(dict[str, list[int]])


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk."""

    folder: Path
    step: int

    def restore(self, model: Any, optimizer: Any, scheduler: Any, scaler: Any) -> None:
        """Put everything back as it was after the checkpoint's step."""
        tensors = load_file(self.folder / "state.safetensors")
        facts = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        with torch.no_grad():
            for name, parameter in trained_weights(model):
                parameter.copy_(tensors[f"weights/{name}"])
                optimizer.state[parameter] = {
                    **_below(f"{name}/", facts["optimizer"]),
                    **{
                        part: value.to(parameter.device)
                        for part, value in _below(f"optimizer/{name}/", tensors).items()
                    },
                }
        for group, rate in zip(optimizer.param_groups, facts["rates"], strict=True):
            group["lr"] = rate
        scheduler.load_state_dict({**facts["scheduler"], "lr_lambdas": [None] * len(facts["rates"])})
        if scaler is not None:
            scaler.load_state_dict(facts["scaler"])
        torch.set_rng_state(tensors["random/cpu"])
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all([tensors[name] for name in sorted(tensors) if name.startswith("random/cuda")])


class Checkpoints:
    """The checkpoints of one training, in the folder `home`; `key` is the digest of everything that it learns from."""

    def __init__(self, home: Path, key: str) -> None:
        self._home, self._key = home, key

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint of this training."""
        for folder in sorted(self._home.glob("step-*"), reverse=True):
            try:
                facts = json.loads((folder / "state.json").read_text(encoding="utf-8"))
                if facts["key"] == self._key and facts["sha256"] == digest(folder / "state.safetensors"):
                    return Checkpoint(folder, facts["step"])
            except (OSError, ValueError, KeyError):
                continue
        return None

    def save(self, step: int, model: Any, optimizer: Any, scheduler: Any, scaler: Any) -> None:
        """Write a checkpoint. Every rank has the same state, so one of them does."""
        numbers: dict[str, Any] = {}
        tensors = {f"random/{name}": state for name, state in _random_states()}
        for name, parameter in trained_weights(model):
            tensors[f"weights/{name}"] = _stored(parameter)
            for part, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer/{name}/{part}"] = _stored(value)
                else:
                    numbers[f"{name}/{part}"] = value
        folder = self._home / f"step-{step:08}"
        with new_folder(folder) as partial:
            try:
                save_file(tensors, partial / "state.safetensors")
            except SafetensorError as error:  # such as a full disk
                raise OSError(str(error)) from None
            facts = {
                "key": self._key,
                "step": step,
                "sha256": digest(partial / "state.safetensors"),
                "optimizer": numbers,
                "rates": [group["lr"] for group in optimizer.param_groups],
                "scheduler": {name: value for name, value in scheduler.state_dict().items() if name != "lr_lambdas"},
                "scaler": scaler.state_dict() if scaler is not None else None,
            }
            write_json(partial / "state.json", facts)
        for old in sorted(self._home.glob("step-*"))[:-_KEPT]:
            shutil.rmtree(old)

    def remove(self) -> None:
        """Delete all: the training is finished."""
        shutil.rmtree(self._home, ignore_errors=True)


def read_shapes(home: Path) -> dict[str, list[int]]:
    """The shapes of clips that an earlier process wrote: of those that it has trained on none is sampled again."""
    try:
        return _CLIPS.validate_json((home / _SHAPES).read_bytes())
    except (OSError, ValueError):
        return {}


def write_shapes(home: Path, shapes: Mapping[str, Sequence[int]]) -> None:
    """Write the shapes of all clips, by names that stand for their content."""
    make_folder(home)
    write_json(home / _SHAPES, shapes)


def trained_weights(model: Any) -> Iterator[tuple[str, Any]]:
    """The weights that are trained, by name. Each rank has all of them."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def _random_states() -> Iterator[tuple[str, torch.Tensor]]:
    yield "cpu", torch.get_rng_state()
    if torch.cuda.is_available():
        for number, state in enumerate(torch.cuda.get_rng_state_all()):
            yield f"cuda{number:02}", state


def _below(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().contiguous()
