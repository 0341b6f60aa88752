"""Several tries at one question: which of those that passed are kept."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.fuzz import ratio

#: Reasons why a try that passed is not kept.
SURPLUS = _DUPLICATE, _ENOUGH = ("near-duplicate", "enough kept")
_SAME = 95.0  # of 100: answers that are more alike than this count as the same


def select_tries(texts: Sequence[str], passed: Sequence[bool], limit: int) -> list[str | None]:
    """For each try that passed, the reason why it is not kept (None: it is kept); None for the others.

    Near-duplicates of an earlier kept try are dropped; of the rest the first `limit` are kept.
    """
    kept: list[str] = []
    reasons: list[str | None] = []
    for text, good in zip(texts, passed, strict=True):
        reason = None
        if good and any(ratio(text, other) >= _SAME for other in kept):
            reason = _DUPLICATE
        elif good and len(kept) == limit:
            reason = _ENOUGH
        elif good:
            kept.append(text)
        reasons.append(reason)
    return reasons
