"""What each command does: settings and data are checked first, then the stage or the cycle runs.

Torch and transformers are loaded once what can be told without them is known to be right.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from videostar.adapters import check as check_adapters
from videostar.adapters.check import Finding
from videostar.adapters.questions import Questions, load_tasks
from videostar.cli.tables import (
    print_findings,
    print_forecast,
    print_not_asked,
    print_report,
    print_rounds,
    print_seeds,
    print_set_aside,
)
from videostar.config import Pipeline, override
from videostar.data.manifest import load_manifest
from videostar.data.rows import Skipped
from videostar.data.source import Data, data_digest, load_data
from videostar.demo.build import WORLDS, write_demo
from videostar.engines import open_engine
from videostar.runs.check import Report
from videostar.runs.check import check as check_data
from videostar.runs.fingerprint import sources_digest
from videostar.runs.manifest import left, open_run, read_manifest
from videostar.runs.run import FORECAST, Run, check_folder, lineage
from videostar.runs.seeds import across
from videostar.util.errors import UserError
from videostar.util.files import digest, size_of, write_json, write_text
from videostar.util.progress import Progress, bars
from videostar.util.resources import model_digest, model_path
from videostar.util.terminal import warn


def start(settings: Pipeline, out: Path, restart_from: str | None = None) -> None:
    """Run the cycle in the folder `out`, or go on with the run that is there. Prints the table of rounds."""
    check_folder(out, settings, restart_from)
    if restart_from is None and _look_at_finished(settings, out):
        return
    with ExitStack() as stack:
        progress = stack.enter_context(bars())
        data, questions = _check(settings, out, progress)
        about = _identity(data, questions), model_digest(settings.model), _mix_digest(settings)
        sources = sources_digest(settings, questions.tasks, _root(settings))  # a world's rows are written by now
        run = stack.enter_context(Run.open(out, settings, *about, restart_from, sources))
        if settings.model == "embedded" and settings.data.name not in WORLDS:
            warn("the embedded model answers: it is a toy for trying things out; --model gives a real one")
        set_aside = _print_rows(data, questions)
        write_text(out / "set_aside.jsonl", "".join(json.dumps(asdict(row)) + "\n" for row in set_aside))
        from videostar.cycle import cycle

        engine = stack.enter_context(open_engine(settings))
        cycle(run, questions, settings, engine, progress)
        manifest = run.manifest
    print_rounds(out, manifest)
    if (out / FORECAST).is_file():
        from videostar.runs.forecast import compare

        if compared := compare(out, manifest):
            print_forecast(compared)


def start_seeds(settings: Pipeline, out: Path, seeds: list[int]) -> None:
    """Run the cycle once a seed, in `out/seed-N`, or go on with it; print and write what they come to together."""
    if (out / "manifest.json").exists():
        raise UserError(f"{out}: is a run of its own; give --out another folder for those of --seeds")
    runs = {seed: (settings.model_copy(update={"seed": seed}), out / f"seed-{seed}") for seed in seeds}
    for run in runs.values():
        check_folder(run[1], run[0])
    for run in runs.values():
        start(*run)
    found = across({seed: read_manifest(folder / "manifest.json") for seed, (_, folder) in runs.items()})
    write_json(out / "seeds.json", found)
    print_seeds(found)


def _look_at_finished(settings: Pipeline, out: Path) -> bool:
    """Whether the run in `out` has nothing left to ask, of rows that are as they were; then its files were looked at.

    Rows and videos, of which there may be a million, are not.
    """
    path = out / "manifest.json"
    found = read_manifest(path).model_copy(update={"settings": settings}) if path.exists() else None
    if found is None or left(found) or found.sources is None:
        return False
    if found.sources != sources_digest(settings, load_tasks(settings), _root(settings)):
        return False
    about = found.data, model_digest(settings.model), _mix_digest(settings)
    with Run.open(out, settings, *about, sources=found.sources) as run:
        for name in run.manifest.stages:
            run.done(name)
        print_rounds(out, run.manifest)
    return True


def plan(settings: Pipeline, out: Path) -> None:
    """Print what `start` would do and how long it would take, and write that forecast alone."""
    manifest, folder, where = load_manifest(settings.data.name, _root(settings))
    check_folder(out, settings)
    with bars() as progress:
        _, questions = _check(settings, out, progress)
        from videostar.runs import forecast

        with open_engine(settings) as engine:
            found = forecast.forecast(questions, settings, engine, progress)
    write_json(out / FORECAST, found.model_dump())
    stages = ["00 evaluate", *(f"{n:02} generate, version, train, evaluate" for n in range(1, settings.rounds + 1))]
    resolved = {
        "out": str(out),
        "data": {"manifest": where, "root": str(folder / manifest.root), **manifest.model_dump(exclude={"root"})},
        "model": model_path(settings.model),
        "stages": stages,
        "forecast": forecast.described(found),
        "settings": settings.model_dump(mode="json"),
    }
    print(yaml.safe_dump(resolved, sort_keys=False), end="")


def resume(path: Path, overrides: dict[str, Any], dotted: list[str]) -> tuple[Pipeline, Path]:
    """The settings of the run with the manifest at `path`, with those that are given now, and its folder."""
    return override(read_manifest(path).settings, overrides, dotted), path.parent


def rollback(folder: Path, rounds: int) -> None:
    """Undo all rounds of a run after the first `rounds`. Their files lie in `struck/` until `gc`."""
    folder, _ = open_run(folder)
    with Run.hold(folder) as run:
        done = run.manifest.settings.rounds
        if rounds >= done:
            raise UserError(f"{folder}: has {done} rounds: give a number below, or ask for more by --rounds")
        settings = run.manifest.settings.model_copy(update={"rounds": rounds})
        change = f"rounds: {done} -> {rounds}"
        struck = run.strike(f"{rounds + 1:02}/generate", "rolled back", [change], {"settings": settings})
    print(f"{folder}: {rounds} rounds; no longer counted: {', '.join(struck) or 'nothing'}")


def collect(folder: Path, *, dry_run: bool) -> None:
    """Delete what no longer counts in a run, or with `dry_run` only say what that is."""
    folder, _ = open_run(folder)
    with Run.hold(folder) as run:
        found = run.leftovers()
        sizes = {path: size_of(path) for path in found}
        if not dry_run:
            run.collect()
    for path, size in sizes.items():
        print(f"{path}  {size / 2**20:.1f} MiB")
    print(f"{sum(sizes.values()) / 2**20:.1f} MiB {'could be freed' if dry_run else 'freed'}")


def generate(settings: Pipeline, adapter: Path | None, out: Path) -> None:
    """Write `answers.jsonl` and `dataset/` to the folder `out`; goes on where the same call stopped earlier."""
    _check_lora(adapter, settings)
    with ExitStack() as stack:
        progress = stack.enter_context(bars())
        data, questions = _check(settings, out, progress)
        _print_rows(data, questions)
        from videostar.runs.made_by import MadeBy, bound
        from videostar.stages import generation
        from videostar.stages.versions import build_version, read_version

        identity = _identity(data, questions)
        answers, dataset = out / "answers.jsonl", out / "dataset"
        made_by = MadeBy.of("01/generate", settings, identity, adapter)
        stack.enter_context(bound(out / "made_by.json", made_by, [answers, dataset]))
        if not dataset.exists():
            options = settings.generation
            asking = generation.Asking(settings, options.answers, options.samples, str(settings.seed))
            tick = progress("answers")
            with open_engine(settings) as engine:
                generation.generate(questions, engine, asking, split="train", adapter=adapter, out=answers, tick=tick)
                origin = lineage(identity, settings, adapter, engine.name)
            build_version(answers, dataset, lineage=origin, direct_only=False)
        version = read_version(dataset)
    print(json.dumps({"dataset": str(dataset), "rows": version.rows, **version.counts}))


def train(settings: Pipeline, dataset: Path, out: Path, start_from: Path | None) -> None:
    """Train an adapter on the version folder `dataset`; its videos lie below the data's root."""
    if out.exists():
        raise UserError(f"{out}: exists; adapters are never overwritten: give --out a new folder")
    _check_lora(start_from, settings, trained_on=True)
    from videostar.runs.preflight import check_batches

    check_batches(settings)
    manifest, folder, _ = load_manifest(settings.data.name, _root(settings))
    from videostar.training import stage as training

    with bars() as progress:
        facts = training.train(
            dataset, folder / manifest.root, settings, out, start_from=start_from, tick=progress("training steps")
        )
    print(json.dumps({"adapter": str(out), **facts}))


