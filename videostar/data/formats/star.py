"""STAR: one JSON list per split, of questions with four choices, each about a part of a Charades video."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from videostar.data.formats.json_files import json_list
from videostar.data.rows import Item, Malformed, Source, Values, items, malformed, number, text

_LETTERS = "ABCDEFGH"


def read_star(source: Source) -> Iterator[Item]:
    """One row per question, with the `options` by letter, the letter of the `answer`, and its text as `label`."""
    for index, entry in enumerate(json_list(source.path)):
        where = f"{source.path.name}[{index}]"
        try:
            values = _question(entry)
        except Malformed as error:
            yield malformed(where, error)
        else:
            yield where, values


def _question(entry: Any) -> Values:
    choices = [text(choice, "choice") for choice in items(entry, "choices")]
    answer, name = text(entry, "answer"), text(entry, "question_id")
    if choices.count(answer) != 1 or len(choices) > len(_LETTERS):
        raise Malformed(f"the answer {answer[:60]!r} is not one of its {len(choices)} choices")
    return {
        "id": name,
        "category": name.partition("_")[0],  # Interaction, Sequence, Prediction, Feasibility
        "video_id": text(entry, "video_id"),
        "question": text(entry, "question"),
        "options": dict(zip(_LETTERS, choices, strict=False)),
        "answer": _LETTERS[choices.index(answer)],
        "label": answer,
        "start": number(entry, "start"),
        "end": number(entry, "end"),
    }
