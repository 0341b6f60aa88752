"""Finds the numbers in a text, in digits or words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from text_to_num import alpha2digit

from videostar.labels.doc import Doc

_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4}
_READ = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+)?")
_MAX_WORDS = 30  # and dashes of a number in words: 999,999,999,999 takes 27
_MAX_DIGITS = 700  # as many as a float needs in digits
_OPENING = frozenset("([{<=:,;/\n")


@dataclass(frozen=True, slots=True)
class Number:
    """A number at `doc.words[first:end]`."""

    value: float
    first: int
    end: int
    spelled: bool = False  # in words


def format_number(value: float) -> str:
    """`value` in as few digits as it needs, without an exponent: 7, 8.5, 0.000001."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=1 << 16)
def parse_number_words(text: str) -> float | None:
    """The value of number words: "seven", "two hundred and five", "seven point five"; None for others, and for "ones".

    text2num is used rather than number-parser or numerizer: it reads decimals, keeps two numbers apart ("five six"),
    and takes a microsecond where they take a hundred.
    """
    digits = alpha2digit(text, "en", 0)
    return float(digits) if digits != text and not text.endswith("s") and _READ.fullmatch(digits) else None


def find_numbers(doc: Doc, *, thousands: bool = True) -> Iterator[Number]:
    """The numbers of a text in order: 8.5, -1.5, twenty-one, "seven point five", "three and a half", "2 dozen".

    `thousands`: whether 1,250 is one number. Times like 1:30 are not numbers.
    """
    i = 0
    while i < len(doc):
        number = _digits(doc, i, thousands) if _is_number(doc.words[i]) else _spelled(doc, i)
        if number is None:
            i += 1
            continue
        number = _extended(doc, number)
        i = number.end
        if math.isfinite(number.value):
            yield number


def number_at(doc: Doc, i: int) -> Number | None:
    """The number that starts at the word `i`; None without one."""
    number = _digits(doc, i, True) if _is_number(doc.word(i)) else _spelled(doc, i)
    return _extended(doc, number) if number else None


def fraction_at(doc: Doc, i: int) -> Number | None:
    """The fraction from 0 to 1 that starts at the word `i`: "half", "a quarter", "two thirds", "1/4", "0.25"."""
    head = number = _digits(doc, i, False) if _is_number(doc.word(i)) else _spelled(doc, i)
    end = head.end if head else i + (doc.word(i) in ("a", "an"))
    end += doc.word(end) == "-"
    if doc.word(end) in _PARTS:
        number = Number((head.value if head else 1) / _PARTS[doc.words[end]], i, end + 1, True)
    elif head and doc.word(end) == "/" and _is_number(doc.word(end + 1)):
        below = _digits(doc, end + 1, False)
        number = Number(head.value / below.value, i, below.end) if below and below.value else None
    return number if number and 0 <= number.value <= 1 else None


def _is_number(word: str) -> bool:
    return word[-1:].isdecimal() and word.isascii() and ":" not in word


def _digits(doc: Doc, i: int, thousands: bool) -> Number | None:
    text, end = doc.words[i], i + 1
    while (
        thousands
        and len(text) <= _MAX_DIGITS
        and "." not in text
        and len(doc.words[i]) <= 3
        and doc.word(end) == ","
        and doc.glued(end - 1)
        and doc.glued(end)
        and len(doc.word(end + 1).partition(".")[0]) == 3
        and _is_number(doc.word(end + 1))
    ):
        text, end = text + doc.words[end + 1], end + 2
    if len(text) > _MAX_DIGITS:
        return None
    value = float(text)
    minus = doc.word(i - 1) == "-" and doc.glued(i - 1) and _is_sign(doc, i - 1)
    if minus or doc.word(i - 1) in ("minus", "negative"):
        return Number(-value, i - 1, end)
    return Number(value, i, end)


def _is_sign(doc: Doc, i: int) -> bool:
    """Whether the dash at `i` is a minus sign: no word that it could join precedes it directly."""
    return not i or not doc.glued(i - 1) or doc.word(i - 1) in _OPENING


def _spelled(doc: Doc, i: int) -> Number | None:
    """The number in words that starts at `i`, in as many words as make one number; None without one."""
    start = i + (doc.word(i) == "a")
    value = parse_number_words(doc.word(start))
    if value is None or (value >= 100) != (start > i):  # "several hundred" is no number, and "a five" has no article
        return None
    end, apart = start + 1, None
    while end - start < _MAX_WORDS:
        joined = doc.word(end) == "and" and not value % 100
        last = end + (joined or doc.word(end) in ("-", "point"))
        if parse_number_words(doc.word(last)) is None:
            break
        more = parse_number_words(doc.text[doc.starts[start] : doc.ends[last]])
        if more is None:
            break
        apart = (value, end) if joined else apart
        value, end = more, last + 1
    if apart and (_factor(doc.word(end)) or doc.word(end) in _PARTS):  # one hundred and | two hundred, one half
        value, end = apart
    if doc.word(i - 1) in ("minus", "negative"):
        return Number(-value, i - 1, end, True)
    return Number(value, i, end, True)


def _factor(word: str) -> float:
    """The factor of a word like "hundred" or "thousand"; 0 for other words."""
    value = parse_number_words(word) or 0.0
    return value if value >= 100 else 0.0


def _extended(doc: Doc, number: Number) -> Number:
    """`number` with the words after it that belong to it: "and a half", "1/2", "dozen", "thousand"."""
    value, end = number.value, number.end
    words = doc.words[end : end + 3]
    if words[:1] == ["and"] and words[1:2] in (["a"], ["one"]) and words[2:3] in (["half"], ["quarter"]):
        value, end = value + math.copysign(1 / _PARTS[words[2]], value), end + 3
    elif not number.spelled and words[:2] == ["1", "/"] and words[2:] in (["2"], ["4"]) and value == int(value):
        value, end = value + 1 / int(words[2]), end + 3
    elif words[:1] == ["dozen"]:
        value, end = value * 12, end + 1
    elif not number.spelled and _factor(doc.word(end)):
        value, end = value * _factor(words[0]), end + 1
    return Number(value, number.first, end, number.spelled) if end != number.end else number
