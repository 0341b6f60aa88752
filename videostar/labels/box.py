"""The label of kind `box`: the bounding box of something in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from videostar.labels.answer import Answer
from videostar.labels.cues import ANSWER
from videostar.labels.label import Share, ValueLabel, intersection_over_union, shared_length
from videostar.labels.number_context import is_alone, is_announced
from videostar.labels.numbers import Number, find_numbers, format_number, is_part_of_word
from videostar.labels.settle import Candidate, Exclusive
from videostar.labels.statements import Statement

Corners = tuple[float, float, float, float]

_MARKS = frozenset(",;()[]{}<>|%:=-\n.")
_KEYS = frozenset(
    "x y min max left top right bottom upper lower corner corners coordinate coordinates xmin ymin xmax ymax topleft "
    "bottomright bbox 2 d to and at is the from point px pixels box ref with a of an position spans start end 1".split()
)
_SIZES = frozenset("w h width height cx cy center centre centered centred xc yc".split())
_BOX_NAMES = frozenset("box boxes bbox bounding coordinates located location region coords".split())
_BETWEEN = _MARKS | _KEYS | _SIZES
_BOX_MARKS = frozenset(["(", "[", "<", "x", "xmin", "left", "width", "w"])
_AXES = {"left": 0, "top": 1, "right": 2, "bottom": 3, "xmin": 0, "ymin": 1, "xmax": 2, "ymax": 3}
_MAX_GAP = 14  # words between two numbers of a box


class Box(ValueLabel):
    """A box by its corners."""

    exclusive: ClassVar[Exclusive] = Exclusive.ANSWER
    nouns: ClassVar[str] = rf"{ANSWER}|(?<=\n)a"

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

    def candidates(self, answer: Answer, statements: Sequence[Statement]) -> Sequence[Candidate]:
        """The groups of four numbers in a text that may be a box, as shares of the frame."""
        candidates = []
        for group in _groups(answer, statements):
            value = _corners(answer, group)
            if value:
                scales = (100.0,) * 4 if answer.word(group[0].end) == "%" else self._scales
                x1, y1, x2, y2 = (c / scale for c, scale in zip(value, scales, strict=True))
                value = (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None
            candidates.append(Candidate(value, _opening(answer, group[0].first), group[3].end, 1))
        return candidates


def _area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _groups(answer: Answer, statements: Sequence[Statement]) -> list[list[Number]]:
    """The numbers of a text in groups of four that belong together."""
    runs: list[list[Number]] = []
    for number in find_numbers(answer, thousands=False):
        if number.spelled or is_part_of_word(answer, number, beside=("px",)):
            continue
        if runs and _belongs(answer, runs[-1][-1], number):
            runs[-1].append(number)
        else:
            runs.append([number])
    return [group for run in runs for group in _fours(answer, statements, run)]


def _belongs(answer: Answer, a: Number, b: Number) -> bool:
    """Whether two numbers may belong to one box: only marks and names of coordinates separate them."""
    between = answer.words[a.end : b.first]
    return len(between) <= _MAX_GAP and _BETWEEN.issuperset(between)


def _fours(answer: Answer, statements: Sequence[Statement], run: list[Number]) -> list[list[Number]]:
    bracketed = _in_brackets(answer, run)
    if bracketed:
        return bracketed
    if len(run) % 4:
        return []
    groups = [run[k : k + 4] for k in range(0, len(run), 4)]
    return [g for g in groups if len(run) > 4 or _is_box(answer, statements, g)]


def _in_brackets(answer: Answer, run: list[Number]) -> list[list[Number]]:
    """The groups of four numbers that have brackets of their own."""
    groups = []
    for k in range(len(run) - 3):
        first, last = run[k], run[k + 3]
        closed = answer.word(first.first - 1) in ("[", "(", "{", "<") and answer.word(last.end) in ("]", ")", "}")
        if closed and frozenset("[](){}").isdisjoint(answer.words[first.end : last.first]):
            groups.append(run[k : k + 4])
    return groups


def _is_box(answer: Answer, statements: Sequence[Statement], group: list[Number]) -> bool:
    """Whether four numbers are marked as a box: by brackets, names of coordinates, or words before them."""
    first, end = group[0].first, group[3].end
    if not _BOX_MARKS.isdisjoint(answer.words[max(0, first - 3) : end]):
        return True
    near = answer.words[max(answer.sentence(first)[0], first - 12) : first]
    return not _BOX_NAMES.isdisjoint(near) or is_alone(answer, first, end) or is_announced(answer, statements, first)


def _corners(answer: Answer, group: list[Number]) -> Corners | None:
    """The corners in the order of `Box.xyxy`; None for a box with a width and height."""
    start = _opening(answer, group[0].first)
    if not _SIZES.isdisjoint(answer.words[start : group[3].end]):
        return None
    ends = [start, *(number.end for number in group)]
    indices = [_coordinate_index(answer.words[end : n.first]) for end, n in zip(ends, group, strict=False)]
    order = indices if sorted(indices) == [0, 1, 2, 3] else [0, 1, 2, 3]
    x1, y1, x2, y2 = (group[order.index(k)].value for k in range(4))
    return x1, y1, x2, y2


def _opening(answer: Answer, first: int) -> int:
    """The start of the brackets and names of coordinates before the number at `first`."""
    start = first
    while start > 0 and first - start < _MAX_GAP and answer.words[start - 1] in _BETWEEN - {"\n", "."}:
        start -= 1
    while start < first and answer.words[start] in (",", ";", ":", "-", ")"):
        start += 1
    return start


def _coordinate_index(key: Sequence[str]) -> int:
    """The index in `Box.xyxy` of the coordinate that the words `key` name; -1 for none or several."""
    indices = {_AXES[word] for word in key if word in _AXES}
    for axis, word in enumerate(("x", "y")):
        if word in key:
            after = key.index(word) + 1
            indices.add(axis + 2 * (key[after : after + 1] in (["2"], ["max"])))
    return indices.pop() if len(indices) == 1 else -1
