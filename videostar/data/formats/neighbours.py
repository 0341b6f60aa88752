"""What was done before and after: for questions about the order of actions in a video."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from videostar.data.rows import Values


def with_neighbours(actions: Sequence[Values]) -> Sequence[Values]:
    """The actions of one video, with the label of the last one that ends before each starts as `previous`, and of
    the first one that starts after it ends as `next`. An action of the same label is no neighbour.
    """
    by_end = sorted(actions, key=lambda action: action["end"])
    by_start = sorted(actions, key=lambda action: action["start"])
    ends = [action["end"] for action in by_end]
    starts = [action["start"] for action in by_start]
    told = []
    for action in actions:
        before = bisect_right(ends, action["start"]) - 1
        after = bisect_left(starts, action["end"])
        found = {
            "previous": by_end[before]["label"] if before >= 0 else None,
            "next": by_start[after]["label"] if after < len(starts) else None,
        }
        told.append({**action, **{key: label for key, label in found.items() if label not in (None, action["label"])}})
    return told
