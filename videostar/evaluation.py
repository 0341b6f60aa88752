"""Held-out label accuracy of a round: greedy direct answers, judged as in generation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from videostar.config import Pipeline
from videostar.engines import EngineProtocol
from videostar.files import write_json
from videostar.generation import Asking, generate
from videostar.ledger import Ledger
from videostar.progress import Tick
from videostar.questions import Questions


def evaluate(
    questions: Questions, settings: Pipeline, engine: EngineProtocol, *, adapter: Path | None, out: Path, tick: Tick
) -> dict[str, Any]:
    """Ask the test split and write the figures to the file `out`.

    These are `accuracy`, `ci95` (Wilson), `n`, `mean_score`, `per_task` and `per_label`. The answers go to a
    ledger beside it. A video that cannot be shown is counted in `set_aside`, not in `n`.
    """
    answers = out.with_suffix(".jsonl")
    asking = Asking(settings, ("direct",), samples=1, salt="evaluation")
    generate(questions, engine, asking, split="test", adapter=adapter, out=answers, tick=tick)
    asked: dict[str, Counter[str]] = {"per_task": Counter(), "per_label": Counter()}
    right: dict[str, Counter[str]] = {"per_task": Counter(), "per_label": Counter()}
    score = 0.0
    set_aside = 0
    for answer in Ledger(answers):
        if answer.kind == "video":
            set_aside += 1
        else:
            score += answer.score
            for table, name in (("per_task", answer.task), ("per_label", answer.group)):
                asked[table][name] += 1
                right[table][name] += answer.accepted
    n, correct = asked["per_task"].total(), right["per_task"].total()
    interval = binomtest(correct, n).proportion_ci(method="wilson") if n else None
    result = {
        "accuracy": correct / n if n else None,
        "ci95": [interval.low, interval.high] if interval else None,
        "n": n,
        "mean_score": score / n if n else None,
        "set_aside": set_aside,
        **{
            table: {name: {"accuracy": right[table][name] / counts[name], "n": counts[name]} for name in sorted(counts)}
            for table, counts in asked.items()
        },
    }
    write_json(out, result)
    return result
