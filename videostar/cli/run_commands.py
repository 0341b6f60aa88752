"""Commands about runs: `cycle`, `demo`, `status`, `compare`, `rollback` and `gc`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
import yaml

from videostar.cli.demo_data import write_data
from videostar.cli.options import (
    AsJson,
    CacheFolder,
    DataName,
    EngineName,
    ExecutorName,
    Limit,
    ModelName,
    Out,
    Overrides,
    PipelineName,
    Root,
    RunFolder,
    Seed,
    Verbose,
    changes,
    read_settings,
)
from videostar.config import Pipeline
from videostar.pipeline_files import override
from videostar.report import REPORT
from videostar.runs.baselines import run_baselines
from videostar.runs.folder import FORECAST, check_folder
from videostar.runs.manifest import open_run, read_manifest, remaining
from videostar.runs.training_log import newest_training
from videostar.util.errors import UserError
from videostar.util.files import size_of, write_json
from videostar.util.progress import bars
from videostar.util.terminal import printable, quiet

app = typer.Typer()


@app.command()
def cycle(
    rounds: Annotated[int | None, typer.Option(help="Rounds of self-training.")] = None,
    pipeline: PipelineName = None,
    data: DataName = None,
    model: ModelName = None,
    root: Root = None,
    out: Out = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run of this manifest.json, from any folder.")
    ] = None,
    restart_from: Annotated[
        str | None, typer.Option(help="Do this stage (round-02/train) and all later ones again.")
    ] = None,
    engine: EngineName = None,
    executor: ExecutorName = None,
    seed: Seed = None,
    seeds: Annotated[
        str | None, typer.Option(help="Several, such as 0,1,2: a run of each in OUT/seed-N, and one table of all.")
    ] = None,
    limit: Limit = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Time a few videos; print the plan and a forecast.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Run the whole cycle, or go on with one: the same command again goes on where it stopped.

    More --rounds extend a finished run. Other changes of settings need --restart-from.
    """
    given = {"rounds": rounds, "data": data, "model": model, "root": root, "seed": seed, "limit": limit}
    if resume is not None:
        if out is not None:
            raise UserError("--resume: goes on in the manifest's folder; remove --out")
        before = read_manifest(resume).settings
        named = changes(engine=engine, executor=executor, cache=cache, **given)
        settings, out = override(before, settings=overrides or [], **named), resume.parent
    else:
        settings = read_settings(pipeline, overrides, engine=engine, executor=executor, cache=cache, **given)
        out = out or Path("runs") / Path(settings.data.name).stem
    from videostar.data.source import with_frame_rate

    settings = with_frame_rate(settings)
    if seeds is not None:
        if seed is not None or resume is not None or restart_from is not None or dry_run:
            raise UserError("--seeds: remove --seed, --resume, --restart-from and --dry-run, or give one --seed")
        _run_seeds(settings, out, _numbers(seeds), verbose=verbose)
    elif dry_run:
        _plan(settings, out, verbose=verbose)
    else:
        _run(settings, out, restart_from, verbose=verbose)


@app.command()
def demo(
    label: Annotated[
        Literal["action", "when", "count", "sequence"], typer.Argument(help="The kind of its clips' labels.")
    ] = "action",
    rounds: Annotated[int | None, typer.Option(help="Rounds of self-training.")] = None,
    out: Out = None,
    engine: EngineName = None,
    seed: Seed = None,
    overrides: Overrides = None,
    verbose: Verbose = False,
) -> None:
    """Write the small video world as an ordinary data set below this folder, and run the cycle on it."""
    name = "demo" if label == "action" else f"demo_{label}"
    settings = read_settings(name, overrides, rounds=rounds, engine=engine, seed=seed)
    _run(settings, out or Path("runs") / name, None, verbose=verbose)


@app.command()
def status(run: RunFolder, as_json: AsJson = False) -> None:
    """Show how far a run is: the figures of every finished round, and the loss of the newest training as a curve."""
    folder, manifest = open_run(run)
    if as_json:
        from videostar.runs.baseline_differences import against_baseline

        training = newest_training(folder, manifest.settings)
        found = {
            "run": str(folder),
            "remaining": remaining(manifest),
            **manifest.model_dump(mode="json", include={"best", "halted", "stopped"}),
            "stages": {name: stage.facts for name, stage in manifest.stages.items()},
            "training": {"round": training[0], **training[1][-1]} if training else None,
            "baselines": {
                one.name: {**one.figures, "rounds": against_baseline(folder, manifest, one)}
                for one in run_baselines(folder, manifest.data)
            },
        }
        print(json.dumps(found, indent=2))
        return
    from videostar.cli.tables import print_status

    print_status(folder, manifest)


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUNS...", help="Folders of runs, or with runs in them; globs are fine.")
    ],
    as_json: AsJson = False,
) -> None:
    """Compare runs: the settings that differ, and accuracy, kept answers and seconds with their spread over seeds.

    Runs that differ only in their seeds form a group. The first group is the one that the others are compared with.
    """
    from videostar.cli.comparison_tables import print_comparison
    from videostar.runs.comparison import compare_runs

    found = compare_runs(runs)
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        print_comparison(found)


