"""Standard errors and intervals of held-out accuracy: over questions, clustered by video, and over runs.

Several questions about one video are not independent, so variances are cluster-robust, with a video as cluster. For a
mean over n values in G clusters, with e_g the sum of the deviations in cluster g, the variance is
G / (G - 1) * sum(e_g^2) / n^2 (Liang and Zeger, 1986; statsmodels: OLS on a constant with `cov_type="cluster"`). With
one value per video this is the usual s^2 / n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_EQUAL = 1e-12  # accuracies that differ by less are equal but for rounding
_Z = 1.959963984540054  # the 0.975 quantile of the normal distribution


class Estimate(NamedTuple):
    """A mean, its clustered standard error (None for a single video) and its 95 % interval."""

    value: float
    se: float | None
    low: float
    high: float
    n: int
    videos: int


def accuracy(right: Sequence[bool], videos: Sequence[str]) -> Estimate:
    """The share of right answers; `videos` has the video of each answer. There must be at least one.

    The interval is Wilson's score interval for the effective number of answers, n / deff, where deff is the ratio of
    the clustered variance to that of independent answers, at least 1. If all answers are right or all are wrong, the
    variance is 0 and the number of videos is used instead.
    """
    values = np.asarray(right, float)
    share = float(values.mean())
    variance, count = _variance(values, videos)
    alone = share * (1 - share) / (len(values) - 1) if len(values) > 1 else 0.0  # variance of independent answers
    effective = len(values) / max(1.0, variance / alone) if variance is not None and alone else count
    low, high = wilson(share, effective)
    return Estimate(share, _root(variance), low, high, len(values), count)


def difference(after: Sequence[bool], before: Sequence[bool], videos: Sequence[str]) -> Estimate:
    """The paired difference in the share of right answers to the same questions. There must be at least one.

    The interval is Student's t with G - 1 degrees of freedom. If every question has the same difference, the variance
    is 0 and the reach of Wilson's interval for 0 of G videos is used instead.
    """
    from scipy.special import stdtrit  # takes long to load

    values = np.asarray(after, float) - np.asarray(before, float)
    mean = float(values.mean())
    variance, count = _variance(values, videos)
    reach = float(stdtrit(count - 1, 0.975)) * math.sqrt(variance) if variance else wilson(0.0, count)[1]
    return Estimate(mean, _root(variance), max(-1.0, mean - reach), min(1.0, mean + reach), len(values), count)


def paired_interval(after: Sequence[float], before: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean difference of two accuracies over pairs of runs: Student's t.

    None for a single pair, and if all differences are equal, since the variance is unknown then.
    """
    values = np.asarray(after, float) - np.asarray(before, float)
    if len(values) < 2 or np.ptp(values) < _EQUAL:
        return None
    return _interval(float(values.mean()), float(values.var(ddof=1)) / len(values), len(values) - 1)


def welch_interval(after: Sequence[float], before: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the difference of two mean accuracies of independent runs (Welch, 1947).

    None if a side has a single run, and if neither side varies.
    """
    sides = [np.asarray(side, float) for side in (after, before)]
    if min(map(len, sides)) < 2 or max(map(np.ptp, sides)) < _EQUAL:
        return None
    parts = [float(side.var(ddof=1)) / len(side) for side in sides]
    freedom = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
    return _interval(float(sides[0].mean() - sides[1].mean()), sum(parts), freedom)


def _interval(mean: float, variance: float, freedom: float) -> tuple[float, float]:
    """Student's interval of a difference of accuracies."""
    from scipy.special import stdtrit  # takes long to load

    reach = float(stdtrit(freedom, 0.975)) * math.sqrt(variance)
    return max(-1.0, mean - reach), min(1.0, mean + reach)


def _variance(values: NDArray[np.float64], videos: Sequence[str]) -> tuple[float | None, int]:
    """The clustered variance of the mean, and the number of clusters."""
    _, cluster = np.unique(np.asarray(videos), return_inverse=True)
    sums = np.bincount(cluster, weights=values - values.mean())
    count = len(sums)
    if count == 1:
        return None, 1
    # Deviations of equal values may round to more than 0.
    spread = float((sums**2).sum()) if np.ptp(values) else 0.0
    return count / (count - 1) * spread / len(values) ** 2, count


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(variance)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n answers; n may be a fraction."""
    center = (2 * n * share + _Z**2) / (2 * (n + _Z**2))
    reach = _Z * math.sqrt(4 * n * share * (1 - share) + _Z**2) / (2 * (n + _Z**2))
    return 0.0 if share == 0 else max(0.0, center - reach), 1.0 if share == 1 else min(1.0, center + reach)
