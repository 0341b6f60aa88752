"""The paper's ablations on the demo world: `python -m videostar.demo.ablations --out runs/ablations`.

Runs the demo pipeline and every pipeline of `pipelines/ablations/` (finished runs are not repeated) and prints one
table: the held-out label accuracy of each round, and the share of the last model's free descriptions of held-out clips
that are true.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from videostar.cycle import run_cycle
from videostar.demo.build import write_demo
from videostar.demo.measure import free_descriptions
from videostar.demo.report import test_videos, world_root
from videostar.pipeline_files import load_pipeline
from videostar.util.progress import bars
from videostar.util.resources import resource_names


def main() -> None:
    """Run every pipeline that is not finished yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"), help="the folder of the runs")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="a setting for all runs")
    args = parser.parse_args()

    pipelines = ["demo", *(name for name in resource_names("pipelines") if name.startswith("ablations/"))]
    table = Table(title="ablations: held-out label accuracy, and free descriptions that are true")
    rounds = 0
    rows = []
    for name in pipelines:
        settings = load_pipeline(name, settings=args.overrides)
        rounds = max(rounds, settings.rounds)
        folder = args.out / Path(name).name
        with bars() as progress:
            write_demo(settings.data.name, progress)
            manifest = run_cycle(settings, folder, progress=progress).manifest
        root = world_root(settings)
        # None for rounds after an early stop.
        evaluations = [manifest.stages.get(f"{n:02}/evaluate") for n in range(settings.rounds + 1)]
        loras = sorted(folder.glob("rounds/*/lora"))
        truth = free_descriptions(settings, loras[-1] if loras else None, root, test_videos(root))
        rows.append(
            [
                Path(name).name,
                *(f"{stage.facts['accuracy']:.1%}" if stage else "-" for stage in evaluations),
                truth.shares()[-1],
            ]
        )
    for column in ("pipeline", "base", *(f"round {n}" for n in range(1, rounds + 1)), "descriptions"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
