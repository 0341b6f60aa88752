"""Text for the kinds that read values: as it was written but for case and decoration, with its words and sentences."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from functools import cached_property

from videostar.labels.text import drop_reasoning

_LONGEST = 20_000  # characters that are read, the last ones: the end of an answer is where it settles
_MARKS = str.maketrans(
    {
        **dict.fromkeys("‘’‛ʼ´′", "'"),
        **dict.fromkeys("‐‑‒–—―−﹣-", "-"),
        **dict.fromkeys('"`“”„‟«»″#$_', " "),
        **dict.fromkeys("\u2028\u2029•\r\v\f", "\n"),
        **dict.fromkeys("→➔⇒", "-"),
        **dict.fromkeys("×✕✖", " x "),
        "⁄": "/",
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
    }
)
_ANSWER = re.compile(r"<answer>|\\boxed\s{0,3}\{|\\\(|\\\)|</answer>", re.IGNORECASE)
_EMPHASIS = re.compile(r"\*++(?=\S)|(?<=\S)\*++|\\|(?<!\w)'|'(?!\w)")
_LIST = re.compile(r"(?:^|(?<=\n))[ \t]{0,8}(?:[-+>|][ \t]{1,4}|\(?\d{1,2}[.)][ \t]{1,4}(?=[^\W\d]))")
_TOKEN = re.compile(
    r"\d++(?::\d{1,2}){1,2}(?:\.\d++)?(?![\d:])|\d++(?:\.\d++)?|\.\d++|[^\W\d_]++(?:'[^\W\d_]++)?|\n|[^\w\s]"
)
_ENDS = frozenset("!?\n")
_ABBREVIATIONS = frozenset("approx ca vs sec secs min mins pts etc i.e e.g no resp".split())


def clean(text: str) -> str:
    """`text` in lower case, with one spelling for every dash, quote and mark of emphasis, and no numbers of a list."""
    text = drop_reasoning(text[-_LONGEST:])
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_MARKS))
        text = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf", "Cs"))
    text = _ANSWER.sub(_answer, text.translate(_MARKS))
    text = _EMPHASIS.sub(" ", text)
    return _LIST.sub("", text).lower()


def _answer(match: re.Match[str]) -> str:
    return "\n" if match[0] == "</answer>" else " " if match[0] in ("\\(", "\\)") else "\nanswer: "


class Doc:
    """A plain text as words, numbers and marks, in sentences.

    `words[i]` stands at `starts[i]:ends[i]` of `text`, in the sentence `sentences[i]`; the mark that ends a sentence
    belongs to it.
    """

    def __init__(self, text: str) -> None:
        self.text = clean(text)
        self.words: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        for match in _TOKEN.finditer(self.text):
            self.words.append(match[0])
            self.starts.append(match.start())
            self.ends.append(match.end())

    def __len__(self) -> int:
        return len(self.words)

    def word(self, i: int) -> str:
        """The word at `i`; empty before the first and after the last."""
        return self.words[i] if 0 <= i < len(self.words) else ""

    def glued(self, i: int) -> bool:
        """Whether nothing stands between the words `i` and `i + 1`."""
        return 0 <= i < len(self.words) - 1 and self.ends[i] == self.starts[i + 1]

    def at(self, position: int) -> int:
        """The first word that ends after the character `position`."""
        return bisect_left(self.ends, position + 1)

    @cached_property
    def sentences(self) -> list[int]:
        """The number of the sentence of every word."""
        numbers, number = [], 0
        for i, word in enumerate(self.words):
            numbers.append(number)
            number += word in _ENDS or (word == "." and self._is_full_stop(i))
        return numbers

    @cached_property
    def _bounds(self) -> list[int]:
        bounds = [i for i, number in enumerate(self.sentences) if not i or number != self.sentences[i - 1]]
        return [*bounds, len(self.words)]

    def sentence(self, i: int) -> tuple[int, int]:
        """The bounds of the sentence of the word `i`, its closing mark included."""
        number = self.sentences[i]
        return self._bounds[number], self._bounds[number + 1]

    def _is_full_stop(self, i: int) -> bool:
        if self.glued(i):
            return False
        following = self.text[self.ends[i] : self.ends[i] + 2].strip()
        return not (self.word(i - 1) in _ABBREVIATIONS and following[:1].isalnum())
