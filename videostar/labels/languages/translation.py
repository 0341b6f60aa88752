"""Puts the function words of other languages into English, so that one set of rules judges answers in all of them.

Only words that decide what an answer means are replaced: yes and no, denials, cues, units, numbers. The rest, names of
labels among it, stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

from videostar.labels.languages.detection import languages_of
from videostar.labels.languages.files import languages
from videostar.labels.languages.function_words import FunctionWords
from videostar.labels.languages.phrases import PLACES

_PLACES = ord(PLACES[0])
_MARKS = str.maketrans(
    {
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full-width forms
        **dict.fromkeys("「」『』“”„‟«»", '"'),
        **dict.fromkeys("‘’", "'"),
        **dict.fromkeys("《》〈〉・\u3000\xa0\u202f", " "),
        **dict.fromkeys("、，،", ", "),
        **dict.fromkeys("。۔", ". "),
        **dict.fromkeys("〜～", "~"),
        **dict.fromkeys("¿¡", " "),
        "ſ": "s",  # these equal their letters where case is ignored
        "ı": "i",
        "؟": "?",
        "؛": ";",
        "٫": ".",
        "٪": "%",
        "【": " (",
        "】": ") ",
    }
)
_VOWELS = re.compile("[\u064b-\u0652\u0640]")  # short vowels of Arabic
_OTHER_LETTER = "[\u0590-\u1fff\u2e80-\uffdc]"
# Not around a lone capital within a word of another script: 维生素B群.
_NEIGHBOURS = re.compile(
    f"(?<!{_OTHER_LETTER}[A-Z])(?<=[A-Za-z0-9])(?={_OTHER_LETTER})"
    f"|(?<={_OTHER_LETTER})(?=[A-Za-z0-9])(?![A-Z]{_OTHER_LETTER})"
)


@lru_cache(maxsize=256)
def translate(text: str, names: tuple[str, ...] = ()) -> str:
    """`text` with digits in ASCII, and with the function words of its language in English. `names` stay as they are.

    >>> translate("不是A，答案是B。").split()
    ['not', 'A,', 'answer', 'is', 'B.']
    """
    found = languages_of(text)
    if not found and text.isascii():
        return text
    text = _VOWELS.sub("", unicodedata.normalize("NFC", text))
    own = _names_in(text, names) if found else []
    for k, name in enumerate(own):
        text = re.sub(re.escape(name), chr(_PLACES + k), text, flags=re.IGNORECASE)
    text = re.sub(r"[^\x00-\x7f]", lambda m: str(unicodedata.decimal(m[0], m[0])), text.translate(_MARKS))
    text = _NEIGHBOURS.sub(" ", text)
    for language in found:
        text = _function_words(language.name).translate(text)
    text = _NEIGHBOURS.sub(" ", text)
    for k, name in enumerate(own):
        text = text.replace(chr(_PLACES + k), f" {name} ")
    return text


def _names_in(text: str, names: Sequence[str]) -> list[str]:
    """The names that `text` has, the longest first. Short ones in ASCII may be parts of words."""
    lowered = text.lower()
    return sorted((n for n in names if (len(n) > 2 or not n.isascii()) and n.lower() in lowered), key=len, reverse=True)


@cache
def _function_words(name: str) -> FunctionWords:
    return FunctionWords(next(own for own in languages().values() if own.name == name))
