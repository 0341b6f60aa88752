"""FineDiving: a pickle with all dives by (competition, number), and one with the dives of each split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from videostar.data.formats.pickles import load_plain_pickle
from videostar.data.rows import Item, Malformed, Source, Values, malformed, number, short, text
from videostar.util.errors import UserError


def read_finediving(source: Source) -> Iterator[Item]:
    """One row per dive. `label` is the dive number (407C), `sub_actions` are its steps in the order of time."""
    dives, split = load_plain_pickle(source.file("dives")), load_plain_pickle(source.path)
    if not isinstance(dives, dict) or not isinstance(split, list):
        raise UserError(f"{source.path}: no list of dives; copy the official files again")
    for index, key in enumerate(split):
        where = f"{source.path.name}[{index}]"
        try:
            values = _dive(key, dives)
        except Malformed as error:
            yield malformed(where, error)
        else:
            yield where, values


def _dive(key: Any, dives: dict[Any, Any]) -> Values:
    key = tuple(key) if isinstance(key, list) else key
    match key:
        case (str() as competition, int() as dive):
            entry = dives.get(key)
        case _:
            raise Malformed(f"{short(key)} is not a competition and a number")
    if entry is None:
        raise Malformed(f"dive {dive} of {competition[:60]!r} is not among the dives")
    return {
        "competition": competition,
        "dive": dive,
        "label": text(entry, "action_type"),
        "score": number(entry, "dive_score"),
        "difficulty": number(entry, "difficulty"),
        "sub_actions": _steps(entry),
    }


def _steps(entry: dict[str, Any]) -> list[str]:
    names, frames = entry.get("sub-action_types"), entry.get("frames_labels")
    if not isinstance(names, dict) or not isinstance(frames, np.ndarray | list):
        raise Malformed("no frames_labels and sub-action_types")
    try:
        steps = list(dict.fromkeys(int(step) for step in np.asarray(frames).ravel()))
    except (TypeError, ValueError, OverflowError):
        raise Malformed("frames_labels are not numbers") from None
    # In a few published dives one step has different numbers in the frames and in the names (22 and 23).
    unnamed = [step for step in steps if step not in names]
    unused = [step for step in names if step not in steps]
    if len(unnamed) == len(unused) == 1:
        names = {**names, unnamed[0]: names[unused[0]]}
    elif unnamed:
        raise Malformed(f"step {unnamed[0]} has no name in sub-action_types")
    return [str(names[step]) for step in steps]
