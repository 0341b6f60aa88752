"""Finds the numbers in a text, in digits or words."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from text_to_num import alpha2digit

from videostar.labels.answer import Answer

_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4}
_READ = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+)?")
_MAX_WORDS = 30  # and dashes of a number in words: 999,999,999,999 takes 27
_MAX_DIGITS = 700  # as many as a float needs in digits
_OPENING = frozenset("([{<=:,;/\n")


@dataclass(frozen=True, slots=True)
class Number:
    """A number at `answer.words[first:end]`."""

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


def find_numbers(answer: Answer, *, thousands: bool = True) -> Iterator[Number]:
    """The numbers of a text in order: 8.5, -1.5, twenty-one, "seven point five", "three and a half", "2 dozen".

    `thousands`: whether 1,250 is one number. Times like 1:30 are not numbers.
    """
    i = 0
    while i < len(answer):
        number = _digits(answer, i, thousands) if _is_number(answer.words[i]) else _spelled(answer, i)
        if number is None:
            i += 1
            continue
        number = _extended(answer, number)
        i = number.end
        if math.isfinite(number.value):
            yield number


def number_at(answer: Answer, i: int) -> Number | None:
    """The number that starts at the word `i`; None without one."""
    number = _digits(answer, i, True) if _is_number(answer.word(i)) else _spelled(answer, i)
    return _extended(answer, number) if number else None


def fraction_at(answer: Answer, i: int) -> Number | None:
    """The fraction from 0 to 1 that starts at the word `i`: "half", "a quarter", "two thirds", "1/4", "25%", "0.25"."""
    head = number = _digits(answer, i, False) if _is_number(answer.word(i)) else _spelled(answer, i)
    end = head.end if head else i + (answer.word(i) in ("a", "an"))
    end += answer.word(end) == "-"
    if answer.word(end) in _PARTS:
        number = Number((head.value if head else 1) / _PARTS[answer.words[end]], i, end + 1, True)
    elif head and answer.word(end) == "/" and _is_number(answer.word(end + 1)):
        below = _digits(answer, end + 1, False)
        number = Number(head.value / below.value, i, below.end) if below and below.value else None
    elif head and answer.word(end) in ("%", "percent"):
        number = Number(head.value / 100, i, end + 1)
    return number if number and 0 <= number.value <= 1 else None


def is_part_of_word(answer: Answer, number: Number, *, beside: Container[str] = ()) -> bool:
    """Whether letters other than `beside` touch a number: the 1 of "x1", the 2 of "2d"."""
    before, after = answer.word(number.first - 1), answer.word(number.end)
    return (answer.glued(number.first - 1) and before[-1:].isalpha() and before not in beside) or (
        answer.glued(number.end - 1) and after[:1].isalpha() and after not in beside
    )


def _is_number(word: str) -> bool:
    return word[-1:].isdecimal() and word.isascii() and ":" not in word


def _digits(answer: Answer, i: int, thousands: bool) -> Number | None:
    text, end = answer.words[i], i + 1
    if thousands and len(text) <= 3:
        while "." not in text and len(text) <= _MAX_DIGITS and _is_thousands(answer, end):
            text, end = text + answer.words[end + 1], end + 2
    if end == i + 1 and _is_decimal_comma(answer, i):
        text, end = f"{text}.{answer.words[i + 2]}", i + 3
    return _signed(answer, Number(float(text), i, end)) if len(text) <= _MAX_DIGITS else None


def _is_thousands(answer: Answer, i: int) -> bool:
    """Whether a comma at `i` joins three more digits to a number: 1,250."""
    digits = answer.word(i + 1)
    joined = answer.word(i) == "," and answer.glued(i - 1) and answer.glued(i)
    return joined and _is_number(digits) and len(digits.partition(".")[0]) == 3


def _is_decimal_comma(answer: Answer, i: int) -> bool:
    """Whether the comma after the digits at `i` is a decimal comma, and not one of a list: 7,5."""
    fraction = answer.word(i + 2)
    joined = answer.word(i + 1) == "," and answer.glued(i) and answer.glued(i + 1) and fraction.isdigit()
    listed = (answer.word(i + 3) == "," and answer.glued(i + 3)) or (answer.word(i - 1) == "," and answer.glued(i - 1))
    return joined and len(fraction) != 3 and "." not in answer.words[i] and not listed


def _signed(answer: Answer, number: Number) -> Number:
    """`number`, negative after "minus" or a minus sign: a dash without a word that it could join before it."""
    i = number.first - 1
    dash = not number.spelled and answer.word(i) == "-" and answer.glued(i)
    if answer.word(i) in ("minus", "negative") or (
        dash and (not answer.glued(i - 1) or answer.word(i - 1) in _OPENING)
    ):
        return replace(number, value=-number.value, first=i)
    return number


def _spelled(answer: Answer, i: int) -> Number | None:
    """The number in words that starts at `i`, in as many words as make one number; None without one."""
    start = i + (answer.word(i) == "a")
    value = parse_number_words(answer.word(start))
    if value is None or (value >= 100) != (start > i):  # "several hundred" is no number, and "a five" has no article
        return None
    end, apart = start + 1, None
    while end - start < _MAX_WORDS:
        joined = answer.word(end) == "and" and not value % 100
        last = end + (joined or answer.word(end) in ("-", "point"))
        if parse_number_words(answer.word(last)) is None:
            break
        more = parse_number_words(answer.text[answer.starts[start] : answer.ends[last]])
        if more is None:
            break
        apart = (value, end) if joined else apart
        value, end = more, last + 1
    if apart and (_factor(answer.word(end)) or answer.word(end) in _PARTS):  # one hundred and | two hundred, one half
        value, end = apart
    return _signed(answer, Number(value, i, end, True))


def _factor(word: str) -> float:
    """The factor of a word like "hundred" or "thousand"; 0 for other words."""
    value = parse_number_words(word) or 0.0
    return value if value >= 100 else 0.0


def _power_of_ten(answer: Answer, i: int) -> Number | None:
    """The power at the word `i` after a number: the "e4" of "5.2e4", or "x 10^4"; None without one."""
    if answer.word(i) == "e" and answer.glued(i - 1) and answer.glued(i):
        first = i + 1
    elif answer.word(i) in ("x", "*") and answer.words[i + 1 : i + 3] == ["10", "^"]:
        first = i + 3
    else:
        return None
    sign = -1 if answer.word(first) == "-" else 1
    first += answer.word(first) in ("+", "-")
    exponent = answer.word(first)
    if not (exponent.isdecimal() and exponent.isascii() and len(exponent) <= 2):
        return None
    return Number(10.0 ** (sign * int(exponent)), i, first + 1)


def _extended(answer: Answer, number: Number) -> Number:
    """`number` with the words after it that belong to it: "and a half", "1/2", "dozen", "thousand"."""
    value, end = number.value, number.end
    words = answer.words[end : end + 3]
    if words[:2] in (["and", "a"], ["and", "one"]) and words[2:] in (["half"], ["quarter"]):
        value, end = value + math.copysign(1 / _PARTS[words[2]], value), end + 3
    elif not number.spelled and words[:2] == ["1", "/"] and words[2:] in (["2"], ["4"]) and value == int(value):
        value, end = value + 1 / int(words[2]), end + 3
    elif words[:1] == ["dozen"]:
        value, end = value * 12, end + 1
    elif not number.spelled and _factor(answer.word(end)):
        value, end = value * _factor(words[0]), end + 1
    elif not number.spelled and (power := _power_of_ten(answer, end)):
        value, end = value * power.value, power.end
    return replace(number, value=value, end=end)
