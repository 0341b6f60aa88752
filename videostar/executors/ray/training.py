"""Training on a Ray cluster: Ray Train starts the processes, one a GPU, on any of its nodes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.train import TrainingFailedError
from ray.train.torch import TorchTrainer

from videostar.executors.ray.cluster import enter, gpus_of_engine, resources
from videostar.training.launch import followed, problem_file
from videostar.training.log import OnStep
from videostar.training.worker import Work, fit
from videostar.util.errors import UserError
from videostar.util.files import write_text

_FAILURES = 3  # of processes or nodes, after which a training ends; it goes on at its last checkpoint


def launch(work: Work, on_step: OnStep) -> dict[str, Any]:
    """`fit` in `training.processes` processes of the cluster; `on_step` is called in this one.

    Raises UserError as `fit` does, or if processes end again and again.
    """
    options = work.settings.executor
    on_gpu = gpus_of_engine(options) > 0
    asked = work.settings.training.processes
    ranks = asked if asked != "auto" else int(resources()["GPU"]) if on_gpu else 1
    scaling = ray.train.ScalingConfig(
        num_workers=ranks, use_gpu=on_gpu, resources_per_worker={"CPU": options.cpus, **({"GPU": 1} if on_gpu else {})}
    )
    rank: Any = _rank
    trainer = TorchTrainer(
        rank,
        train_loop_config={"work": work, "folder": str(Path.cwd())},
        scaling_config=scaling,
        run_config=ray.train.RunConfig(
            name="ray",
            storage_path=str(work.checkpoints.absolute()),  # which is removed in the end
            failure_config=ray.train.FailureConfig(max_failures=_FAILURES),
        ),
    )
    try:
        with followed(work.log, on_step):
            result: Any = trainer.fit()  # whose type lacks what the first rank returns
    except TrainingFailedError as error:
        for problem in work.folder.glob("problem-*.txt"):
            raise UserError(problem.read_text(encoding="utf-8")) from None
        print(error, file=sys.stderr)  # into the log
        raise UserError(
            f"training: its processes ended {_FAILURES + 1} times, see the log; the same command goes on from the last "
            "checkpoint"
        ) from None
    facts: dict[str, Any] = result.return_value
    return facts


def _rank(config: dict[str, Any]) -> dict[str, Any]:
    """The work of one process."""
    enter(config["folder"])
    work: Work = config["work"]
    rank = ray.train.get_context().get_world_rank()
    if any(work.folder.glob("problem-*.txt")):  # to try again gives the same
        raise RuntimeError("the training cannot go on")
    if torch.cuda.is_available():
        torch.cuda.set_device(ray.train.torch.get_device())
    try:
        return fit(work, lambda record: None)
    except UserError as error:
        write_text(problem_file(work, rank), str(error))
        raise
