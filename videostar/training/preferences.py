"""Preference pairs: a kept and a rejected answer to the same question, from the folder of a dataset version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from videostar.config import Pipeline
from videostar.stages.tries import SURPLUS
from videostar.stages.versions import Content, version_files
from videostar.training.rows import Row
from videostar.util.errors import UserError
from videostar.util.terminal import warn

_FACTOR = 1.5  # a pair's longer answer has at most so many times the tokens of the shorter one
_KINDS = ("direct", "rationalised")  # of kept answers, in the order in which they choose; no model wrote templates


class NoPairs(UserError):
    """No kept answer of a dataset version has a rejected one to be preferred to."""


@dataclass(frozen=True)
class Pair:
    """Two answers to one question about the same video."""

    chosen: Row
    rejected: Row

    @property
    def where(self) -> str:
        """The row of its kept answer."""
        return self.chosen.where

    @property
    def weight(self) -> float:
        """That of its kept answer."""
        return self.chosen.weight


def preference_pairs(dataset: Path, kept: Sequence[Row], length: Callable[[str], int]) -> list[Pair]:
    """The kept answers of the version in `dataset`, each with a direct rejected answer to the same question.

    `kept` are all its kept answers, and `length` counts the tokens of an answer. Rejected answers are
    whole (not cut off), not empty, and lack the label: near-duplicates and the like are not used. A kept answer gets
    the one whose length is nearest to its own, of equally near ones the earliest. It gets none if the longer of the two
    has more than 1.5 times the tokens of the shorter one: a model would learn lengths. Answers kept directly choose
    before rationalised ones, and no rejected answer is used twice. The order is that of the rows, direct answers first.
    Raises UserError if the files are not those of a version, and NoPairs if there is no pair.
    """
    columns = _read(dataset, "data", ["question_id", "kind"])
    wrong = _wrong_answers(dataset)
    asked = list(zip(kept, columns["question_id"].to_pylist(), columns["kind"].to_pylist(), strict=True))
    pairs: list[Pair] = []
    for kind in _KINDS:
        for row, question in ((row, question) for row, question, of in asked if of == kind):
            left = wrong.get(question, [])
            if (text := _nearest(row.answer, left, length)) is not None:
                left.remove(text)
                pairs.append(Pair(row, replace(row, answer=text)))
    if kept and not pairs:
        raise NoPairs(
            f"{dataset}: none of its {len(kept)} kept answers has a rejected answer of similar length to the same "
            "question, so there is nothing to prefer; generate with generation.samples=8, or train with "
            "training.objective=sft"
        )
    return pairs


def check_objective(settings: Pipeline) -> None:
    """Raises UserError if the settings can give no preference pairs, which `dpo` trains on; warns if few."""
    if settings.training.objective == "sft":
        return
    generation = settings.generation
    if not generation.verify or "direct" not in generation.answers:
        fix = "generation.verify=true" if not generation.verify else "add direct to generation.answers"
        raise UserError(
            f"training.objective: dpo needs rejected direct answers, and these settings give none: {fix}, or set "
            "training.objective=sft"
        )
    if generation.samples == 1:
        warn(
            "training.objective: with one try per question no direct answer is kept beside a rejected one, so dpo is "
            "trained on rationalised answers alone; generation.samples=8 gives more pairs"
        )
    warn_of_unused_mix(settings)


def warn_of_unused_mix(settings: Pipeline) -> None:
    """Warn of an instruction set that is not used."""
    if settings.mix is not None and settings.training.objective == "dpo":
        warn("mix: has an effect with training.objective=sft only; dpo trains on pairs of answers alone")


def rows_of(items: Sequence[Row | Pair]) -> list[Row]:
    """The rows of a batch. Pairs give the chosen answers, then the rejected ones in the same order."""
    chosen = [item.chosen if isinstance(item, Pair) else item for item in items]
    return chosen + [item.rejected for item in items if isinstance(item, Pair)]


def _wrong_answers(dataset: Path) -> dict[str, list[str]]:
    """The direct answers that a kept one may be preferred to, by question."""
    table = _read(dataset, "rejected", ["question_id", "kind", "text", "accepted", "cut_off", "reason"])
    wrong: dict[str, list[str]] = {}
    for batch in table.to_batches():
        for row in batch.to_pylist():
            if _is_wrong(row):
                wrong.setdefault(row["question_id"], []).append(row["text"])
    return wrong


def _is_wrong(row: Mapping[str, object]) -> bool:
    # `cut_off` is null if the number of tokens is not known. Without verification, surplus answers may lack the label.
    judged = row["kind"] == "direct" and row["reason"] not in SURPLUS
    return judged and row["accepted"] is False and row["cut_off"] is False and bool(row["text"])


def _read(dataset: Path, content: Content, columns: list[str]) -> pa.Table:
    try:
        return pq.read_table(version_files(dataset, content), columns=columns)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise UserError(
            f"{dataset}: its {content} cannot be read, or have no columns {', '.join(columns)} "
            f"({str(error).splitlines()[0]}); "
            "preference pairs need the whole folder of a dataset version: build it again with this version of videostar"
        ) from None


def _nearest(answer: str, others: Sequence[str], length: Callable[[str], int]) -> str | None:
    """Of `others` the text whose length is nearest to that of `answer`; None if none has a similar length."""
    own = length(answer)
    lengths = [(text, length(text)) for text in others]
    similar = [(text, other) for text, other in lengths if max(own, other) <= _FACTOR * min(own, other)]
    return min(similar, key=lambda item: abs(item[1] - own))[0] if similar else None
