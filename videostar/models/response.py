"""A model's answer to a prompt. Nothing here imports torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Response:
    """An answer. `confidence` is the geometric mean of the probabilities of its tokens, None if they are not known.

    `tokens` is their number, with the one that ended it; 0 for a text that no model wrote.

    Answers with the same text are equal: engines differ in the last digits of probabilities.
    """

    text: str
    cut_off: bool = False  # it reached `max_new_tokens` before it ended
    confidence: float | None = field(default=None, compare=False)
    tokens: int = field(default=0, compare=False)


def confidence(log_probability: float | None, tokens: int) -> float | None:
    """The geometric mean of the probabilities of an answer's tokens, to four decimals, from that of the answer.

    None if that is not known or not a number, and without tokens.
    """
    if log_probability is None or math.isnan(log_probability) or not tokens:
        return None
    return round(math.exp(log_probability / tokens), 4)
