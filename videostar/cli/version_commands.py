"""Commands about dataset versions: `versions`, `diff` and `explain`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from videostar.cli.options import AsJson, RunFolder
from videostar.util.terminal import warn

app = typer.Typer()


@app.command()
def versions(run: RunFolder, as_json: AsJson = False) -> None:
    """List a run's dataset versions and verify their files. Exits with 1 if one is damaged."""
    from videostar.cli.version_tables import print_versions
    from videostar.runs.record import read_run

    found = read_run(run).versions()
    if as_json:
        print(json.dumps([asdict(version) for version in found], indent=2))
    else:
        print_versions(found)
    if any(version.damaged for version in found):
        raise typer.Exit(1)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A dataset version: its folder, or RUN:ROUND, such as runs/demo:1.")],
    after: Annotated[str, typer.Argument(help="The version to compare it with.")],
    as_json: AsJson = False,
) -> None:
    """Compare two dataset versions: which questions gained, lost or changed their answer, and why."""
    from videostar.cli.version_tables import print_diff
    from videostar.runs.diff import diff as compare

    found = compare(before, after)
    if not found.same_data:
        warn(f"{before} and {after} are of different data: a question of only one of them counts as gained or lost")
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        print_diff(found)


@app.command()
def explain(
    sample: Annotated[str, typer.Argument(help="A video's path as in its rows, the end of it, or a question's id.")],
    run: Annotated[Path, typer.Option(help="The folder of a run, or its manifest.json.")],
    as_json: AsJson = False,
) -> None:
    """Show everything that a run holds about a video: questions, answers and verdicts of every round."""
    from videostar.cli.version_tables import print_explanation
    from videostar.runs.explain import explain as find
    from videostar.stages.ledger import as_line

    found = find(sample, run)
    if as_json:
        print(json.dumps(asdict(found, dict_factory=as_line), indent=2))
    else:
        print_explanation(found)
