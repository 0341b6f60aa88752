"""How many wrong labels `videostar check --suspects` finds: `python benchmarks/suspects.py --folder FOLDER`.

A share of the demo's training rows, drawn by a seed, gets wrong labels on purpose, each another label of the data at
random. Then `check --suspects` lists suspects. The table has, by seed, how many rows are wrong and how many are listed;
the precision of the first of them, as many as are wrong; and, of the whole list, the precision and the recall.

With `--cycles`, `cycle` trains on the rows as they were (clean), on the rows with wrong labels (dirty), and on those
without the suspects (cleaned), and the second table has the test accuracies of the last round.

What is in FOLDER already is not made again.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = "demo_world"
Rows = list[dict[str, str]]


def videostar(folder: Path, *words: str) -> str:
    """What a command prints in `folder`."""
    command = [sys.executable, "-m", "videostar.cli", *words]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):  # 1: data is lost
        sys.exit(done.returncode)
    return done.stdout


def demo_rows(folder: Path) -> Rows:
    """The rows of the demo with their splits."""
    from videostar.demo.build import WORLDS, build_world
    from videostar.util.progress import silent

    build_world(folder / ROOT, WORLDS["demo"], silent("demo"))
    rows: Rows = []
    for split in ("train", "validation", "test"):
        with (folder / ROOT / f"{split}.csv").open(newline="", encoding="utf-8") as file:
            rows += [{"video": row["video"], "label": row["label"], "split": split} for row in csv.DictReader(file)]
    return rows


def spoil(rows: Rows, share: float, seed: int) -> Rows:
    """The rows, with a share of the training labels replaced by others."""
    draw = random.Random(seed)
    labels = sorted({row["label"] for row in rows})
    train = [place for place, row in enumerate(rows) if row["split"] == "train"]
    chosen = set(draw.sample(train, round(share * len(train))))
    return [
        {**row, "label": draw.choice([name for name in labels if name != row["label"]])} if place in chosen else row
        for place, row in enumerate(rows)
    ]


def write(path: Path, rows: Rows) -> None:
    """A row file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["video", "label", "split"])
        writer.writeheader()
        writer.writerows(rows)


def measure(folder: Path, rows: Rows, share: float, seed: int, classifier: Sequence[str]) -> dict[str, Any]:
    """The figures of one seed; writes the files of the spoiled rows and of those without suspects."""
    dirty = spoil(rows, share, seed)
    wrong = {row["video"] for row, before in zip(dirty, rows, strict=True) if row != before}
    write(folder / f"dirty-{seed}.csv", dirty)
    if classifier:
        videostar(folder, "baseline", f"dirty-{seed}.csv", "--root", ROOT, "--folds", "4", *classifier)
    report = json.loads(videostar(folder, "check", f"dirty-{seed}.csv", "--root", ROOT, "--suspects", "--json"))
    listed = [row["video"] for row in report["suspects"]]
    write(folder / f"cleaned-{seed}.csv", [row for row in dirty if row["video"] not in listed])
    first, hits = listed[: len(wrong)], len(wrong.intersection(listed))
    return {
        "seed": seed,
        "wrong": len(wrong),
        "listed": len(listed),
        "precision at first": len(wrong.intersection(first)) / max(1, len(first)),
        "precision": hits / max(1, len(listed)),
        "recall": hits / len(wrong),
    }


def trained(folder: Path, name: str, rounds: int, seed: int) -> float:
    """The test accuracy of a run's last round on a row file."""
    words = ["--pipeline", "demo", "--data", f"{name}.csv", "--root", ROOT, "--rounds", str(rounds)]
    words += ["--seed", str(seed), "--set", f"mix.data={ROOT}/mix.jsonl", "--out", f"run-{name}-{seed}"]
    videostar(folder, "cycle", *words)
    evaluation = folder / f"run-{name}-{seed}" / "rounds" / f"{rounds:02}" / "evaluation.json"
    return float(json.loads(evaluation.read_text(encoding="utf-8"))["accuracy"])


def show(rows: Sequence[dict[str, Any]]) -> None:
    """A table with the mean and the range of each column."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for column in rows[0]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(f"{value:.1%}" if isinstance(value, float) else str(value) for value in row.values()))
    cells = ["mean (range)"]
    for column in list(rows[0])[1:]:
        values = [row[column] for row in rows]
        form = "{:.1%}" if isinstance(values[0], float) else "{:.4g}"
        mean, low, high = (form.format(value) for value in (sum(values) / len(values), min(values), max(values)))
        cells.append(f"{mean} ({low} to {high})")
    table.add_row(*cells)
    Console(width=140).print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where everything is made")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=0.05, help="of the training labels that are wrong")
    parser.add_argument("--cycles", type=int, nargs="*", default=[], help="seeds for which runs are compared")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--classifier", default="", help='options of `videostar baseline --folds 4`, such as "--no-arm"'
    )
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rows = demo_rows(given.folder)
    words = shlex.split(given.classifier)
    show([measure(given.folder, rows, given.share, seed, words) for seed in given.seeds])
    write(given.folder / "clean.csv", rows)
    if given.cycles:
        names = ("clean", "dirty-{}", "cleaned-{}")
        show(
            [
                {
                    "seed": seed,
                    **{
                        name.removesuffix("-{}"): trained(given.folder, name.format(seed), given.rounds, seed)
                        for name in names
                    },
                }
                for seed in given.cycles
            ]
        )


if __name__ == "__main__":
    main()
