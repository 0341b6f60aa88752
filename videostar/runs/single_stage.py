"""The stages one by one, outside a run: `videostar generate`, `train` and `evaluate`; and a judge on its own."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

from videostar.config import Pipeline
from videostar.config.verification import JudgeName, LabelKind, Verification
from videostar.data.source import with_frame_rate
from videostar.engines import open_engine
from videostar.executors import open_cluster, open_executor
from videostar.runs.data import RunData
from videostar.runs.folder import LOG, SHARED
from videostar.runs.made_by import MadeBy, bound, lineage
from videostar.stages import evaluation, generation
from videostar.stages.controls import Control
from videostar.stages.judge import Judge, JudgePlan
from videostar.stages.judge_check import JudgeReport, check_judge
from videostar.stages.ledger import find_ledger
from videostar.stages.plan import AnswerPlan
from videostar.stages.versions import Version, build_version, read_version
from videostar.util.errors import UserError
from videostar.util.files import make_folder
from videostar.util.progress import Progress, silent
from videostar.util.resources import check_model
from videostar.util.terminal import keep_log, warn


def generate(
    pipeline: Pipeline, out: Path | str, *, lora: Path | str | None = None, progress: Progress = silent
) -> Version:
    """Answer, verify and rationalise every training video; write the ledger and a dataset version to the folder `out`.

    Args:
        pipeline: The settings, from `load_pipeline`.
        out: A folder for the answers and `dataset/`. The same call goes on where it was interrupted.
        lora: The LoRA to answer with; None: the base model.
        progress: Makes the progress bars; by default none are shown.

    Raises:
        UserError: Settings, data, model or LoRA are wrong, or `out` has answers with other inputs.
    """
    folder, lora = Path(out), Path(lora) if lora else None
    pipeline = with_frame_rate(pipeline)
    data = RunData(pipeline, sets=False)
    check_lora(lora, pipeline)
    with open_cluster(pipeline) as cluster:
        data.prepare(pipeline, folder, progress, cluster, trains=False)
        asked, part_size = len(data.questions.split("train")), pipeline.part_size
        answers, dataset = find_ledger(folder, parts=asked > part_size), folder / "dataset"
        made_by = MadeBy.of("01/version", pipeline, data.identity, lora)
        with bound(folder / "made_by.json", made_by, [answers, dataset]):
            keep_log(folder / LOG)
            data.report()
            if not dataset.exists():
                plan, tick = AnswerPlan.of(pipeline, salt=str(pipeline.seed)), progress("answers")
                if plan.evidence:
                    warn(
                        "verification.evidence: answers are scored, and none is rejected for its score: the validation "
                        "answers of a run (videostar cycle) set the least one"
                    )
                with open_executor(pipeline, data, folder / SHARED) as executor:
                    generation.generate(
                        data.questions,
                        executor,
                        plan,
                        split="train",
                        lora=lora,
                        out=answers,
                        part_size=part_size,
                        tick=tick,
                    )
                    origin = lineage(data.identity, pipeline, lora, executor.name)
                build_version(
                    answers,
                    dataset,
                    lineage=origin,
                    direct_only=False,
                    generation=pipeline.generation,
                    evidence=pipeline.verification.evidence is not None,
                )
            return read_version(dataset)


def train(
    pipeline: Pipeline,
    dataset: Path | str,
    out: Path | str,
    *,
    start_from: Path | str | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train a LoRA on the dataset version in the folder `dataset` and write it to the new folder `out`.

    Args:
        pipeline: The settings, from `load_pipeline`. The videos lie below the root of its data.
        dataset: The folder of a dataset version.
        out: A new folder for the LoRA, in PEFT's format; the log of the steps is `OUT.training.jsonl` beside it. The
            same call goes on where it was interrupted.
        start_from: A LoRA to continue, of the same rank and alpha; None: a new one on the base model.
        progress: Makes the progress bar; by default none is shown.

    Returns:
        The numbers of `steps`, `rows`, `mixed` and `skipped` rows, the mean `loss` per answer token, `loss_change` from
        the first step to the last ones, and `lora_norm`, the size of the update. With `training.objective=dpo` the
        loss is per pair, and there are the numbers of `pairs` and of `unpaired` kept answers.

    Raises:
        UserError: Settings, data or model are wrong, `out` exists, or there is nothing to train on.
    """
    folder, start_from = Path(out), Path(start_from) if start_from else None
    if folder.exists():
        raise UserError(f"{folder}: exists; LoRAs are never overwritten: give --out a new folder")
    pipeline = with_frame_rate(pipeline)
    data = RunData(pipeline, sets=False)
    check_lora(start_from, pipeline, trained=True)
    from videostar.models.load import bare_model, load_config
    from videostar.models.parts import adapted_share
    from videostar.models.quantised import check_quantised, check_small
    from videostar.runs.preflight import check_batches, check_dropped
    from videostar.training import stage  # loads torch
    from videostar.training.launch import check_processes, launch
    from videostar.training.preferences import warn_of_unused_mix

    check_quantised(load_config(pipeline.spec), pipeline.model, trains=True)
    check_small(load_config(pipeline.spec), pipeline.model, pipeline.training)
    check_batches(pipeline.spec, pipeline.engine, pipeline.video, pipeline.training)
    check_dropped(pipeline.spec, pipeline.training)
    check_processes(pipeline)
    warn_of_unused_mix(pipeline)
    make_folder(folder.parent)
    keep_log(folder.with_name(f"{folder.name}.log"))
    tick = progress("training steps")
    lines = adapted_share(bare_model(pipeline.spec), pipeline.training)

    def on_step(record: dict[str, Any]) -> None:
        while lines:  # once the rows are known to be fine
            warn(lines.pop(0))
        tick(record["step"], record["steps"])

    # Not for one machine: it would load an engine's packages.
    shared = folder.with_name(f"{SHARED}-{folder.name}")
    with nullcontext() if pipeline.executor.name == "local" else open_executor(pipeline, data, shared) as executor:
        return stage.train(
            Path(dataset),
            data.source.root,
            pipeline,
            folder,
            log=folder.with_name(f"{folder.name}.training.jsonl"),
            start_from=start_from,
            on_step=on_step,
            launch=executor.launch if executor else launch,
            cluster=executor.cluster if executor else None,
        )


