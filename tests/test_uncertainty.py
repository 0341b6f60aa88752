"""Intervals: of independent answers scipy's; of several about a video as wide as a bootstrap by video says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from videostar.stages.uncertainty import accuracy, difference

Answers = list[tuple[bool, bool, int]]  # before, after, video
answers = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), min_size=1, max_size=40)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_with_one_question_a_video_it_is_wilsons_interval(right: list[bool]) -> None:
    found = accuracy(right, [str(number) for number in range(len(right))])
    expected = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.videos == found.n == len(right)


def clustered_se(values: list[float], videos: list[int]) -> float:
    """As statsmodels does for OLS on a constant: bread, meat and small-sample correction, spelt out."""
    mean = sum(values) / len(values)
    meat = sum(
        sum(value - mean for value, video in zip(values, videos, strict=True) if video == one) ** 2
        for one in set(videos)
    )
    n, groups = len(values), len(set(videos))
    correction = groups / (groups - 1) * (n - 1) / (n - 1)  # one parameter
    return math.sqrt(correction * (1 / n) * meat * (1 / n))


@given(answers)
def test_standard_errors_are_clustered(rows: Answers) -> None:
    before, after, videos = map(list, zip(*rows, strict=True))
    names = list(map(str, videos))
    found, gain = accuracy(after, names), difference(after, before, names)
    if len(set(videos)) == 1:
        assert found.se is None
        assert gain.se is None
    else:
        values = [float(b) - float(a) for a, b in zip(before, after, strict=True)]
        assert found.se == pytest.approx(clustered_se(list(map(float, after)), videos), abs=1e-9)
        assert gain.se == pytest.approx(clustered_se(values, videos), abs=1e-9)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert -1 <= gain.low <= gain.value <= gain.high <= 1
    assert gain.high > gain.low, "no interval is without width, however alike the answers"


def test_intervals_are_as_wide_as_a_bootstrap_by_video_says() -> None:
    """Eighty videos with one to six questions, whose answers hang together."""
    draw = np.random.default_rng(0)
    videos = np.repeat(np.arange(80), draw.integers(1, 7, 80))
    ease = draw.normal(0, 1.5, 80)[videos]
    before, after = (ease + draw.normal(shift, 1, len(videos)) > 0 for shift in (0.0, 0.5))
    names = list(map(str, videos))
    found, gain = accuracy(after.tolist(), names), difference(after.tolist(), before.tolist(), names)
    sums = np.stack([np.bincount(videos, weights=values) for values in (after, before, np.ones(len(videos)))])
    chosen = sums[:, draw.integers(0, 80, (4000, 80))].sum(axis=-1)
    shares = chosen[0] / chosen[2]
    gains = (chosen[0] - chosen[1]) / chosen[2]
    assert found.se == pytest.approx(shares.std(), rel=0.05)
    assert gain.se == pytest.approx(gains.std(), rel=0.05)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(shares, (0.025, 0.975))), abs=0.015)
    assert (gain.low, gain.high) == pytest.approx(tuple(np.quantile(gains, (0.025, 0.975))), abs=0.015)
    alone = accuracy(after.tolist(), [str(number) for number in range(len(videos))])
    assert found.high - found.low > 1.3 * (alone.high - alone.low)


def test_where_no_variance_tells_the_videos_are_counted() -> None:
    twice = [str(number // 2) for number in range(20)]
    for right in (True, False):
        found = accuracy([right] * 20, twice)
        expected = binomtest(10 * right, 10).proportion_ci(method="wilson")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    same = difference([True] * 20, [True] * 20, twice)
    assert same.value == 0
    assert same.high == -same.low == pytest.approx(binomtest(0, 10).proportion_ci(method="wilson").high)
