"""Out-of-fold predictions of training videos, each by a classifier that never saw the video: files, without torch."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videostar.util.errors import UserError
from videostar.util.files import write_text

CONFIG = "config.json"


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of a training video that it was not trained on."""

    question_id: str
    video: str
    video_sha256: str
    fold: int  # from 1: all clips with the same content are in one
    label: str  # in words
    scores: Mapping[str, float]  # the probability of the label, and of the most probable classes


def fold_file(folder: Path, fold: int) -> Path:
    """The file of the predictions of a fold, which is there once they are complete."""
    return folder / f"fold-{fold}.jsonl"


def write_fold(folder: Path, fold: int, predictions: Sequence[Prediction]) -> None:
    """Write the predictions of a fold."""
    lines = (json.dumps(asdict(one), ensure_ascii=False) for one in predictions)
    write_text(fold_file(folder, fold), "".join(f"{line}\n" for line in lines))


def read_inputs(folder: Path) -> dict[str, Any] | None:
    """What the predictions in a folder are made with; None if there are none. Raises UserError if it is damaged."""
    try:
        found = json.loads((folder / CONFIG).read_bytes())["inputs"]
        if not isinstance(found["folds"], int) or not isinstance(found["data"], str):
            raise TypeError("no number of folds, or no digest of data")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{folder}: has no predictions that can be read ({error}); delete it") from None
    return dict(found)


def read_folds(folder: Path) -> list[Prediction]:
    """The predictions in a folder. Raises UserError if there are none, or if a fold is missing or damaged."""
    inputs = read_inputs(folder)
    if inputs is None:
        raise UserError(
            f"{folder}: has no out-of-fold predictions; `videostar baseline DATA --folds 4 --out {folder}` makes them"
        )
    found: list[Prediction] = []
    for fold in range(1, inputs["folds"] + 1):
        path = fold_file(folder, fold)
        if not path.is_file():
            raise UserError(f"{folder}: fold {fold} of {inputs['folds']} is missing; the command that made it goes on")
        try:
            of_fold = [Prediction(**json.loads(line)) for line in path.read_bytes().splitlines()]
            if any(one.label not in one.scores for one in of_fold):
                raise ValueError("a label has no score")
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: cannot be read ({error}); delete it, and it is made again") from None
        found += of_fold
    return found


def confusions(predictions: Iterable[Prediction]) -> dict[str, dict[str, float]]:
    """By label, the mean probability of each other label that is among the most probable of any of its videos."""
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    counts: Counter[str] = Counter()
    for one in predictions:
        counts[one.label] += 1
        totals[one.label].update({name: score for name, score in one.scores.items() if name != one.label and score})
    return {label: {name: total / counts[label] for name, total in sorted(of.items())} for label, of in totals.items()}
