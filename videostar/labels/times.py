"""Finds the times in a text: on the clock, in units, or as a share of a duration."""

from __future__ import annotations

from dataclasses import dataclass, replace

from videostar.labels.doc import Doc
from videostar.labels.numbers import Number, fraction_at, number_at

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
_ORDINAL = frozenset("st nd rd th".split())
_START = frozenset("beginning start outset".split())


@dataclass(frozen=True, slots=True)
class Time:
    """A time at `doc.words[first:end]`."""

    seconds: float
    first: int
    end: int
    unit: float = 0.0  # seconds of one unit; 0 without a unit
    is_duration: bool = False  # how long, not when


def find_times(doc: Doc, duration: float | None) -> list[Time]:
    """The times of a text in order, including numbers without a unit.

    `duration`: of the video, in seconds, for shares of it like "halfway through". If it is None, these are not times.
    """
    times: list[Time] = []
    i = 0
    while i < len(doc):
        time = _time(doc, i, duration)
        if time:
            times.append(time)
        i = max(i + 1, time.end) if time else i + 1
    for k in range(len(times) - 2, -1, -1):
        a, b = times[k], times[k + 1]
        if not a.unit and b.unit and _joined(doc, a, b):
            worth = b.unit if b.unit in _UNITS.values() else 1.0
            times[k] = replace(a, seconds=a.seconds * worth, unit=worth, is_duration=b.is_duration)
    return times


def _joined(doc: Doc, a: Time, b: Time) -> bool:
    """Whether two times share the unit of the second: "5 to 7 seconds"."""
    between = doc.words[a.end : b.first]
    return 0 < len(between) < 4 and {"to", "and", "or", "-", "~", "until", "till", "through", ","}.issuperset(
        word for word in between if word not in ("at", "about", "the", "around")
    )


def _time(doc: Doc, i: int, duration: float | None) -> Time | None:
    word = doc.words[i]
    if ":" in word and len(word) > 1:
        return _clock(doc, i)
    if duration is not None:
        share = _share_of_duration(doc, i, duration)
        if share:
            return share
    return _quantity(doc, i, duration)


def _clock(doc: Doc, i: int) -> Time | None:
    """The time 1:04, 01:04.5 or 1:02:05 at `i`; None for 1:75 and 10:30 am."""
    *head, last = doc.words[i].split(":")
    if len(doc.words[i]) > 20 or any(int(p) >= 60 for p in head[1:]) or float(last) >= 60:
        return None
    if doc.word(i + 1) in ("am", "pm"):
        return None
    seconds = float(last)
    for worth, p in zip((60, 3600), reversed(head), strict=False):
        seconds += worth * int(p)
    end = i + 1 + (doc.word(i + 1) in _UNITS)
    return Time(seconds, i, end, 60.0 * 60, _follows_duration_word(doc, i))


def _share_of_duration(doc: Doc, i: int, duration: float) -> Time | None:
    """The time "30% of the way", "halfway through" or "three quarters into the video" at `i`; None without one."""
    word = doc.words[i]
    if word in ("halfway", "midway") or (word in ("half", "mid") and doc.word(i + 1) == "way"):
        end = i + 1 + (doc.word(i + 1) == "way")
        return Time(duration / 2, i, end, duration) if doc.word(end) in _WHOLE else None
    number = number_at(doc, i)
    if number and doc.word(number.end) in ("%", "percent"):
        if not 0 <= number.value <= 100 or not _of_the_whole(doc, number.end + 1):
            return None
        return Time(number.value / 100 * duration, number.first, number.end + 1, duration / 100)
    fraction = fraction_at(doc, i)
    if fraction and _of_the_whole(doc, fraction.end) and (fraction.spelled or fraction.value != 1):
        return Time(fraction.value * duration, i, fraction.end, duration)
    return None


def _of_the_whole(doc: Doc, i: int) -> bool:
    words = doc.words[i : i + 5]
    if words[:1] and words[0] in ("to", "and", "-", "until"):  # "from 25% to 50% of the way"
        other = number_at(doc, i + 1)
        if other and doc.word(other.end) in ("%", "percent"):
            return doc.word(other.end + 1) not in ("to", "and", "-") and _of_the_whole(doc, other.end + 1)
    if words[:1] == ["-"]:
        words = words[1:]
    if words[:1] and words[0] in ("through", "into", "mark", "point", "in"):
        return True
    return words[:1] == ["of"] and not _WHOLE.isdisjoint(words)


