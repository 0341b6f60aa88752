"""How sure held-out figures are, where several questions about one video are not independent of each other.

Variances are cluster-robust, a cluster being a video: of a mean over n values in G clusters, with e_g the sum of the
deviations of cluster g, G / (G - 1) * sum(e_g^2) / n^2 (Liang and Zeger, 1986; what statsmodels gives for OLS on a
constant with `cov_type="cluster"`). Where every video has one value this is the usual s^2 / n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

_Z = float(ndtri(0.975))


class Estimate(NamedTuple):
    """A mean with its clustered standard error (None for a single video) and its 95 % interval."""

    value: float
    se: float | None
    low: float
    high: float
    n: int
    videos: int


def accuracy(right: Sequence[bool], videos: Sequence[str]) -> Estimate:
    """The share that is right, of one answer or more; `videos` names the video of each.

    The interval is Wilson's score interval for the effective number of answers, n / deff: deff is how many times the
    clustered variance is that of independent answers, at least 1. Where all answers are right, or none is, no variance
    tells, and the videos are counted.
    """
    values = np.asarray(right, float)
    share = float(values.mean())
    variance, count = _variance(values, videos)
    alone = share * (1 - share) / (len(values) - 1) if len(values) > 1 else 0.0  # the variance of independent answers
    effective = len(values) / max(1.0, variance / alone) if variance is not None and alone else count
    low, high = _wilson(share, effective)
    return Estimate(share, _root(variance), low, high, len(values), count)


def difference(after: Sequence[bool], before: Sequence[bool], videos: Sequence[str]) -> Estimate:
    """By how much the share that is right differs between two answerings of the same questions, one or more.

    The interval is that of Student's t with G - 1 degrees of freedom. Where the difference is the same of every
    question, no variance tells: then it reaches as far as Wilson's would from 0 of as many videos.
    """
    values = np.asarray(after, float) - np.asarray(before, float)
    mean = float(values.mean())
    variance, count = _variance(values, videos)
    reach = float(stdtrit(count - 1, 0.975)) * math.sqrt(variance) if variance else _wilson(0.0, count)[1]
    return Estimate(mean, _root(variance), max(-1.0, mean - reach), min(1.0, mean + reach), len(values), count)


def _variance(values: NDArray[np.float64], videos: Sequence[str]) -> tuple[float | None, int]:
    """The clustered variance of the mean, and the number of clusters."""
    _, cluster = np.unique(np.asarray(videos), return_inverse=True)
    sums = np.bincount(cluster, weights=values - values.mean())
    count = len(sums)
    if count == 1:
        return None, 1
    # Rounding may leave a little of deviations that are none.
    spread = float((sums**2).sum()) if np.ptp(values) else 0.0
    return count / (count - 1) * spread / len(values) ** 2, count


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(variance)


def _wilson(share: float, n: float) -> tuple[float, float]:
    """The score interval of a share of n answers, where n need not be whole."""
    center = (2 * n * share + _Z**2) / (2 * (n + _Z**2))
    reach = _Z * math.sqrt(4 * n * share * (1 - share) + _Z**2) / (2 * (n + _Z**2))
    return 0.0 if share == 0 else max(0.0, center - reach), 1.0 if share == 1 else min(1.0, center + reach)
