"""Names, order and files of the stages of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from videostar.config import ControlName
from videostar.stages.ledger import find_ledger
from videostar.util.errors import UserError

#: The ledgers of `evaluation.sets` in the folder of a round.
SET_LEDGERS = "evaluation.set-*.jsonl"
PARTS = ("generate", "version", "health", "train", "evaluate")


@dataclass(frozen=True)
class RoundFiles:
    """The files and folders of one round, below the folder of its run."""

    run: Path
    number: int  # round 0 evaluates the base model

    @property
    def folder(self) -> Path:
        """The round's folder."""
        return self.run / "rounds" / f"{self.number:02}"

    @property
    def answers(self) -> Path:
        """The ledger of the generate stage: a file, or a folder of parts."""
        return find_ledger(self.folder)

    @property
    def dataset(self) -> Path:
        """The dataset version: kept answers."""
        return self.folder / "dataset"

    @property
    def lora(self) -> Path:
        """The LoRA that is trained on the dataset version."""
        return self.folder / "lora"

    @property
    def training_log(self) -> Path:
        """The log of the training's steps."""
        return self.folder / "training.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The checkpoints of a training that is not finished."""
        return self.folder / ".checkpoints-lora"

    @property
    def evaluation(self) -> Path:
        """The held-out figures; their ledgers lie beside them."""
        return self.folder / "evaluation.json"

    def stage(self, part: str) -> str:
        """The name of one of its stages, such as `01/train`."""
        return f"{self.number:02}/{part}"

    def written(self, part: str) -> list[Path]:
        """Everything that one of its stages may write."""
        return {
            "generate": [self.answers],
            "version": [self.dataset],
            "health": [],  # only figures in the manifest
            "train": [self.lora, self.training_log, self.checkpoints],
            "evaluate": [
                self.evaluation,
                self.evaluation.with_suffix(".jsonl"),
                self.evaluation.with_name("validation.jsonl"),
                *(self.evaluation.with_suffix(f".{control}.jsonl") for control in get_args(ControlName)),
                *sorted(self.folder.glob(SET_LEDGERS)),
            ],
        }[part]


def stages(rounds: int) -> list[str]:
    """The stages of a run, in order."""
    return ["00/evaluate", *(f"{number:02}/{part}" for number in range(1, rounds + 1) for part in PARTS)]


def written(run: Path, stage: str) -> list[Path]:
    """Everything that a stage may write in the folder `run`."""
    number, part = stage.split("/")
    return RoundFiles(run, int(number)).written(part)


def stage_name(text: str, rounds: int) -> str:
    """The stage that a user means by `round-02/train`, `2/train` or `02/train`. Raises UserError if there is none."""
    match = re.fullmatch(r"(?:round-?)?(\d+)/(\w+)", text)
    name = f"{int(match[1]):02}/{match[2]}" if match else text
    if name not in stages(rounds):
        raise UserError(f"--restart-from {text}: no such stage; there are {', '.join(stages(rounds))}")
    return name
