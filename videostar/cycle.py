"""The cycle of Video-STaR (paper, section 3): rounds and their stages. Start reading here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from videostar.adapters.questions import Questions
from videostar.config import Pipeline
from videostar.data.source import with_frame_rate
from videostar.executors import open_cluster, open_executor
from videostar.report import REPORT
from videostar.report.page import add_report
from videostar.runs.data import RunData
from videostar.runs.folder import SHARED, check_folder
from videostar.runs.gates import check_gates
from videostar.runs.manifest import remaining
from videostar.runs.record import RunRecord, read_run
from videostar.runs.run import Run, verify_finished
from videostar.runs.stage_names import RoundFiles
from videostar.runs.tracking import Tracker
from videostar.stages.controls import Control
from videostar.stages.evaluation import Ledgers, control_ledger, evaluate, held_out_ledgers
from videostar.stages.executor import ExecutorProtocol
from videostar.stages.generation import generate
from videostar.stages.health import measure_health
from videostar.stages.ledger import find_ledger
from videostar.stages.plan import AnswerPlan
from videostar.stages.versions import build_version
from videostar.util.errors import UserError
from videostar.util.files import write_text
from videostar.util.progress import Progress, Tick, silent


def run_cycle(
    pipeline: Pipeline, out: Path | str, *, restart_from: str | None = None, progress: Progress = silent
) -> RunRecord:
    """Run the cycle in the folder `out`, or go on with the run that is there.

    Args:
        pipeline: The settings, from `load_pipeline`.
        out: The folder of the run. The same call again goes on where it was interrupted.
        restart_from: A stage such as `round-02/train` that is done again, with all later ones.
        progress: Makes the progress bar of each stage; by default none are shown.

    Raises:
        UserError: Settings, data, model or folder are wrong. Cheap checks come first, and nothing is lost.
    """
    folder, pipeline = Path(out), with_frame_rate(pipeline)
    check_folder(folder, pipeline, restart_from)
    data = RunData(pipeline)
    if restart_from is None and verify_finished(folder, pipeline, data):
        if not (folder / REPORT).exists():
            add_report(folder, [folder], progress)
        Tracker(folder, pipeline.tracking).close()
        return read_run(folder)
    with open_cluster(pipeline) as cluster:
        data.prepare(pipeline, folder, progress, cluster, trains=True)
        from videostar.runs.lora_checks import report_adapted  # loads torch

        with (
            Run.open(folder, pipeline, data.digests, restart_from) as run,
            open_executor(pipeline, data, folder / SHARED) as executor,
            Tracker(folder, pipeline.tracking) as tracker,
        ):
            skipped = data.report()
            report_adapted(pipeline.spec, pipeline.training)
            write_text(folder / "skipped.jsonl", "".join(json.dumps(asdict(row)) + "\n" for row in skipped))
            try:
                cycle(run, data.questions, pipeline, executor, progress, data.sets, tracker)
            except UserError:
                if run.manifest.halted:
                    add_report(folder, [folder], progress)  # to see why a gate ended the run
                raise
    add_report(folder, [folder], progress)
    return read_run(folder)


def cycle(
    run: Run,
    questions: Questions,
    settings: Pipeline,
    executor: ExecutorProtocol,
    progress: Progress = silent,
    sets: Mapping[str, Questions] | None = None,
    tracker: Tracker | None = None,
) -> None:
    """Do every stage of `run` that is not done yet. One executor answers and trains in all of them.

    Round 0 only evaluates the base model. `sets` are the questions of `evaluation.sets`. The figures of each stage are
    in `run.manifest`. Raises UserError as the stages do, and if a gate ends the run.
    """
    lora: Path | None = None  # None: the base model alone answers
    ledgers: list[Ledgers] = []  # of the held-out answers, by round
    for number in range(settings.rounds + 1):
        this = _Round(run, questions, settings, executor, progress, number, sets or {}, tracker)
        if number > 0:
            this.generate(lora, before=ledgers[-1])  # and verify: every answer has a verdict
            version = this.build_version(lora)
            this.health(base=ledgers[0])
            if version["rows"]:  # if nothing was kept, the model stays
                lora = this.train(start_from=lora if settings.training.start_from == "previous" else None)
        ledgers.append(this.evaluate(lora, ledgers))
        if tracker is not None:
            tracker.catch_up()
        if run.manifest.stopped == number:  # validation has been below its best for `stop.patience` rounds
            break


@dataclass(frozen=True)
class _Round:
    """The stages of one round; each is skipped if the run has done it."""

    run: Run
    questions: Questions
    settings: Pipeline
    executor: ExecutorProtocol
    progress: Progress
    number: int
    sets: Mapping[str, Questions]  # those of `evaluation.sets`
    tracker: Tracker | None

    @property
    def files(self) -> RoundFiles:
        return self.run.round(self.number)

    def generate(self, lora: Path | None, before: Ledgers) -> None:
        """Answer and verify every training question; where no answer is kept, rationalise and verify.

        `before` are the held-out answers of the same model: they set the least evidence.
        """
        plan = AnswerPlan.of(self.settings, salt=f"{self.settings.seed}/{self.number}")
        validation = [before["validation"]] if plan.evidence else []
        part_size = self.settings.part_size
        out = find_ledger(self.files.folder, parts=len(self.questions.split("train")) > part_size)

        def work() -> dict[str, Any]:
            evidence = plan.evidence and plan.evidence.from_validation(*validation)
            counts = generate(
                self.questions,
                self.executor,
                replace(plan, evidence=evidence),
                split="train",
                lora=lora,
                out=out,
                part_size=part_size,
                tick=self._bar("answers"),
            )
            return {**counts, "least_evidence": evidence.least} if evidence else counts

        self._stage("generate", work, writes=[out], reads=[*([lora] if lora else []), *validation])

    def build_version(self, lora: Path | None) -> dict[str, Any]:
        """Make the kept answers an immutable dataset version, and return its counts."""
        # The paper's rule for the last round; never for the first one, in which the base model answers.
        is_last = 1 < self.number == self.settings.rounds
        work = partial(
            build_version,
            self.files.answers,
            self.files.dataset,
            lineage=self.run.lineage(lora, self.executor.name),
            direct_only=is_last and self.settings.training.final_round == "direct_only",
            generation=self.settings.generation,
            evidence=self.settings.verification.evidence is not None,
        )
        return self._stage("version", work, writes=[self.files.dataset], reads=[self.files.answers])

    def health(self, base: Ledgers) -> None:
        """Measure the answers, before hours of training; `base` are the held-out answers of the base model."""
        reads = [self.files.answers, *base.values()]

        def work() -> dict[str, Any]:
            questions = self.questions.split("train")
            plan = AnswerPlan.of(self.settings, "health")
            return {"figures": measure_health(self.files.answers, base.values(), questions, plan), "fired": []}

        if self.files.stage("health") in remaining(self.run.manifest):
            self._stage("health", work, writes=[], reads=reads)

    def train(self, start_from: Path | None) -> Path:
        """Train a LoRA on the dataset version, from the base model or from the LoRA `start_from`."""
        from videostar.training.stage import train  # loads torch

        tick = self._bar("training steps")

        def on_step(record: dict[str, Any]) -> None:
            tick(record["step"], record["steps"])
            if self.tracker is not None:
                self.tracker.step(self.number, record)

        def work() -> dict[str, Any]:
            self.executor.release()
            return train(
                self.files.dataset,
                self.questions.root,
                self.settings,
                self.files.lora,
                log=self.files.training_log,
                start_from=start_from,
                on_step=on_step,
                launch=self.executor.launch,
                cluster=self.executor.cluster,
            )

        reads = [self.files.dataset, *([start_from] if start_from else [])]
        self._stage("train", work, writes=[self.files.lora], reads=reads)
        return self.files.lora

    def evaluate(self, lora: Path | None, earlier: list[Ledgers]) -> Ledgers:
        """Measure accuracy on the held-out videos, and return the ledgers of the answers."""
        controls = self.settings.evaluation.controls
        ledgers = held_out_ledgers(self.questions, self.files.evaluation, self.sets)
        work = partial(
            evaluate,
            self.questions,
            self.executor,
            AnswerPlan.for_evaluation(self.settings),
            lora=lora,
            out=self.files.evaluation,
            earlier=list(earlier),
            controls=Control.each(controls, self.settings.seed),
            sets=self.sets,
            tick=self._bar("held-out videos"),
        )
        reads = [*([lora] if lora else []), *(path for before in earlier for path in before.values())]
        writes = [self.files.evaluation, *ledgers.values()]
        writes += [control_ledger(self.files.evaluation, control) for control in controls]
        self._stage("evaluate", work, writes=writes, reads=reads)
        return ledgers

    def _stage(
        self, part: str, work: Callable[[], dict[str, Any]], *, writes: list[Path], reads: list[Path]
    ) -> dict[str, Any]:
        facts = self.run.stage(self.files.stage(part), work, writes=writes, reads=reads)
        check_gates(self.run, self.number)
        return facts

    def _bar(self, what: str) -> Tick:
        return self.progress(f"round {self.number}: {what}" if self.number else f"base: {what}")