def _quantity(doc: Doc, i: int, duration: float | None) -> Time | None:
    """The time "64 s", "1 minute and 4 seconds", "1m4s", "a minute and a half", "second 12" or "12" at `i`."""
    first, total, end, unit = i, 0.0, i, 0.0
    piece = _time_with_unit(doc, i)
    while piece and (not unit or piece.unit < unit):
        total, end, unit = total + piece.seconds, piece.end, piece.unit
        if doc.words[end : end + 3] == ["and", "a", "half"]:
            total, end = total + unit / 2, end + 3
        skip = doc.word(end) in ("and", ",")
        piece = _time_with_unit(doc, end + skip)
    if unit:
        if unit == 60 and doc.word(end - 1) == "m":
            return None  # metres
        if duration is not None and _before_the_end(doc, end):
            return Time(duration - total, first, end, unit)
        return Time(total, first, end, unit, _has_duration_context(doc, first, end))
    number = number_at(doc, i)
    if number is None:
        return None
    if doc.word(number.end) in _ORDINAL and doc.word(number.end + 1) in ("and", "to", "-"):
        return Time(number.value, number.first, number.end + 1)
    if _part_of_a_word(doc, number):
        return None
    named = doc.word(number.first - 1) in ("second", "seconds", "sec", "t") or doc.words[
        max(0, number.first - 2) : number.first
    ] in (["t", "="], ["second", "#"])
    return Time(number.value, number.first, number.end, 1.0 if named else 0.0)


def _time_with_unit(doc: Doc, i: int) -> Time | None:
    """The number with a unit at `i`; None without one."""
    number = number_at(doc, i)
    if doc.word(i) in ("half", "quarter") or (doc.word(i) == "a" and doc.word(i + 1) == "quarter"):
        half = fraction_at(doc, i)
        if half:
            end = half.end + (doc.word(half.end) == "of")
            end += doc.word(end) in ("a", "an")
            number = Number(half.value, i, end)
    elif doc.word(i) in ("a", "an") and doc.word(i + 1) in ("minute", "hour"):
        number = Number(1.0, i, i + 1)
    if number is None or number.value < 0:
        return None
    end = number.end + (doc.word(number.end) == "-" or doc.word(number.end) in _ORDINAL)
    unit = _UNITS.get(doc.word(end))
    if unit is None or _part_of_a_word(doc, number, unit=True):
        return None
    if doc.word(end) in ("m", "h") and not doc.glued(end - 1):
        return None
    return Time(number.value * unit, number.first, end + 1, unit)


def _part_of_a_word(doc: Doc, number: Number, *, unit: bool = False) -> bool:
    before = doc.word(number.first - 1)
    if doc.glued(number.first - 1) and before[-1:].isalpha() and before not in _UNITS:
        return True
    return not unit and doc.glued(number.end - 1) and doc.word(number.end)[:1].isalpha()


def _has_duration_context(doc: Doc, first: int, end: int) -> bool:
    """Whether a time is a duration: "for 5 seconds", "5 seconds later", "a 5-second clip"."""
    if _follows_duration_word(doc, first):
        return True
    after = doc.word(end + (doc.word(end) == "-"))
    if after in ("before", "after"):
        return _START.isdisjoint(doc.words[end : end + 5])
    return after in _LONG and not (after == "of" and not _WHOLE.isdisjoint(doc.words[end : end + 6]))


def _follows_duration_word(doc: Doc, first: int) -> bool:
    i = first - 1
    while doc.word(i) in _ABOUT and first - i < 5:
        i -= 1
    return doc.word(i) in _DURATION_WORDS


def _before_the_end(doc: Doc, i: int) -> bool:
    words = [word for word in doc.words[i : i + 4] if word not in ("the", "very")]
    return words[:2] in (["before", "end"], ["from", "end"])