def evaluate(settings: Pipeline, adapter: Path | None, out: Path) -> None:
    """Write the figures to the file `out` and print them; goes on where the same call stopped earlier."""
    if out.suffix != ".json":
        raise UserError(f"{out}: the figures are written as JSON, and the answers beside them: give --out X.json")
    _check_lora(adapter, settings)
    with ExitStack() as stack:
        progress = stack.enter_context(bars())
        data, questions = _check(settings, out, progress)
        _print_rows(data, questions)
        from videostar.runs.made_by import MadeBy, bound
        from videostar.stages import evaluation

        ledgers = evaluation.held_out(questions, out)
        made_by = MadeBy.of("00/evaluate", settings, _identity(data, questions), adapter)
        stack.enter_context(bound(out.with_suffix(".made_by.json"), made_by, [out, *ledgers.values()]))
        tick = progress("held-out videos")
        with open_engine(settings) as engine:
            result = evaluation.evaluate(
                questions, settings, engine, adapter=adapter, out=out, ledgers=ledgers, earlier=[], tick=tick
            )
    validated = result["validation"]
    told = {name: result[name] for name in ("accuracy", "ci95", "n", "set_aside")}
    print(json.dumps({**told, "validation": validated["accuracy"] if validated else None}))


def check(settings: Pipeline, *, rows_only: bool, pictures: bool, as_json: bool) -> Report:
    """Print what a check of the data finds, and return it."""
    with bars() as progress:
        write_demo(settings.data.name, progress)
        report = check_data(settings, progress, contents=not rows_only, pictures=pictures)
    if as_json:
        print(json.dumps(asdict(report), indent=2))
    else:
        print_report(report)
    return report


