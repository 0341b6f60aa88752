"""The plan of a training: which rows each step learns from, and how micro-batches share them.

It is drawn from the seed before the first step. So a training does not depend on the number of processes, and goes on
at any step. A step is a global batch. Rows of similar length and of the same kind of clip are in the same step, because
a batch is padded to its longest row.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from videostar.config.training import Training

# Steps whose rows are sorted together: padding falls with their number, and so does randomness.
_GROUP, _GROUPS = 16, 4  # at most so many steps, and at least so many groups in a pass


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
    steps (alternating gradient descent; Akbari et al. 2023, IMP, section 3.2).
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
    steps: list[tuple[int, ...]] = []
    for group in _groups(drawn, sizes, options):
        group.sort(key=lambda row: (sizes[row].shape, sizes[row].tokens))
        steps += _cut(group, sizes, options)
    draw.shuffle(steps)
    return steps


def _groups(rows: Sequence[int], sizes: Sequence[Size], options: Training) -> Iterator[list[int]]:
    """Rows that are sorted together."""
    size = max(1, options.batch_size * options.gradient_accumulation // max(sizes[row].rows for row in rows))
    if options.tokens_per_step is not None:
        mean = sum(sizes[row].tokens for row in rows) / len(rows)
        size = max(1, round(options.tokens_per_step / mean))
    group = size * max(1, min(_GROUP, len(rows) // (_GROUPS * size)))
    for start in range(0, len(rows), group):
        yield list(rows[start : start + group])


def _cut(rows: Sequence[int], sizes: Sequence[Size], options: Training) -> Iterator[tuple[int, ...]]:
    """Sorted rows, cut into steps by their number, or by tokens with padding. A step has at least one row."""
    step: list[int] = []
    for row in rows:
        if options.tokens_per_step is None:
            count = sum(sizes[other].rows for other in [*step, row])
            full = bool(step) and count > options.batch_size * options.gradient_accumulation
        else:
            longest = max(sizes[other].tokens for other in [*step, row])
            full = bool(step) and longest * (len(step) + 1) > options.tokens_per_step
        if full:
            yield tuple(step)
            step = []
        step.append(row)
    if step:
        yield tuple(step)


def micro_batches(step: Step, count: int) -> list[list[int]]:
    """A step in `count` micro-batches of almost the same size, some empty if it has fewer items."""
    bounds = [len(step.items) * number // count for number in range(count + 1)]
    return [list(step.items[start:end]) for start, end in pairwise(bounds)]
