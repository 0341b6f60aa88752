"""What a share of right answers does not show: how far scores, times, counts and orders are from their labels.

An answer without a readable value counts as wrong where the figure is a share or a mean overlap. Mean errors and rank
correlations are of the answers that were read, whose number is `read`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from videostar.labels.box import Box
from videostar.labels.count import Count
from videostar.labels.fields import Fields
from videostar.labels.interval import Interval
from videostar.labels.label import Label
from videostar.labels.score import Score
from videostar.labels.sequence import Steps
from videostar.labels.timestamp import Timestamp

#: The overlaps from which temporal grounding counts a prediction (Gao et al., 2017).
_OVERLAPS = (0.3, 0.5, 0.7)
_Figures = dict[str, Any]


class Judged(NamedTuple):
    """A label, and what was read in an answer for it."""

    label: Label
    value: Any  # `Verdict.parsed`
    right: bool
    by_model: bool = False  # so `value` is the reply of that model


def metrics_by_kind(answers: Iterable[Judged]) -> dict[str, _Figures]:
    """By kind of label: `accuracy`, `n`, and the figures of that kind, unless a model judges it.

    - score: `mae`, `spearman` (None if either side is constant) and `r_l2`, the relative L2 distance of action quality
      assessment (Yu et al., 2021), as a fraction: by the label's range, or else by that of the labels.
    - interval: `mean_iou` and `recall_0.3`, `recall_0.5`, `recall_0.7`, the shares with at least that overlap. box:
      `mean_iou`.
    - count: `mae`, and `off_by_one`, the share of answers at most one off.
    - timestamp: `mae` in seconds.
    - sequence: `edit_score`, the mean of 1 - edit distance / length of the longer one (Lea et al., 2016). Only the
      label's own steps are read in an answer, so a step that never happens costs nothing.
    - fields: `fields`, by name of field the figures of its kind.
    """
    kinds: defaultdict[str, list[Judged]] = defaultdict(list)
    for judged in answers:
        kinds[type(judged.label).model_fields["kind"].default].append(judged)
    return {
        kind: {
            "accuracy": sum(one.right for one in kinds[kind]) / len(kinds[kind]),
            "n": len(kinds[kind]),
            **({} if kinds[kind][0].by_model else _metrics([(one.label, one.value) for one in kinds[kind]])),
        }
        for kind in sorted(kinds)
    }


def _metrics(pairs: Sequence[tuple[Any, Any]]) -> _Figures:
    """The figures of labels of one kind and the values that were read for them."""
    read = [(label, value) for label, value in pairs if value is not None]
    match pairs[0][0]:
        case Score():
            return {"read": len(read), **_score(read)}
        case Count():
            errors = np.array([abs(value - label.value) for label, value in read])
            return {"read": len(read), "mae": _mean(errors), "off_by_one": float((errors <= 1).sum()) / len(pairs)}
        case Timestamp():
            return {"read": len(read), "mae": _mean([abs(value - label.seconds) for label, value in read])}
        case Interval():
            return {"read": len(read), **_overlaps(read, len(pairs), _OVERLAPS)}
        case Box():
            return {"read": len(read), **_overlaps(read, len(pairs), ())}
        case Steps():
            return {"read": len(read), "edit_score": sum(map(_edit_score, read)) / len(pairs)}
        case Fields():
            return {"fields": _fields(pairs)}
    return {}


def _score(read: Sequence[tuple[Score, float]]) -> _Figures:
    if not read:
        return {"mae": None, "spearman": None, "r_l2": None}
    from scipy.stats import spearmanr  # takes long to load

    labels = np.array([label.value for label, _ in read])
    values = np.array([value for _, value in read])
    errors = np.abs(values - labels)
    varied = bool(np.ptp(labels) and np.ptp(values))
    spans = np.array([label.range[1] - label.range[0] if label.range else np.ptp(labels) for label, _ in read])
    return {
        "mae": _mean(errors),
        "spearman": float(spearmanr(labels, values).statistic) if varied else None,
        "r_l2": _mean((errors / spans) ** 2) if spans.all() else None,
    }


def _overlaps(read: Sequence[tuple[Any, Any]], total: int, least: Sequence[float]) -> _Figures:
    overlaps = np.array([label.similarity(tuple(value)) for label, value in read])
    recalls = {f"recall_{share:g}": float((overlaps >= share).sum()) / total for share in least}
    return {"mean_iou": float(overlaps.sum()) / total, **recalls}


def _edit_score(pair: tuple[Steps, Sequence[str]]) -> float:
    from rapidfuzz.distance import Levenshtein

    label, value = pair
    return Levenshtein.normalized_similarity(label.steps, list(value))


def _fields(pairs: Sequence[tuple[Fields, Mapping[str, Any] | None]]) -> _Figures:
    """The figures of each field; a field's label may be of another kind in another row, and is then not counted."""
    fields: defaultdict[str, list[tuple[Label, Any]]] = defaultdict(list)
    for label, values in pairs:
        for name, part in label.fields.items():
            if not fields[name] or type(part) is type(fields[name][0][0]):
                fields[name].append((part, (values or {}).get(name)))
    return {name: figures for name, some in fields.items() if (figures := _metrics(some))}


def _mean(errors: Any) -> float | None:
    return float(np.mean(errors)) if len(errors) else None
