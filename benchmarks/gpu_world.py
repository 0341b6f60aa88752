"""The clips of `benchmarks/gpu.py`: a texture that moves, in H.264."""

from __future__ import annotations

import csv
from pathlib import Path

from films import film, waves

from videostar.video.workers import parallel_map


def write_world(folder: Path, train: int, side: int) -> None:
    """Write so many clips to train on and half as many that are held out, of side x side pixels, and labels.csv."""
    folder.mkdir()
    numbers = range(train * 3 // 2)
    for _ in parallel_map(write_clip, [folder] * len(numbers), numbers, [side] * len(numbers)):
        pass
    with (folder / "labels.csv").open("w", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["video", "label", "split"])
        for number in numbers:
            part = "train" if number < train else "validation" if number % 2 else "test"
            table.writerow([f"{number:02}.mp4", f"waving {'fast' if number % 4 < 2 else 'slowly'}", part])


def write_clip(folder: Path, number: int, side: int) -> None:
    """Write a clip of 1.6 seconds."""
    film(folder / f"{number:02}.mp4", range(60 * number, 60 * number + 48), size=(side, side), draw=waves)
