"""`videostar label`: labels that a model of pictures and texts proposes for videos without any."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from videostar.cli.options import AsJson, CacheFolder, Limit, Overrides, PipelineName, Root, Verbose, read_settings
from videostar.util.progress import bars
from videostar.util.terminal import quiet

app = typer.Typer()


@app.command()
def label(
    videos: Annotated[
        str,
        typer.Argument(
            help="A folder of videos, with those in the folders below it, or a row file with a column video."
        ),
    ],
    labels: Annotated[Path, typer.Option(help="A text file with a label a line.")],
    out: Annotated[Path, typer.Option(help="A new .csv, which `cycle --data` reads.")],
    template: Annotated[
        list[str] | None,
        typer.Option(help="A text that is compared with a video, with {label} in it. Of several, the mean counts."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="The folder of a CLIP, SigLIP, X-CLIP, PE-video or CoCa; default: the embedded toy.")
    ] = "embedded",
    calibrate: Annotated[
        str | None,
        typer.Option(help="Labelled videos, as in `cycle --data`, on which the probabilities are calibrated."),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Propose only what is as likely as labelled videos of which this share is right; the others go to "
            "OUT.below.csv.",
        ),
    ] = None,
    pipeline: PipelineName = None,
    root: Root = None,
    limit: Limit = None,
    cache: CacheFolder = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Propose labels for videos without any, each with its probability: the row file of a self-training run.

    The column `trust` is that probability: training weighs the answers about a video by it.
    """
    name = pipeline or ("embedded" if model == "embedded" else "lvlm")
    settings = read_settings(name, overrides, cache=cache, root=root, limit=limit)
    with nullcontext() if verbose else quiet(), bars() as progress:
        from videostar.runs.proposals import propose_labels

        figures = propose_labels(
            settings,
            videos,
            labels,
            out,
            model=model,
            templates=template or ["a video of {label}"],
            calibrate=calibrate,
            precision=precision,
            progress=progress,
        )
    if as_json:
        print(json.dumps(figures))
        return
    from videostar.cli.label_tables import print_proposals

    print_proposals(figures, labels)
