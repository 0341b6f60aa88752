"""Finds the letters by which an answer names the options of a question, and marks them in its text."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARK = "qqoption"  # this word, which no answer has, and a letter that counts the options replace an option's letter
# An "A" before one of these is no article.
_AFTER_A = (
    "or|and|nor|is|isn't|was|are|does|doesn't|do|did|has|can|cannot|can't|could|would|may|might|must|should|seems?|"
    "appears?|looks|because|since|as|but|for|not|also|matches|fits|describes|mentions|says|states|suggests|refers|"
    "remains|makes|best|rather|instead|over|with|vs"
)


class OptionLetters:
    """The keys of options, such as A, B and C, ready for a search in answers."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._index = {key.casefold(): k for k, key in enumerate(keys)}
        key = "(" + "|".join(re.escape(k) for k in sorted(keys, key=len, reverse=True)) + ")"
        unambiguous = [k for k in keys if len(k) == 1 and k.isalpha() and k not in "AI"]
        end = r"(?![\w'’-])"
        quote = "[\"'*_`“‘]{0,4}"
        closing = "[\"'*_`”’]{0,4}"
        called = r"\b(?:options?|choices?|letters?|alternatives?)"
        forms = [
            rf"{called}[ \t]*[:#]?[ \t]*{quote}[(\[]?{key}[)\]]?{closing}{end}",
            rf"(?<!\w)[(\[{{]{quote}{key}{closing}[)\]}}]",
            rf"\\boxed\{{(?:\\text\{{)?{key}\}}{{1,2}}",
            rf"(?:(?<=answer)|(?<=answer[ :=])|(?<=answer is)|(?<=answer: )|(?<=answer is: )|(?<=answer is ))"
            rf"{quote}{key}{closing}"
            r"(?=[ \t]*(?:$|[.,;:)!<]|\n))",
            rf"(?m:^)[ \t>*#_\"'`-]{{0,8}}{key}{closing}(?=[ \t]*(?:$|[).:]|\n|-[ \t]))\)?",
        ]
        self._cued = re.compile("|".join(forms), re.IGNORECASE)
        bare = []
        if unambiguous:
            bare.append(rf"(?<![\w'’.-])({'|'.join(unambiguous)}){end}")
        articles = "".join(k for k in keys if k in ("A", "I"))
        if articles:
            bare.append(
                rf"(?<![\w'’.-])([{articles}])(?=[ \t]*(?:$|[.,;:!?)/*_\"”\]\n]|-[ \t]|(?:[ \t](?:{_AFTER_A})\b)))"
            )
        self._bare = re.compile("|".join(bare)) if bare else None

    def mark(self, text: str) -> str:
        """`text`, not normalised, with a marked word in place of each option's letter."""
        text = self._cued.sub(self._word, text)
        return self._bare.sub(self._word, text) if self._bare else text

    def _word(self, match: re.Match[str]) -> str:
        key = next(group for group in match.groups() if group)
        return f" {_MARK}{chr(ord('a') + self._index[key.casefold()])} "

    @staticmethod
    def option_index(word: str) -> int | None:
        """The index of the option that a word of a marked text names; None for other words."""
        if word.startswith(_MARK) and len(word) == len(_MARK) + 1:
            return ord(word[-1]) - ord("a")
        return None
