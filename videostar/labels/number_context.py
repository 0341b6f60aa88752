"""Tells from its neighbours what a number is: a value, a part of an equation, a bound, or part of a name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from videostar.labels import lexicon
from videostar.labels.answer import Answer
from videostar.labels.numbers import Number
from videostar.labels.statements import Statement, Strength

# Words after a number that is a measurement.
MEASURES = frozenset(
    "s sec secs second seconds ms min mins minute minutes hour hours h day days week weeks month months year years m "
    "meter meters metre metres cm mm km ft foot feet inch inches yard yards mile miles kg kgs g kilo kilos kilogram "
    "kilograms pound pounds lb lbs degree degrees ° fps hz px pixels k mph dollars euros am pm o'clock "
    "th st nd rd".split()
)
_TIMES = frozenset("s sec secs second seconds ms min mins minute minutes hour hours h".split())
_NUMBERED = frozenset(
    "frame frames step video figure round judge diver option level page channel aged age lane no number day clip "
    "scene season episode version platform chapter phase part stage point row camera panel image second "
    "frames seconds minute minutes chunk segment shot question note angle angles player team group room rooms".split()
)
_YEARLY = frozenset("in since of year the olympics summer winter during from circa cup games championships".split())
_OPERAND_ENDS = frozenset("0123456789)")
_OPERATORS = frozenset("+ * / = - ^ x".split())
_COMPARED = frozenset(
    "more less fewer greater higher lower better worse above below beyond exceeds exceed exceeding exceeded longer "
    "later earlier over under".split()
)
_SLIGHTLY = frozenset("just slightly little bit marginally barely".split())
_COPULAS = lexicon.BE | frozenset("= equals be to".split())
_LEADS = frozenset(
    "about around approximately roughly exactly the a an at from between is be ( [ { < : = of to it was would by in "
    "probably likely maybe perhaps just only minus negative - nearly almost some circa ca therefore also that there "
    "are i i'd say".split()
)
_VAGUE = lexicon.GRAMMAR | frozenset(
    "points point pts marks out seems seemed sounds feels looks fits given max maximum due considering based".split()
)


def is_announced(answer: Answer, statements: Sequence[Statement], first: int) -> bool:
    """Whether an explicit statement leads up to the value at `first`: "answer: 7", "the final score is about 7"."""
    return any(
        s.strength >= Strength.EXPLICIT
        and 0 <= first - s.first < 8
        and _LEADS.issuperset(answer.words[s.first : first])
        for s in statements
    )


def is_concluded(statements: Sequence[Statement], first: int) -> bool:
    """Whether the value at `first` is in a statement that is called the answer or a conclusion."""
    return any(s.strength >= Strength.CONCLUDED and s.first <= first < s.stop for s in statements)


def is_alone(answer: Answer, first: int, end: int) -> bool:
    """Whether words[first:end] is all of its line, apart from brackets and words like "about"."""
    while answer.word(first - 1) in _LEADS:
        first -= 1
    while answer.word(end) in ("]", ")", "}", ">", ".", "!", ";", "of", "the"):
        end += 1
    return answer.word(first - 1) in ("", "\n") and answer.word(end) in ("", "\n")


def is_sentence(answer: Answer, first: int, end: int) -> bool:
    """Whether the value at words[first:end] is a clause of its own at the start of its sentence: "Just one, ..."."""
    start = answer.sentence(first)[0]
    return answer.word(end) in (".", "!", ",", ";", "(", "\n", "") and _LEADS.issuperset(answer.words[start:first])


def follows_copula(answer: Answer, first: int) -> bool:
    """Whether the value at `first` is a predicate: "is about 7", "= 7"."""
    i = first - 1
    while answer.word(i) in (
        "about",
        "around",
        "approximately",
        "roughly",
        "exactly",
        "only",
        "just",
        "nearly",
        "almost",
    ):
        i -= 1
    return answer.word(i) in _COPULAS


def is_operand(answer: Answer, number: Number) -> bool:
    """Whether a number is part of a calculation and not its result: the 3 and 4 of "3 + 4 = 7"."""
    before, after = number.first - 1, number.end
    if answer.word(before) == "(" and answer.glued(before - 1) and answer.word(before - 1)[:1].isalpha():
        return True  # f(2)
    if answer.word(after) == ")" and answer.word(after + 1) in _OPERATORS:
        return True
    while (
        answer.word(after)[:1].isalpha()
        and answer.word(after) not in lexicon.GRAMMAR | {"x"}
        and after - number.end < 2
    ):
        after += 1  # a unit
    unit = after > number.end and answer.word(after) == "^"  # 12 cm^3
    if answer.word(after) == "=" or (_is_operator(answer, after) and not unit) or answer.word(before) == "^":
        return True
    before -= answer.word(before) == "("
    if answer.word(before) == "x" and answer.word(after) == "=":
        return False
    return answer.word(before - 1)[-1:] in _OPERAND_ENDS and _is_operator(answer, before)


def _is_operator(answer: Answer, i: int) -> bool:
    """Whether the word at `i` joins two numbers of a calculation."""
    word, following = answer.word(i), answer.word(i + 1)
    if word in ("+", "*", "^"):
        return True
    if not following[:1].isdigit():
        return False
    return (word == "x" and not answer.glued(i - 1)) or (word in ("-", "/", "(") and _in_equation(answer, i))


def _in_equation(answer: Answer, i: int) -> bool:
    """Whether the line around the operator at `i` goes on to a "="."""
    for k in range(i, min(i + 14, len(answer))):
        word = answer.words[k]
        if word == "=":
            return True
        if word == "\n" or (len(word) > 2 and word.isalpha() and word in lexicon.GRAMMAR):
            return False
    return False


def is_bound(answer: Answer, first: int) -> bool:
    """Whether the words before a value make it a bound or another value: "above 7", "more than 7", "the previous 7"."""
    start = answer.sentence(first)[0]
    clause = answer.words[max(start, first - 20) : first]
    clause = clause[max((k + 1 for k, word in enumerate(clause) if word in ",;:"), default=0) :]
    if not {"previous", "preceding", "unlike", "aiming", "aims", "goal", "target"}.isdisjoint(clause) or (
        "the",
        "earlier",
    ) in pairwise(clause):
        return True
    words = list(clause[-5:])
    while words and words[-1] in ("the", "a", "about", "from", "around"):
        words.pop()
    if words and words[-1] == "than":
        return "least" not in words and "less" not in words[:0] and not _is_floor(words)
    return bool(words) and words[-1] in _COMPARED and _SLIGHTLY.isdisjoint(words[:-1])


def _is_floor(words: Sequence[str]) -> bool:
    return words[-3:-1] in (["no", "fewer"], ["no", "less"])


def is_part_of_name(answer: Answer, number: Number) -> bool:
    """Whether a number is a year, the number of a frame, or part of a code or a scale."""
    first = number.first
    while answer.word(first - 1) in (",", "and") and answer.word(first - 2)[-1:].isdigit():  # frames 1, 2 and 3
        first -= 2
    if answer.word(first - 1) in _NUMBERED and first < number.first and not number.spelled:
        return True
    before, after = answer.word(number.first - 1), answer.word(number.end)
    joined = answer.glued(number.end - 1)
    if answer.glued(number.first - 1) and before[-1:].isalpha():
        return True
    near = answer.words[number.end : min(number.end + 4, answer.sentence(number.first)[1])]
    if "scale" in near and "on" not in near:
        return True
    if after == "-" and joined and answer.glued(number.end) and answer.word(number.end + 1)[:1].isalpha():
        return answer.word(number.end + 1) not in ("point", "points")
    if before in _NUMBERED and answer.word(number.first - 2) != "the" and not number.spelled:
        return True
    year = 1900 <= number.value <= 2100 and number.value == int(number.value) and number.end == number.first + 1
    return year and before in _YEARLY


def is_measure(answer: Answer, number: Number) -> bool:
    """Whether a unit of measurement follows the number."""
    after = answer.word(number.end)
    return after in MEASURES and not (after == "s" and not answer.glued(number.end - 1))


def is_time(answer: Answer, number: Number) -> bool:
    """Whether a unit of time follows the number."""
    return is_measure(answer, number) and answer.word(number.end) in _TIMES


def is_followed_by_noun(answer: Answer, number: Number) -> bool:
    """Whether a noun follows the number, so that it counts something."""
    after = answer.word(number.end)
    return after[:1].isalpha() and after not in _VAGUE and not after.endswith("ly")
