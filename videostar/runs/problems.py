"""Problems that `videostar check` finds in labels."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from videostar.labels.languages import languages, uncovered_script

SHOWN = 3  # examples of a problem
_NUMBER = re.compile(r"\d+(\.0)?", re.ASCII)
_NAMES = "a model cannot know what they mean; give their names, one a line: --set data.classes=names.txt"
_LONG = 40  # characters: longer labels are shortened in an example


@dataclass(frozen=True)
class Problem:
    """One kind of problem."""

    what: str
    count: int
    loses_data: bool  # rows are lost, or held-out figures are worthless; otherwise it is only a note
    examples: list[str]


def groups(what: str, found: Mapping[str, list[str]], loses_data: bool) -> list[Problem]:
    """A problem of which each item is an example: a name, and what belongs to it."""
    examples = [f"{first}: {', '.join(rest[:SHOWN])}" for first, rest in list(found.items())[:SHOWN]]
    return [Problem(what, len(found), loses_data, examples)] if found else []


def class_numbers(labels: Mapping[str, int]) -> list[Problem]:
    """A problem if most of the action labels are class numbers. `labels` counts the rows of each."""
    numbers = [label for label in labels if _NUMBER.fullmatch(label)]
    if 2 * len(numbers) <= len(labels):
        return []
    examples = f"{', '.join(numbers[:SHOWN])}: {_NAMES}"
    return [Problem("labels are numbers", sum(labels[label] for label in numbers), False, [examples])]


def unread_scripts(labels: Mapping[str, int]) -> list[Problem]:
    """A problem for each script of labels that is the script of no known language. `labels` counts the rows of each."""
    by_script: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        if not label.isascii() and (script := uncovered_script(label)):
            by_script[script].append(label)
    names = ", ".join(sorted(language.name for language in languages().values())) if by_script else ""
    how = f"found word for word, but yes and no, denials and units are read in these languages only: {names}"
    return [
        Problem(f"labels are in {script}", sum(map(labels.__getitem__, of)), False, [f"{_shown(of)}: {how}"])
        for script, of in by_script.items()
    ]


def _shown(labels: list[str]) -> str:
    return ", ".join(label if len(label) <= _LONG else f"{label[:_LONG]}..." for label in labels[:SHOWN])
