"""Ablations, the paper's and others, on the demo world: `python -m videostar.demo.ablations --out runs/ablations`.

Runs the demo pipeline and every pipeline of `pipelines/ablations/`; finished runs are not repeated. Prints the share of
each last model's free descriptions of held-out clips that are true; `videostar compare` has the other figures.
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

    table = Table("pipeline", "descriptions", title="free descriptions that are true, by the last model")
    for name in ["demo", *(name for name in resource_names("pipelines") if name.startswith("ablations/"))]:
        settings = load_pipeline(name, settings=args.overrides)
        folder = args.out / Path(name).name
        with bars() as progress:
            write_demo(settings.data.name, progress)
            run_cycle(settings, folder, progress=progress)
        root = world_root(settings)
        loras = sorted(folder.glob("rounds/*/lora"))
        truth = free_descriptions(settings, loras[-1] if loras else None, root, test_videos(root))
        table.add_row(Path(name).name, truth.shares()[-1])
    Console().print(table)


if __name__ == "__main__":
    main()
