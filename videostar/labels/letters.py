"""Finds the letters (or numbers) by which an answer names the options of a question."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from videostar.labels.answer import Answer
from videostar.labels.statements import Statement, Strength

_CALLED = (
    "options?|choices?|letters?|alternatives?|answers?|captions?|statements?|sentences?|descriptions?|box|boxes|points?|"
    "players?|lanes?|images?|videos?|clips?|pictures?|objects?|persons?|panels?|figures?|candidates?|events?|paths?|"
    "lines?|cars?|cups?|teams?|labels?|models?|items?|numbers?|scenes?"
)
# An "A" before one of these is no article.
_AFTER_A = (
    "or|and|nor|is|isn't|was|are|does|doesn't|do|did|has|can|cannot|can't|could|would|may|might|must|should|seems?|"
    "appears?|looks|because|since|as|but|for|not|also|matches|fits|describes|mentions|says|states|suggests|refers|"
    "remains|makes|best|rather|instead|over|with|vs|in|given|based|due|correctly|accurately|shows|captures"
)
_ORDINALS = "first second third fourth fifth sixth seventh eighth".split()
_END = r"(?![\w'-])"


@dataclass(frozen=True, slots=True)
class Letter:
    """The letter of the option `index` at `words[at]`; its mention is words[first:end], with "option" or brackets."""

    index: int
    first: int
    at: int
    end: int


class OptionLetters:
    """The keys of options, such as A, B and C, ready for a search in answers."""

    def __init__(self, options: Mapping[str, str]) -> None:
        keys = list(options)
        self._index = {key.casefold(): k for k, key in enumerate(keys)}
        self._keys = frozenset(self._index)
        key = "(" + "|".join(re.escape(k) for k in sorted(keys, key=len, reverse=True)) + ")"
        heads = {
            m[1].lower() for text in options.values() if (m := re.match(r"([A-Za-z]{3,20}) \S{1,2}$", text.strip()))
        }
        called = "|".join([_CALLED, *map(re.escape, sorted(heads))])
        forms = [
            rf"\b(?:{called})[ \t]*[:#]?[ \t]*[(\[]?{key}[)\]]?{_END}",
            rf"(?<![\w)])\([ \t]*{key}[ \t]*\)",
            rf"(?m:^)[ \t>(\[]{{0,8}}{key}(?=[ \t]*(?:$|[)\].:;]|\n|-[ \t]))[)\]]?",
        ]
        self._cued = re.compile("|".join(forms), re.IGNORECASE)
        bare = [
            rf"(?<![\w'.°/^-])(?<!\d )({'|'.join(letters)}){_END}(?![)\]]\^|\^)"
            for letters in [[k for k in keys if len(k) == 1 and k.isalpha() and k.isupper() and k not in "AI"]]
            if letters
        ]
        articles = "".join(k for k in keys if k in ("A", "I"))
        if articles:
            bare.append(rf"(?<![\w'.°/^-])([{articles}])(?=[ \t]*(?:$|[.,;:!?)/\n]|-[ \t]|(?:[ \t](?:{_AFTER_A})\b)))")
        self._bare = re.compile("|".join(bare)) if bare else None
        ordinals = "|".join(_ORDINALS[: len(keys)])
        self._ordinal = re.compile(
            rf"\b({ordinals}) (?:one of the )?(?:option|choice|alternative|answer|caption|statement|description)\b"
        )

    def find(self, answer: Answer, statements: Sequence[Statement]) -> list[Letter]:
        """The letters in an answer, in order."""
        found: dict[int, Letter] = {}
        for pattern in filter(None, (self._bare, self._cued)):
            for match in pattern.finditer(answer.cased):
                group = next(k for k, text in enumerate(match.groups(), start=1) if text)
                at = bisect_left(answer.starts, match.start(group))
                if at < len(answer) and answer.words[at] in self._keys:
                    first = bisect_left(answer.starts, match.start())
                    found[at] = Letter(
                        self._index[match[group].casefold()],
                        min(first, at),
                        at,
                        bisect_left(answer.starts, match.end()),
                    )
        for at in self._stated(answer, statements):
            found.setdefault(at, Letter(self._index[answer.words[at]], at, at, at + 1))
        for match in self._ordinal.finditer(answer.text):
            at = bisect_left(answer.starts, match.start())
            found.setdefault(at, Letter(_ORDINALS.index(match[1]), at, at, at + 2))
        return [found[at] for at in sorted(found)]

    def _stated(self, answer: Answer, statements: Sequence[Statement]) -> Iterator[int]:
        """The letters right after "the answer is" or the like, in any case."""
        for statement in statements:
            if statement.strength < Strength.EXPLICIT:
                continue
            at = statement.first
            while answer.word(at) in ("(", "[", "option", "choice", "letter", ":"):
                at += 1
            closed = answer.word(at + 1) in ("", ".", ",", ":", ";", ")", "]", "!", "\n", "because", "since", "as")
            if answer.word(at) in self._keys and closed:
                yield at
