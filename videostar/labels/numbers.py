"""Numbers in a text, in digits or words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from text_to_num import alpha2digit

from videostar.labels.doc import Plain

_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4}
_READ = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+)?")
_MOST_WORDS = 30  # and dashes of a number: 999,999,999,999 takes 27
_LONGEST = 700  # digits of a number: as many as a float can need, written out
_OPENING = frozenset("([{<=:,;/\n")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as `plain.words[first:end]`; `spelled`: in words."""

    value: float
    first: int
    end: int
    spelled: bool = False


def written(value: float) -> str:
    """`value` in digits alone, no more than it takes: 7, 8.5, 0.000001."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=1 << 16)
def in_words(text: str) -> float | None:
    """The value of number words: "seven", "two hundred and five", "seven point five"; of "ones" and "hundreds" none.

    text2num, and neither number-parser nor numerizer: it reads decimals, keeps apart what is two numbers ("five six"),
    and takes a microsecond where they take a hundred.
    """
    digits = alpha2digit(text, "en", 0)
    return float(digits) if digits != text and not text.endswith("s") and _READ.fullmatch(digits) else None


def numbers(plain: Plain, *, thousands: bool = True) -> Iterator[Number]:
    """The numbers of a text in order: 8.5, -1.5, twenty-one, "seven point five", "three and a half", "2 dozen".

    `thousands`: whether 1,250 is one number. A time of the clock is none.
    """
    i = 0
    while i < len(plain):
        number = _digits(plain, i, thousands) if _is_number(plain.words[i]) else _spelled(plain, i)
        if number is None:
            i += 1
            continue
        number = _multiplied(plain, number)
        i = number.end
        if math.isfinite(number.value):
            yield number


def number_at(plain: Plain, i: int) -> Number | None:
    """The number that starts at the word `i`."""
    number = _digits(plain, i, True) if _is_number(plain.word(i)) else _spelled(plain, i)
    return _multiplied(plain, number) if number else None


def part(plain: Plain, i: int) -> Number | None:
    """The fraction that starts at `i`: "half", "a quarter", "two thirds", "1/4", "0.25"."""
    head = number = _digits(plain, i, False) if _is_number(plain.word(i)) else _spelled(plain, i)
    end = head.end if head else i + (plain.word(i) in ("a", "an"))
    end += plain.word(end) == "-"
    if plain.word(end) in _PARTS:
        number = Number((head.value if head else 1) / _PARTS[plain.words[end]], i, end + 1, True)
    elif head and plain.word(end) == "/" and _is_number(plain.word(end + 1)):
        below = _digits(plain, end + 1, False)
        number = Number(head.value / below.value, i, below.end) if below and below.value else None
    return number if number and 0 <= number.value <= 1 else None


def _is_number(word: str) -> bool:
    return word[-1:].isdecimal() and word.isascii() and ":" not in word


def _digits(plain: Plain, i: int, thousands: bool) -> Number | None:
    text, end = plain.words[i], i + 1
    while (
        thousands
        and len(text) <= _LONGEST
        and "." not in text
        and len(plain.words[i]) <= 3
        and plain.word(end) == ","
        and plain.glued(end - 1)
        and plain.glued(end)
        and len(plain.word(end + 1).partition(".")[0]) == 3
        and _is_number(plain.word(end + 1))
    ):
        text, end = text + plain.words[end + 1], end + 2
    if len(text) > _LONGEST:
        return None
    value = float(text)
    minus = plain.word(i - 1) == "-" and plain.glued(i - 1) and _opens(plain, i - 1)
    if minus or plain.word(i - 1) in ("minus", "negative"):
        return Number(-value, i - 1, end)
    return Number(value, i, end)


def _opens(plain: Plain, i: int) -> bool:
    """Whether the dash at `i` is a sign: nothing that it could join stands right before it."""
    return not i or not plain.glued(i - 1) or plain.word(i - 1) in _OPENING


def _spelled(plain: Plain, i: int) -> Number | None:
    """The number in words that starts at `i`: as many words as are read as one number."""
    start = i + (plain.word(i) == "a")
    value = in_words(plain.word(start))
    if value is None or (value >= 100) != (start > i):  # "several hundred" is none, nor is the article of "a five"
        return None
    end, apart = start + 1, None
    while end - start < _MOST_WORDS:
        joined = plain.word(end) == "and" and not value % 100
        last = end + (joined or plain.word(end) in ("-", "point"))
        if in_words(plain.word(last)) is None:
            break
        more = in_words(plain.text[plain.starts[start] : plain.ends[last]])
        if more is None:
            break
        apart = (value, end) if joined else apart
        value, end = more, last + 1
    if apart and (_scale(plain.word(end)) or plain.word(end) in _PARTS):  # one hundred and | two hundred, one half
        value, end = apart
    if plain.word(i - 1) in ("minus", "negative"):
        return Number(-value, i - 1, end, True)
    return Number(value, i, end, True)


def _scale(word: str) -> float:
    """What `word` makes of the number before it: 100, 1000 and on; 0 when it is no such word."""
    value = in_words(word) or 0.0
    return value if value >= 100 else 0.0


def _multiplied(plain: Plain, number: Number) -> Number:
    """With what belongs to the number after it: "and a half", "1/2", "dozen", "thousand"."""
    value, end = number.value, number.end
    words = plain.words[end : end + 3]
    if words[:1] == ["and"] and words[1:2] in (["a"], ["one"]) and words[2:3] in (["half"], ["quarter"]):
        value, end = value + math.copysign(1 / _PARTS[words[2]], value), end + 3
    elif not number.spelled and words[:2] == ["1", "/"] and words[2:] in (["2"], ["4"]) and value == int(value):
        value, end = value + 1 / int(words[2]), end + 3
    elif words[:1] == ["dozen"]:
        value, end = value * 12, end + 1
    elif not number.spelled and _scale(plain.word(end)):
        value, end = value * _scale(words[0]), end + 1
    return Number(value, number.first, end, number.spelled) if end != number.end else number
