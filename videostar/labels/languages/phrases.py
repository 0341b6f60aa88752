"""Regular expressions for the phrases of a language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from videostar.labels.languages.files import Language

BEFORE_WORD = r"(?<![^\W_])"
PLACES = "\U000f0000-\U000fffff"  # characters of private use, each of which stands for the name of a label


def any_of(language: Language, phrases: Iterable[str], *, inside: bool = False) -> str:
    """An expression for any of these phrases, the longest first; a ~ in them stands for any letters.

    In a language with spaces between words, only whole words are found. `inside`: a number may precede without a space.
    """
    listed = sorted(set(phrases), key=len, reverse=True)
    if not listed:
        return "(?!)"
    body = f"(?:{'|'.join(map(_escaped, listed))})"
    return whole(language, body, inside=inside) if language.spaced else body


def whole(language: Language, expression: str, *, inside: bool = False) -> str:
    """`expression` for whole words, to which a suffix may be attached."""
    suffixes = f"(?:{'|'.join(map(re.escape, language.suffixes))})?" if language.suffixes else ""
    return rf"{'' if inside else BEFORE_WORD}{expression}(?:(?<=')|(?={suffixes}(?![^\W_])))"


def plain(phrases: Iterable[str]) -> str:
    """An expression for any of the phrases, anywhere."""
    return f"(?:{'|'.join(map(_escaped, sorted(phrases, key=len, reverse=True))) or '(?!)'})"


class Phrases:
    """Phrases of a language, and what stands for each of them in English."""

    def __init__(self, language: Language, english: Mapping[str, str]) -> None:
        self._english = {_key(phrase): own for phrase, own in english.items()}
        self._open = [(re.compile(_escaped(p), re.IGNORECASE), own) for p, own in english.items() if "~" in p]
        self.expression = any_of(language, english)
        self._suffixes = plain(language.suffixes)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"({self.expression})(?:{self._suffixes})?", re.IGNORECASE)

    def __getitem__(self, phrase: str) -> str:
        return self.get(phrase, "")

    def get(self, phrase: str, other: str) -> str:
        """What stands for a phrase; `other` for a phrase that is not listed."""
        key = _key(phrase)
        found = self._english.get(key)
        return found if found is not None else next((own for p, own in self._open if p.fullmatch(key)), other)

    def sub(self, text: str) -> str:
        """`text` with the phrases in English."""
        return self._pattern.sub(lambda m: self[m[1]], text)


def _key(phrase: str) -> str:
    return " ".join(phrase.lower().split())


def _escaped(phrase: str) -> str:
    return re.escape(phrase).replace(r"\ ", r"\s+").replace(r"\~", r"[^\W\d_]*")
