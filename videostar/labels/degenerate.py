"""Answers that say nothing: loops, refusals and echoes of the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

from videostar.labels.text import normalise, tokens, words

MIN_REPEATS = 8  # so many times one phrase, and it is a loop
MAX_CHARACTERS = 100_000  # characters; of more, which no model writes in earnest, the two ends are read

_REFUSAL = re.compile(
    r"\b(?:sorry|apologi[sz]e|unable to|as an ai|(?:i|we) (?:can't|cannot|can not|could not|couldn't|am not able to|"
    r"don't have|do not have|won't|am unable)|cannot be determined|can't be determined|not possible to)\b"
)
_ROLES = frozenset(["user", "assistant", "human", "system", "gpt", "video", "image", "bot", "model"])


def count_before_loop(tokens: Sequence[str]) -> tuple[int, bool]:
    """How many tokens stand before the second pass of a looping tail, and whether the loop is all there is.

    A tail loops when it is one phrase eight times or more; its last pass may be cut off, in the middle of a word
    even. Without such a tail all tokens count. Linear in their number.
    """
    count = len(tokens)
    if count < MIN_REPEATS:
        return count, False
    # A loop repeats its last word but one, whatever it is: most texts are let through here.
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
    """The longest suffix that is one phrase over and over (eight times or more), and that phrase's length.

    By the failure function of the reversed tokens: its value at n gives the smallest period of the last n tokens.
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


def answer_content(answer: str, prompt: str | None) -> str | None:
    """What `answer` tells beyond an echo of `prompt`, up to the first pass of a looping tail; None if nothing.

    For the kinds that read numbers and marks: the text is as it was written. Of more than LONG characters the first
    and the last half of so many are told, each without its own looping tail, so that a verdict costs no more.
    """
    if prompt:
        answer = strip_prompt(answer, prompt)
    if len(answer) > MAX_CHARACTERS:
        head, tail = answer[: MAX_CHARACTERS // 2], answer[-MAX_CHARACTERS // 2 :]
        ends = (
            answer_content(head.rpartition(" ")[0] or head, None),
            answer_content(tail.partition(" ")[2] or tail, None),
        )
        return "\n".join(filter(None, ends)) or None
    spoken = tokens(normalise(answer))
    count, looping = count_before_loop(spoken)
    if looping or not any(token[0].isalnum() for token in spoken):
        return None
    if count == len(spoken):
        return answer
    seen = 0
    for match in re.finditer(r"\S+", answer):
        seen += len(tokens(normalise(match[0])))
        if seen >= count:
            return answer[: match.end()]
    return answer


def is_refusal(normalised: str) -> bool:
    """Whether the answer declines to answer. Something may be said after it all the same."""
    return _REFUSAL.search(normalised, 0, 400) is not None


def strip_prompt(answer: str, prompt: str) -> str:
    """`answer` after an echo of `prompt` at its start; empty when there is nothing else. Role marks do not count."""
    asked = [w for w in words(prompt) if w not in _ROLES]
    if not asked:
        return answer
    position = 0
    # Words are told apart by the same rules on both sides; the reply starts where the prompt's last word ends.
    for match in re.finditer(r"\S+", answer):
        for word in words(match[0]):
            if word in _ROLES:
                continue
            if position >= len(asked):
                return answer[match.start() :]
            if word != asked[position]:
                return answer
            position += 1
    return "" if position >= len(asked) else answer
