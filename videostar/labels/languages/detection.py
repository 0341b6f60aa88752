"""Tells which languages an answer is in, and which scripts no language covers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from itertools import pairwise

from videostar.labels import lexicon
from videostar.labels.languages.files import Language, languages

# A lone letter is a word only between spaces: not in "5s", "x1" or "(c)".
_WORD = re.compile(r"[^\W\d_]{2,}|(?<![^ ])[^\W\d_](?= )")
_ASCII_WORD = re.compile(r"[a-z]{2,}|(?<![^ ])[a-z](?= )")
_NO_SCRIPT = frozenset(["Modifier", "Combining", "Masculine", "Feminine", "Micro"])  # first words of names of letters


@cache
def covered_scripts() -> frozenset[str]:
    """The scripts of all languages, by their names in Unicode: "Latin", "Han", ..."""
    return frozenset(script for language in languages().values() for script in language.scripts)


def uncovered_script(text: str) -> str | None:
    """The script of most words in `text` that no language has; None if there are none.

    Lone letters are no words: α in a Latin text is a symbol.

    >>> uncovered_script("кошка"), uncovered_script("un gato"), uncovered_script("angle α")
    ('Cyrillic', None, None)
    """
    if text.isascii():
        return None
    counts = Counter(script for script in _scripts_of_words(text) if script not in covered_scripts())
    return max(counts, key=counts.__getitem__, default=None)


def languages_of(text: str) -> tuple[Language, ...]:
    """The languages of `text` other than English: by its scripts, and for Latin letters by frequent words and letters.

    >>> [language.name for language in languages_of("La respuesta es una casa.")]
    ['Spanish']
    """
    ascii_only = text.isascii()
    if ascii_only and _foreign().isdisjoint(_ASCII_WORD.findall(text.lower())):
        return ()
    found = [] if ascii_only else _by_script(text, {script for c in set(text) if c > "\x7f" and (script := _script(c))})
    scores: Counter[str] = Counter()
    frequent = _frequent()
    for word in (_ASCII_WORD if ascii_only else _WORD).findall(text.lower()):
        codes = frequent.get(word, ())
        for code in codes:
            scores[code] += 12 // len(codes)  # in whole numbers, so that equal scores are equal
        if not (ascii_only or word.isascii()):
            scores.update({code: 12 for code, letters in _letters().items() if letters.search(word)})
    english = scores.pop("en", 0)
    if scores:
        best, score = scores.most_common(1)[0]
        if score > english:
            found.append(languages()[best])
    return tuple(found)


def _by_script(text: str, scripts: set[str]) -> list[Language]:
    """The languages that are written in some of these scripts, which `text` has.

    Of two languages that share a script, one is sure by another script, or by a frequent word of several letters.
    """
    found = [own for own in languages().values() if "Latin" not in own.scripts and not scripts.isdisjoint(own.scripts)]
    sure = [
        own
        for own in found
        if any(script in scripts and not _is_shared(script) for script in own.scripts)
        or any(len(word) > 1 and word in text for word in own.common)
    ]
    return [
        own
        for own in found
        if own in sure or (len(own.scripts) == 1 and all(own.scripts[0] not in other.scripts for other in sure))
    ]


@cache
def _is_shared(script: str) -> bool:
    return sum(script in language.scripts for language in languages().values()) > 1


@cache
def _frequent() -> Mapping[str, tuple[str, ...]]:
    """From a frequent word of languages in Latin letters to the names of their files."""
    found: dict[str, list[str]] = {}
    for code, language in languages().items():
        if "Latin" in language.scripts:
            for word in _words(language) | (lexicon.GRAMMAR | lexicon.PEOPLE if code == "en" else set()):
                found.setdefault(word, []).append(code)
    return {word: tuple(codes) for word, codes in found.items()}


@cache
def _foreign() -> frozenset[str]:
    """The frequent words that are no English ones."""
    return frozenset(word for word, codes in _frequent().items() if "en" not in codes)


@cache
def _letters() -> Mapping[str, re.Pattern[str]]:
    """From the names of files to the letters by which their languages are known."""
    return {code: re.compile("|".join(own.letters)) for code, own in languages().items() if own.letters}


def _words(language: Language) -> set[str]:
    """The words of a language that are no phrases."""
    sections = [*vars(language).values(), *vars(language.units).values(), *vars(language.range).values()]
    lists = [words for words in (*sections, *language.numbers.values()) if isinstance(words, tuple)]
    return {word for words in lists for word in words if word.isalpha() and len(word) > 1} | {*language.common}


def _scripts_of_words(text: str) -> list[str]:
    """The script of each letter that follows one of the same script."""
    return [script for before, script in pairwise(_scripts(text)) if script and script == before]


def _scripts(text: str) -> Iterator[str | None]:
    """The script of each character."""
    return map(_script, unicodedata.normalize("NFKC", text))


@lru_cache(maxsize=1 << 16)
def _script(character: str) -> str | None:
    """The script of a letter or its mark, by its name in Unicode; None for other characters."""
    if unicodedata.category(character)[0] not in "LM":
        return None
    name = unicodedata.name(character, "").partition(" ")[0].partition("-")[0].title()
    return {"Cjk": "Han", "Ideographic": "Han"}.get(name, name if name and name not in _NO_SCRIPT else None)
