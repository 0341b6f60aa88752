"""`videostar baseline`: a supervised classifier on the same labels."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from videostar.cli.demo_data import write_data
from videostar.cli.options import (
    AsJson,
    CacheFolder,
    Limit,
    ModelName,
    Overrides,
    PipelineName,
    Root,
    Seed,
    Verbose,
    changes,
    read_settings,
)
from videostar.pipeline_files import override
from videostar.runs.baselines import BASELINES, FOLDS
from videostar.runs.manifest import open_run
from videostar.util.progress import bars
from videostar.util.terminal import quiet

app = typer.Typer()


@app.command()
def baseline(
    data: Annotated[
        str,
        typer.Argument(
            help="The folder of a run, or data as in `cycle --data`: a row file (.csv, .jsonl, ...), a folder with a "
            "folder per class, or a data manifest by name or path."
        ),
    ],
    encoder: Annotated[
        str | None,
        typer.Option(
            help="The model whose vision tower encodes frames: the folder of a Qwen3-VL, CLIP, SigLIP or DINOv2; "
            "default: the base model."
        ),
    ] = None,
    arm: Annotated[
        bool,
        typer.Option(
            "--arm/--no-arm",
            help="UniFormerV2's temporal blocks in the tower; --no-arm: its tokens are averaged (V-JEPA 2: pooled by "
            "its own attentive pooler).",
        ),
    ] = True,
    train_encoder: Annotated[bool, typer.Option("--train-encoder", help="Train the tower too.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training videos; validation chooses one.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Videos of a step.")] = 16,
    learning_rate: Annotated[
        float | None,
        typer.Option(min=1e-8, help="Default: 1e-3, for the head alone 1e-2, with --train-encoder 1e-4."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Predict every training video instead, by a classifier that was trained on the other folds: for "
            "`check --suspects` and `distractors`.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A new folder; default: baselines/ENCODER-HOW in the folder of the run, or baselines/DATA; with "
            "--folds baselines/folds."
        ),
    ] = None,
    pipeline: PipelineName = None,
    model: ModelName = None,
    root: Root = None,
    seed: Seed = None,
    limit: Limit = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Train a supervised video classifier on the same labels, splits and frames, and print its held-out accuracy.

    Labels must be of kind action. The accuracy of a run's baselines stands below its table and in its report.
    """
    place, identity = Path(data), None
    is_run = place.name == "manifest.json" or (place / "manifest.json").is_file()
    if is_run:
        home, manifest = open_run(place)
        settings = override(
            manifest.settings,
            settings=overrides or [],
            **changes(cache=cache, model=model, root=root, seed=seed, limit=limit),
        )
        home, identity = home / BASELINES, manifest.data
    else:
        settings = read_settings(
            pipeline, overrides, cache=cache, data=data, model=model, root=root, seed=seed, limit=limit
        )
        home = Path(BASELINES) / place.stem
    started = time.monotonic()
    with nullcontext() if verbose else quiet(), bars() as progress:
        write_data(settings, progress)
        from videostar.baseline.fit import Options
        from videostar.baseline.folds import out_of_fold, predict_folds
        from videostar.baseline.stage import train_baseline

        options = Options(
            encoder=encoder or settings.model,
            arm=arm,
            train_encoder=train_encoder,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
        )
        if folds is not None:
            folder = out or home / FOLDS
            predictions = predict_folds(settings, folder, options, folds=folds, data=identity, progress=progress)
            figures = out_of_fold(predictions)
        else:
            folder = out or home / options.name
            figures = train_baseline(settings, folder, options, data=identity, progress=progress)
    if as_json:
        print(json.dumps({"folder": str(folder), **figures, "seconds": round(time.monotonic() - started, 1)}))
        return
    from videostar.cli.tables import print_baseline, print_folds

    if folds is None:
        print_baseline(folder, figures)
    else:
        print_folds(folder, figures)
