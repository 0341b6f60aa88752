"""Times in a text: on the clock, in units, as a share of a duration."""

from __future__ import annotations

from dataclasses import dataclass, replace

from videostar.labels.doc import Plain
from videostar.labels.numbers import Number, number_at, part

_UNITS = {
    **dict.fromkeys("s sec secs second seconds".split(), 1.0),
    **dict.fromkeys("m min mins minute minutes".split(), 60.0),
    **dict.fromkeys("h hr hrs hour hours".split(), 3600.0),
    **dict.fromkeys("ms millisecond milliseconds msec".split(), 0.001),
}
_FOR = frozenset("for lasts lasting lasted last first final takes took taking every duration length spans long".split())
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
    """A time as `plain.words[first:end]`.

    `unit`: what one is worth in seconds, 0 when no unit is said. `span`: it tells how long, not when.
    """

    seconds: float
    first: int
    end: int
    unit: float = 0.0
    span: bool = False


def times(plain: Plain, duration: float | None) -> list[Time]:
    """The times of a text in order, plain numbers among them."""
    found: list[Time] = []
    i = 0
    while i < len(plain):
        time = _time(plain, i, duration)
        if time:
            found.append(time)
        i = max(i + 1, time.end) if time else i + 1
    for k in range(len(found) - 2, -1, -1):
        a, b = found[k], found[k + 1]
        if not a.unit and b.unit and _joined(plain, a, b):
            worth = b.unit if b.unit in _UNITS.values() else 1.0
            found[k] = replace(a, seconds=a.seconds * worth, unit=worth, span=b.span)
    return found


def _joined(plain: Plain, a: Time, b: Time) -> bool:
    between = plain.words[a.end : b.first]
    return 0 < len(between) < 4 and {"to", "and", "or", "-", "~", "until", "till", "through", ","}.issuperset(
        word for word in between if word not in ("at", "about", "the", "around")
    )


def _time(plain: Plain, i: int, duration: float | None) -> Time | None:
    word = plain.words[i]
    if ":" in word and len(word) > 1:
        return _clock(plain, i)
    if duration is not None:
        share = _share(plain, i, duration)
        if share:
            return share
    return _quantity(plain, i, duration)


def _clock(plain: Plain, i: int) -> Time | None:
    """1:04, 01:04.5 or 1:02:05; not 1:75 nor 10:30 am."""
    *head, last = plain.words[i].split(":")
    if len(plain.words[i]) > 20 or any(int(p) >= 60 for p in head[1:]) or float(last) >= 60:
        return None
    if plain.word(i + 1) in ("am", "pm"):
        return None
    seconds = float(last)
    for worth, p in zip((60, 3600), reversed(head), strict=False):
        seconds += worth * int(p)
    end = i + 1 + (plain.word(i + 1) in _UNITS)
    return Time(seconds, i, end, 60.0 * 60, _is_lasting(plain, i))


def _share(plain: Plain, i: int, duration: float) -> Time | None:
    """ "30% of the way", "halfway through", "three quarters into the video"."""
    word = plain.words[i]
    if word in ("halfway", "midway") or (word in ("half", "mid") and plain.word(i + 1) == "way"):
        end = i + 1 + (plain.word(i + 1) == "way")
        return Time(duration / 2, i, end, duration) if plain.word(end) in _WHOLE else None
    number = number_at(plain, i)
    if number and plain.word(number.end) in ("%", "percent"):
        if not 0 <= number.value <= 100 or not _of_the_whole(plain, number.end + 1):
            return None
        return Time(number.value / 100 * duration, number.first, number.end + 1, duration / 100)
    fraction = part(plain, i)
    if fraction and _of_the_whole(plain, fraction.end) and (fraction.spelled or fraction.value != 1):
        return Time(fraction.value * duration, i, fraction.end, duration)
    return None


