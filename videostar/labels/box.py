"""The label of kind `box`: the bounding box of something in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from videostar.labels.cues import is_alone, is_announced
from videostar.labels.doc import Doc
from videostar.labels.label import Share
from videostar.labels.numbers import Number, find_numbers, format_number
from videostar.labels.settle import Candidate
from videostar.labels.value import ValueLabel, intersection_over_union, shared_length

Corners = tuple[float, float, float, float]

_MARKS = frozenset(",;()[]{}<>|%:=-\n.")
_KEYS = frozenset(
    "x y min max left top right bottom upper lower corner corners coordinate coordinates xmin ymin xmax ymax topleft "
    "bottomright to and at is the from point px pixels box ref with a of an position spans start end".split()
)
_SIZES = frozenset("w h width height cx cy center centre centered centred xc yc".split())
_BOX_NAMES = frozenset("box boxes bbox bounding coordinates located location region coords".split())
_AXES = {"left": 0, "top": 1, "right": 2, "bottom": 3, "xmin": 0, "ymin": 1, "xmax": 2, "ymax": 3}
_MAX_GAP = 14  # words between two numbers of a box


class Box(ValueLabel):
    """A box by its corners."""

    last_counts: ClassVar[bool] = False

    kind: Literal["box"] = "box"
    xyxy: Corners  # left, top, right and bottom, as shares of the frame's width and height
    min_iou: Share = 0.5
    # The width and height of a frame in the units of the answers: one number for both, or [width, height].
    scale: Annotated[float, Field(gt=0)] | tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        x1, y1, x2, y2 = self.xyxy
        if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
            raise ValueError("`xyxy` must be [x1, y1, x2, y2] within [0, 1], with x1 < x2 and y1 < y2")
        return self

    @property
    def threshold(self) -> float:
        """The required intersection over union."""
        return self.min_iou

    @property
    def _scales(self) -> Corners:
        width, height = self.scale if isinstance(self.scale, tuple) else (self.scale, self.scale)
        return width, height, width, height

    def words(self) -> str:
        """The corners in the units of the answers: "[0.1, 0.2, 0.5, 0.9]"."""
        corners = (round(c * scale, 9) for c, scale in zip(self.xyxy, self._scales, strict=True))
        return f"[{', '.join(format_number(c) for c in corners)}]"

    def similarity(self, value: Corners) -> float:
        """The intersection over union (IoU)."""
        shared = shared_length(value[::2], self.xyxy[::2]) * shared_length(value[1::2], self.xyxy[1::2])
        return intersection_over_union(shared, _area(value), _area(self.xyxy))

    def candidates(self, doc: Doc) -> Sequence[Candidate]:
        """The groups of four numbers in a text that may be a box, as shares of the frame."""
        candidates = []
        for group in _groups(doc):
            value = _corners(doc, group)
            if value:
                scales = (100.0,) * 4 if doc.word(group[0].end) == "%" else self._scales
                x1, y1, x2, y2 = (c / scale for c, scale in zip(value, scales, strict=True))
                value = (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None
            candidates.append(Candidate(value, group[0].first, group[3].end, 1))
        return candidates


def _area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _groups(doc: Doc) -> list[list[Number]]:
    """The numbers of a text in groups of four that belong together."""
    runs: list[list[Number]] = []
    for number in find_numbers(doc, thousands=False):
        if number.spelled or _part_of_a_word(doc, number):
            continue
        if runs and _belongs(doc, runs[-1][-1], number):
            runs[-1].append(number)
        else:
            runs.append([number])
    return [group for run in runs for group in _fours(doc, run)]


def _part_of_a_word(doc: Doc, number: Number) -> bool:
    """Whether a number is the 1 of "x1" or the 2 of "2d"."""
    if doc.glued(number.first - 1) and doc.word(number.first - 1)[-1:].isalpha():
        return True
    after = doc.word(number.end)
    return doc.glued(number.end - 1) and after[:1].isalpha() and after != "px"


def _belongs(doc: Doc, a: Number, b: Number) -> bool:
    """Whether two numbers may belong to one box: only marks and names of coordinates separate them."""
    between = doc.words[a.end : b.first]
    if len(between) > _MAX_GAP:
        return False
    return all(w in _MARKS or w in _KEYS or w in _SIZES or w in ("1", "2", "x1", "y1") for w in between)


def _fours(doc: Doc, run: list[Number]) -> list[list[Number]]:
    bracketed = _in_brackets(doc, run)
    if bracketed:
        return bracketed
    if len(run) % 4:
        return []
    groups = [run[k : k + 4] for k in range(0, len(run), 4)]
    return [g for g in groups if len(run) > 4 or _is_box(doc, g)]


def _in_brackets(doc: Doc, run: list[Number]) -> list[list[Number]]:
    """The groups of four numbers that have brackets of their own."""
    groups = []
    for k in range(len(run) - 3):
        inside = doc.words[run[k].end : run[k + 3].first]
        closed = doc.word(run[k].first - 1) in ("[", "(", "{", "<") and doc.word(run[k + 3].end) in ("]", ")", "}")
        if closed and not set("[](){}") & set(inside):
            groups.append(run[k : k + 4])
    return groups


def _is_box(doc: Doc, group: list[Number]) -> bool:
    """Whether four numbers are marked as a box: by brackets, names of coordinates, or words before them."""
    first, end = group[0].first, group[3].end
    inside = doc.words[first:end]
    if not {"(", "[", "<", "x", "xmin", "left", "width", "w"}.isdisjoint(
        [*inside, *doc.words[max(0, first - 3) : first]]
    ):
        return True
    near = doc.words[max(doc.sentence(first)[0], first - 12) : first]
    return not _BOX_NAMES.isdisjoint(near) or is_alone(doc, first, end) or is_announced(doc, first)


def _corners(doc: Doc, group: list[Number]) -> Corners | None:
    """The corners in the order of `Box.xyxy`; None for a box with a width and height."""
    start = group[0].first
    while start > 0 and group[0].first - start < _MAX_GAP and _is_key(doc.words[start - 1]):
        start -= 1
    if not _SIZES.isdisjoint(doc.words[start : group[3].end]):
        return None
    indices = []
    for before, number in zip([start, *(n.end for n in group)], group, strict=False):
        indices.append(_coordinate_index(doc.words[before : number.first]))
    values = [number.value for number in group]
    if sorted(indices) == [0, 1, 2, 3]:
        values = [value for _, value in sorted(zip(indices, values, strict=True))]
    return values[0], values[1], values[2], values[3]


def _is_key(word: str) -> bool:
    return word in _KEYS or word in _SIZES or word in _MARKS - {"\n", "."} or word in ("1", "2")


def _coordinate_index(key: Sequence[str]) -> int:
    """The index in `Box.xyxy` of the coordinate that the words `key` name; -1 for none or several."""
    indices = {_AXES[word] for word in key if word in _AXES}
    for axis, word in enumerate(("x", "y")):
        if word in key:
            suffix = key[key.index(word) + 1 : key.index(word) + 2]
            if suffix in (["1"], ["min"], ["2"], ["max"]):
                indices.add(axis + 2 * (suffix[0] in ("2", "max")))
    return indices.pop() if len(indices) == 1 else -1
