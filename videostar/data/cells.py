"""What people write into cells: missing values, numbers, times and lists. What could be two things is refused."""

from __future__ import annotations

import ast
import io
import json
import math
import re
import tokenize
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from videostar.data.rows import Malformed, as_number, short

#: Spellings of a missing value, in lower case: what pandas reads as one, and those of databases and spreadsheets.
MISSING = frozenset(
    {
        *("", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan"),
        *("<na>", "n/a", "n.a.", "na", "nan", "nat", "none", "null", "nil", "(null)", "[null]", "\\n", "undefined"),
        *("#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!", "-", "--", "?", "."),
    }
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:[.,]\d+)?)", re.ASCII)
_UNITS = re.compile(
    r"(?:(?P<h>\d+)\s*(?:h|hr|hrs|hours?))?\s*(?:(?P<m>\d+)\s*(?:m|min|mins|minutes?))?\s*"
    r"(?:(?P<s>[+-]?\d*[.,]?\d+)\s*(?:s|secs?|seconds?))?",
    re.IGNORECASE | re.ASCII,
)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:(?P<sep>[,.])\d{3})(?:(?P=sep)\d{3})*(?P<rest>[.,]\d+)?", re.ASCII)


def is_missing(value: Any) -> bool:
    """Whether a cell holds no value: None, NaN, nothing, or a spelling of these such as `NULL` and `n/a`.

    >>> [is_missing(value) for value in (None, float("nan"), " NaN", "N/A", 0, "no one")]
    [True, True, True, True, False, False]
    """
    if isinstance(value, str):
        return len(value) < 20 and value.strip().casefold() in MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


def plain_value(value: Any) -> Any:
    """A value of a table as text or a number: dates and clock times as text, durations as seconds."""
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value.total_seconds() if isinstance(value, timedelta) else value


def read_number(value: Any, name: str) -> float:
    """`value` as a finite number: 7.5, "7.5", "7,5" or "1,234.5". Raises Malformed, also for "1,234", which may be two.

    >>> read_number("7,5", "score")
    7.5
    """
    if isinstance(value, str):
        value = _plain_number(value.strip(), name)
    return as_number(value, name)


def _plain_number(text: str, name: str) -> str:
    """A number in text, in Python's form."""
    if "," not in text or _NUMBER.fullmatch(text):
        return text
    grouped = _THOUSANDS.fullmatch(text)
    if grouped is None:
        # A decimal comma: at most one, and no thousands before it.
        decimal = text.replace(",", ".")
        return decimal if text.count(",") == 1 and _NUMBER.fullmatch(decimal) else text
    separator, rest = grouped["sep"], grouped["rest"] or ""
    if text.count(separator) == 1 and not rest:
        if re.match(r"[+-]?0\d", text) or re.match(r"[+-]?0,", text):  # no thousand is written 0,500
            return text.replace(",", ".")
        raise Malformed(f"{name} is {text!r}, which may be thousands or a decimal comma; write it with a point")
    if rest[:1] == separator:
        return text
    return text.removesuffix(rest).replace(separator, "") + rest.replace(",", ".")


def read_score(value: Any, limits: tuple[float, float] = (0, 100)) -> float:
    """`value` as a number; percent is a share of the way from the lowest to the highest score. Raises Malformed.

    >>> read_score("75 %"), read_score("75%", (0, 10)), read_score("7,5")
    (75.0, 7.5, 7.5)
    """
    if isinstance(value, str) and value.rstrip().endswith("%"):
        share = read_number(value.rstrip()[:-1].rstrip(), "the score") / 100
        return limits[0] + share * (limits[1] - limits[0])
    return read_number(value, "the score")


def read_seconds(value: Any, name: str) -> float:
    """`value` as seconds: a number ("83", "83.5 s") or a clock time ("1:23", "00:01:23.50"). Raises Malformed.

    >>> read_seconds("00:01:23.50", "start")
    83.5
    """
    if not isinstance(value, str):
        return as_number(value, name)
    text = value.strip()
    if ":" not in text:
        units = _UNITS.fullmatch(text) if text else None
        if units is None:
            return read_number(text, name)
        return int(units["h"] or 0) * 3600 + int(units["m"] or 0) * 60 + read_number(units["s"] or "0", name)
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        raise Malformed(f"{name} is {short(value)}, no time; write seconds (83.5) or a clock time (1:23.5, 0:01:23.5)")
    hours, minutes, seconds = clock[1], int(clock[2]), float(clock[3].replace(",", "."))
    if seconds >= 60 or (hours is not None and minutes >= 60):
        raise Malformed(f"{name} is {short(value)}, no clock time: minutes and seconds end at 59")
    return int(hours or 0) * 3600 + minutes * 60 + seconds


def read_list(value: Any) -> Any:
    """A cell of several items as a list: JSON, Python's form, or separated by `;` or `|`. Raises Malformed.

    >>> read_list("['walking', 'running']"), read_list("walking; running"), read_list("walking")
    (['walking', 'running'], ['walking', 'running'], ['walking'])
    """
    value = read_object(value)
    if not isinstance(value, str):
        return value
    if value.strip()[:1] in ("[", "{") or value.startswith("array("):
        raise Malformed(f"{short(value)} is not a list that is understood; write it as JSON, or as a; b; c")
    separators = [separator for separator in ";|" if separator in value]
    if len(separators) > 1:
        raise Malformed(f"{short(value)} has both ; and |; write a JSON list")
    parts = value.split(separators[0]) if separators else [value]
    if any(part.strip() and is_missing(part) for part in parts):
        raise Malformed(f"an item of {short(value)} is missing")
    return [part.strip() for part in parts if part.strip()]


def read_object(value: Any) -> Any:
    """A cell that holds a list or an object, as JSON or in Python's form, parsed; any other value as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text[:1] + text[-1:] not in ("[]", "{}", "()"):
        return value
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    if not isinstance(found, list | tuple | dict) or _joins_texts(text):
        return value
    return list(found) if isinstance(found, tuple) else found


def _joins_texts(text: str) -> bool:
    """Whether two texts stand side by side, which Python joins: numpy writes a list as ['a' 'b']."""
    kinds = [token.type for token in tokenize.generate_tokens(io.StringIO(text).readline)]
    kinds = [kind for kind in kinds if kind not in (tokenize.NL, tokenize.NEWLINE)]
    return (tokenize.STRING, tokenize.STRING) in pairwise(kinds)
