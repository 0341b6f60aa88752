"""Whether a model's confidence says how often it is right.

The confidence of an answer is the geometric mean of the probabilities of its tokens (`Answer.confidence`). A model is
calibrated if of the answers with confidence p a share p is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

_BINS = 10
_HOTTEST = 100.0  # a temperature, and one over the coldest


def calibration(confidences: Sequence[float], right: Sequence[bool]) -> dict[str, Any] | None:
    """The figures of answers with these confidences; None if there are no answers.

    - `ece`: the expected calibration error, the mean of |accuracy - mean confidence| over bins, weighted by their
      numbers of answers (Guo et al., 2017). There are 10 bins, in the order of confidence, with equal numbers of
      answers (Nixon et al., 2019; Kumar et al., 2019): models are confident in most answers, so bins of equal width
      would leave some with a few. Fewer than 10 answers have a bin each; equal ones stay in the given order.
    - `brier`: the mean squared difference of confidence and outcome, 1 or 0 (Brier, 1950).
    - `auroc`: the probability that a right answer has a higher confidence than a wrong one; ties count half. It is the
      statistic of Mann and Whitney (1947) as a share of all pairs. None if all answers are right or all are wrong.
    - `n`: the number of answers. `bins`: mean `confidence`, `accuracy` and `n` of each bin.
    """
    if not confidences:
        return None
    outcomes = np.asarray(right, float)
    stated = np.asarray(confidences, float)
    order = np.argsort(stated, kind="stable")
    bins = [
        {"confidence": float(stated[part].mean()), "accuracy": float(outcomes[part].mean()), "n": len(part)}
        for part in np.array_split(order, min(_BINS, len(order)))
    ]
    return {
        "ece": sum(one["n"] * abs(one["accuracy"] - one["confidence"]) for one in bins) / len(order),
        "brier": float(np.mean((stated - outcomes) ** 2)),
        "auroc": _auroc(stated, outcomes == 1),
        "n": len(order),
        "bins": bins,
    }


def fit_temperature(logits: np.ndarray, right: Sequence[int]) -> float:
    """The temperature of a softmax over `logits` [n, classes] with the least cross-entropy (Guo et al., 2017).

    `right` are the numbers of the right classes. It is between 0.01 and 100.
    """
    rows = np.arange(len(logits))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(logsumexp(scaled, axis=1) - scaled[rows, right]))

    end = np.log(_HOTTEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-end, end), method="bounded").x))


def least_confidence(confidences: Sequence[float], right: Sequence[bool], precision: float) -> float | None:
    """The least confidence of which, or of more, at least the share `precision` is right; None if there is none."""
    stated = np.asarray(confidences, float)
    order = np.argsort(-stated, kind="stable")
    shares = np.cumsum(np.asarray(right, float)[order]) / np.arange(1, len(order) + 1)
    last = np.append(np.diff(stated[order]) != 0, True)  # equal ones count together
    (enough,) = np.nonzero(last & (shares >= precision))
    return float(stated[order[enough[-1]]]) if len(enough) else None


def _auroc(stated: np.ndarray, right: np.ndarray) -> float | None:
    of_right, of_wrong = stated[right], np.sort(stated[~right])
    if not len(of_right) or not len(of_wrong):
        return None
    below = np.searchsorted(of_wrong, of_right, "left").sum()
    not_above = np.searchsorted(of_wrong, of_right, "right").sum()
    return float(below + not_above) / (2 * len(of_right) * len(of_wrong))
