"""Makes rows of the values that readers yield: the path of the video, the label, the times and the split."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from videostar.data.cells import is_missing, read_list, read_number, read_seconds
from videostar.data.formats.text_files import numbered_classes, plain_classes
from videostar.data.rows import Malformed, Row, Skipped, Split, Values, malformed, short
from videostar.data.splits import split_named
from videostar.data.templates import PathTemplate
from videostar.util.errors import UserError

_WHOLE = re.compile(r"\d{1,6}(\.0)?", re.ASCII)
_TIMES = ("start", "end", "duration")  # seconds, which a file may have as text


@dataclass(frozen=True)
class Classes:
    """The classes of a data set."""

    names: frozenset[str]  # empty if there is no list
    numbers: Mapping[int, str]  # of a plain list: the classes by number
    numbered: bool  # whether the list has the numbers; else they count from 0

    @classmethod
    def read(cls, path: Path | None, read: Callable[[Path], Sequence[str]]) -> Classes:
        """The classes in the file `path`, by the reader of its format. Raises UserError if it cannot be read."""
        if path is None:
            return cls(frozenset(), {}, False)
        numbers, numbered = numbered_classes(path) if read is plain_classes else ({}, False)
        return cls(frozenset(map(one_line, read(path))), numbers, numbered)

    def named(self, label: Any, where: str) -> Any:
        """The name of a class that is given by its number; any other label as it is."""
        if label in self.names or not self.numbers or not isinstance(label, str) or not _WHOLE.fullmatch(label):
            return label
        number = int(float(label))
        if number not in self.numbers and not self.numbered:
            raise UserError(
                f"{where}: the class number {label}, and the list of classes has {len(self.numbers)}, numbered from 0; "
                "write each class's number before its name in the list"
            )
        return self.numbers.get(number, label)


@dataclass(frozen=True)
class RowMaker:
    """Makes rows of the values that a reader yields."""

    columns: Mapping[str, str | None]
    templates: Sequence[PathTemplate]
    classes: Classes

    def row(self, where: str, values: Values, split: Split | Literal["all"]) -> Row | Skipped:
        """The row, with the path of its video and its split, or the reason why it is skipped."""
        if self.columns:
            values = _rename_columns(values, self.columns)
        if isinstance(video := values.get("video"), dict) and "path" in video:  # a feature of Hugging Face datasets
            values["video"] = video["path"]
        try:
            several = _several(values, self.templates)
            for name in self.templates[0].names:
                if name in values and is_missing(values[name]):
                    return Skipped(where, "", "no video", f"the column {name!r} is empty; give the path of the video")
            videos = tuple(template.fill(values) for template in self.templates)
            more = tuple(tuple(t.fill({**values, "video": name}) for t in self.templates) for name in several[1:])
            self._normalise(values, where)
        except Malformed as error:
            return malformed(where, error)
        known = self.classes.names
        if known:
            listed = values.get("labels")  # a list in the form of a data set, not a text column of that name
            labels = listed if isinstance(listed, list) else [values.get("label")]
            labels = labels[0] if labels and isinstance(labels[0], list) else labels
            unknown = next((label for label in labels if isinstance(label, str) and label and label not in known), None)
            if unknown is not None:
                return Skipped(where, videos[0], "unknown class", _unknown_class(unknown, known))
        if split != "all":
            return Row(where, videos, split, values, more)
        stated = values.get("split")
        if is_missing(stated):
            return Row(where, videos, None, values, more)
        known_split = split_named(stated) if isinstance(stated, str) else None
        if known_split is None:
            return Skipped(where, videos[0], "unknown split", f"{short(stated)}: write train, validation or test")
        return Row(where, videos, known_split, values, more)

    def _listed(self, label: str, where: str) -> Any:
        """A label that is a list of classes, as one; any other label as it is. Raises Malformed."""
        names = read_list(label) if any(mark in label for mark in ";|[") else label
        return [self.classes.named(name, where) for name in names] if isinstance(names, list) else label

    def _normalise(self, values: Values, where: str) -> None:
        """Convert the label to text in one line, and times and trust to numbers, in place. Raises Malformed."""
        if "label" in values:
            label = values["label"]
            if not isinstance(label, bool | str | int | float | list | dict | None):
                raise Malformed(f"label is {short(label)}, not text")
            if is_missing(label) and label not in self.classes.names:
                values["label"] = ""
            elif not isinstance(label, bool | list | dict):  # yes or no, a box, steps: for an adapter to read
                # Interned, since there are few labels in many rows.
                label = self.classes.named(sys.intern(one_line(str(label))), where)
                in_list = label in self.classes.names or not self.classes.names
                values["label"] = label if in_list else self._listed(label, where)
        for name in _TIMES:
            if is_missing(values.get(name)):
                values.pop(name, None)
            else:
                values[name] = read_seconds(values[name], name)
        if is_missing(values.get("trust")):
            values.pop("trust", None)
        else:
            values["trust"] = _read_trust(values["trust"])


def _several(values: Values, templates: Sequence[PathTemplate]) -> list[str]:
    """The paths in the column `videos`, which stands for a `video` that is not there, in place. Raises Malformed."""
    if "videos" not in values or "video" not in templates[0].names or not is_missing(values.get("video")):
        return []
    values["video"] = ""
    paths = [] if is_missing(values["videos"]) else read_list(values["videos"])
    if not isinstance(paths, list):
        raise Malformed(f"videos is {short(paths)}, not a list of paths")
    paths = [path["path"] if isinstance(path, dict) and "path" in path else path for path in paths]
    for path in paths:
        if not isinstance(path, str) or is_missing(path):
            raise Malformed(f"videos has {short(path)}, not a path")
    if paths:
        values["video"] = paths[0]
    if len(paths) > 1:
        values["videos"] = paths
    else:
        del values["videos"]  # a row of one video
    return paths


def _read_trust(value: Any) -> float:
    """How much a row counts in training. Raises Malformed."""
    trust = read_number(value, "trust")
    if not 0 <= trust <= 1:
        raise Malformed(
            f"trust is {short(value)}, not from 0 to 1; a column of another meaning: --set columns.trust=null"
        )
    return trust


def _rename_columns(values: Values, columns: Mapping[str, str | None]) -> Values:
    """The values under the names that adapters read, by the manifest's `columns`; a column of null is dropped."""
    renamed = {name: value for name, value in values.items() if name not in columns}
    for name, column in columns.items():
        if column is not None and column in values:
            renamed[name] = values[column]
    return renamed


def one_line(text: str) -> str:
    """A label without line breaks and repeated blanks."""
    return " ".join(text.split())


@cache
def _unknown_class(label: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(label, known, n=1)
    return f"{label!r} is not in the official list; " + (f"did you mean {near[0]!r}?" if near else "give one of it")
