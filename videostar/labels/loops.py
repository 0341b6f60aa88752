"""Finds the looping tail of an answer."""

from __future__ import annotations

from collections.abc import Sequence

MIN_REPEATS = 8  # of one phrase, to count as a loop


def count_before_loop(tokens: Sequence[str]) -> tuple[int, bool]:
    """The number of tokens before the first repetition of a looping tail, and whether the loop is the whole text.

    A tail loops if it is one phrase `MIN_REPEATS` times or more. The last repetition may be cut off, even within a
    word. Without a loop the number is that of all tokens. Takes linear time.
    """
    count = len(tokens)
    if count < MIN_REPEATS:
        return count, False
    # A loop repeats the last two words of its tail. This quick test passes most texts.
    for cut in (0, 1):
        end = count - cut
        if tokens.count(tokens[end - 1]) < MIN_REPEATS - 1 or tokens.count(tokens[end - 2]) < MIN_REPEATS - 1:
            continue
        length, period = _periodic_suffix(tokens[:end])
        if length >= MIN_REPEATS * period:
            start = end - length
            return start + period, start == 0
    return count, False


def _periodic_suffix(tokens: Sequence[str]) -> tuple[int, int]:
    """The length of the longest suffix that repeats one phrase `MIN_REPEATS` times or more, and the phrase's length.

    Uses the failure function (Knuth, Morris, Pratt 1977) of the reversed tokens, which gives the smallest period of the
    last n tokens for every n.
    """
    backward = tokens[::-1]
    borders = [0] * len(backward)
    border = 0
    best = (0, 1)
    for i in range(1, len(backward)):
        while border and backward[i] != backward[border]:
            border = borders[border - 1]
        if backward[i] == backward[border]:
            border += 1
        borders[i] = border
        period = i + 1 - border
        if i + 1 >= MIN_REPEATS * period:
            best = (i + 1, period)
    return best
