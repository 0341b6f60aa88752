"""Rows to train on, of very different lengths, as a dataset version holds them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = "a red green square circle moves left right up down then stays still and turns".split()


def without_clock(log: bytes) -> list[dict[str, object]]:
    """The steps in a training's log, without their times."""
    steps: list[dict[str, object]] = [json.loads(line) for line in log.splitlines()]
    return [{name: value for name, value in step.items() if name not in ("seconds", "waiting")} for step in steps]


def write_rows(folder: Path, videos: Sequence[str | None], words: Sequence[int], seed: int = 0) -> Path:
    """A version folder with a row for each of `videos` (None: no video), whose answers have so many words."""
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    rows = []
    for number, (video, count) in enumerate(zip(videos, words, strict=True)):
        question = f"What moves here{', and how does it move' * (number % 3)}?"
        answer = " ".join(draw.choices(WORDS, k=count)) + "."
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        rows.append({"messages": messages, "videos": [video] if video else []})
    pq.write_table(pa.Table.from_pylist(rows), folder / "data-00000.parquet")
    return folder
