"""Label suspects: training rows whose label a classifier that never saw them contradicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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

    These are the rows for which another class is more probable, in order of the probability of their label, its
    self-confidence (Northcutt et al., 2021). A class whose videos are all in one fold is not judged: the classifier
    never saw it there.
    """
    by_question = {one.question_id: one for one in predictions}
    folds: dict[str, set[int]] = defaultdict(set)
    for prediction in by_question.values():
        folds[prediction.label].add(prediction.fold)
    found: list[Suspect] = []
    for question in questions:
        one = by_question.get(question.id)
        if one is None or len(folds[one.label]) < 2:
            continue
        proposed = max(one.scores, key=one.scores.__getitem__)
        high, low = one.scores[proposed], one.scores[one.label]
        if high > low:
            found.append(Suspect(question.sample.row, question.sample.video, one.label, proposed, high, low))
    return sorted(found, key=lambda suspect: (suspect.label_probability, -suspect.probability))


def agreement(predictions: Sequence[Prediction]) -> float | None:
    """The share of labels that are the most probable class; None without predictions."""
    agreed = [one.scores[one.label] == max(one.scores.values()) for one in predictions]
    return fmean(agreed) if agreed else None
