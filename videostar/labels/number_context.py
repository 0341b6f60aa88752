"""Numbers that are evidently something else than a score or a count."""

from __future__ import annotations

from videostar.labels import lexicon
from videostar.labels.doc import Plain
from videostar.labels.numbers import Number

# What is measured, not counted.
MEASURES = frozenset(
    "s sec secs second seconds ms min mins minute minutes hour hours h day days week weeks month months year years m "
    "meter meters metre metres cm mm km ft foot feet inch inches yard yards mile miles kg kgs g kilo kilos kilogram "
    "kilograms pound pounds lb lbs degree degrees ° fps hz px pixels k mph % percent dollars euros am pm o'clock "
    "th st nd rd".split()
)
_NUMBERED = frozenset(
    "frame frames step video figure round judge diver option level page channel aged age lane no number day clip "
    "scene season episode version season platform chapter phase part stage point row camera panel image second "
    "seconds minute minutes chunk segment shot question note #".split()
)
_YEARLY = frozenset("in since of year the olympics summer winter during from circa cup games championships".split())
_OPERATORS = frozenset("+ * x =".split())
ALLOWED = lexicon.GRAMMAR | frozenset(
    "points point pts marks out seems seemed sounds feels looks fits given max maximum due considering based".split()
)


def elsewhere(plain: Plain, number: Number) -> bool:
    """Whether a number is a year, a measure, the number of a frame, an operand, part of a code or of a scale."""
    before, after = plain.word(number.first - 1), plain.word(number.end)
    joined = plain.glued(number.end - 1)
    if plain.glued(number.first - 1) and before[-1:].isalpha():
        return True
    if after in MEASURES and after not in ("%", "percent") and not (after == "s" and not joined):
        return True
    if "scale" in plain.words[number.end : number.end + 4]:
        return True
    if after == "-" and joined and plain.glued(number.end) and plain.word(number.end + 1)[:1].isalpha():
        return plain.word(number.end + 1) not in ("point", "points")
    if before in _NUMBERED and plain.word(number.first - 2) != "the" and not number.spelled:
        return True
    if after in _OPERATORS and not (after == "x" and joined):
        return True
    year = 1900 <= number.value <= 2100 and number.value == int(number.value) and number.end == number.first + 1
    return year and before in _YEARLY


def measured(plain: Plain, number: Number) -> bool:
    """Whether a plain noun follows that tells what there are so many of."""
    after = plain.word(number.end)
    return after[:1].isalpha() and after not in ALLOWED and not after.endswith("ly")
