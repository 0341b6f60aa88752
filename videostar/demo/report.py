"""Measure how many answers of a demo run are true: `python -m videostar.demo.report runs/demo`.

Prints two tables. The first has the kept answers of each round: the share with the clip's colour, shape and path, since
a rationalised answer can invent them. The second has the model of each round: the share of its free descriptions of
held-out clips that are true, since fine-tuning could cost the model this ability.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from videostar.config import Pipeline
from videostar.data.source import DataSource
from videostar.demo.measure import Score, free_descriptions, load_truth, score
from videostar.runs.manifest import read_manifest
from videostar.stages.versions import version_files


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run on the demo world")
    run = parser.parse_args().run
    settings = read_manifest(run / "manifest.json").settings
    root = world_root(settings)

    kept = Table(title="kept answers that are true of their clip")
    for column in ("round", "kind", "answers", "colour", "shape", "path", "all three"):
        kept.add_column(column, justify="right")
    free = Table(title="free descriptions of held-out clips that are true")
    for column in ("model after round", "clips", "colour", "shape", "path", "all three"):
        free.add_column(column, justify="right")

    held_out = test_videos(root)
    free.add_row("0", *_cells(free_descriptions(settings, None, root, held_out)))
    for folder in sorted((run / "rounds").glob("[0-9][0-9]")):
        if (folder / "dataset").is_dir():
            for kind, total in kept_scores(folder / "dataset", root).items():
                kept.add_row(folder.name, kind, *_cells(total))
        lora = folder / "lora"
        if lora.is_dir():
            free.add_row(folder.name.lstrip("0"), *_cells(free_descriptions(settings, lora, root, held_out)))
    console = Console()
    console.print(kept)
    console.print(free)


def world_root(settings: Pipeline) -> Path:
    """The folder of a run's world."""
    return DataSource.find(settings.data, root=settings.root).root


def test_videos(root: Path) -> list[str]:
    """The paths of the existing test clips, below `root`."""
    return sorted(path.relative_to(root).as_posix() for path in (root / "clips" / "test").glob("*.mp4"))


def kept_scores(dataset: Path, root: Path) -> dict[str, Score]:
    """The score of a dataset version's answers, by kind of answer."""
    truth = load_truth(root)
    rows = pq.read_table(version_files(dataset), columns=["messages", "videos", "kind"]).to_pylist()
    return {
        kind: score(
            ((row["videos"][0], row["messages"][1]["content"][0]["text"]) for row in rows if row["kind"] == kind), truth
        )
        for kind in sorted({row["kind"] for row in rows})
    }


def _cells(total: Score) -> list[str]:
    return [str(total.n), *total.shares()]


if __name__ == "__main__":
    main()
