"""Held-out label accuracy of a round: greedy direct answers, judged as in generation.

The test split is only reported; the validation split, if the data have one, selects the best round. Controls ask the
test questions again. The sets of `evaluation.sets` show whether general ability is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from videostar.adapters.question_table import QuestionIndex
from videostar.adapters.questions import Questions
from videostar.adapters.task import Question
from videostar.config import ControlName
from videostar.data.rows import Split
from videostar.stages.calibration import calibration
from videostar.stages.controls import Control, chance
from videostar.stages.executor import ExecutorProtocol
from videostar.stages.generation import generate
from videostar.stages.ledger import read_answers
from videostar.stages.metrics import Judged, metrics_by_kind
from videostar.stages.plan import AnswerPlan
from videostar.stages.uncertainty import accuracy, difference
from videostar.util.files import write_json
from videostar.util.progress import Tick

#: By question: whether its answer is right, and its video's content.
Outcomes = Mapping[str, tuple[bool, str]]
#: The file of the answers to each held-out split, and to each set under its name.
Ledgers = Mapping[str, Path]


def held_out_ledgers(questions: Questions, out: Path, sets: Iterable[str] = ()) -> Ledgers:
    """The ledgers beside the figures in the file `out`: of test, of validation if the data have it, and of `sets`."""
    name = "validation.jsonl" if out.name == "evaluation.json" else f"{out.stem}.validation.jsonl"
    splits = _splits(questions)
    ledgers = {"test": out.with_suffix(".jsonl"), "validation": out.with_name(name)}
    return {split: ledgers[split] for split in splits} | {
        _key(held_out): out.with_suffix(f".{_key(held_out)}.jsonl") for held_out in sets
    }


def _splits(questions: Questions) -> tuple[Split, ...]:
    return ("test", "validation") if questions.split("validation") else ("test",)


def _key(held_out: str) -> str:
    return f"set-{held_out}"


def control_ledger(out: Path, control: ControlName) -> Path:
    """The ledger of the answers under a control, beside the figures in the file `out`."""
    return out.with_suffix(f".{control}.jsonl")


def evaluate(
    questions: Questions,
    executor: ExecutorProtocol,
    plan: AnswerPlan,
    *,
    lora: Path | None,
    out: Path,
    earlier: Sequence[Ledgers] = (),
    controls: Sequence[Control] = (),
    sets: Mapping[str, Questions] | None = None,
    tick: Tick,
) -> dict[str, Any]:
    """Answer the held-out splits and write the figures to the file `out`, the answers to ledgers beside it.

    `earlier` are the ledgers of the earlier rounds, from 0 on. The figures are those of the test split; under
    `validation` are the same figures of that split, or null: `accuracy`, `se` and `ci95` (clustered by video), `n`,
    `videos`, `mean_score`, `skipped`, `per_kind` (see `metrics_by_kind`), `calibration` (see there), `per_task`,
    `per_label`, and `against`, the paired differences from earlier rounds. A video that cannot be shown counts in
    `skipped`, not in `n`. Under `controls` are the figures of each control (see `_under_control`), under `sets` those
    of each of `sets`, by its name. Raises UserError as `generate` does.
    """
    ledgers = held_out_ledgers(questions, out, sets or {})

    def measure(key: str, asked: Questions, split: Split, plan: AnswerPlan) -> dict[str, Any]:
        generate(asked, executor, plan, split=split, lora=lora, out=ledgers[key], tick=tick)
        return _figures(ledgers[key], QuestionIndex(asked.split(split)), [before[key] for before in earlier])

    figures = {split: measure(split, questions, split, plan) for split in _splits(questions)}
    of_sets = {
        name: measure(_key(name), asked, "test", plan.at_rate(asked.frame_rate)) for name, asked in (sets or {}).items()
    }
    full = out.with_suffix(".jsonl")
    under: dict[str, Any] = {}
    for control in controls:
        again = questions.changed("test", control.question, read_outcomes(full))  # those that have an answer
        path = control_ledger(out, control.name)
        generate(again, executor, plan.greedy(control), split="test", lora=lora, out=path, tick=tick)
        under[control.name] = _under_control(path, full, again.split("test"))
    result = {**figures["test"], "validation": figures.get("validation"), "controls": under, "sets": of_sets}
    write_json(out, result)
    return result


def _under_control(ledger: Path, full: Path, asked: Sequence[Question]) -> dict[str, Any]:
    """The figures of a control: its accuracy, the `chance`, and the paired `difference`, full minus control."""
    outcomes = read_outcomes(ledger)
    return {
        **accuracy_figures(outcomes),
        "skipped": len(asked) - len(outcomes),
        "chance": chance(question.label for question in asked if question.id in outcomes),
        "difference": compare_outcomes(read_outcomes(full), outcomes),
    }


def _figures(ledger: Path, questions: QuestionIndex, earlier: Sequence[Path]) -> dict[str, Any]:
    n: dict[str, Counter[str]] = {"per_task": Counter(), "per_label": Counter()}
    right: dict[str, Counter[str]] = {"per_task": Counter(), "per_label": Counter()}
    score = 0.0
    skipped = 0
    judged: list[Judged] = []
    stated: list[tuple[float, bool]] = []  # confidence, and whether the answer is right
    for answer in read_answers(ledger):
        if answer.kind == "video":
            skipped += 1
            continue
        score += answer.score
        judged.append(Judged(questions[answer.question_id].label, answer.parsed, answer.accepted, bool(answer.judge)))
        if answer.confidence is not None:
            stated.append((answer.confidence, answer.accepted))
        for table, name in (("per_task", answer.task), ("per_label", answer.group)):
            n[table][name] += 1
            right[table][name] += answer.accepted
    outcomes = read_outcomes(ledger)
    return {
        **accuracy_figures(outcomes),
        "mean_score": score / len(outcomes) if outcomes else None,
        "skipped": skipped,
        "per_kind": metrics_by_kind(judged),
        "calibration": calibration(*zip(*stated, strict=True)) if stated else None,
        **{
            table: {name: {"accuracy": right[table][name] / counts[name], "n": counts[name]} for name in sorted(counts)}
            for table, counts in n.items()
        },
        "against": [
            {"round": number, **compared}
            for number, path in enumerate(earlier)
            if (compared := compare_outcomes(outcomes, read_outcomes(path)))
        ],
    }


def accuracy_figures(outcomes: Outcomes) -> dict[str, Any]:
    """`accuracy` with `se` and `ci95` (clustered by video), and the numbers of answers (`n`) and `videos`."""
    estimate = accuracy(*zip(*outcomes.values(), strict=True)) if outcomes else None
    return {
        "accuracy": estimate.value if estimate else None,
        "se": estimate.se if estimate else None,
        "ci95": [estimate.low, estimate.high] if estimate else None,
        "n": len(outcomes),
        "videos": estimate.videos if estimate else 0,
    }


def read_outcomes(ledger: Path) -> Outcomes:
    """The outcomes of the answers in a ledger, without videos that could not be shown."""
    return {
        answer.question_id: (answer.accepted, answer.video_sha256 or answer.video)
        for answer in read_answers(ledger)
        if answer.kind != "video"
    }


def compare_outcomes(now: Outcomes, before: Outcomes) -> dict[str, Any] | None:
    """The paired difference on the questions in both; None if there are none."""
    pairs = [(right, before[question][0], video) for question, (right, video) in now.items() if question in before]
    if not pairs:
        return None
    estimate = difference(*zip(*pairs, strict=True))
    return {
        "difference": estimate.value,
        "se": estimate.se,
        "ci95": [estimate.low, estimate.high],
        "n": estimate.n,
        "videos": estimate.videos,
    }
