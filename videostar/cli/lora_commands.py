"""Commands about LoRAs: `merge`."""

from __future__ import annotations

import json
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from videostar.cli.options import Verbose
from videostar.config import Dtype
from videostar.util.terminal import quiet

app = typer.Typer()


@app.command()
def merge(
    source: Annotated[
        str,
        typer.Argument(metavar="RUN[:ROUND]", help="A run (its best round), one of its rounds, or a LoRA's folder."),
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the model.")],
    model: Annotated[
        str | None, typer.Option("--model", help="The base model; default: that of the run or of the LoRA.")
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="Of the weights; default: that of the run, on this machine.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Merge a LoRA into its base model: a folder that transformers and vLLM load, with processor and model card."""
    from videostar.runs.merge import merge as work

    given = [word for name, value in (("--model", model), ("--dtype", dtype)) if value for word in (name, value)]
    command = shlex.join(["videostar", "merge", Path(source).name, "--out", out.name, *given])
    with nullcontext() if verbose else quiet():
        facts = work(source, out, model=model, dtype=dtype, command=command)
    print(json.dumps(facts))
