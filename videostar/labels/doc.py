"""A text as words in sentences, for labels that are values: only its case and decoration are normalised."""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property

from videostar.labels.scripts import read_numbers

_MAX_CHARACTERS = 20_000  # of a longer text only the end is read, since answers conclude there
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
    """`text` in lower case, with one kind of dash and quote, without emphasis and the numbers of list items."""
    text = read_numbers(text[-_MAX_CHARACTERS:])
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_MARKS))
        text = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf", "Cs"))
    text = _ANSWER.sub(_answer, text.translate(_MARKS))
    text = _EMPHASIS.sub(" ", text)
    return _LIST.sub("", text).lower()


def _answer(match: re.Match[str]) -> str:
    return "\n" if match[0] == "</answer>" else " " if match[0] in ("\\(", "\\)") else "\nanswer: "


class Doc:
    """A text as words, numbers and marks, in sentences, like spaCy's class of that name.

    `words[i]` is `text[starts[i]:ends[i]]`, where `text` is the cleaned text, and is in sentence number `sentences[i]`.
    The mark that ends a sentence belongs to it.

    >>> Doc("It is 7.5. Yes!").words
    ['it', 'is', '7.5', '.', 'yes', '!']
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
        """The word at `i`, or an empty string if there is none."""
        return self.words[i] if 0 <= i < len(self.words) else ""

    def glued(self, i: int) -> bool:
        """Whether no space separates the words `i` and `i + 1`."""
        return 0 <= i < len(self.words) - 1 and self.ends[i] == self.starts[i + 1]

    @cached_property
    def sentences(self) -> list[int]:
        """For each word the number of its sentence."""
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
        """Start and end (exclusive) of the sentence around the word `i`, with its closing mark."""
        number = self.sentences[i]
        return self._bounds[number], self._bounds[number + 1]

    def _is_full_stop(self, i: int) -> bool:
        if self.glued(i):
            return False
        following = self.text[self.ends[i] : self.ends[i] + 2].strip()
        return not (self.word(i - 1) in _ABBREVIATIONS and following[:1].isalnum())
