"""The texts of options: the spellings by which an answer may give them, and what kind of text each is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from videostar.labels import inflections, lexicon
from videostar.labels.answer import Answer, words
from videostar.labels.numbers import find_numbers

_LEADING = re.compile(
    r"^(?:(?:because|since|to|by|so that|in order to|he|she|they|it|someone|the (?:person|man|woman|boy|girl|baby|lady|"
    r"child|kid)|was|were|is|are|wants? to|wanted to)\s+)+(?=\w+\s*\w)",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(r"\b(?:his|her|its|their|my|your|our)\s+(?=\w)", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:it|them)\b|\b(?:him|her)(?=[.?!]?$)", re.IGNORECASE)


@dataclass(frozen=True)
class OptionText:
    """What is known of the text of an option."""

    words: Sequence[str]  # without articles
    content: Sequence[frozenset[str]]  # the forms of its words that are no function words
    is_purpose: bool  # "to see the cake"
    is_question: bool
    is_action: bool  # it starts with an -ing form
    value: float | None  # of a number with or without a unit

    @classmethod
    def of(cls, text: str) -> OptionText:
        """What is known of `text`."""
        own = [w for w in words(text) if w not in lexicon.ARTICLES]
        return cls(
            words=own,
            content=[inflections.forms(w) for w in own if w not in lexicon.GRAMMAR],
            is_purpose=_is_purpose(text),
            is_question=text.rstrip().endswith("?"),
            is_action=inflections.is_gerund(_first_word(_core(text))),
            value=_value(text),
        )


def find_spellings(options: Mapping[str, str]) -> dict[str, int]:
    """From each spelling that stands for an option to the index of the option.

    A text that names a key, like "Player A", has none: its letter is what an answer gives.
    """
    keys = {key for key in options if len(key) == 1 and key.isalpha()}
    texts = [None if _names_key(text, keys) else text for text in options.values()]
    plain = [_without_articles(text) for text in options.values()]
    owners: dict[str, int] = {}
    for spell in (_core, _as_adverb, _without_verb, _with_object):
        for k, text in enumerate(texts):
            spelling = spell(text) if text is not None else None
            if spelling is None:
                continue
            shared = any(_without_articles(spelling) in other for j, other in enumerate(plain) if j != k)
            if spell is _core or not shared:
                owners.setdefault(spelling, k)
    return owners


def _value(text: str) -> float | None:
    """The value of a text that is a number and at most two words of a unit: "35 °C", "-2"; None for others."""
    parsed = Answer(text)
    number = next(find_numbers(parsed), None)
    if (
        number is None
        or number.first
        or len(parsed) > number.end + 3
        or parsed.word(number.end) in ("-", "/", ":", ",")
    ):
        return None
    return number.value


def _names_key(text: str, keys: set[str]) -> bool:
    return len(text.split()) <= 3 and not keys.isdisjoint(re.findall(r"\b[A-Z]\b(?!\.? \w)", text))


def _without_articles(text: str) -> str:
    return " ".join(w for w in words(text) if w not in lexicon.ARTICLES)


def _first_word(text: str) -> str:
    return next(iter(words(text)), "")


def _core(text: str) -> str:
    """An option without words that an answer need not repeat: "to adjust his hat" -> adjust hat."""
    short = _POSSESSIVE.sub("", _LEADING.sub("", text.strip().rstrip(".?!")))
    return short if _first_word(short) else text


def _as_adverb(text: str) -> str | None:
    """The adverb of an option that is an adjective: horizontal -> horizontally."""
    word = text.strip().rstrip(".").lower()
    return word + "ly" if word.isalpha() and inflections.is_adjective(word) else None


def _without_verb(text: str) -> str | None:
    """The object of an option that starts with an -ing form: "playing chess" -> chess."""
    verb, _, rest = _core(text).partition(" ")
    object_words = [w for w in words(rest) if w not in lexicon.GRAMMAR]
    return (
        rest
        if inflections.is_gerund(verb.lower()) and object_words and _first_word(rest) not in lexicon.PREPOSITIONS
        else None
    )


def _with_object(text: str) -> str | None:
    """An option with any object in place of "it"."""
    return _PRONOUN.sub("something", _core(text)) if _PRONOUN.search(_core(text)) else None


def _is_purpose(text: str) -> bool:
    """Whether an option is the purpose of an action: "to see the cake", "pick up the ball"."""
    first = _first_word(_core(text))
    return _first_word(text) == "to" or (inflections.is_verb(first) and not first.endswith(("ing", "ed", "s")))
