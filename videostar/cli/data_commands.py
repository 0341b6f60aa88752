"""Commands about data: `check` and `frames`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from videostar.cli.demo_data import write_data
from videostar.cli.options import (
    AsJson,
    CacheFolder,
    ExecutorName,
    Limit,
    ModelName,
    Overrides,
    PipelineName,
    Root,
    read_settings,
)
from videostar.config import Pipeline
from videostar.data.folds import Prediction
from videostar.runs.baselines import folds_of
from videostar.util.errors import UserError
from videostar.util.files import write_text
from videostar.util.progress import Progress, bars
from videostar.util.terminal import printable, quiet

app = typer.Typer()


@app.command()
def check(
    data: Annotated[
        str,
        typer.Argument(
            help="A row file (.csv, .jsonl, ...), a folder with a folder per class, or a data manifest by name or path."
        ),
    ],
    pipeline: PipelineName = None,
    model: ModelName = None,
    root: Root = None,
    limit: Limit = None,
    executor: ExecutorName = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    rows_only: Annotated[
        bool, typer.Option("--rows-only", help="Open no video, only look it up. Minutes for a million.")
    ] = False,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures",
            help="Decode every video too, so that damage shows, and with --model what its processor refuses. The "
            "frames stay in the cache.",
        ),
    ] = False,
    suspects: Annotated[
        bool,
        typer.Option(
            "--suspects",
            help="List training rows whose label a classifier that never saw them contradicts. It is trained if "
            "`baselines/DATA/folds` is not there: minutes to hours.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write every skipped row with its reason, and every suspect, to this .csv file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a data set as a run would use it: rows, videos, labels and their problems.

    Give the settings of the run (--pipeline, --set adapter=...). Exits with 1 if data is lost.
    """
    if rows_only and pictures:
        raise UserError("--pictures: opens every video, and --rows-only opens none; give one of them")
    if rows_only and suspects:
        raise UserError("--suspects: a classifier is shown the videos, and --rows-only opens none; give one of them")
    if out is not None and out.suffix.lower() != ".csv":
        raise UserError(f"--out {out}: is written as a table; give a name that ends in .csv")
    if out is not None and out.exists() and Path(data).exists() and out.samefile(data):
        raise UserError(f"--out {out}: is the row file itself; give another name")
    named_sections = {"executor": executor, "cache": cache}
    settings = read_settings(pipeline, overrides, **named_sections, data=data, model=model, root=root, limit=limit)
    named = model is not None or settings.model != "embedded"  # the default is a toy
    from videostar.cli.tables import print_report
    from videostar.runs.check import check as check_data
    from videostar.runs.check import row_table

    with quiet(), bars() as progress:
        write_data(settings, progress)
        predictions = _predictions(settings, data, progress) if suspects else None
        report = check_data(
            settings, progress, contents=not rows_only, pictures=pictures, model=named, predictions=predictions
        )
    if out is not None:
        write_text(out, row_table(report))
    if as_json:
        print(json.dumps(asdict(report), indent=2))
    else:
        print_report(report)
    if report.loses_data:
        raise typer.Exit(1)


def _predictions(settings: Pipeline, data: str, progress: Progress) -> list[Prediction]:
    """The out-of-fold predictions of the training videos, which are made if they are not there."""
    from videostar.baseline.fit import Options  # loads torch
    from videostar.baseline.folds import predict_folds

    options = Options(encoder=settings.model)
    return predict_folds(settings, folds_of(data), options, any_classifier=True, progress=progress)


@app.command()
def frames(
    video: Annotated[str, typer.Argument(help="A video, or a folder of pictures.")],
    out: Annotated[Path, typer.Option(help="The picture to write: a .png.")],
    count: Annotated[int | None, typer.Option("--frames", help="Frames to show; default: `video.frames`.")] = None,
    pipeline: PipelineName = None,
    model: ModelName = None,
    overrides: Overrides = None,
) -> None:
    """Draw the frames that a model is shown of a video, with their times, on one picture.

    Give the settings of the run (--pipeline, --model, --set video.max_pixels=...).
    """
    given = None if count is None else {"frames": count}
    settings = read_settings(pipeline or ("lvlm" if model else "embedded"), overrides, model=model, video=given)
    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: the frames are written as PNG; give a name that ends in .png")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}; create it first")
    from videostar.data.places import Places
    from videostar.data.rows import Row, Skipped
    from videostar.util.files import Below
    from videostar.video.contact_sheet import contact_sheet, sample
    from videostar.video.errors import BadVideo

    place = Places(Below(Path.cwd(), confine=False))
    row = place.resolve(Row("", (video,), None, {}))
    found = row if isinstance(row, Skipped) else place.find(row)
    if isinstance(found, Skipped):
        raise UserError(f"{video}: {found.reason}: {found.detail}")
    path = found[1]
    if out.exists() and path.exists() and out.samefile(path):
        raise UserError(f"--out {out}: is the video itself; give another name")
    try:
        facts, clip = sample(path, settings.video.sampling())
    except BadVideo as bad:
        raise UserError(f"{video}: {bad}") from None
    out.write_bytes(contact_sheet(clip))
    _, height, width, _ = clip.frames.shape
    about = f"{facts.width}x{facts.height}, {facts.seconds:.2f} s, {facts.fps:.4g} fps, {facts.codec}"
    times = " ".join(f"{time:.2f}" for time in clip.times)
    print(printable(f"{video}: {about}"))
    print(printable(f"{out}: {len(clip.times)} frames of {width}x{height}, at seconds {times}"))