def check_adapter(name: str, data: str | None, root: Path | None, limit: int) -> list[Finding]:
    """Try an adapter on rows of data, or on its own example, and print what it keeps and breaks."""
    findings = check_adapters.check_adapter(name, data, root, limit)
    print_findings(name, findings)
    return findings


def _check_lora(folder: Path | None, settings: Pipeline, *, trained_on: bool = False) -> None:
    if folder is not None:
        from videostar.runs.preflight import check_lora

        check_lora(folder, settings, trained_on=trained_on)


def _check(settings: Pipeline, out: Path, progress: Progress) -> tuple[Data, Questions]:
    """Data and questions, once all that can be wrong with settings and files was looked at: cheap things first."""
    tasks = load_tasks(settings)
    model_path(settings.model)
    from videostar.runs.preflight import check_cache, preflight

    preflight(settings, out)
    write_demo(settings.data.name, progress)
    data = load_data(settings.data, settings.limit, progress, _root(settings), settings.cache, settings.columns)
    questions = Questions(data, tasks, settings.seed)
    questions.check()
    for task, columns in questions.unread.items():
        warn(
            f"{data.where}: {task} does not read the column {columns[0]!r}, which may be of another meaning; "
            f"--set columns.{columns[0]}={columns[0]} has it read, =null has this line gone"
        )
    check_cache(settings, len({sample.sha256 for sample in data.samples}))
    if settings.mix is not None:
        from videostar.training.stage import read_rows

        read_rows(Path(settings.mix.data), Path(settings.mix.data).parent)
    return data, questions


def _print_rows(data: Data, questions: Questions) -> list[Skipped]:
    """Say which rows are not asked about, and return those of them that cannot be."""
    set_aside = [*data.set_aside, *questions.set_aside]
    print_set_aside(set_aside)
    print_not_asked(questions.not_asked)
    if not questions.split("test"):
        warn(f"{data.where}: no test rows: nothing to evaluate on test")
    return set_aside


def _mix_digest(settings: Pipeline) -> str | None:
    if settings.mix is None:
        return None
    path = Path(settings.mix.data)
    if not path.is_file():
        raise UserError(
            f"mix.data: {path}: no such file; give a .jsonl or .parquet of messages and videos, or mix=null"
        )
    return digest(path)


def _identity(data: Data, questions: Questions) -> str:
    return data_digest(data, questions.digest)


def _root(settings: Pipeline) -> Path | None:
    return Path(settings.root).expanduser() if settings.root else None