@app.command()
def rollback(
    run: RunFolder,
    rounds: Annotated[int, typer.Argument(min=1, help="Rounds that stay.")],
) -> None:
    """Undo the last rounds of a run. Nothing is deleted until `videostar gc`."""
    from videostar.runs.run import Run

    folder, _ = open_run(run)
    with Run.hold(folder) as held:
        done = held.manifest.settings.rounds
        if rounds >= done:
            raise UserError(f"{folder}: has {done} rounds: give a smaller number, or extend the run with --rounds")
        settings = held.manifest.settings.model_copy(update={"rounds": rounds})
        change = f"rounds: {done} -> {rounds}"
        struck = held.strike(f"{rounds + 1:02}/generate", "rolled back", [change], {"settings": settings})
    print(f"{folder}: {rounds} rounds; no longer counted: {', '.join(struck) or 'nothing'}")


@app.command()
def gc(
    run: RunFolder,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be deleted.")] = False,
) -> None:
    """Delete files that no longer count: those of stages that were undone or done again, and leftovers of crashes."""
    from videostar.runs.run import Run

    folder, _ = open_run(run)
    with Run.hold(folder) as held:
        sizes = {path: size_of(path) for path in held.leftovers()}
        if not dry_run:
            held.collect()
    for path, size in sizes.items():
        print(f"{path}  {size / 2**20:.1f} MiB")
    print(f"{sum(sizes.values()) / 2**20:.1f} MiB {'could be freed' if dry_run else 'freed'}")


def _run(settings: Pipeline, out: Path, restart_from: str | None = None, *, verbose: bool) -> None:
    """Run the cycle and print the table of rounds."""
    check_folder(out, settings, restart_from)
    with ExitStack() as stack:
        if not verbose:
            stack.enter_context(quiet())
        progress = stack.enter_context(bars())
        write_data(settings, progress)
        from videostar.cycle import run_cycle

        run = run_cycle(settings, out, restart_from=restart_from, progress=progress)
    from videostar.cli.tables import print_forecast, print_rounds

    print_rounds(run.folder, run.manifest)
    if (out / FORECAST).is_file():
        from videostar.runs.forecast import compare

        if compared := compare(out, run.manifest):
            print_forecast(compared)
    _print_report(out)


def _run_seeds(settings: Pipeline, out: Path, seeds: list[int], *, verbose: bool) -> None:
    """Run the cycle once per seed, in `out/seed-N`, and print and write the figures over all."""
    from videostar.cli.comparison_tables import print_comparison
    from videostar.runs.comparison import comparison
    from videostar.runs.run_groups import open_runs

    if (out / "manifest.json").exists():
        raise UserError(f"{out}: is a run itself; give --out another folder for the runs of --seeds")
    runs = {seed: (settings.model_copy(update={"seed": seed}), out / f"seed-{seed}") for seed in seeds}
    for one, folder in runs.values():
        check_folder(folder, one)
    for one, folder in runs.values():
        _run(one, folder, verbose=verbose)
    found = comparison(open_runs([folder for _, folder in runs.values()]))
    write_json(out / "seeds.json", asdict(found))
    print_comparison(found)
    if len(runs) > 1:
        from videostar.report.page import add_report

        add_report(out, [folder for _, folder in runs.values()])
        _print_report(out)


def _print_report(out: Path) -> None:
    if (page := out / REPORT / "index.html").is_file():
        print(printable(f"report: {page}"))


def _plan(settings: Pipeline, out: Path, *, verbose: bool) -> None:
    """Print the plan of a run and its forecast, and write only the forecast."""
    from videostar.executors import open_cluster
    from videostar.runs.data import RunData

    check_folder(out, settings)
    with ExitStack() as stack:
        if not verbose:
            stack.enter_context(quiet())
        progress = stack.enter_context(bars())
        write_data(settings, progress)
        data = RunData(settings)
        with open_cluster(settings) as cluster:
            data.prepare(settings, out, progress, cluster, trains=True)
        from videostar.engines import open_engine
        from videostar.runs import forecast
        from videostar.util.resources import model_path

        with open_engine(settings, data.videos) as engine:
            found = forecast.forecast(data.questions, settings, engine, progress, data.sets)
    write_json(out / FORECAST, found.model_dump())
    source = data.source
    plan = {
        "out": str(out),
        "data": {"manifest": source.where, "root": str(source.root), **source.manifest.model_dump(exclude={"root"})},
        "model": model_path(settings.model),
        "stages": ["00 evaluate"]
        + [f"{number:02} generate, version, health, train, evaluate" for number in range(1, settings.rounds + 1)],
        "forecast": forecast.describe(found),
        "settings": settings.model_dump(mode="json"),
    }
    print(yaml.safe_dump(plan, sort_keys=False), end="")


def _numbers(seeds: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(number) for number in seeds.split(",")))
    except ValueError:
        raise UserError(f"--seeds {seeds}: write whole numbers, such as --seeds 0,1,2") from None
