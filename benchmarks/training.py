"""Training steps per second and peak memory, compared with others: `python benchmarks/training.py`.

All train the same LoRA on the same rows of a demo world in the same steps, each in a process of its own, in turn:

- ours: `videostar.training.stage.train`, which `videostar train` calls; seconds are those of its training.jsonl;
- ours, two processes: the same with `training.processes=2`, of one thread each on two cores;
- bare: a PyTorch loop over batches that were collated before its clock starts (AdamW, clipping and schedule as ours);
- plain: transformers' `Trainer` with a collator that decodes each video when a batch needs it, in the same process.

The first `--skip` steps are not counted, because they allocate memory and start the process that prepares batches: the
steps per second are those of a long training. Each of `--repeats` turns runs all of them; the table has medians, and
the lowest and highest in parentheses. `ours is` has the median of each turn's ratio. Losses are equal if all of them
were trained on the same batches. `memory` is the peak of the training process (ru_maxrss), and `helper` that of its
largest child process, most of which it shares with its parent; of two processes the helper is the larger one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

WAYS = ("ours", "bare", "plain", "ours, two processes")
_CHILD = Path(__file__).with_name("training_ways.py")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--skip", type=int, default=4, help="first steps that are not counted")
    parser.add_argument("--rows", type=int, default=192, help="clips with a question and an answer")
    parser.add_argument("--batch", type=int, default=24, help="rows per step")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--model", default="embedded", help="or the folder of a model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    args = parser.parse_args()
    if args.rows % args.batch or args.skip >= args.steps:
        parser.error("--rows must be a multiple of --batch, and --skip less than --steps")
    with TemporaryDirectory() as folder:
        given = {**vars(args), "folder": folder}
        prepared = child_figures("prepare", given)
        found = [{way: child_figures(way, given) for way in args.ways} for _ in range(args.repeats)]
    print(f"{args.steps} steps of {args.batch} rows, {args.frames} frames, {args.model}; {args.repeats} turns")
    print(f"{'':20}{'steps/s':>20}{'ours is':>9}{'memory, MiB':>20}{'ours is':>9}{'helper':>8}{'loss':>8}")
    for way in args.ways:
        rates, peaks = _all(found, way, "rate"), _all(found, way, "memory")
        print(
            f"{way:20}{_spread(rates, '.2f'):>20}{_ratio(found, way, 'rate'):>9}{_spread(peaks, '.0f'):>20}"
            f"{_ratio(found, way, 'memory'):>9}{median(_all(found, way, 'helper')):8.0f}"
            f"{median(_all(found, way, 'loss')):8.4f}"
        )
    shares = [
        f"{share:.1%} in {name.removeprefix('padding_')}"
        for name, share in prepared.items()
        if name.startswith("padding")
    ]
    print(f"padding, with a step's rows in so many batches: {', '.join(shares)}")
    if "ours" in args.ways:
        print(f"time without a batch: {_spread(_all(found, 'ours', 'waiting'), '.1%')} of ours")


def child_figures(way: str, given: dict[str, Any]) -> dict[str, float]:
    """The figures that a process of its own prints.

    This process must stay small: a child inherits its peak (ru_maxrss) where it starts. So it imports no torch.
    """
    words = [sys.executable, str(_CHILD), way, json.dumps(given)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{way}: exit code {done.returncode}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _all(found: list[dict[str, dict[str, float]]], way: str, figure: str) -> list[float]:
    return [turn[way][figure] for turn in found]


def _ratio(found: list[dict[str, dict[str, float]]], way: str, figure: str) -> str:
    """Ours relative to that way."""
    ratios = [turn["ours"][figure] / turn[way][figure] for turn in found if "ours" in turn]
    return f"{median(ratios):.2f}" if ratios else ""


def _spread(values: list[float], form: str) -> str:
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


if __name__ == "__main__":
    main()
