"""Adds the previous and the next action to each action of a video, for questions about their order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from videostar.data.rows import Values


def with_neighbours(actions: Sequence[Values]) -> Sequence[Values]:
    """The actions of one video, with the labels of their neighbours.

    `previous` is the last action that ends before the action starts, `next` the first that starts after it ends. A
    neighbour with the same label is omitted.
    """
    by_end = sorted(actions, key=lambda action: action["end"])
    by_start = sorted(actions, key=lambda action: action["start"])
    ends = [action["end"] for action in by_end]
    starts = [action["start"] for action in by_start]
    result = []
    for action in actions:
        before = bisect_right(ends, action["start"]) - 1
        after = bisect_left(starts, action["end"])
        neighbours = {
            "previous": by_end[before]["label"] if before >= 0 else None,
            "next": by_start[after]["label"] if after < len(starts) else None,
        }
        result.append(
            {**action, **{key: label for key, label in neighbours.items() if label not in (None, action["label"])}}
        )
    return result
