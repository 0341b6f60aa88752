"""Held-out label accuracy of a round: greedy direct answers, judged as in generation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from videostar.config import Pipeline
from videostar.files import write_json
from videostar.generation import generate
from videostar.ledger import Ledger
from videostar.progress import Tick
from videostar.samples import Data


def evaluate(data: Data, settings: Pipeline, *, adapter: Path | None, out: Path, tick: Tick) -> dict[str, Any]:
    """Ask the test split and write `accuracy`, `ci95` (Wilson), `n` and `per_label` to the file `out`.

    The answers go to a ledger beside it. A video that cannot be shown is counted in `set_aside`, not in `n`.
    """
    answers = out.with_suffix(".jsonl")
    generate(
        data,
        data.split("test"),
        settings,
        adapter=adapter,
        answers=("direct",),
        out=answers,
        tick=tick,
    )
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    set_aside = 0
    for answer in Ledger(answers):
        if answer.kind == "video":
            set_aside += 1
        else:
            asked[answer.label] += 1
            right[answer.label] += answer.accepted
    n = asked.total()
    interval = binomtest(right.total(), n).proportion_ci(method="wilson") if n else None
    result = {
        "accuracy": right.total() / n if n else None,
        "ci95": [interval.low, interval.high] if interval else None,
        "n": n,
        "set_aside": set_aside,
        "per_label": {label: {"accuracy": right[label] / asked[label], "n": asked[label]} for label in sorted(asked)},
    }
    write_json(out, result)
    return result
