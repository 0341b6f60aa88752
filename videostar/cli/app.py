"""The command line: one command, one library call.

Torch is loaded inside the commands that need it, so that `videostar --help` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from videostar import __version__
from videostar.util.errors import UserError
from videostar.util.terminal import printable

app = typer.Typer(
    name="videostar",
    help="Self-training for video language models: turn labelled videos into instruction tuning.\n\n"
    "The model answers questions about each video; answers that contain the video's label are kept; where it "
    "fails it is shown the label and asked to explain it; the kept answers fine-tune it with LoRA; the next round "
    "answers with the fine-tuned model.\n\n"
    "Try it: `videostar demo` (the embedded model and its small video world: minutes, no GPU).\n\n"
    "Your own: `videostar cycle --data my.csv --model /path/to/Qwen3-VL-8B-Instruct` (columns video and label).",
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_INNER = {"engine": "engine.name", "cache": "cache.folder"}  # options whose settings lie in sections
_INTERRUPTED = 130  # the exit code that Ctrl-C has in shells, and in typer

PipelineName = Annotated[
    str | None,
    typer.Option(
        "--pipeline",
        help="A file of pipelines/, by name or path; default: demo, with --data embedded, with --model lvlm.",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="A folder or a Hugging Face model id that is downloaded; default: the embedded toy."),
]
DataName = Annotated[
    str | None, typer.Option("--data", help="A data manifest by name or path, or a .csv with video,label.")
]
Root = Annotated[str | None, typer.Option("--root", help="Your copy of the videos; default: the manifest's root.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: training.rank=8. Can be given again.")
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", help="The engine that answers: transformers, vllm, or openai (a server of vLLM's)."),
]
CacheFolder = Annotated[
    str | None, typer.Option("--cache", help="Where sampled frames are kept, for any number of runs.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of every choice.")]
Limit = Annotated[int | None, typer.Option(help="Only the first N videos of each split, for a quick look.")]

RunFolder = Annotated[Path, typer.Argument(help="The folder of a run, or its manifest.json.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")]


@app.command()
def cycle(
    rounds: Annotated[int | None, typer.Option(help="Rounds of self-training.")] = None,
    pipeline: PipelineName = None,
    data: DataName = None,
    model: ModelName = None,
    root: Root = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; default runs/ and the data's name.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run of this manifest.json, wherever it and its videos lie now.")
    ] = None,
    restart_from: Annotated[
        str | None, typer.Option(help="Do this stage (round-02/train) and all later ones again, as things are now.")
    ] = None,
    engine: EngineName = None,
    seed: Seed = None,
    seeds: Annotated[
        str | None, typer.Option(help="Several, as 0,1,2: a run of each in OUT/seed-N, and one table of them all.")
    ] = None,
    limit: Limit = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Time a few videos; print the plan and what it will take.")
    ] = False,
) -> None:
    """Run the whole cycle, or go on with one: the same command again goes on where it stopped.

    A finished run is extended by more --rounds. Other changes to settings need --restart-from.
    """
    from videostar.cli import commands

    given = {"rounds": rounds, "data": data, "model": model, "root": root, "seed": seed, "limit": limit}
    given |= {"engine": engine, "cache": cache}
    if resume is not None:
        if out is not None:
            raise UserError("--resume: goes on in the manifest's folder; leave out --out")
        settings, out = commands.resume(resume, *_given(overrides, given))
    else:
        settings = _settings(pipeline, overrides, **given)
        out = out or Path("runs") / Path(settings.data.name).stem
    if seeds is not None:
        if seed is not None or resume is not None or restart_from is not None or dry_run:
            raise UserError("--seeds: leave out --seed, --resume, --restart-from and --dry-run, or give one --seed")
        commands.start_seeds(settings, out, _numbers(seeds))
    elif dry_run:
        commands.plan(settings, out)
    else:
        commands.start(settings, out, restart_from)


@app.command()
def generate(
    out: Annotated[Path, typer.Option(help="A folder for answers.jsonl and dataset/.")],
    pipeline: PipelineName = None,
    data: DataName = None,
    model: ModelName = None,
    root: Root = None,
    adapter: Annotated[
        Path | None, typer.Option(help="A LoRA adapter to answer with; default: the base model.")
    ] = None,
    engine: EngineName = None,
    seed: Seed = None,
    limit: Limit = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
) -> None:
    """Answer, verify and rationalise every training video; write the ledger and a dataset version."""
    from videostar.cli import commands

    commands.generate(
        _settings(
            pipeline, overrides, data=data, model=model, root=root, engine=engine, seed=seed, limit=limit, cache=cache
        ),
        adapter,
        out,
    )


@app.command()
def verify(
    cases: Annotated[Path, typer.Argument(help='JSON lines of {"id", "label": {"kind", ...}, "answer"}.')],
    out: Annotated[Path, typer.Option(help="Where the verdicts go, a line each.")],
) -> None:
    """Judge answers: does each contain its label? Exits with 1 if a line could not be judged.

    A case may have the "prompt" that was answered, and "rationalised": true when that gave the label away. The verdict
    then has the "text" that `generate` would store, or the reason "hint" where the answer lets the hint show.
    """
    from videostar.labels.cases import judge_file

    problems = judge_file(cases, out)
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)


@app.command()
def train(
    dataset: Annotated[Path, typer.Argument(help="A dataset version: a folder with data-*.parquet.")],
    out: Annotated[Path, typer.Option(help="A new folder for the adapter.")],
    pipeline: PipelineName = None,
    data: DataName = None,
    model: ModelName = None,
    root: Root = None,
    start_from: Annotated[Path | None, typer.Option(help="An adapter to continue; default: the base model.")] = None,
    seed: Seed = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
) -> None:
    """Fine-tune a LoRA adapter on a dataset version."""
    from videostar.cli import commands

    commands.train(
        _settings(pipeline, overrides, data=data, model=model, root=root, seed=seed, cache=cache),
        dataset,
        out,
        start_from,
    )


@app.command()
def evaluate(
    out: Annotated[Path, typer.Option(help="A new .json file; the answers go beside it.")],
    pipeline: PipelineName = None,
    data: DataName = None,
    model: ModelName = None,
    root: Root = None,
    adapter: Annotated[Path | None, typer.Option(help="The LoRA adapter to evaluate; default: the base model.")] = None,
    engine: EngineName = None,
    seed: Seed = None,
    limit: Limit = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
) -> None:
    """Measure label accuracy on the held-out split."""
    from videostar.cli import commands

    commands.evaluate(
        _settings(
            pipeline, overrides, data=data, model=model, root=root, engine=engine, seed=seed, limit=limit, cache=cache
        ),
        adapter,
        out,
    )


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="A data manifest by name or path, or a .csv with video,label.")],
    pipeline: PipelineName = None,
    model: ModelName = None,
    root: Root = None,
    limit: Limit = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    rows_only: Annotated[
        bool, typer.Option("--rows-only", help="Open no video: see only whether each is there. Minutes for a million.")
    ] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Decode every video too, so that damage shows; frames stay in the cache.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """Look a data set over as a run would use it: rows, videos, labels and what is wrong with them.

    Give the settings of the run (--pipeline, --set adapter=...). Exits with 1 if data is lost.
    """
    from videostar.cli import commands

    if rows_only and pictures:
        raise UserError("--pictures: opens every video, and --rows-only opens none; give one of them")
    settings = _settings(pipeline, overrides, data=data, model=model, root=root, limit=limit, cache=cache)
    if commands.check(settings, rows_only=rows_only, pictures=pictures, as_json=as_json).loses_data:
        raise typer.Exit(1)


@app.command()
def demo(
    label: Annotated[
        Literal["action", "when", "count", "sequence"], typer.Argument(help="What its clips are labelled with.")
    ] = "action",
    rounds: Annotated[int | None, typer.Option(help="Rounds of self-training.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; default runs/ and the data's name.")] = None,
    engine: EngineName = None,
    seed: Seed = None,
    overrides: Overrides = None,
) -> None:
    """Write the small video world as an ordinary data set below this folder, and run the cycle on it."""
    from videostar.cli import commands

    name = "demo" if label == "action" else f"demo_{label}"
    settings = _settings(name, overrides, rounds=rounds, engine=engine, seed=seed)
    commands.start(settings, out or Path("runs") / name)


adapters = typer.Typer(help="Adapters: from a row of your data to its question and label.", no_args_is_help=True)
app.add_typer(adapters, name="adapter")


@adapters.command("check")
def check_adapter(
    adapter: Annotated[str, typer.Argument(help="A name, an entry point, or your own: my_adapter.py:DiveScore.")],
    data: Annotated[str | None, typer.Option(help="Rows to try it on; default: the adapter's `example`.")] = None,
    root: Annotated[Path | None, typer.Option(help="Your copy of the data set; default: the manifest's root.")] = None,
    limit: Annotated[int, typer.Option(help="Rows to try it on, at most.")] = 1000,
) -> None:
    """Try an adapter on rows, without opening a video. Exits with 1 if it breaks a promise."""
    from videostar.cli import commands

    if any(finding.broken for finding in commands.check_adapter(adapter, data, root, limit)):
        raise typer.Exit(1)


@app.command()
def status(run: RunFolder) -> None:
    """Say how far a run is, with the figures of every finished round."""
    from videostar.cli.tables import print_status
    from videostar.runs.manifest import open_run

    print_status(*open_run(run))


@app.command()
def rollback(
    run: RunFolder,
    rounds: Annotated[int, typer.Argument(min=1, help="How many of its rounds stay.")],
) -> None:
    """Undo the last rounds of a run. Nothing is deleted until `videostar gc`."""
    from videostar.cli import commands

    commands.rollback(run, rounds)


@app.command()
def gc(
    run: RunFolder,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Delete what no longer counts: files of stages that were undone or done again, and what crashes left."""
    from videostar.cli import commands

    commands.collect(run, dry_run=dry_run)


