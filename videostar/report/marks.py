"""Where in an answer its label was found: only to show it; the verdict is in the ledger.

The value that the judge parsed is searched in the text, in the forms in which answers write it. If an action is not
found so (an irregular verb, say), it is searched in the inflections that verification accepts.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from videostar.labels.names import patterns, spellings
from videostar.stages.ledger import Answer

_TEXT = 4000  # characters that are searched
_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_COUNTS = {1: "once", 2: "twice"}


def parts(answer: Answer) -> list[str]:
    """The answer in pieces: every second one is where its label was found. One piece if it was not."""
    text = answer.answer
    if not answer.accepted:
        return [text]
    cut = [0]
    for start, end in sorted(_spans(text[:_TEXT], answer)):
        if start >= cut[-1]:
            cut += [start, end]
    return [text[start:stop] for start, stop in zip(cut, [*cut[1:], len(text)], strict=True)]


def _spans(text: str, answer: Answer) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for value in _values(answer.parsed):
        match = _last(_pattern(value), text)
        if match is not None:
            found.append(match)
    if not found and answer.label and answer.group == answer.label:
        match = _last(_inflected(answer.label), text)
        found = [match] if match else []
    return found


def _values(parsed: Any) -> list[Any]:
    """The single values of a parsed label."""
    if isinstance(parsed, dict):
        return [value for part in parsed.values() for value in _values(part)]
    if isinstance(parsed, list | tuple):
        return [value for part in parsed for value in _values(part)]
    return [] if parsed is None else [parsed]


@lru_cache(4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _pattern(value: Any) -> re.Pattern[str]:
    if isinstance(value, bool):
        return _compiled(r"\b(?:yes|true)\b" if value else r"\b(?:no|not|false)\b")
    if isinstance(value, int | float):
        written = f"{value:g}"
        forms = [re.escape(written) + ("0*" if "." in written else r"(?:\.0+)?")]
        if float(value).is_integer() and 0 <= value < len(_WORDS):
            forms.append(_WORDS[int(value)])
        if value in _COUNTS:
            forms.append(_COUNTS[int(value)])
        if 1 <= value < math.inf:
            minutes, seconds = divmod(float(value), 60)
            forms.append(f"{int(minutes):d}:{int(seconds):02d}")
        return _compiled(rf"(?<![\w.])(?:{'|'.join(forms)})(?!\w|\.\d)")
    return _compiled(_loose(str(value)))


def _loose(name: str) -> str:
    """A pattern for a name whose words may have other endings and a word or two between them."""
    words = [word for word in re.findall(r"\w+", name) if word.casefold() not in ("a", "an", "the")]
    stems = [re.escape(word if len(word) < 4 else word[: max(3, len(word) - 3)]) + r"\w*" for word in words]
    return r"\b" + r"\W+(?:\w+\W+){0,2}?".join(stems) if stems else r"(?!)"


def _last(pattern: re.Pattern[str], text: str) -> tuple[int, int] | None:
    """The last match: final answers are last."""
    spans = [match.span() for match in pattern.finditer(text)]
    return spans[-1] if spans else None


@lru_cache(4096)
def _inflected(name: str) -> re.Pattern[str]:
    """A pattern for an action in any inflection ("ran a race"), from the words that verification accepts for it."""
    between = r"\W+(?:\w+\W+){0,2}?"
    names = [
        between.join(f"(?:{'|'.join(sorted(map(re.escape, element.forms)))})" for element in pattern.elements)
        for spelling in spellings(name)
        for pattern in patterns(spelling)
    ]
    return _compiled(rf"\b(?:{'|'.join(names)})\b" if names else r"(?!)")
