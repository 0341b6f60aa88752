"""Label suspects: training rows whose label a classifier that never saw them confidently contradicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean

from videostar.adapters.task import Question
from videostar.data.folds import Prediction


@dataclass(frozen=True)
class Suspect:
    """A training row whose label is probably wrong."""

    where: str  # file:line
    video: str
    label: str  # in words
    proposed: str  # the label that the classifier gives
    probability: float  # of the proposed label
    label_probability: float  # of the row's own


def find_suspects(questions: Iterable[Question], predictions: Iterable[Prediction]) -> list[Suspect]:
    """The suspects among the questions that are predicted, the most certain first.

    Confident learning (Northcutt et al., 2021): the threshold of a class is the mean probability of that class over the
    videos with its label. A video counts as of the most probable class that reaches its threshold; if that is more
    probable than its label, the label is a suspect. They are ordered by the probability of the label less that of the
    proposed one. A class whose videos are all in one fold is not judged: the classifier never saw it there.
    """
    errors = confident_errors(predictions)
    found: list[tuple[float, Suspect]] = []
    for question in questions:
        if question.id in errors:
            one, proposed = errors[question.id]
            high, low = one.scores[proposed], one.scores[one.label]
            row = question.sample.row, question.sample.video
            found.append((low - high, Suspect(*row, one.label, proposed, high, low)))
    return [suspect for _, suspect in sorted(found, key=lambda item: item[0])]


def agreement(predictions: Sequence[Prediction]) -> float | None:
    """The share of labels that are the most probable class; None without predictions."""
    agreed = [one.scores[one.label] == max(one.scores.values()) for one in predictions]
    return fmean(agreed) if agreed else None


def confident_errors(predictions: Iterable[Prediction]) -> dict[str, tuple[Prediction, str]]:
    """By question, the predictions that are off the diagonal of the confident joint, and the label each counts as."""
    by_label: dict[str, list[Prediction]] = defaultdict(list)
    for one in predictions:
        by_label[one.label].append(one)
    thresholds = {
        label: fmean(one.scores[label] for one in of)
        for label, of in by_label.items()
        if len({one.fold for one in of}) > 1
    }
    errors: dict[str, tuple[Prediction, str]] = {}
    for label in thresholds:
        for one in by_label[label]:
            reached = [name for name, score in one.scores.items() if score >= thresholds.get(name, inf)]
            counted = max(reached, key=one.scores.__getitem__, default=label)
            if one.scores[counted] > one.scores[label]:
                errors[one.question_id] = one, counted
    return errors
