"""What the commands that read lineage do: `versions`, `diff` and `explain`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from videostar.cli import lineage_tables as show
from videostar.runs.diff import diff as compare
from videostar.runs.explain import explain as find
from videostar.runs.history import history
from videostar.runs.manifest import open_run
from videostar.util.terminal import warn


def versions(run: Path, *, as_json: bool) -> bool:
    """Print the dataset versions of a run; whether all their files are as they were written."""
    found = history(*open_run(run))
    if as_json:
        print(json.dumps([asdict(version) for version in found], indent=2))
    else:
        show.print_versions(found)
    return not any(version.damaged for version in found)


def diff(before: str, after: str, *, as_json: bool) -> None:
    """Print what changed from one dataset version to another."""
    found = compare(before, after)
    if not found.same_data:
        warn(f"{before} and {after} are of different data: what only one of them was asked counts as gained or lost")
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        show.print_diff(found)


def explain(sample: str, run: Path, *, as_json: bool) -> None:
    """Print all that a run holds about a video or a question."""
    found = find(sample, run)
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        show.print_explanation(found)