@app.command()
def versions(run: RunFolder, as_json: AsJson = False) -> None:
    """List a run's dataset versions, and see that their files are as written. Exits with 1 if one is damaged."""
    from videostar.cli import lineage as commands

    if not commands.versions(run, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A dataset version: its folder, or RUN:ROUND, such as runs/demo:1.")],
    after: Annotated[str, typer.Argument(help="The version to compare it with.")],
    as_json: AsJson = False,
) -> None:
    """Compare two dataset versions: which questions gained, lost or changed their answer, and why."""
    from videostar.cli import lineage as commands

    commands.diff(before, after, as_json=as_json)


@app.command()
def explain(
    sample: Annotated[str, typer.Argument(help="A video's path as in its rows, the end of it, or a question's id.")],
    run: Annotated[Path, typer.Option(help="The folder of a run, or its manifest.json.")],
    as_json: AsJson = False,
) -> None:
    """Tell what a run asked about a video, what was answered in every round, and what became of it."""
    from videostar.cli import lineage as commands

    commands.explain(sample, run, as_json=as_json)


def _settings(pipeline: str | None, dotted: list[str] | None, **given: Any) -> Any:
    """The settings of a pipeline file, or of the one for what is given: a model, data, or neither."""
    from videostar.config import load_pipeline

    chosen = pipeline or ("lvlm" if given.get("model") else "embedded" if given.get("data") else "demo")
    return load_pipeline(chosen, *_given(dotted, given))


def _given(dotted: list[str] | None, given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    chosen = {name: value for name, value in given.items() if value is not None}
    inner = [f"{_INNER[name]}={json.dumps(chosen.pop(name))}" for name in _INNER if name in chosen]
    return chosen, [*(dotted or []), *inner]


def _numbers(seeds: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(number) for number in seeds.split(",")))
    except ValueError:
        raise UserError(f"--seeds {seeds}: write whole numbers, such as --seeds 0,1,2") from None


def _version(show: bool) -> None:
    if show:
        typer.echo(f"videostar {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


def main() -> None:
    """The entry point: errors meant for users are one line and exit code 2."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # models are here already, and none is asked for while a run works
    try:
        app()
    except UserError as error:
        _fail(str(error))
    except OSError as error:  # a full or failing disk: whatever is there is whole
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}; fix that, then the same command goes on")
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            typer.echo("videostar: interrupted; the same command goes on", err=True)
        raise


def _fail(why: str) -> None:
    typer.echo(printable(f"videostar: {why}"), err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
