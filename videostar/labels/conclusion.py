"""Finds the conclusions of an answer that may be a letter, a yes or no, a list or a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MAX_CONCLUSIONS = 20  # of each kind: of more, only the last are read
_SCOPE = 1000  # characters of a conclusion that are read

_OPENS = r"(?:^|(?<=[.!?;:\n])[ \t]{0,3})"
_FINAL = "(?:final|correct|best|right|overall|actual|most likely|predicted|my)"
_ANSWER = re.compile(
    r"(?<!first )(?<!initial )(?<!other )(?<!wrong )(?<!incorrect )"
    r"\b(?:answers?|choice|option|verdict|prediction|conclusion|decision|response)\b"
    r"(?:[ \t]+(?!is\b|are\b|was\b|not\b)[\w']+){0,6}?[ \t]*"
    r"(?:[:=]|\b(?:is|are|must be|should be|would be|will be|has to be|remains|becomes)\b[ \t]*:?)[ \t\n]*"
)
_NAMED = re.compile(
    rf"{_OPENS}(?:(?:so|therefore|thus|hence),? )?(?:the )?(?:{_FINAL} )?(?:labels?|actions?|activities|sequence|"
    r"order|steps?|phases?|moves?|sub actions?|names?)(?: (?:is|are))?(?: as follows)?[ \t]*[:=][ \t\n]*"
    rf"|{_OPENS}(?:(?:so|therefore|thus|hence),? )?(?:the )?{_FINAL} (?:labels?|actions|activities|sequence|order|"
    r"steps|phases) (?:is|are)[ \t]+"
)
_THEREFORE = re.compile(
    rf"{_OPENS}(?:and |but )?(?:so|therefore|thus|hence|consequently|overall|in conclusion|to conclude|in summary|"
    r"to sum up|as a result|ultimately|in the end|in short|all in all|which means|this means)\b(?: that)?,?[ \t]+"
    r"|\b(?:conclude|decide|settle on|go with|going with|went with|go for|choose|pick|select)\b(?: that)?[ \t]+"
    r"|[,;] (?:so|hence|therefore|thus)\b,?[ \t]+"
)


def conclusions(normalised: str) -> Iterator[str]:
    """The rest of the line after each "the answer is", then after each "therefore", from the last one to the first."""
    for cue in (_ANSWER, _THEREFORE):
        ends = [match.end() for match in cue.finditer(normalised)]
        for end in reversed(ends[-_MAX_CONCLUSIONS:]):
            line = normalised[end : end + _SCOPE].split("\n", 1)[0].strip()
            if line:
                yield line


def final_part(normalised: str) -> str | None:
    """The text after the last "Answer:", "final answer is" or "Labels:"; None without one."""
    starts = [m.end() for cue in (_ANSWER, _NAMED) for m in cue.finditer(normalised)]
    rest = normalised[max(starts) :].strip() if starts else ""
    return rest or None
