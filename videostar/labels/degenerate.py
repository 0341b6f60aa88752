"""Detects answers without content: loops, refusals and echoes of the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

from videostar.labels.text import drop_reasoning, normalise, tokens, words

MIN_REPEATS = 8  # of one phrase, to count as a loop
MAX_CHARACTERS = 100_000  # of a longer answer only the two ends are read

_REFUSAL = re.compile(
    r"\b(?:sorry|apologi[sz]e|unable to|as an ai|(?:i|we) (?:can't|cannot|can not|could not|couldn't|am not able to|"
    r"don't have|do not have|won't|am unable)|cannot be determined|can't be determined|not possible to)\b"
)
_ROLES = frozenset(["user", "assistant", "human", "system", "gpt", "video", "image", "bot", "model"])


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


def answer_content(answer: str, prompt: str | None) -> str | None:
    """`answer` without an echo of `prompt`, without reasoning and the repetitions of a looping tail; None if empty.

    The text is not normalised. Of an answer of more than `MAX_CHARACTERS` it has the first and the last half of so
    many, each without its own looping tail, which bounds the cost of a verdict.
    """
    if prompt:
        answer = strip_prompt(answer, prompt)
    answer = drop_reasoning(answer)
    if len(answer) > MAX_CHARACTERS:
        head, tail = answer[: MAX_CHARACTERS // 2], answer[-MAX_CHARACTERS // 2 :]
        ends = (
            answer_content(head.rpartition(" ")[0] or head, None),
            answer_content(tail.partition(" ")[2] or tail, None),
        )
        return "\n".join(filter(None, ends)) or None
    all_tokens = tokens(normalise(answer))
    count, looping = count_before_loop(all_tokens)
    if looping or not any(token[0].isalnum() for token in all_tokens):
        return None
    if count == len(all_tokens):
        return answer
    passed = 0
    for match in re.finditer(r"\S+", answer):
        passed += len(tokens(normalise(match[0])))
        if passed >= count:
            return answer[: match.end()]
    return answer


def is_refusal(normalised: str) -> bool:
    """Whether a normalised answer starts with a refusal. It may still give an answer after that."""
    return _REFUSAL.search(normalised, 0, 400) is not None


def strip_prompt(answer: str, prompt: str) -> str:
    """`answer` without an echo of `prompt` at its start, comparing words and ignoring names of roles ("user:")."""
    prompt_words = [w for w in words(prompt) if w not in _ROLES]
    if not prompt_words:
        return answer
    position = 0
    # Both sides are split into words by the same rules. The reply starts where the last word of the prompt ends.
    for match in re.finditer(r"\S+", answer):
        for word in words(match[0]):
            if word in _ROLES:
                continue
            if position >= len(prompt_words):
                return answer[match.start() :]
            if word != prompt_words[position]:
                return answer
            position += 1
    return "" if position >= len(prompt_words) else answer
