"""Commands about label-to-prompt adapters: `adapter check`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Adapters: from a row of your data to its question and label.", no_args_is_help=True)


@app.callback()
def _adapters() -> None: ...


@app.command("check")
def check_adapter(
    adapter: Annotated[str, typer.Argument(help="A name, an entry point, or your own: my_adapter.py:DiveScore.")],
    data: Annotated[str | None, typer.Option(help="Rows to try it on; default: the adapter's `example`.")] = None,
    root: Annotated[
        str | None, typer.Option(help="The folder of your videos; default: the data manifest's root.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Rows to try it on, at most.")] = 1000,
) -> None:
    """Try an adapter on rows, without opening a video. Exits with 1 if it breaks a promise."""
    from videostar.adapters import check
    from videostar.cli.tables import print_findings
    from videostar.config import Data
    from videostar.data.source import DataSource

    source = DataSource.find(Data(name=data), root=root) if data else None
    findings = check.check_adapter(adapter, source, limit)
    print_findings(adapter, findings)
    if any(finding.broken for finding in findings):
        raise typer.Exit(1)
