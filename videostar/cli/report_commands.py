"""The command `report`."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from videostar.cli.options import Verbose
from videostar.util.errors import UserError
from videostar.util.progress import bars, silent
from videostar.util.terminal import printable, quiet

_SECONDS = 15  # between two looks at a run in progress

app = typer.Typer()


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs; several are shown side by side.", metavar="RUN...")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The folder of the report; default: report/ in the folder of the run.")
    ] = None,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="Put everything into index.html, to send it to someone.")
    ] = False,
    megabytes: Annotated[
        float | None,
        typer.Option(min=0, help="Of pictures and films, at most; default: 300, or 25 with --single-file."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write it again while the run goes on; the page loads itself again.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Write a page to look at runs: figures, labels, and every answer with its frames and video.

    Open the index.html whose path is printed: it needs neither a server nor the network. Each `videostar cycle` writes
    it at its end, too.
    """
    from videostar.report.page import write_report
    from videostar.runs.manifest import open_run, remaining

    def write(*, live: bool) -> Path:
        with ExitStack() as stack:
            if not verbose:
                stack.enter_context(quiet())
            return write_report(
                runs,
                out,
                single_file=single_file,
                megabytes=megabytes,
                refresh=_SECONDS if live else None,
                progress=silent if watch else stack.enter_context(bars()),
            )

    def going_on() -> bool:
        return any(remaining(open_run(run)[1]) for run in runs)

    if not watch:
        print(printable(str(write(live=False))))
        return
    seen: object = None
    while live := going_on():
        state = [_state(open_run(run)[0]) for run in runs]
        if state != seen:
            page = write(live=live)
            if seen is None:
                print(
                    printable(f"{page} (written again every {_SECONDS} seconds, if there is news; Ctrl-C ends this)"),
                    flush=True,
                )
            seen = state
        time.sleep(_SECONDS)
    print(printable(str(write(live=False))))


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """What changes with every answer and every stage: sizes and times of the manifest and of the ledgers."""
    files = [folder / "manifest.json", *sorted((folder / "rounds").glob("*/*.jsonl"))]
    try:
        return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    except OSError as error:  # moved by another process
        raise UserError(f"{folder}: has changed while it was read ({error}); run the command again") from None
