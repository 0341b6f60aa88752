"""Commands for single stages: `generate`, `verify`, `judge-check`, `train` and `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from videostar.cli.demo_data import write_data
from videostar.cli.options import (
    AsJson,
    CacheFolder,
    DataName,
    EngineName,
    ExecutorName,
    Limit,
    Lora,
    ModelName,
    Overrides,
    PipelineName,
    Root,
    Seed,
    Verbose,
    read_settings,
)
from videostar.config import Pipeline
from videostar.util.files import write_text
from videostar.util.progress import Progress, bars
from videostar.util.terminal import printable, quiet

app = typer.Typer()


@app.command()
def generate(
    out: Annotated[Path, typer.Option(help="A folder for the answers and dataset/.")],
    pipeline: PipelineName = None,
    data: DataName = None,
    model: ModelName = None,
    root: Root = None,
    lora: Lora = None,
    engine: EngineName = None,
    executor: ExecutorName = None,
    seed: Seed = None,
    limit: Limit = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Answer, verify and rationalise every training video; write the ledger and a dataset version."""
    named = {"engine": engine, "executor": executor, "cache": cache}
    settings = read_settings(pipeline, overrides, **named, data=data, model=model, root=root, seed=seed, limit=limit)
    with _work(settings, verbose=verbose) as progress:
        from videostar.runs import single_stage

        version = single_stage.generate(settings, out, lora=lora, progress=progress)
    print(json.dumps({"dataset": str(out / "dataset"), "rows": version.rows, **version.counts}))


@app.command()
def verify(
    cases: Annotated[Path, typer.Argument(help='JSON lines of {"id", "label": {"kind", ...}, "answer"}.')],
    out: Annotated[Path, typer.Option(help="A file for the verdicts, one per line.")],
) -> None:
    """Judge answers: does each contain its label? Exits with 1 if a line could not be judged.

    A case may have the "prompt" that was answered, and "rationalised": true if the prompt had the label. The verdict
    then has the "text" that `generate` would store, or the reason "hint" if the answer shows the hint.
    """
    from videostar.labels.cases import judge_file

    problems = judge_file(cases, out)
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)


@app.command()
def judge_check(
    cases: Annotated[Path, typer.Argument(help='JSON lines of {"id", "label": {"kind", ...}, "answer", "accept"}.')],
    judge: Annotated[
        Literal["rules", "embeddings", "engine"],
        typer.Option(help="rules: as `verify`; embeddings: labels of kind text only; engine: a model, for all kinds."),
    ] = "rules",
    pipeline: PipelineName = None,
    model: ModelName = None,
    engine: EngineName = None,
    wrong: Annotated[Path | None, typer.Option(help="A file for the cases with a wrong verdict, one per line.")] = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Measure a judge on answers whose truth is known (`accept`: true or false): precision and recall by kind.

    `--judge engine` asks the model of the settings, or the server that `--set judge.base_url=... --set judge.model=...`
    name. Exits with 1 if a line could not be judged.
    """
    settings = read_settings(pipeline, overrides, engine=engine, cache=cache, model=model)
    with _work(settings, verbose=verbose, reads_data=False) as progress:
        from videostar.runs import single_stage

        report = single_stage.judge_check(settings, cases, judge, progress=progress)
    if wrong is not None:
        write_text(wrong, "".join(json.dumps(case) + "\n" for case in report.wrong))
    if as_json:
        kinds = {kind: figures.as_dict() for kind, figures in report.figures.items()}
        print(json.dumps({"judge": judge, "model": report.model or None, "skipped": report.skipped, "kinds": kinds}))
    else:
        from videostar.cli.tables import print_judge

        asked = settings.judge.model if settings.judge else settings.model
        by = f"{judge}, {asked}" if judge == "engine" else judge
        print_judge(f"{cases.name}, judged by {by}", report)
    for problem in report.problems:
        typer.echo(printable(problem), err=True)
    if report.problems:
        raise typer.Exit(1)


@app.command()
def train(
    dataset: Annotated[Path, typer.Argument(help="A dataset version: a folder with data-*.parquet.")],
    out: Annotated[Path, typer.Option(help="A new folder for the LoRA.")],
    pipeline: PipelineName = None,
    data: DataName = None,
    model: ModelName = None,
    root: Root = None,
    start_from: Annotated[Path | None, typer.Option(help="A LoRA to continue; default: the base model.")] = None,
    executor: ExecutorName = None,
    seed: Seed = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Fine-tune a LoRA on a dataset version."""
    settings = read_settings(
        pipeline, overrides, executor=executor, cache=cache, data=data, model=model, root=root, seed=seed
    )
    with _work(settings, verbose=verbose, reads_data=False) as progress:
        from videostar.runs import single_stage

        facts = single_stage.train(settings, dataset, out, start_from=start_from, progress=progress)
    print(json.dumps({"lora": str(out), **facts}))


@app.command()
def evaluate(
    out: Annotated[Path, typer.Option(help="A new .json file; the answers go beside it.")],
    pipeline: PipelineName = None,
    data: DataName = None,
    model: ModelName = None,
    root: Root = None,
    lora: Lora = None,
    engine: EngineName = None,
    executor: ExecutorName = None,
    seed: Seed = None,
    limit: Limit = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Measure label accuracy on the held-out splits."""
    named = {"engine": engine, "executor": executor, "cache": cache}
    settings = read_settings(pipeline, overrides, **named, data=data, model=model, root=root, seed=seed, limit=limit)
    with _work(settings, verbose=verbose) as progress:
        from videostar.runs import single_stage

        result = single_stage.evaluate(settings, out, lora=lora, progress=progress)
    figures = {name: result[name] for name in ("accuracy", "ci95", "n", "skipped")}
    controls = {
        name: {key: found[key] for key in ("accuracy", "ci95", "chance")} for name, found in result["controls"].items()
    }
    shown = {**figures, "validation": (result["validation"] or {}).get("accuracy")}
    sets = {name: found["accuracy"] for name, found in result["sets"].items()}
    parts = {"controls": controls, "sets": sets}
    print(json.dumps({**shown, **{name: found for name, found in parts.items() if found}}))


@contextmanager
def _work(settings: Pipeline, *, verbose: bool, reads_data: bool = True) -> Iterator[Progress]:
    """Bars on a quiet terminal, with the demo's data in place."""
    with nullcontext() if verbose else quiet(), bars() as progress:
        if reads_data:
            write_data(settings, progress)
        yield progress
