"""The log of a training: a line of JSON for every step, written as it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from videostar.config.training import SEVERAL
from videostar.util.files import write_text

#: A step in the log: `step` of `steps`, `epoch`, `loss` (mean per answer token of the global batch), `tokens` (of
#: answers), `input_tokens` (all, without padding), `padding` (share of padded positions), `grad_norm` (before clipping;
#: None if it is not finite), `learning_rate`, `seconds`, `waiting` (seconds of these without a batch), and `source`;
#: with preference pairs also `pairs`, `accuracy` and `margin` (see `preference_loss`).
Record = dict[str, Any]
#: Called with each step's record as soon as it is in the log.
OnStep = Callable[[Record], None]


class TrainingLog:
    """The file of a training's steps, one line each."""

    def __init__(self, path: Path, done: int = 0) -> None:
        """Cut the file at `path` back to the first `done` steps, or begin it."""
        self.path = path
        self.records: list[Record] = read_log(path)[:done] if done else []
        write_text(path, "".join(_line(record) for record in self.records))

    def add(self, record: Record) -> None:
        """Append a step."""
        self.records.append(record)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(record))

    def sync(self) -> None:
        """Make the lines so far durable."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())


def read_log(path: Path) -> list[Record]:
    """The steps in a log; none if there is no file. A last line that is being written is ignored."""
    if not path.exists():
        return []
    *lines, _ = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines]


def mean_loss(records: Sequence[Record]) -> float:
    """The mean loss over the answer tokens, or the preference pairs, of these steps."""
    weights = [record.get("pairs") or record["tokens"] for record in records]
    return float(sum(record["loss"] * weight for record, weight in zip(records, weights, strict=True)) / sum(weights))


def loss_change(records: Sequence[Record]) -> float | None:
    """The mean loss of the last quarter of the steps, less that of the first step, whose weights are untrained.

    None with fewer than four steps.
    """
    if len(records) < 4:
        return None
    return mean_loss(records[-(len(records) // 4) :]) - mean_loss(records[:1])


def by_source(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """The number of steps and the mean loss of each source; steps with rows of several are `several`."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["source"] or SEVERAL, []).append(record)
    return {name: {"steps": len(own), "loss": round(mean_loss(own), 4)} for name, own in groups.items()}


def padding(records: Sequence[Record]) -> float:
    """The share of padding in all positions."""
    tokens = sum(record["input_tokens"] for record in records)
    return float(round(1 - tokens / sum(record["input_tokens"] / (1 - record["padding"]) for record in records), 4))


def waiting(records: Sequence[Record]) -> float:
    """The share of the time after the first step that was spent without a batch."""
    seconds = sum(record["seconds"] for record in records[1:])
    return float(round(sum(record["waiting"] for record in records[1:]) / seconds, 4)) if seconds else 0.0


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"
