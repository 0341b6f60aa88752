"""Notices a loss that explodes while a training goes on."""

from __future__ import annotations

from collections import defaultdict, deque
from statistics import median

_WINDOW = 5  # steps: the median ignores two bad batches
_TIMES = 2.0  # the lowest loss so far
_FLOOR = 1.0  # nats a token: below it answers are still likely, and a LoRA that is continued has a small loss and noise


class ExplodingLoss:
    """The rule by which a loss has exploded.

    The median of the last five losses is above 1, above the first loss, and above twice the lowest such median (or the
    first loss). Steps of each source of rows are compared with each other only, since their losses differ.
    """

    def __init__(self) -> None:
        self._recent: dict[str | None, deque[float]] = defaultdict(lambda: deque(maxlen=_WINDOW))
        self._first: dict[str | None, float] = {}
        self._lowest: dict[str | None, float] = {}
        self._noticed = False

    def add(self, step: int, loss: float, source: str | None = None) -> str | None:
        """A line about the explosion at the first step by which it shows; None at all others."""
        first = self._first.setdefault(source, loss)
        recent = self._recent[source]
        recent.append(loss)
        if self._noticed or len(recent) < _WINDOW:
            return None
        now = median(recent)
        lowest = min(now, self._lowest.get(source, first))
        self._lowest[source] = lowest
        if now <= max(_FLOOR, first, _TIMES * lowest):
            return None
        self._noticed = True
        return (
            f"training: the loss has risen to {now:.3g} by step {step}, from {first:.3g} at first: it diverges; "
            "stop the run and lower training.learning_rate"
        )
