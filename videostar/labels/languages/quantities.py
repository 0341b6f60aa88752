"""Puts the numbers, units and times of another language into English."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from videostar.labels.languages.files import Language
from videostar.labels.languages.phrases import BEFORE_WORD, PLACES, Phrases, any_of, plain, whole

_UNITS = {
    "millisecond": "ms", "second": "seconds", "minute": "minutes", "hour": "hours", "percent": "%", "point": "points",
    "time": "times", "person": "people", "thing": "items", "measure": "meters",
}  # fmt: skip
_AMOUNT = r"\d+(?:[.,]\d+)?"
_UNIT = r"\s*(?:seconds|minutes|hours|ms)\b"
_GAP = 14  # characters between "starts" and its time
_MAX_NUMBERS = 7  # words of one number
_REACH = 20  # characters before a number that tell what it is

Replacement = str | Callable[[re.Match[str]], str]


class Quantities:
    """The expressions of one language, compiled once. Number words in the phrases `others` are no numbers."""

    def __init__(self, language: Language, others: Iterable[str]) -> None:
        self._own = language
        self._numbers = {word: number for number, words in language.numbers.items() for word in words}
        word = plain(self._numbers)
        and_ = rf"(?:\s*-\s*|\s+{plain(language.and_)}\s+|\s+{plain(language.and_)}|{plain(language.and_)}|\s+|)"
        join = and_ if language.spaced else ""
        run = rf"{word}(?:{join}{word}){{0,{_MAX_NUMBERS - 1}}}"
        run = rf"(?<![{PLACES}]){whole(language, run)}" if language.spaced else run  # no suffix of a name
        skipped = any_of(language, {*language.not_counted, *(p for p in others if any(n in p for n in self._numbers))})
        self._run = re.compile(rf"{skipped}|(?P<run>{run})", re.IGNORECASE)
        self._pieces = re.compile(rf"({join})({word})", re.IGNORECASE)
        self._counted = re.compile(rf"\s*(?:{self._counters})", re.IGNORECASE)
        copulas = plain(language.copulas)
        self._alone = re.compile(rf"\s*{copulas}?\s*(?:[.,!\n)]|$)")
        self._announced = re.compile(rf"(?:^|[.,:;!?\n(\"]|{copulas})\s*$")
        self._only = re.compile(rf"{any_of(language, language.only)}\s*$", re.IGNORECASE)
        self._rules = [(re.compile(pattern, re.IGNORECASE), english) for pattern, english in self._list_rules()]
        self._edges = Phrases(
            language,
            {
                **dict.fromkeys(language.range.start, "start at"),
                **dict.fromkeys(language.range.end, "end at"),
                **dict.fromkeys(language.range.duration, "lasts"),
            },
        )
        self._spans, self._named = (re.compile(times, re.IGNORECASE) for times in self._list_times())

    def translate(self, text: str) -> str:
        """`text` with numbers in digits, and its units and intervals in English."""
        text = self._run.sub(lambda m: self._in_digits(m) if m["run"] else m[0], text)
        for pattern, english in self._rules:
            text = pattern.sub(english, text)
        text = self._spans.sub(lambda m: " from {} to {} ".format(*filter(None, m.groups())), text)
        return self._named.sub(self._edge, text)

    @property
    def _counters(self) -> str:
        units = self._own.units
        return "|".join(self._after(getattr(units, unit)) for unit in _UNITS)

    def _after(self, words: Iterable[str]) -> str:
        """An expression for units right after a number."""
        return any_of(self._own, words, inside=True)

    def _list_rules(self) -> Iterator[tuple[str, Replacement]]:
        """Expressions and what to put in their place, in order."""
        own, units = self._own, self._own.units
        ordinal = f"(?:{plain(own.ordinals)})?"
        if own.not_even:  # "not even one car"
            denied = any_of(own, [*own.negated_endings, *own.negations, *own.no])
            yield rf"(?<![\d.])1\s*(?:{self._counters})\w{{0,6}}?\s*{plain(own.not_even)}\s*{denied}", " 0 "
        filler = rf"(?:{any_of(own, own.fillers)}\s*)+(?=\d)"
        yield filler, " "
        yield rf"{any_of(own, own.more_than)}\s*(?=\d)", " more than "
        yield rf"{any_of(own, own.ordinals)}\s*(?={_AMOUNT}\s*{self._after(units.second)})", " "
        for unit, english in _UNITS.items():
            words = frozenset(getattr(units, unit))
            shared = words & {*units.point, *units.person} if unit == "minute" else frozenset()
            yield rf"(?<=\d){ordinal}\s*{self._after(words - shared)}", f" {english} "
            if shared:  # minutes only before more of a time, else points or people
                yield rf"(?<=\d)\s*{self._after(shared)}(?=\s*(?:\d|{self._links}))", f" {english} "
        if own.counters and own.ordinals:
            ordinals = plain(own.ordinals)
            yield rf"{ordinals}\s*(?=\d)|(?=\d+ (?:people|times|items) *{ordinals})", " number "
        else:  # the unit may come first: "second 5"
            seconds, minutes = (rf"(?<!\d ){any_of(own, words)}" for words in (units.second, units.minute))
            yield rf"{minutes}\s*(?=\d+:\d)", " "
            yield rf"{seconds}\s*({_AMOUNT})(?![\d:])(?!{_UNIT})", r" \1 seconds "
            yield rf"{minutes}\s*({_AMOUNT})(?![\d:])(?!{_UNIT})", r" \1 minutes "
            yield rf"{minutes}(?=\s*{any_of(own, own.and_)}\s*\d+ +seconds)", " 1 minutes "
            yield filler, " "
        yield rf"({_AMOUNT}(?: points )?)\s*{any_of(own, own.out_of)}\s*(?=\d)", r"\1 out of "
        largest = any_of(own, own.maximum)
        yield rf"{largest}\D{{0,6}}({_AMOUNT})(?: points )?|({_AMOUNT})(?: points )?\s*{largest}", _maximum
        yield any_of(own, own.range.from_beginning), " from the beginning "
        yield any_of(own, own.range.to_end), " until the end "

    @property
    def _links(self) -> str:
        """What may follow the first time of an interval."""
        range_ = self._own.range
        parts = (part.strip() for span in range_.spans for part in span.split(".."))
        return plain({*range_.start, *range_.end, *filter(None, parts)})

    def _list_times(self) -> tuple[str, str]:
        """The expressions for two times that make an interval, and for one that is called its start, end or length."""
        time = rf"\d+(?::\d+)*(?:[.,]\d+)?(?:{_UNIT})?(?:\s*{plain(self._own.and_)}?\s*{_AMOUNT}{_UNIT})*"
        edge, no_count = self._edges.expression, r"(?![\d.:]*\d|\s*(?:people|times|points|%))"
        spans = [self._span(span, time) for span in sorted(self._own.range.spans, key=len, reverse=True)]
        before = rf"(?P<before>{edge})(?P<gap>(?:(?!{edge}|from )[^.!?\n\d]){{0,{_GAP}}})(?P<second>{time}){no_count}"
        after = rf"(?<!from )(?<!to )(?<![\d.:])(?P<first>{time}){no_count}\s*\w?\s?(?P<after>{edge})"
        spans.append(rf"({_AMOUNT}{_UNIT})\s*[-~–]\s*({time})")
        return "|".join(spans), f"{before}|{after}"

    def _span(self, span: str, time: str) -> str:
        """The expression of a span such as "von .. bis .."."""
        opening, between, closing = (re.escape(part.strip()).replace(r"\ ", r"\s+") for part in span.split(".."))
        start = BEFORE_WORD if opening and self._own.spaced else ""
        ordinal = f"{plain(self._own.ordinals)}?"
        return rf"{start}{opening}\s*({time}){ordinal}\s*{between}\s*({time})\s*{closing}"

    def _edge(self, match: re.Match[str]) -> str:
        if match["before"]:
            return f"{match['gap']} {self._edges[match['before']]} {match['second']}"
        return f" {self._edges[match['after']]} {match['first']} "

    def _in_digits(self, match: re.Match[str]) -> str:
        """The number words as digits, or as they are if they are no numbers."""
        text, run = match.string, match[0]
        before = text[max(0, match.start() - _REACH) : match.start()]
        alone = self._alone.match(text, match.end()) and self._announced.search(before)
        if not (self._counted.match(text, match.end()) or (alone and run not in self._own.yes)):
            if self._own.counters:
                return run
            if " " not in run and run.lower() in self._own.numbers[1] and not self._only.search(before):
                return " a "
        numbers = self._values(run)
        if len(numbers) > 1 and self._own.counters:  # 三四: three or four
            return run
        return "".join(f"{join}{value}" for join, value in numbers)

    def _values(self, run: str) -> list[tuple[str, int]]:
        """The numbers in a run of number words, each with what joins it to the one before it."""
        powers = (10, 100, 1000) if self._own.counters else (100, 1000)
        found: list[tuple[str, int]] = []
        total = small = 0
        opening = ""
        for join, word in self._pieces.findall(run):
            value = self._numbers[" ".join(word.lower().split())]
            attached = join.strip() in self._own.prefixes or not join[-1:].isspace()
            unit_first = small < 10 < value and join and attached  # fünfundzwanzig
            if value in powers and small < value:
                total, small = total + (small or 1) * value, 0
            elif not small or unit_first or (small % 10 == 0 and value < min(small, 20)):
                small += value
            else:
                found.append((opening, total + small))
                opening, total, small = join, 0, value
        return [*found, (opening, total + small)]


def _maximum(match: re.Match[str]) -> str:
    return f" maximum {match[1] or match[2]} points , "
