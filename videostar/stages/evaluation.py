"""Held-out label accuracy of a round: greedy direct answers, judged as in generation.

Test is only reported; validation, where the data have it, chooses the round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from videostar.adapters.questions import Questions
from videostar.config import Pipeline
from videostar.data.rows import Split
from videostar.engines.base import EngineProtocol
from videostar.stages.generation import Asking, generate
from videostar.stages.ledger import read_answers
from videostar.stages.uncertainty import accuracy, difference
from videostar.util.files import write_json
from videostar.util.progress import Tick

#: Where the answers to each held-out split lie.
Ledgers = Mapping[Split, Path]


def held_out(questions: Questions, out: Path) -> Ledgers:
    """Where the answers behind the figures in the file `out` go: of test, and of validation where the data have it."""
    name = "validation.jsonl" if out.name == "evaluation.json" else f"{out.stem}.validation.jsonl"
    ledgers: dict[Split, Path] = {"test": out.with_suffix(".jsonl")}
    return ledgers | ({"validation": out.with_name(name)} if questions.split("validation") else {})


def evaluate(
    questions: Questions,
    settings: Pipeline,
    engine: EngineProtocol,
    *,
    adapter: Path | None,
    out: Path,
    ledgers: Ledgers,
    earlier: Sequence[Ledgers],
    tick: Tick,
) -> dict[str, Any]:
    """Ask the splits of `ledgers`, where the answers go, and write the figures to the file `out`.

    `earlier` are the ledgers of the earlier rounds, from 0 on. The figures are those of the test split, and under
    `validation` the same of that split, or null where the data have none: `accuracy`, `se` and `ci95` (clustered by
    video), `n`, `videos`, `mean_score`, `set_aside`, `per_task`, `per_label`, and `against`: the paired differences
    from earlier rounds. A video that cannot be shown is counted in `set_aside`, not in `n`.
    """
    asking = Asking(settings, ("direct",), samples=1, salt="evaluation")
    found: dict[Split, dict[str, Any]] = {}
    for split, path in ledgers.items():
        generate(questions, engine, asking, split=split, adapter=adapter, out=path, tick=tick)
        found[split] = _figures(path, [before[split] for before in earlier])
    result = {**found["test"], "validation": found.get("validation")}
    write_json(out, result)
    return result


def _figures(answers: Path, earlier: Sequence[Path]) -> dict[str, Any]:
    asked: dict[str, Counter[str]] = {"per_task": Counter(), "per_label": Counter()}
    right: dict[str, Counter[str]] = {"per_task": Counter(), "per_label": Counter()}
    score = 0.0
    set_aside = 0
    for answer in read_answers(answers):
        if answer.kind == "video":
            set_aside += 1
        else:
            score += answer.score
            for table, name in (("per_task", answer.task), ("per_label", answer.group)):
                asked[table][name] += 1
                right[table][name] += answer.accepted
    judged = _judged(answers)
    n = len(judged)
    found = accuracy(*zip(*judged.values(), strict=True)) if n else None
    return {
        "accuracy": found.value if found else None,
        "se": found.se if found else None,
        "ci95": [found.low, found.high] if found else None,
        "n": n,
        "videos": found.videos if found else 0,
        "mean_score": score / n if n else None,
        "set_aside": set_aside,
        **{
            table: {name: {"accuracy": right[table][name] / counts[name], "n": counts[name]} for name in sorted(counts)}
            for table, counts in asked.items()
        },
        "against": [
            {"round": number, **compared}
            for number, path in enumerate(earlier)
            if (compared := _compared(judged, _judged(path)))
        ],
    }


def _judged(answers: Path) -> dict[str, tuple[bool, str]]:
    """Of each question that was asked whether it was answered right, and the video that it is about, by content."""
    return {
        answer.question_id: (answer.accepted, answer.video_sha256 or answer.video)
        for answer in read_answers(answers)
        if answer.kind != "video"
    }


def _compared(now: Mapping[str, tuple[bool, str]], before: Mapping[str, tuple[bool, str]]) -> dict[str, Any] | None:
    """The paired difference on the questions that were asked both times; None if there are none."""
    pairs = [(right, before[question][0], video) for question, (right, video) in now.items() if question in before]
    if not pairs:
        return None
    found = difference(*zip(*pairs, strict=True))
    return {
        "difference": found.value,
        "se": found.se,
        "ci95": [found.low, found.high],
        "n": found.n,
        "videos": found.videos,
    }
