"""Reads the options of a choice and the right one, in the forms in which data sets have them."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from videostar.data.cells import read_object
from videostar.data.rows import Malformed, short

_LETTERS = string.ascii_uppercase
# "A. walking", "A.walking", "(1) walking", "A - walking"; but a number without a blank after it is 1.5 or 1:23.
_MARKED = re.compile(r"\(?\s*(?:([A-Za-z])(?:\s*[.):、]\s*|\s+-\s+)|(\d{1,2})\s*[.):、]\s+)(\S.*)", re.DOTALL)
_ANSWER = re.compile(r"\(?\s*([A-Za-z]|\d{1,2})\s*[.):]?\)?")
_START = re.compile(r"(?:^|[\s;|,])(?=\(?[A-Z][.):]\s*\S)")  # where an option begins in "A. walking B. running"


@dataclass(frozen=True)
class Options:
    """The options of a question, in order."""

    texts: tuple[str, ...]
    keys: tuple[str, ...]  # as the data set names them: their letters, if it does not

    @classmethod
    def read(cls, value: Any) -> Options:
        """The options in a list, an object of letters and texts, or a text of these. Raises Malformed."""
        found = read_object(value)
        if isinstance(found, str):
            found = _parts(found)
        if isinstance(found, Mapping):
            texts, keys = _texts(found.values()), [str(key).strip() for key in found]
        elif isinstance(found, Sequence):
            texts = _texts(found)
            marks = [_MARKED.fullmatch(text) for text in texts]
            keys = [match[1] or match[2] for match in marks if match]
            if _are_all(keys) and len(keys) == len(texts):
                texts = [match[3].strip() for match in marks if match]
            else:
                keys = list(_LETTERS)
        else:
            raise Malformed(f"options are {short(value)}; write a list, or an object of letters and texts")
        if not 2 <= len(texts) <= len(_LETTERS):
            raise Malformed(f"there are {len(texts)} options; give 2 to {len(_LETTERS)}")
        return cls(tuple(texts), tuple(keys[: len(texts)]))

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters that a question shows: the data set's own, or A, B, C and so on."""
        own = all(len(key) == 1 and key.isalpha() for key in self.keys)
        return self.keys if own else tuple(_LETTERS[: len(self.texts)])

    def letter(self, answer: Any, first: int | None) -> str:
        """The letter of the right option, which is given by its letter, its text or its index.

        `first` is the index of the first option, if it is known. Raises Malformed if it may be two.
        """
        if self.keys[0].isdigit() and isinstance(answer, int | float) and not isinstance(answer, bool):
            answer = f"{answer:g}"  # the key of an option
        places = self.named(answer.strip()) if isinstance(answer, str) else set()
        if (index := index_of(answer)) is not None:
            if first is None and not places:
                raise Malformed(f"the answer {index} may count from 0 or from 1; write the letter or the text")
            if first is not None and 0 <= index - first < len(self.texts):
                places.add(index - first)
        if len(places) == 1:
            return self.letters[places.pop()]
        if places:
            either = " or ".join(f"{self.letters[place]}. {self.texts[place]}" for place in sorted(places))
            raise Malformed(f"the answer {short(answer)} may be {either}; write the letter and the text")
        raise Malformed(f"the answer {short(answer)} is none of the options {', '.join(self.texts)[:100]}")

    def named(self, answer: str) -> set[int]:
        """The places of the options that have this text or this letter."""
        folded = [text.casefold() for text in self.texts]
        exact = {place for place, text in enumerate(self.texts) if text == answer}
        places = exact or {place for place, text in enumerate(folded) if text == answer.casefold()}
        if (bare := _ANSWER.fullmatch(answer)) is not None:
            places |= {place for place, key in enumerate(self.keys) if key.casefold() == bare[1].casefold()}
        elif (marked := _MARKED.fullmatch(answer)) is not None and not places:
            mark, text = (marked[1] or marked[2]).casefold(), marked[3].strip().rstrip(".").casefold()
            places = {
                place
                for place, key in enumerate(self.keys)
                if key.casefold() == mark and folded[place].rstrip(".") == text
            }
        return places


def index_of(answer: Any) -> int | None:
    """The index that an answer is, if it is one."""
    if isinstance(answer, bool):
        return None
    if isinstance(answer, int):
        return answer
    if isinstance(answer, float) and answer.is_integer():
        return int(answer)
    is_index = isinstance(answer, str) and re.fullmatch(r"\s*\d{1,2}(\.0)?\s*", answer, re.ASCII)
    return int(float(answer)) if is_index else None


def first_index(rows: Iterable[tuple[Any, Any]]) -> int | None:
    """0 or 1: from where the indices of right options count, by all `rows` of options and answer; None if unknown."""
    found: set[int] = set()
    for options, answer in rows:
        index = index_of(answer)
        if index is None:
            continue
        with suppress(Malformed):
            read = Options.read(options)
            if not isinstance(answer, str) or not read.named(answer.strip()):
                found |= {0} if index == 0 else {1} if index == len(read.texts) else set()
    return found.pop() if len(found) == 1 else None


def _texts(items: Iterable[Any]) -> list[str]:
    found = [item.strip() if isinstance(item, str) else item for item in items]
    wrong = [item for item in found if isinstance(item, list | dict) or item in (None, "")]
    if wrong:
        raise Malformed(f"an option is {short(wrong[0])}; give each a text")
    return [str(item) for item in found]


def _are_all(keys: Sequence[str]) -> bool:
    """Whether keys are A, B, C in any order, or 1, 2, 3, or 0, 1, 2."""
    if all(key.isdigit() for key in keys):
        return [int(key) for key in keys] in (list(range(len(keys))), list(range(1, len(keys) + 1)))
    return sorted(key.upper() for key in keys) == list(_LETTERS[: len(keys)])


def _parts(text: str) -> list[str]:
    """The options in a text: lines, parts between `;` or `|`, or `A. walking B. running`."""
    starts = [match.end() for match in _START.finditer(text)]
    letters = [text[start:].lstrip("(")[0] for start in starts]
    if len(starts) > 1 and letters == list(_LETTERS[: len(starts)]) and not text[: starts[0]].strip():
        return [text[start:end].strip(" ,;|\n") for start, end in zip(starts, [*starts[1:], None], strict=True)]
    separator = next((each for each in "\n;|" if each in text), "\n")
    return [part.strip() for part in text.split(separator) if part.strip()]
