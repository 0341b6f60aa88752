"""The cycle of Video-STaR (paper, section 3): rounds and stages, and nothing else. Start reading here."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from videostar.adapters.questions import Questions
from videostar.config import Pipeline
from videostar.engines.base import EngineProtocol, rested
from videostar.runs.run import Run
from videostar.stages.evaluation import evaluate, held_out
from videostar.stages.generation import Asking, generate
from videostar.stages.versions import build_version
from videostar.training.stage import train
from videostar.util.progress import Progress, silent


def cycle(
    run: Run, questions: Questions, settings: Pipeline, engine: EngineProtocol, progress: Progress = silent
) -> None:
    """Do every stage that is not done yet; the figures of each are in `run.manifest`. One engine serves them all.

    Round 0 only evaluates the base. Raises UserError, as the stages do.
    """
    adapter: Path | None = None
    rounds = run.folder / "rounds"
    ledgers = [
        held_out(questions, rounds / f"{number:02}" / "evaluation.json") for number in range(settings.rounds + 1)
    ]

    def evaluate_round(number: int, title: str) -> None:
        """How good is it on videos that it was never trained on?"""
        out = rounds / f"{number:02}" / "evaluation.json"
        asked, earlier = ledgers[number], ledgers[:number]
        ask = partial(evaluate, questions, settings, engine, adapter=adapter, out=out, ledgers=asked, earlier=earlier)
        reads = [path for before in earlier for path in before.values()]
        run.stage(
            f"{number:02}/evaluate",
            partial(ask, tick=progress(f"{title}: held-out videos")),
            [out, *asked.values()],
            [*([adapter] if adapter else []), *reads],
        )

    evaluate_round(0, "base")
    for number in range(1, settings.rounds + 1):
        name = f"{number:02}"
        answers, dataset, trained = (rounds / name / part for part in ("answers.jsonl", "dataset", "adapter"))

        # Answer, verify, rationalise, verify: every training video, with the last round's model.
        asking = Asking(settings, settings.generation.answers, settings.generation.samples, f"{settings.seed}/{number}")
        tick = progress(f"round {number}: answers")
        ask = partial(generate, questions, engine, asking, split="train", adapter=adapter, out=answers, tick=tick)
        run.stage(f"{name}/generate", ask, [answers], [adapter] if adapter else [])

        # What was kept becomes an immutable dataset version. The rule for the last round is never the first round's,
        # in which the base answers.
        direct_only = 1 < number == settings.rounds and settings.training.final_round == "direct_only"
        lineage = run.lineage(adapter, engine.name)
        build = partial(build_version, answers, dataset, lineage=lineage, direct_only=direct_only)
        version = run.stage(f"{name}/version", build, [dataset], [answers])

        # Fine-tune on it, from the base or from the last round's adapter; with nothing kept, the model stays.
        if version["rows"]:
            start = adapter if settings.training.start_from == "previous" else None
            tick = progress(f"round {number}: training steps")
            fit = partial(train, dataset, questions.root, settings, trained, start_from=start, tick=tick)
            run.stage(f"{name}/train", partial(rested, engine, fit), [trained], [dataset, *([start] if start else [])])
            adapter = trained

        evaluate_round(number, f"round {number}")
        if run.manifest.stopped == number:  # validation has fallen for `stop.patience` rounds
            break
