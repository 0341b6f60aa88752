"""Several tries at one question: which of the accepted ones are worth keeping."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.fuzz import ratio

_SAME = 95.0  # of 100: what differs by less is the same answer in other words


def left_out(texts: Sequence[str], accepted: Sequence[bool], limit: int) -> list[str | None]:
    """Of each accepted try why it is left out (None: it is kept), and None for the others.

    A try that says nearly the same as an earlier one is a near-duplicate; of the rest the first `limit` are kept.
    """
    kept: list[str] = []
    reasons: list[str | None] = []
    for text, good in zip(texts, accepted, strict=True):
        reason = None
        if good and any(ratio(text, other) >= _SAME for other in kept):
            reason = "near-duplicate"
        elif good and len(kept) == limit:
            reason = "enough kept"
        elif good:
            kept.append(text)
        reasons.append(reason)
    return reasons
