"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from videostar.config import Pipeline
from videostar.pipeline_files import load_pipeline

PipelineName = Annotated[
    str | None,
    typer.Option(
        "--pipeline",
        help="A file of pipelines/, by name or path; default: demo, with --data embedded, with --model lvlm.",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="A folder, or the Hugging Face id of a downloaded model; default: the embedded toy."),
]
DataName = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="A row file (.csv, .jsonl, ...), a folder with a folder per class, or a data manifest by name or path.",
    ),
]
Root = Annotated[
    str | None,
    typer.Option(
        "--root", help="The folder of your videos, or s3://, gs://, hf://...; default: the data manifest's root."
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: training.rank=8. Can be given again.")
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", help="The engine that answers: transformers, vllm, or openai (a vLLM server)."),
]
ExecutorName = Annotated[
    str | None,
    typer.Option(
        "--executor",
        help="Where it runs: local, or ray (the Ray cluster that runs here, or a new one on this machine).",
    ),
]
CacheFolder = Annotated[
    str | None, typer.Option("--cache", help="The folder of sampled frames, for any number of runs.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of every random choice.")]
Limit = Annotated[int | None, typer.Option(help="Videos of each split, at most, for a quick look.")]
Lora = Annotated[Path | None, typer.Option("--lora", help="The LoRA that answers; default: the base model.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show the output of libraries, which otherwise goes to a log file.")
]
Out = Annotated[Path | None, typer.Option(help="The folder of the run; default: runs/ and the name of the data.")]
RunFolder = Annotated[Path, typer.Argument(help="The folder of a run, or its manifest.json.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]


def read_settings(
    name: str | None,
    overrides: list[str] | None,
    *,
    engine: str | None = None,
    executor: str | None = None,
    cache: str | None = None,
    **given: object,
) -> Pipeline:
    """The pipeline file `name` with the options of a command. Raises UserError."""
    return load_pipeline(
        name, settings=overrides or [], **changes(engine=engine, executor=executor, cache=cache, **given)
    )


def changes(
    *, engine: str | None = None, executor: str | None = None, cache: str | None = None, **given: object
) -> dict[str, object]:
    """The options that are given, as keys and sections of the settings."""
    sections = {
        "engine": engine and {"name": engine},
        "executor": executor and {"name": executor},
        "cache": cache and {"folder": cache},
    }
    return {name: value for name, value in {**given, **sections}.items() if value is not None}
