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
from videostar.util.terminal import printable, quiet, warn

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
        typer.Option(
            min=0, help="Of pictures and films, at most, default 300; with --single-file of the file, default 25."
        ),
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
        return any(remaining(manifest) and not manifest.halted for _, manifest in map(open_run, runs))

    if not watch:
        print(printable(str(write(live=False))))
        return
    seen: object = None
    while going_on():
        try:
            state = [_state(open_run(run)[0]) for run in runs]
            if state != seen:
                page = write(live=True)
                if seen is None:
                    line = f"{page} (written again every {_SECONDS} seconds, if there is news; Ctrl-C ends this)"
                    print(printable(line), flush=True)
                seen = state
        except (UserError, OSError) as error:  # such as a file that the run replaces meanwhile
            if seen is None:
                raise
            warn(f"the report was not written: {error}; it is tried again in {_SECONDS} seconds")
        time.sleep(_SECONDS)
    print(printable(str(write(live=False))))


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """What changes with every answer and every stage: sizes and times of the manifest and of the ledgers."""
    files = [folder / "manifest.json", *sorted((folder / "rounds").glob("*/*.jsonl"))]
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
