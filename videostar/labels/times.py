"""Finds the times in a text: on the clock, in units, or as a share of a duration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from videostar.labels import lexicon
from videostar.labels.answer import Answer
from videostar.labels.numbers import Number, fraction_at, is_part_of_word, number_at

_UNITS = {
    **dict.fromkeys("s sec secs second seconds".split(), 1.0),
    **dict.fromkeys("m min mins minute minutes".split(), 60.0),
    **dict.fromkeys("h hr hrs hour hours".split(), 3600.0),
    **dict.fromkeys("ms millisecond milliseconds msec".split(), 0.001),
}
_DURATION_WORDS = frozenset(
    "for lasts lasting lasted last first final takes took taking every duration length spans long".split()
)
_ABOUT = frozenset("about around approximately roughly is of the a an another only just almost nearly ~ ≈ : =".split())
_LONG = frozenset(
    "long later earlier apart each duration ago of clip video footage recording shot segment window delay pause break "
    "countdown film worth per sequence".split()
)
_WHOLE = frozenset(
    "way video clip duration length footage recording sequence film total runtime through into in mark point".split()
)
_RUNS = frozenset("starts begins ends lasts goes runs opens finishes spans".split())
_ORDINAL = frozenset("st nd rd th".split())
_BESIDE = _ORDINAL.union(_UNITS)  # letters that may touch a number: 1m4s
_START = frozenset("beginning start outset".split())


@dataclass(frozen=True, slots=True)
class Time:
    """A time at `answer.words[first:end]`."""

    seconds: float
    first: int
    end: int
    unit: float = 0.0  # seconds of one unit; 0 without a unit
    is_duration: bool = False  # how long, not when


def find_times(answer: Answer, duration: float | None) -> list[Time]:
    """The times of a text in order, including numbers without a unit.

    `duration`: of the video, in seconds, for shares of it like "halfway through". If it is None, these are not times.
    """
    times: list[Time] = []
    i = 0
    while i < len(answer):
        time = _time(answer, i, duration)
        if time and not _is_of_the_video(answer, time.first):
            times.append(time)
        i = time.end if time else i + 1
    for k in range(len(times) - 2, -1, -1):
        a, b = times[k], times[k + 1]
        if not a.unit and b.unit and _joined(answer, a, b):
            worth = b.unit if b.unit in _UNITS.values() else 1.0
            times[k] = replace(a, seconds=a.seconds * worth, unit=worth, is_duration=b.is_duration)
    return times


def _is_of_the_video(answer: Answer, first: int) -> bool:
    """Whether the time at `first` is when the video itself starts, or how long it lasts."""
    before = answer.words[max(answer.sentence(first)[0], first - 8) : first]
    at = next((k for k, (a, b) in enumerate(pairwise(before)) if a in lexicon.VIDEO and b in _RUNS), None)
    if at is None:
        return before[-3:] == ["video", "duration", ":"]
    return {"of", "in"}.isdisjoint(before[max(0, at - 2) : at])  # not "the part of the video runs from"


def _joined(answer: Answer, a: Time, b: Time) -> bool:
    """Whether two times share the unit of the second: "5 to 7 seconds"."""
    between = answer.words[a.end : b.first]
    return 0 < len(between) < 4 and {"to", "and", "or", "-", "~", "until", "till", "through", ","}.issuperset(
        word for word in between if word not in ("at", "about", "the", "around")
    )


def _time(answer: Answer, i: int, duration: float | None) -> Time | None:
    if ":" in answer.words[i] and len(answer.words[i]) > 1:
        return _clock(answer, i)
    return (
        (_share_of_duration(answer, i, duration) if duration is not None else None)
        or _minute_and_second(answer, i)
        or _with_units(answer, i, duration)
        or _without_unit(answer, i)
    )


def _clock(answer: Answer, i: int) -> Time | None:
    """The time 1:04, 01:04.5 or 1:02:05 at `i`; None for 1:75 and 10:30 am."""
    *head, last = answer.words[i].split(":")
    if len(answer.words[i]) > 20 or any(int(p) >= 60 for p in head[1:]) or float(last) >= 60:
        return None
    if answer.word(i + 1) in ("am", "pm"):
        return None
    seconds = float(last)
    for worth, p in zip((60, 3600), reversed(head), strict=False):
        seconds += worth * int(p)
    end = i + 1 + (answer.word(i + 1) in _UNITS)
    return Time(seconds, i, end, 60.0 * 60, _follows_duration_word(answer, i))


def _share_of_duration(answer: Answer, i: int, duration: float) -> Time | None:
    """The time "30% of the way", "halfway through" or "three quarters into the video" at `i`; None without one."""
    word, end = answer.words[i], i + 1 + (answer.word(i + 1) == "way")
    if word in ("halfway", "midway") or (word in ("half", "mid") and end > i + 1):
        return Time(duration / 2, i, end, duration) if answer.word(end) in _WHOLE else None
    share = fraction_at(answer, i)
    # A whole number is no share: "1 in the video".
    if share and _of_the_whole(answer, share.end) and (share.value < 1 or share.end > i + 1):
        return Time(share.value * duration, i, share.end, duration)
    return None


def _of_the_whole(answer: Answer, i: int) -> bool:
    """Whether a share that ends at `i` is one of the video: "into", "of the way", "to 50% of the video"."""
    if answer.word(i) in ("to", "and", "-", "until"):
        other = fraction_at(answer, i + 1)
        i = other.end if other else i
    i += answer.word(i) == "-"
    if answer.word(i) in ("through", "into", "mark", "point", "in"):
        return True
    return answer.word(i) == "of" and not _WHOLE.isdisjoint(answer.words[i : i + 5])


def _with_units(answer: Answer, i: int, duration: float | None) -> Time | None:
    """The time "64 s", "1 minute and 4 seconds", "1m4s" or "a minute and a half" at `i`; None without one."""
    total, end, unit = 0.0, i, math.inf
    piece = _with_unit(answer, i)
    while piece and piece.unit < unit:
        total, end, unit = total + piece.seconds, piece.end, piece.unit
        if answer.words[end : end + 3] == ["and", "a", "half"]:
            total, end = total + unit / 2, end + 3
        rest = number_at(answer, end)
        if unit == 60 and rest and rest.spelled and answer.word(rest.end) not in _UNITS:  # "one minute thirty"
            total, end, unit = total + rest.value, rest.end, 1.0
        piece = _with_unit(answer, end + (answer.word(end) in ("and", ",")))
    if end == i or answer.word(end - 1) == "m":  # metres
        return None
    if duration is not None and _before_the_end(answer, end):
        return Time(duration - total, i, end, unit)
    return Time(total, i, end, unit, _has_duration_context(answer, i, end))


def _without_unit(answer: Answer, i: int) -> Time | None:
    """The time "12", "second 12" or "t = 12" at `i`, or the "1st" of "1st to 5th second"; None without one."""
    number = number_at(answer, i)
    if number is None:
        return None
    after = answer.word(number.end)
    if after in _ORDINAL and answer.word(number.end + 1) in ("and", "to", "-"):
        return Time(number.value, number.first, number.end + 1)
    if is_part_of_word(answer, number) or after in ("%", "percent"):
        return None
    before = number.first - 1
    named = answer.word(before - (answer.word(before) in ("=", "#"))) in ("second", "seconds", "sec", "t")
    if number.spelled and not named and after[:1].isalpha() and after not in lexicon.GRAMMAR:
        return None  # "two men"
    return Time(number.value, number.first, number.end, 1.0 if named else 0.0)


def _minute_and_second(answer: Answer, i: int) -> Time | None:
    """The time "minute 2, second 14" at `i`; None for other words."""
    minutes = number_at(answer, i + 1) if answer.word(i) == "minute" else None
    if minutes is None:
        return None
    end = minutes.end
    while answer.word(end) in (",", "and"):
        end += 1
    seconds = number_at(answer, end + 1) if answer.word(end) == "second" else None
    return Time(60 * minutes.value + seconds.value, i, seconds.end, 1.0) if seconds else None


def _with_unit(answer: Answer, i: int) -> Time | None:
    """The number with a unit at `i`; None without one."""
    number = _amount(answer, i)
    if number is None or number.value < 0 or is_part_of_word(answer, number, beside=_BESIDE):
        return None
    end = number.end + (answer.word(number.end) in ("-", *_ORDINAL))
    word = answer.word(end)
    if word not in _UNITS or (word in ("m", "h") and not answer.glued(end - 1)):
        return None
    return Time(number.value * _UNITS[word], number.first, end + 1, _UNITS[word])


def _amount(answer: Answer, i: int) -> Number | None:
    """The number at `i`, which may be "half a", "a quarter of an" or the "a" of "a minute"; None without one."""
    if answer.word(i) in ("a", "an") and answer.word(i + 1) in ("minute", "hour"):
        return Number(1.0, i, i + 1)
    half = answer.word(i + (answer.word(i) == "a")) in ("half", "quarter")
    part = fraction_at(answer, i) if half else None
    if part is None:
        return number_at(answer, i)
    end = part.end + (answer.word(part.end) == "of")
    return Number(part.value, i, end + (answer.word(end) in ("a", "an")))


def _has_duration_context(answer: Answer, first: int, end: int) -> bool:
    """Whether a time is a duration: "for 5 seconds", "5 seconds later", "a 5-second clip"."""
    if _follows_duration_word(answer, first):
        return True
    after = answer.word(end + (answer.word(end) == "-"))
    if answer.words[end : end + 2] in (["in", "length"], ["in", "duration"]):
        return True
    if after in ("before", "after"):
        return _START.isdisjoint(answer.words[end : end + 5])
    return after in _LONG and not (after == "of" and not _WHOLE.isdisjoint(answer.words[end : end + 6]))


def _follows_duration_word(answer: Answer, first: int) -> bool:
    i = first - 1
    while answer.word(i) in _ABOUT and first - i < 5:
        i -= 1
    return answer.word(i) in _DURATION_WORDS


def _before_the_end(answer: Answer, i: int) -> bool:
    words = [word for word in answer.words[i : i + 4] if word not in ("the", "very")]
    return words[:2] in (["before", "end"], ["from", "end"])