def _of_the_whole(plain: Plain, i: int) -> bool:
    words = plain.words[i : i + 5]
    if words[:1] and words[0] in ("to", "and", "-", "until"):  # "from 25% to 50% of the way"
        other = number_at(plain, i + 1)
        if other and plain.word(other.end) in ("%", "percent"):
            return plain.word(other.end + 1) not in ("to", "and", "-") and _of_the_whole(plain, other.end + 1)
    if words[:1] == ["-"]:
        words = words[1:]
    if words[:1] and words[0] in ("through", "into", "mark", "point", "in"):
        return True
    return words[:1] == ["of"] and not _WHOLE.isdisjoint(words)


def _quantity(plain: Plain, i: int, duration: float | None) -> Time | None:
    """ "64 s", "1 minute and 4 seconds", "1m4s", "a minute and a half", "half a second", "second 12", or a number."""
    first, total, end, unit = i, 0.0, i, 0.0
    piece = _piece(plain, i)
    while piece and (not unit or piece.unit < unit):
        total, end, unit = total + piece.seconds, piece.end, piece.unit
        if plain.words[end : end + 3] == ["and", "a", "half"]:
            total, end = total + unit / 2, end + 3
        skip = plain.word(end) in ("and", ",")
        piece = _piece(plain, end + skip)
    if unit:
        if unit == 60 and plain.word(end - 1) == "m":
            return None  # metres
        if duration is not None and _before_the_end(plain, end):
            return Time(duration - total, first, end, unit)
        return Time(total, first, end, unit, _is_span(plain, first, end))
    number = number_at(plain, i)
    if number is None:
        return None
    if plain.word(number.end) in _ORDINAL and plain.word(number.end + 1) in ("and", "to", "-"):
        return Time(number.value, number.first, number.end + 1)
    if _part_of_a_word(plain, number):
        return None
    named = plain.word(number.first - 1) in ("second", "seconds", "sec", "t") or plain.words[
        max(0, number.first - 2) : number.first
    ] in (["t", "="], ["second", "#"])
    return Time(number.value, number.first, number.end, 1.0 if named else 0.0)


def _piece(plain: Plain, i: int) -> Time | None:
    """One number with its unit."""
    number = number_at(plain, i)
    if plain.word(i) in ("half", "quarter") or (plain.word(i) == "a" and plain.word(i + 1) == "quarter"):
        half = part(plain, i)
        if half:
            end = half.end + (plain.word(half.end) == "of")
            end += plain.word(end) in ("a", "an")
            number = Number(half.value, i, end)
    elif plain.word(i) in ("a", "an") and plain.word(i + 1) in ("minute", "hour"):
        number = Number(1.0, i, i + 1)
    if number is None or number.value < 0:
        return None
    end = number.end + (plain.word(number.end) == "-" or plain.word(number.end) in _ORDINAL)
    unit = _UNITS.get(plain.word(end))
    if unit is None or _part_of_a_word(plain, number, unit=True):
        return None
    if plain.word(end) in ("m", "h") and not plain.glued(end - 1):
        return None
    return Time(number.value * unit, number.first, end + 1, unit)


def _part_of_a_word(plain: Plain, number: Number, *, unit: bool = False) -> bool:
    before = plain.word(number.first - 1)
    if plain.glued(number.first - 1) and before[-1:].isalpha() and before not in _UNITS:
        return True
    return not unit and plain.glued(number.end - 1) and plain.word(number.end)[:1].isalpha()


def _is_span(plain: Plain, first: int, end: int) -> bool:
    """Whether "5 seconds" tells how long: "for 5 seconds", "5 seconds later", "a 5-second clip"."""
    if _is_lasting(plain, first):
        return True
    after = plain.word(end + (plain.word(end) == "-"))
    if after in ("before", "after"):
        return _START.isdisjoint(plain.words[end : end + 5])
    return after in _LONG and not (after == "of" and not _WHOLE.isdisjoint(plain.words[end : end + 6]))


def _is_lasting(plain: Plain, first: int) -> bool:
    i = first - 1
    while plain.word(i) in _ABOUT and first - i < 5:
        i -= 1
    return plain.word(i) in _FOR


def _before_the_end(plain: Plain, i: int) -> bool:
    words = [word for word in plain.words[i : i + 4] if word not in ("the", "very")]
    return words[:2] in (["before", "end"], ["from", "end"])
