"""The plan of a training: which rows each step learns from, and how micro-batches share them.

It is drawn from the seed before the first step. So a training does not depend on the number of processes, and goes on
at any step. A step is a global batch of rows drawn at random. Only inside of it rows are sorted by the kind and length
of their clips and by their own length, since a micro-batch is padded to its longest row: that changes no loss. Steps
of rows of similar length would pad less, but learn worse (see the log).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from videostar.config.training import Training


@dataclass(frozen=True)
class Size:
    """What a row takes in a batch, and what it is."""

    tokens: int  # of question, clips and answers; approximate
    shape: tuple[int, ...]  # the frames of each clip, and the number of pictures
    source: str
    kind: str
    rows: int = 1  # a preference pair is two


@dataclass(frozen=True)
class Step:
    """One optimizer step."""

    items: tuple[int, ...]  # numbers of rows or pairs, from short to long
    epoch: float  # passes over the rows at the end of the step
    source: str | None  # where the rows come from; None: from several sources


def plan_steps(sizes: Sequence[Size], options: Training, seed: int, *, alternate: bool = False) -> list[Step]:
    """The steps of `options.epochs` passes over rows of these sizes.

    With `alternate`, each step has rows of one source and kind, and they take turns in proportion to their numbers of
    steps (alternating gradient descent, as in IMP, arXiv 2305.06324).
    """
    steps: list[Step] = []
    for epoch in range(math.ceil(options.epochs)):
        draw = random.Random(f"{seed}/{epoch}")
        drawn = _alternating(sizes, options, draw) if alternate else _pass(range(len(sizes)), sizes, options, draw)
        share = min(1.0, options.epochs - epoch)
        for number, rows in enumerate(drawn[: math.ceil(share * len(drawn))], start=1):
            sources = {sizes[row].source for row in rows}
            steps.append(Step(rows, epoch + number / len(drawn), sources.pop() if len(sources) == 1 else None))
    return steps


def _alternating(sizes: Sequence[Size], options: Training, draw: random.Random) -> list[tuple[int, ...]]:
    """The rows of each step of one pass, of one source and kind each."""
    tasks: dict[tuple[str, str], list[int]] = {}
    for row, size in enumerate(sizes):
        tasks.setdefault((size.source, size.kind), []).append(row)
    turns: list[tuple[float, int, tuple[int, ...]]] = []
    for number, rows in enumerate(tasks.values()):
        steps = _pass(rows, sizes, options, draw)
        turns += [((place + 0.5) / len(steps), number, step) for place, step in enumerate(steps)]
    return [step for _, _, step in sorted(turns, key=lambda turn: turn[:2])]


def _pass(rows: Sequence[int], sizes: Sequence[Size], options: Training, draw: random.Random) -> list[tuple[int, ...]]:
    """The rows of each step of one pass over `rows`."""
    drawn = list(rows)
    draw.shuffle(drawn)
    most = options.tokens_per_step or options.batch_size * options.gradient_accumulation
    steps: list[list[int]] = []
    taken = math.inf  # rows, or tokens, of the last step
    for row in drawn:
        size = sizes[row].tokens if options.tokens_per_step else sizes[row].rows
        if taken + size > most:
            steps.append([])
            taken = 0
        steps[-1].append(row)
        taken += size
    return [tuple(sorted(step, key=lambda row: (sizes[row].shape, sizes[row].tokens))) for step in steps]


def micro_batches(step: Step, count: int) -> list[list[int]]:
    """A step in `count` micro-batches of almost the same size, some empty if it has fewer items."""
    bounds = [len(step.items) * number // count for number in range(count + 1)]
    return [list(step.items[start:end]) for start, end in pairwise(bounds)]