def evaluate(
    pipeline: Pipeline, out: Path | str, *, lora: Path | str | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Measure label accuracy on the held-out splits, write the figures to the .json file `out` and return them.

    Args:
        pipeline: The settings, from `load_pipeline`.
        out: A new .json file; the answers go beside it. The same call goes on where it was interrupted, and with more
            `evaluation.controls` asks only under those.
        lora: The LoRA to evaluate; None: the base model.
        progress: Makes the progress bars; by default none are shown.

    Raises:
        UserError: Settings, data, model or LoRA are wrong, or `out` has figures with other inputs.
    """
    file, lora = Path(out), Path(lora) if lora else None
    if file.suffix != ".json":
        raise UserError(f"{file}: the figures are written as JSON, and the answers beside them: give --out X.json")
    pipeline = with_frame_rate(pipeline)
    data = RunData(pipeline)
    check_lora(lora, pipeline)
    with open_cluster(pipeline) as cluster:
        data.prepare(pipeline, file, progress, cluster, trains=False)
        ledgers = evaluation.held_out_ledgers(data.questions, file, data.sets)
        made_by = MadeBy.of("00/evaluate", pipeline, data.identity, lora, data.sets_identity)
        made = [
            file,
            *ledgers.values(),
            *(evaluation.control_ledger(file, name) for name in pipeline.evaluation.controls),
        ]
        with bound(file.with_suffix(".made_by.json"), made_by, made):
            keep_log(file.with_suffix(".log"))
            data.report()
            plan, tick = AnswerPlan.for_evaluation(pipeline), progress("held-out videos")
            with open_executor(pipeline, data, file.with_name(f"{SHARED}-{file.stem}")) as executor:
                controls = Control.each(pipeline.evaluation.controls, pipeline.seed)
                return evaluation.evaluate(
                    data.questions, executor, plan, lora=lora, out=file, controls=controls, sets=data.sets, tick=tick
                )


def judge_check(pipeline: Pipeline, cases: Path, judge: JudgeName, *, progress: Progress = silent) -> JudgeReport:
    """Measure a judge on the file `cases`, answers whose truth is known.

    Args:
        pipeline: The settings: the base model, or the server that judges.
        cases: One JSON object a line, with `id`, `label`, `answer` and `accept`.
        judge: rules: those of every kind of label; embeddings: kind `text` only; engine: a model, for every kind.
        progress: Makes the progress bar; by default none is shown.

    Raises:
        UserError: Settings or model are wrong, the file cannot be read, or the server cannot be reached.
    """
    tick = progress("cases")
    if judge != "engine":
        return check_judge(cases, Judge(), ("text",) if judge == "embeddings" else None, tick)
    every = Verification.model_validate(dict.fromkeys(get_args(LabelKind), "engine"))
    pipeline = pipeline.model_copy(update={"verification": every})
    from videostar.runs import preflight  # loads torch

    preflight.check_judge(pipeline)
    plan = JudgePlan.of(pipeline)
    if pipeline.judge is not None:
        with plan.open() as model:
            return check_judge(cases, model, None, tick)
    check_model(pipeline.model)
    preflight.check_engine(pipeline.engine, pipeline.training)
    with open_engine(pipeline) as engine, plan.open(engine) as model:
        return check_judge(cases, model, None, tick)


def check_lora(folder: Path | None, pipeline: Pipeline, *, trained: bool = False) -> None:
    """Raises UserError if the LoRA in `folder` is damaged, of another model, or not served by the engine."""
    if folder is not None:
        from videostar.runs import lora_checks  # loads torch

        lora_checks.check_lora(folder, pipeline.spec, pipeline.engine, pipeline.training if trained else None)
