"""The command line: `videostar COMMAND`.

Torch is loaded inside the commands that need it, so that `videostar --help` and errors in options are fast.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from videostar import __version__
from videostar.cli import (
    adapter_commands,
    baseline_commands,
    data_commands,
    label_commands,
    lora_commands,
    report_commands,
    run_commands,
    stage_commands,
    version_commands,
)
from videostar.util.errors import UserError
from videostar.util.terminal import printable

_INTERRUPTED = 130  # the exit code of Ctrl-C in shells and in typer

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
for group in (
    run_commands,
    report_commands,
    stage_commands,
    baseline_commands,
    data_commands,
    label_commands,
    version_commands,
    lora_commands,
):
    app.add_typer(group.app)
app.add_typer(adapter_commands.app, name="adapter")


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
    """The entry point. Errors for users are one line, with exit code 2."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # models are downloaded already, and no run asks the network
    try:
        app()
    except UserError as error:
        _fail(str(error))
    except OSError as error:  # such as a full disk: files are whole or absent
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
