"""Recognises numbers that are something else than a score or a count."""

from __future__ import annotations

from videostar.labels import lexicon
from videostar.labels.doc import Doc
from videostar.labels.numbers import Number

# Words after a number that is a measurement.
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


def is_unrelated(doc: Doc, number: Number) -> bool:
    """Whether a number is a year, a measurement, the number of a frame, an operand, or part of a code or a scale."""
    before, after = doc.word(number.first - 1), doc.word(number.end)
    joined = doc.glued(number.end - 1)
    if doc.glued(number.first - 1) and before[-1:].isalpha():
        return True
    if after in MEASURES and after not in ("%", "percent") and not (after == "s" and not joined):
        return True
    if "scale" in doc.words[number.end : number.end + 4]:
        return True
    if after == "-" and joined and doc.glued(number.end) and doc.word(number.end + 1)[:1].isalpha():
        return doc.word(number.end + 1) not in ("point", "points")
    if before in _NUMBERED and doc.word(number.first - 2) != "the" and not number.spelled:
        return True
    if after in _OPERATORS and not (after == "x" and joined):
        return True
    year = 1900 <= number.value <= 2100 and number.value == int(number.value) and number.end == number.first + 1
    return year and before in _YEARLY


def is_followed_by_noun(doc: Doc, number: Number) -> bool:
    """Whether a noun follows the number, so that it counts something."""
    after = doc.word(number.end)
    return after[:1].isalpha() and after not in ALLOWED and not after.endswith("ly")
