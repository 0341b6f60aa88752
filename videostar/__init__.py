"""videostar: self-training for video language models from labelled videos.

A run from Python, on rows of `video,label`:

    import videostar

    pipeline = videostar.load_pipeline(data="my.csv", model="Qwen/Qwen3-VL-2B-Instruct", rounds=2)
    run = videostar.run_cycle(pipeline, "runs/my")
    print(run.rounds())  # a pandas DataFrame: kept answers and held-out accuracy by round
    print(run.best_lora)  # the LoRA with the highest validation accuracy, for PEFT or vLLM

Nothing here imports torch until a function needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videostar.adapters import LabelAdapter, NoQuestion
    from videostar.config import Pipeline
    from videostar.cycle import run_cycle
    from videostar.data.source import Data, load_data
    from videostar.demo.build import write_demo
    from videostar.labels import Verdict, judge
    from videostar.pipeline_files import load_pipeline
    from videostar.report.page import write_report
    from videostar.runs.comparison import Comparison, compare_runs
    from videostar.runs.record import RunRecord, read_run
    from videostar.runs.single_stage import evaluate, generate, train
    from videostar.util.errors import UserError

__version__ = "0.2.0"

__all__ = [
    "Comparison",
    "Data",
    "LabelAdapter",
    "NoQuestion",
    "Pipeline",
    "RunRecord",
    "UserError",
    "Verdict",
    "compare_runs",
    "evaluate",
    "generate",
    "judge",
    "load_data",
    "load_pipeline",
    "read_run",
    "run_cycle",
    "train",
    "write_demo",
    "write_report",
]

_HOMES = {
    "videostar.adapters": ("LabelAdapter", "NoQuestion"),
    "videostar.config": ("Pipeline",),
    "videostar.pipeline_files": ("load_pipeline",),
    "videostar.cycle": ("run_cycle",),
    "videostar.data.source": ("Data", "load_data"),
    "videostar.demo.build": ("write_demo",),
    "videostar.labels": ("Verdict", "judge"),
    "videostar.report.page": ("write_report",),
    "videostar.runs.comparison": ("Comparison", "compare_runs"),
    "videostar.runs.record": ("RunRecord", "read_run"),
    "videostar.runs.single_stage": ("evaluate", "generate", "train"),
    "videostar.util.errors": ("UserError",),
}


def __getattr__(name: str) -> Any:
    """The public name, imported on its first use."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'videostar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
